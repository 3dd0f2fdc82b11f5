//! The tables of a history and their version: one set of migrations for both databases, applied under a lock, so that several
//! processes may open a new history at once.

use super::connect::{Access, Dialect, begin, explain};
use super::{Address, HistoryError};
use sqlx::{AnyConnection, Connection as _, Row as _};

/// Every migration, oldest first. One that was released is never changed; its version is its position, from 1.
const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/0001_history.sql"),
    include_str!("migrations/0002_retries.sql"),
    include_str!("migrations/0003_weeks.sql"),
];

/// The version of the tables that this comeback knows.
pub const VERSION: i64 = 3;

const _: () = assert!(MIGRATIONS.len() == 3);

/// The schema of our tables in a PostgreSQL database, which others may use as well.
const POSTGRES_SCHEMA: &str = "comeback";

/// The key of PostgreSQL's advisory lock for migrations: "comeback" in ASCII.
const LOCK: i64 = 0x636f_6d65_6261_636b;

/// Sets up the connection and the tables of a SQLite file.
pub(super) async fn prepare_sqlite(
    connection: &mut AnyConnection,
    address: &Address,
    access: Access,
) -> Result<(), HistoryError> {
    let failed = |error: sqlx::Error| explain(address, &error);
    // Also the first look at the file: one that is no database fails here.
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.map_err(failed)?;
    let mut version = version(connection, Dialect::Sqlite).await.map_err(failed)?;
    if access == Access::Write && mode != "wal" {
        // Readers and a writer do not wait for each other. Another process may be about to do the same; nothing depends on it.
        let _ = sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await;
    }
    // Each transaction survives the end of the process; one that a power failure takes is imported again.
    sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *connection).await.map_err(failed)?;
    if version.is_none() {
        let others: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master").fetch_one(&mut *connection).await.map_err(failed)?;
        if others > 0 {
            // Another process may have made ours between the two looks.
            version = self::version(connection, Dialect::Sqlite).await.map_err(failed)?;
            if version.is_none() {
                return Err(HistoryError::Corrupt {
                    address: address.to_string(),
                    reason: "it is a database of another program".to_owned(),
                });
            }
        }
    }
    migrate(connection, address, access, Dialect::Sqlite, version).await
}

/// Sets up the connection and the tables of a PostgreSQL database.
pub(super) async fn prepare_postgres(
    connection: &mut AnyConnection,
    address: &Address,
    access: Access,
) -> Result<(), HistoryError> {
    let failed = |error: sqlx::Error| explain(address, &error);
    sqlx::query("SET search_path TO comeback").execute(&mut *connection).await.map_err(failed)?;
    let version = version(connection, Dialect::Postgres).await.map_err(failed)?;
    migrate(connection, address, access, Dialect::Postgres, version).await
}

/// The version of the tables; `None` where there are none.
async fn version(connection: &mut AnyConnection, dialect: Dialect) -> Result<Option<i64>, sqlx::Error> {
    let there: i64 = match dialect {
        Dialect::Sqlite => {
            sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'")
                .fetch_one(&mut *connection)
                .await?
        }
        Dialect::Postgres => {
            sqlx::query_scalar("SELECT COUNT(*) FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'schema_version'")
                .bind(POSTGRES_SCHEMA)
                .fetch_one(&mut *connection)
                .await?
        }
    };
    if there == 0 {
        return Ok(None);
    }
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM schema_version").fetch_one(&mut *connection).await?;
    row.try_get(0).map(Some)
}

async fn migrate(
    connection: &mut AnyConnection,
    address: &Address,
    access: Access,
    dialect: Dialect,
    found: Option<i64>,
) -> Result<(), HistoryError> {
    let failed = |error: sqlx::Error| explain(address, &error);
    let newer = |found: i64| HistoryError::Newer { address: address.to_string(), found, known: VERSION };
    match found {
        Some(VERSION) => return Ok(()),
        Some(found) if found > VERSION => return Err(newer(found)),
        None if access == Access::Read => return Err(HistoryError::Missing { address: address.to_string() }),
        _ => {}
    }
    let mut transaction = connection.begin_with(begin(dialect)).await.map_err(failed)?;
    if dialect == Dialect::Postgres {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await.map_err(failed)?;
        let there: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pg_catalog.pg_namespace WHERE nspname = $1")
            .bind(POSTGRES_SCHEMA)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        if there == 0 {
            sqlx::query("CREATE SCHEMA comeback").execute(&mut *transaction).await.map_err(failed)?;
        }
    }
    // Under the lock: another process may have been here meanwhile.
    let found = version(&mut transaction, dialect).await.map_err(failed)?;
    let mut done = match found {
        Some(found) if found > VERSION => return Err(newer(found)),
        Some(found) => found,
        None => {
            sqlx::query("CREATE TABLE schema_version (version BIGINT PRIMARY KEY)")
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
            0
        }
    };
    for migration in MIGRATIONS.iter().skip(usize::try_from(done).unwrap_or(0)) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(failed)?;
        done += 1;
        sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
            .bind(done)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
