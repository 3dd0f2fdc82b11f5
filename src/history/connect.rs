//! The connection to a history: one, opened when it is needed, on a runtime of its own, with a limit on every wait.
//! Statements stand where they are used; what the tables are, `schema` knows.

use super::{Address, HistoryError, schema};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _, Executor as _};
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Once;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long another process may keep a SQLite file locked.
const BUSY: Duration = Duration::from_secs(10);
/// How long one question, or the writing of one trial, may take.
const WORK: Duration = Duration::from_mins(2);

/// Which database it is: of interest where locks and time-outs differ, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// What a history is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read what is there; one that is not there is not made.
    Read,
    /// To write; one that is not there is made.
    Write,
}

/// An open history. Its calls wait for the database; they must not be made within a tokio runtime.
#[derive(Debug)]
pub struct History {
    runtime: Runtime,
    connection: Option<AnyConnection>,
    address: Address,
    access: Access,
}

impl History {
    /// Opens a history, and brings its tables up to date.
    ///
    /// # Errors
    /// It is not there (to be read), not reachable, damaged, locked, or of a later version.
    pub fn open(address: &Address, access: Access) -> Result<Self, HistoryError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| HistoryError::Database {
            address: address.to_string(),
            reason: format!("no runtime for its driver: {error}"),
        })?;
        let mut history = Self { runtime, connection: None, address: address.clone(), access };
        history.connect()?;
        Ok(history)
    }

    /// Where it lies.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Which database it is.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self.address {
            Address::Sqlite(_) => Dialect::Sqlite,
            Address::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Asks something.
    pub(super) fn read<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, HistoryError> {
        self.connect()?;
        let Some(connection) = self.connection.as_mut() else { return Err(self.silent(CONNECT)) };
        let result = self.runtime.block_on(async { tokio::time::timeout(WORK, work(connection)).await });
        self.settle(result)
    }

    /// Changes something, all or nothing.
    pub(super) fn write<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, HistoryError> {
        let dialect = self.dialect();
        self.read(async move |connection: &mut AnyConnection| {
            let mut transaction = connection.begin_with(begin(dialect)).await?;
            let value = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(value)
        })
    }

    /// Whatever a broken or late answer left behind in a connection is left behind with it.
    fn settle<T>(&mut self, result: Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>) -> Result<T, HistoryError> {
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if !matches!(error, sqlx::Error::Database(_) | sqlx::Error::RowNotFound) {
                    self.connection = None;
                }
                Err(explain(&self.address, &error))
            }
            Err(_) => {
                self.connection = None;
                Err(self.silent(WORK))
            }
        }
    }

    fn silent(&self, waited: Duration) -> HistoryError {
        HistoryError::Silent { address: self.address.to_string(), seconds: waited.as_secs() }
    }

    /// Connects where there is no connection (any more).
    fn connect(&mut self) -> Result<(), HistoryError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let (address, access) = (self.address.clone(), self.access);
        let connected = self.runtime.block_on(async { tokio::time::timeout(CONNECT + BUSY, connected(&address, access)).await });
        self.connection = Some(connected.map_err(|_| self.silent(CONNECT + BUSY))??);
        Ok(())
    }
}

/// How a transaction that writes begins: SQLite's must take the lock at once, because one that reads first and writes later is
/// refused without waiting when another wrote meanwhile.
pub(super) const fn begin(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    }
}

async fn connected(address: &Address, access: Access) -> Result<AnyConnection, HistoryError> {
    let failed = |error: sqlx::Error| explain(address, &error);
    match address {
        Address::Postgres(url) => {
            let mut connection = options(url, address)?.connect().await.map_err(failed)?;
            schema::prepare_postgres(&mut connection, address, access).await?;
            Ok(connection)
        }
        Address::Sqlite(file) => {
            if !file.exists() {
                if access == Access::Read {
                    return Err(HistoryError::Missing { address: address.to_string() });
                }
                make_folder(file, address)?;
            }
            let mut connection = match options(&sqlite_url(file, "rwc"), address)?.connect().await {
                Ok(connection) => connection,
                // A file in a folder or on a disk that cannot be written may still be read.
                Err(_) if access == Access::Read => options(&sqlite_url(file, "ro"), address)?.connect().await.map_err(failed)?,
                Err(error) => return Err(failed(error)),
            };
            let busy = format!("PRAGMA busy_timeout = {}", BUSY.as_millis());
            connection.execute(sqlx::AssertSqlSafe(busy)).await.map_err(failed)?;
            schema::prepare_sqlite(&mut connection, address, access).await?;
            Ok(connection)
        }
    }
}

/// Statements are no business of the logs that users see.
fn options(url: &str, address: &Address) -> Result<AnyConnectOptions, HistoryError> {
    let options = AnyConnectOptions::from_str(url).map_err(|error| explain(address, &error))?;
    Ok(options.disable_statement_logging())
}

fn make_folder(file: &Path, address: &Address) -> Result<(), HistoryError> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| HistoryError::ReadOnly {
        address: address.to_string(),
        reason: format!("its folder {} cannot be made: {error}", folder.display()),
    })
}

/// A file's path as the driver's URL; whatever bytes it has, they are escaped.
fn sqlite_url(file: &Path, mode: &str) -> String {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    let escaped: String = absolute
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("sqlite://{escaped}?mode={mode}")
}

/// A failure of the database in words.
pub(super) fn explain(address: &Address, error: &sqlx::Error) -> HistoryError {
    let name = address.to_string();
    let (code, reason) = match error {
        sqlx::Error::Database(error) => (error.code().map(std::borrow::Cow::into_owned), error.message().to_owned()),
        other => (None, other.to_string()),
    };
    // The lowest byte of SQLite's extended codes is the primary one (sqlite3.h).
    let primary = match address {
        Address::Sqlite(_) => code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff),
        Address::Postgres(_) => None,
    };
    match primary {
        Some(5 | 6) => HistoryError::Locked { address: name, seconds: BUSY.as_secs() },
        Some(8 | 14) => HistoryError::ReadOnly { address: name, reason },
        Some(11 | 26) => HistoryError::Corrupt { address: name, reason },
        _ => HistoryError::Database { address: name, reason },
    }
}
