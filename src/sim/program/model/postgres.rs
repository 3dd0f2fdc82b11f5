//! postgres as its official image runs it: initialisation, crash recovery, refusal before it is ready, fast shutdown.
//! SQL beyond a bare `SELECT 1` is a limit; `pg_isready` and `psql` are `postgres/client`.

mod client;

use super::Model;
use super::server::{Ended, MEBIBYTE, beyond, complain, handle, now, say, takes, until_signal};
use crate::sim::network::http;
use crate::sim::program::command::{Invocation, run_other};
use crate::sim::program::filesystem::FileSystem;
use crate::sim::program::signals;
use futures::future::BoxFuture;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// The server's socket; what is in the file says how it answers.
pub(super) const SOCKET: &str = "/var/run/postgresql/.s.PGSQL.5432";
const READY: &[u8] = b"accepting";
const REJECTING: &[u8] = b"rejecting";

/// The model.
pub const MODEL: Model = Model {
    name: "postgres",
    images: &["postgres", "bitnami/postgresql", "postgis/postgis"],
    summary: "postgres: needs POSTGRES_PASSWORD, initialises an empty data directory, recovers after a crash, refuses connections until it is ready; has pg_isready and psql -c 'SELECT 1'.",
    ports: &[5432],
    entrypoint: &["docker-entrypoint.sh"],
    arguments: &["postgres"],
    shell: true,
    stop_signal: signals::INT,
    options: &[
        ("initialization", "how long initdb and its scripts take, about (default 3s)"),
        ("recovery", "how long recovery after a crash takes, about (default 1500ms)"),
    ],
    programs: &[
        ("docker-entrypoint.sh", entrypoint),
        ("postgres", server),
        ("pg_isready", client::is_ready),
        ("psql", client::psql),
    ],
};

const NO_PASSWORD: &str = "Error: Database is uninitialized and superuser password is not specified.\n       You must specify POSTGRES_PASSWORD to a non-empty value for the\n       superuser. For example, \"-e POSTGRES_PASSWORD=password\" on \"docker run\".\n\n       You may also use \"POSTGRES_HOST_AUTH_METHOD=trust\" to allow all\n       connections without a password. This is *not* recommended.\n\n       See PostgreSQL documentation about \"trust\":\n       https://www.postgresql.org/docs/current/auth-trust.html";

fn directory(call: &Invocation) -> String {
    call.environment.get("PGDATA").cloned().unwrap_or_else(|| "/var/lib/postgresql/data".to_owned())
}

fn setting(call: &Invocation, name: &str, default: Duration) -> Duration {
    super::server::option(call, name).and_then(super::server::duration).unwrap_or(default)
}

fn mark(files: &FileSystem, state: Option<&[u8]>) {
    files.make_directories("/var/run/postgresql");
    // The directory was just made; an own root file system that is read-only shows in the data directory first.
    let _ = match state {
        Some(state) => files.store(SOCKET, state.to_vec()),
        None => files.remove_file(SOCKET),
    };
}

fn entrypoint(mut call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        call.argv.remove(0);
        if call.argv.first().is_none_or(|word| word.starts_with('-')) {
            call.argv.insert(0, "postgres".to_owned());
        }
        if call.argv[0] != "postgres" {
            return run_other(call).await;
        }
        let (data, files) = (directory(&call), call.process.machine.spec.filesystem.clone());
        mark(&files, None);
        if files.metadata(&format!("{data}/PG_VERSION")).is_ok() {
            say(&call, "\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n").await;
            return run_other(call).await;
        }
        let given = |name: &str| call.environment.get(name).filter(|value| !value.is_empty());
        if given("POSTGRES_PASSWORD").is_none() && given("POSTGRES_HOST_AUTH_METHOD").is_none_or(|method| method != "trust") {
            complain(&call, NO_PASSWORD).await;
            return 1;
        }
        if files.list(&data).is_ok_and(|names| !names.is_empty()) {
            complain(&call, &format!("initdb: error: directory \"{data}\" exists but is not empty")).await;
            return 1;
        }
        if files.list("/docker-entrypoint-initdb.d").is_ok_and(|names| !names.is_empty()) {
            return beyond(&call, "scripts in /docker-entrypoint-initdb.d").await;
        }
        let takes_in_all = setting(&call, "initialization", Duration::from_secs(3));
        say(&call, "The files belonging to this database system will be owned by user \"postgres\".\nThis user must also own the server process.\n").await;
        call.process.hold(20 * MEBIBYTE).await;
        takes(&call, "initdb", takes_in_all.mul_f64(0.6)).await;
        files.make_directories(&data);
        if let Err(error) = files.store(&format!("{data}/PG_VERSION"), b"16\n".to_vec()) {
            complain(&call, &format!("initdb: error: could not create file \"{data}/PG_VERSION\": {error}")).await;
            return 1;
        }
        // A server for the scripts alone: it listens at the socket, not on the network.
        say(&call, "waiting for server to start....").await;
        mark(&files, Some(READY));
        takes(&call, "scripts", takes_in_all.mul_f64(0.4)).await;
        mark(&files, None);
        say(&call, "\nPostgreSQL init process complete; ready for start up.\n").await;
        run_other(call).await
    })
}

