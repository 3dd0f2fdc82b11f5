//! A PostgreSQL in a container for the tests, with databases as they are needed.

use comeback::history::Address;
use sqlx::Connection as _;
use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};
use tokio::runtime::{Builder, Runtime};

/// Set where a test that cannot start PostgreSQL is to fail.
const WANTED: &str = "COMEBACK_TEST_POSTGRES";

/// What the server logs when it takes connections.
const READY: &str = "database system is ready to accept connections";

/// A PostgreSQL in a container, which goes when this does.
pub struct Server {
    runtime: Runtime,
    container: Option<ContainerAsync<GenericImage>>,
    port: u16,
}

impl Server {
    /// One that answers; where none can be started, that is said, unless one is wanted.
    pub fn started(what: &str) -> Option<Self> {
        match Self::start() {
            Ok(server) => Some(server),
            Err(error) => {
                assert!(std::env::var_os(WANTED).is_none(), "{error}");
                eprintln!("did not run: {what} ({})", error.lines().next().unwrap_or_default());
                None
            }
        }
    }

    fn start() -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(|error| error.to_string())?;
        let (container, port) = runtime.block_on(async {
            // Once while the database is made, on the way to stdout; then for good, on stderr.
            let image = GenericImage::new("postgres", "15")
                .with_exposed_port(5432.tcp())
                .with_wait_for(WaitFor::message_on_stdout(READY))
                .with_wait_for(WaitFor::message_on_stderr(READY));
            let image = image.with_env_var("POSTGRES_PASSWORD", "secret");
            let container = image.start().await.map_err(|error| error.to_string())?;
            let port = container.get_host_port_ipv4(5432).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((container, port))
        })?;
        Ok(Self { runtime, container: Some(container), port })
    }

    /// A new database.
    pub fn database(&self, name: &str) -> Address {
        self.administrate(&format!("CREATE DATABASE {name}"));
        format!("postgres://postgres:secret@127.0.0.1:{}/{name}", self.port).parse().unwrap()
    }

    /// An administrator's statement.
    pub fn administrate(&self, statement: &str) {
        sqlx::any::install_default_drivers();
        let url = format!("postgres://postgres:secret@127.0.0.1:{}/postgres", self.port);
        self.runtime.block_on(async {
            let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        });
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(container) = self.container.take() {
            self.runtime.block_on(container.rm()).unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            let _ = self.runtime.block_on(container.rm());
        }
    }
}

/// One number from a history's database.
pub fn number(address: &Address, statement: &str) -> i64 {
    execute(address, statement, true)
}

/// A statement behind a history's back.
pub fn change(address: &Address, statement: &str) {
    execute(address, statement, false);
}

fn execute(address: &Address, statement: &str, ask: bool) -> i64 {
    sqlx::any::install_default_drivers();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = match address {
            Address::Postgres(url) => {
                let mut connection = sqlx::AnyConnection::connect(url).await.unwrap();
                sqlx::raw_sql("SET search_path TO comeback").execute(&mut connection).await.unwrap();
                connection
            }
            Address::Sqlite(file) => {
                let path = file.to_str().unwrap().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
                sqlx::AnyConnection::connect(&format!("sqlite://{path}")).await.unwrap()
            }
        };
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        if ask {
            return sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap();
        }
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        0
    })
}
