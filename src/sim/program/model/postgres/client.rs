//! The little of `PostgreSQL`'s protocol that readiness needs, and `pg_isready` and `psql` that speak it.
//! The server's life is `postgres`.

use crate::sim::network::{NetError, Stream};
use crate::sim::program::command::Invocation;
use crate::sim::program::filesystem::FileSystem;
use crate::sim::program::model::server::{beyond, complain, resolve, say};
use futures::future::BoxFuture;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// Protocol 3.0, user and database `postgres`.
const HELLO: &[u8] = b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0";

/// Answers a client: an authentication request where the server is ready, else the error 57P03.
pub(super) async fn greet(call: &Invocation, files: &FileSystem, stream: &Stream) {
    let Ok(hello) = stream.read(1_024).await else { return };
    if hello.is_empty() {
        return;
    }
    if hello.len() < 8 || hello[4..8] != [0, 3, 0, 0] {
        beyond(call, "this dialect of PostgreSQL's protocol").await;
        return;
    }
    let answer: &[u8] = if super::socket_state(files) == Some(true) {
        b"R\0\0\0\x08\0\0\0\0"
    } else {
        b"E\0\0\0\x1cSFATAL\0C57P03\0Mstarting\0\0"
    };
    if stream.write(answer.to_vec()).await.is_err() {
        return;
    }
    // The client closes, or asks what the model does not know.
    while let Ok(more) = stream.read(1_024).await {
        if more.is_empty() {
            return;
        }
        if more[0] == b'Q' {
            // `SELECT 1` of our own psql: one row.
            if stream.write(b"T1".to_vec()).await.is_err() {
                return;
            }
        }
    }
}

struct Target {
    host: Option<String>,
    port: u16,
    timeout: Duration,
    command: Option<String>,
    bare: bool,
}

fn target(call: &Invocation) -> Result<Target, String> {
    let from = |name: &str| call.environment.get(name).cloned();
    let mut target = Target {
        host: from("PGHOST").filter(|host| !host.starts_with('/')),
        port: from("PGPORT").and_then(|text| text.parse().ok()).unwrap_or(5432),
        timeout: Duration::from_secs(3),
        command: None,
        bare: false,
    };
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ if word.len() > 2 && !word.starts_with("--") && !matches!(word.as_str(), "-tA" | "-At" | "-tAc" | "-Atc") => {
                (&word[..2], Some(word[2..].to_owned()))
            }
            _ => (word.as_str(), None),
        };
        match name {
            "-q" | "-w" | "--quiet" | "--no-password" => continue,
            "-t" if call.argv[0] == "psql" => {
                target.bare = true;
                continue;
            }
            "-A" | "-tA" | "-At" => {
                target.bare = true;
                continue;
            }
            _ => {}
        }
        let value = attached.or_else(|| words.next().cloned()).ok_or_else(|| word.clone())?;
        match name {
            "-h" | "--host" => target.host = Some(value).filter(|host| !host.starts_with('/')),
            "-p" | "--port" => target.port = value.parse().map_err(|_| word.clone())?,
            "-t" | "--timeout" => target.timeout = Duration::from_secs(value.parse().map_err(|_| word.clone())?),
            "-U" | "-d" | "--username" | "--dbname" | "-v" => {}
            "-c" | "--command" => target.command = Some(value),
            "-tAc" | "-Atc" => {
                target.bare = true;
                target.command = Some(value);
            }
            _ => return Err(word.clone()),
        }
    }
    Ok(target)
}

/// Whether the server accepts (true), rejects (false), or why it did not answer; without an address by its socket.
async fn ask(call: &Invocation, target: &Target, address: Option<Ipv4Addr>) -> Result<(bool, Option<Stream>), NetError> {
    let Some(address) = address else {
        return match super::socket_state(&call.process.machine.spec.filesystem) {
            Some(accepts) => Ok((accepts, None)),
            None => Err(NetError::Refused),
        };
    };
    let stream = call.process.machine.spec.network.connect(SocketAddrV4::new(address, target.port)).await?;
    stream.write(HELLO.to_vec()).await?;
    let answer = stream.read(1_024).await?;
    Ok((answer.first() == Some(&b'R'), Some(stream)))
}

/// The address of the server, none for one that is reached by its socket.
async fn address(call: &Invocation, target: &Target) -> Result<Option<Ipv4Addr>, &'static str> {
    match &target.host {
        Some(host) => resolve(call, host).await.map(Some),
        None => Ok(None),
    }
}

/// `pg_isready`.
pub(super) fn is_ready(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let target = match target(&call) {
            Ok(target) => target,
            Err(option) => return beyond(&call, &format!("pg_isready {option}")).await,
        };
        let asking = async {
            match address(&call, &target).await {
                Ok(address) => ask(&call, &target, address).await.ok(),
                Err(_) => None,
            }
        };
        let (text, code) = match tokio::time::timeout(target.timeout, asking).await {
            Ok(Some((true, _))) => ("accepting connections", 0),
            Ok(Some((false, _))) => ("rejecting connections", 1),
            Ok(None) | Err(_) => ("no response", 2),
        };
        let place = target.host.as_deref().unwrap_or("/var/run/postgresql");
        say(&call, &format!("{place}:{} - {text}", target.port)).await;
        code
    })
}

/// `psql -c`.
pub(super) fn psql(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let target = match target(&call) {
            Ok(target) => target,
            Err(option) => return beyond(&call, &format!("psql {option}")).await,
        };
        let Some(command) = &target.command else { return beyond(&call, "psql without -c").await };
        let number = command.trim().trim_end_matches(';').trim();
        let number = number.get(..7).filter(|start| start.eq_ignore_ascii_case("select ")).map(|_| number[7..].trim());
        let Some(number) = number.and_then(|text| text.parse::<i64>().ok()) else {
            return beyond(&call, &format!("psql -c \"{command}\"")).await;
        };
        let local = "connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed";
        let address = match address(&call, &target).await {
            Ok(address) => address,
            Err(why) => {
                let host = target.host.as_deref().unwrap_or_default();
                complain(&call, &format!("psql: error: could not translate host name \"{host}\" to address: {why}")).await;
                return 2;
            }
        };
        let place = match (&target.host, address) {
            (Some(host), Some(address)) if *host != address.to_string() => {
                format!("connection to server at \"{host}\" ({address}), port {} failed", target.port)
            }
            (Some(host), _) => format!("connection to server at \"{host}\", port {} failed", target.port),
            (None, _) => local.to_owned(),
        };
        match ask(&call, &target, address).await {
            Ok((true, _)) if target.bare => say(&call, &number.to_string()).await,
            Ok((true, _)) => say(&call, &format!(" ?column? \n----------\n{number:>9}\n(1 row)\n")).await,
            Ok((false, _)) => {
                complain(&call, &format!("psql: error: {place}: FATAL:  the database system is starting up")).await;
                return 2;
            }
            Err(_) if target.host.is_none() => {
                complain(&call, &format!("psql: error: {place}: No such file or directory\n\tIs the server running locally and accepting connections on that socket?")).await;
                return 2;
            }
            Err(error) => {
                complain(
                    &call,
                    &format!(
                        "psql: error: {place}: {error}\n\tIs the server running on that host and accepting TCP/IP connections?"
                    ),
                )
                .await;
                return 2;
            }
        }
        0
    })
}