async fn log(call: &Invocation, text: &str) {
    complain(call, &format!("{} [{}] LOG:  {text}", now(call, "%Y-%m-%d %H:%M:%S.%3f UTC"), call.process.pid)).await;
}

fn server(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let mut port = 5432u16;
        let mut words = call.arguments().iter();
        while let Some(word) = words.next() {
            match (word.as_str(), words.next()) {
                ("-p", Some(text)) if text.parse::<u16>().is_ok() => port = text.parse().unwrap_or(port),
                // Settings of the server change nothing that is modelled.
                ("-c", Some(_)) => {}
                _ => return beyond(&call, &format!("postgres {word}")).await,
            }
        }
        let (data, files) = (directory(&call), call.process.machine.spec.filesystem.clone());
        if files.metadata(&format!("{data}/PG_VERSION")).is_err() {
            complain(&call, &format!("postgres: could not access directory \"{data}\": No such file or directory\nRun initdb or pg_basebackup to initialize a PostgreSQL data directory.")).await;
            return 2;
        }
        handle(&call, &[signals::TERM, signals::INT, signals::QUIT, 1]);
        call.process.hold(24 * MEBIBYTE).await;
        log(&call, "starting PostgreSQL 16.9 (Debian 16.9-1.pgdg120+1) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14) 12.2.0, 64-bit").await;
        let listener = match call.process.machine.spec.network.listen(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)) {
            Ok(listener) => listener,
            Err(error) => {
                log(&call, &format!("could not bind IPv4 address \"0.0.0.0\": {error}")).await;
                return 1;
            }
        };
        log(&call, &format!("listening on IPv4 address \"0.0.0.0\", port {port}")).await;
        log(&call, &format!("listening on Unix socket \"/var/run/postgresql/.s.PGSQL.{port}\"")).await;
        mark(&files, Some(REJECTING));
        let running = format!("{data}/postmaster.pid");
        let crashed = files.metadata(&running).is_ok();
        if let Err(error) = files.store(&running, b"1\n".to_vec()) {
            complain(&call, &format!("FATAL:  could not create lock file \"postmaster.pid\": {error}")).await;
            return 1;
        }
        let (ours, shown) = (&call, &files);
        let ready = async {
            if crashed {
                log(ours, "database system was interrupted; last known up at some time before").await;
                log(ours, "database system was not properly shut down; automatic recovery in progress").await;
                takes(ours, "recovery", setting(ours, "recovery", Duration::from_millis(1_500))).await;
                log(ours, "redo done").await;
            } else {
                takes(ours, "start", Duration::from_millis(80)).await;
            }
            mark(shown, Some(READY));
            log(ours, "database system is ready to accept connections").await;
            std::future::pending::<()>().await;
        };
        let served = http::serve(&listener, |stream| async move { client::greet(ours, shown, &stream).await });
        let work = async {
            tokio::select! {
                biased;
                () = ready => {}
                () = served => {}
            }
        };
        // SIGHUP reads the configuration again, of which nothing is modelled.
        let mut work = Box::pin(work);
        let signal = loop {
            match until_signal(&call, &mut work).await {
                Ended::Signal(1) => log(&call, "received SIGHUP, reloading configuration files").await,
                Ended::Signal(signal) => break signal,
                Ended::Done(()) => break signals::TERM,
            }
        };
        drop(work);
        mark(&files, Some(REJECTING));
        if signal == signals::QUIT {
            log(&call, "received immediate shutdown request").await;
            log(&call, "database system is shut down").await;
            return 0;
        }
        let kind = if signal == signals::TERM { "smart" } else { "fast" };
        log(&call, &format!("received {kind} shutdown request")).await;
        if kind == "fast" {
            log(&call, "aborting any active transactions").await;
        }
        log(&call, "shutting down").await;
        takes(&call, "shutdown", Duration::from_millis(60)).await;
        // The next start finds an orderly end.
        let _ = files.remove_file(&running);
        mark(&files, None);
        log(&call, "database system is shut down").await;
        0
    })
}

/// How the server that the socket's file belongs to answers: accepting, rejecting, or not at all.
pub(super) fn socket_state(files: &FileSystem) -> Option<bool> {
    files.load(SOCKET).ok().map(|state| state == READY)
}
