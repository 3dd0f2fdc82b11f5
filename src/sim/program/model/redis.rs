//! redis: strings over RESP on 6379, memory that grows with the data, `maxmemory`, a snapshot at an orderly end.
//! Its data and commands are `redis/store`, `redis-cli` is `redis/client`.

mod client;
mod store;

use super::Model;
use super::server::{Ended, MEBIBYTE, beyond, bytes, complain, handle, now, say, takes, until_signal};
use crate::sim::network::http::{self, HttpError, Reader};
use crate::sim::program::command::{Invocation, run_other};
use crate::sim::program::signals;
use futures::future::BoxFuture;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::{Reply, Store};

/// Where the snapshot lies (the image's working directory is a volume).
const SNAPSHOT: &str = "/data/dump.rdb";
/// Resident memory of a server without data.
const EMPTY: u64 = 8 * MEBIBYTE;

/// The model.
pub const MODEL: Model = Model {
    name: "redis",
    images: &["redis", "bitnami/redis", "valkey/valkey", "redis/redis-stack-server"],
    summary: "redis: strings (GET, SET, INCR, EXPIRE...), --maxmemory and its policies, --requirepass; saves /data/dump.rdb at SIGTERM; has redis-cli.",
    ports: &[6379],
    entrypoint: &["docker-entrypoint.sh"],
    arguments: &["redis-server"],
    shell: true,
    stop_signal: signals::TERM,
    options: &[],
    programs: &[
        ("docker-entrypoint.sh", entrypoint),
        ("redis-server", server),
        ("valkey-server", server),
        ("redis-cli", client::run),
        ("valkey-cli", client::run),
    ],
};

fn entrypoint(mut call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        call.argv.remove(0);
        // Options alone are those of the server.
        if call.argv.first().is_none_or(|word| {
            word.starts_with('-') || std::path::Path::new(word).extension().is_some_and(|extension| extension == "conf")
        }) {
            call.argv.insert(0, "redis-server".to_owned());
        }
        run_other(call).await
    })
}

async fn log(call: &Invocation, role: char, level: char, text: &str) {
    let at = now(call, "%d %b %Y %H:%M:%S.%3f");
    say(call, &format!("{}:{role} {at} {level} {text}", call.process.pid)).await;
}

struct Settings {
    port: u16,
    store: Store,
}

fn settings(call: &Invocation) -> Result<Settings, String> {
    let mut settings = Settings { port: 6379, store: Store::default() };
    let mut words = call.arguments().iter().peekable();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--") else { return Err(format!("redis-server {word}")) };
        let mut values = Vec::new();
        while let Some(value) = words.next_if(|value| !value.starts_with("--")) {
            values.push(value.as_str());
        }
        let value = values.join(" ");
        match name {
            "port" => settings.port = value.parse().map_err(|_| format!("redis-server --port {value}"))?,
            "maxmemory" => settings.store.most = bytes(&value).ok_or_else(|| format!("redis-server --maxmemory {value}"))?,
            "maxmemory-policy" => settings.store.policy = value,
            "requirepass" => settings.store.password = Some(value),
            "save" => settings.store.saves = !value.trim_matches('"').is_empty(),
            "bind" | "protected-mode" | "loglevel" | "timeout" | "tcp-keepalive" | "databases" | "daemonize"
                if value != "yes" || name != "daemonize" => {}
            _ => return Err(format!("redis-server {word} {value}")),
        }
    }
    Ok(settings)
}

fn server(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let Settings { port, mut store } = match settings(&call) {
            Ok(settings) => settings,
            Err(problem) => return beyond(&call, &problem).await,
        };
        handle(&call, &[signals::TERM, signals::INT]);
        log(&call, 'C', '*', "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo").await;
        log(&call, 'C', '*', "Redis version=7.4.2, bits=64, commit=00000000, modified=0, pid=1, just started").await;
        if call.arguments().is_empty() {
            log(&call, 'C', '#', "Warning: no config file specified, using the default config. In order to specify a config file use redis-server /path/to/redis.conf").await;
        }
        takes(&call, "start", Duration::from_millis(15)).await;
        log(&call, 'M', '*', &format!("Running mode=standalone, port={port}.")).await;
        log(&call, 'M', '*', "Server initialized").await;
        if let Ok(saved) = call.process.machine.spec.filesystem.load(SNAPSHOT) {
            store.load(&saved);
            log(&call, 'M', '*', &format!("Done loading RDB, keys loaded: {}, keys expired: 0.", store.len())).await;
        }
        call.process.hold(EMPTY + store.used()).await;
        let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        let Ok(listener) = call.process.machine.spec.network.listen(address) else {
            log(
                &call,
                'M',
                '#',
                &format!("Warning: Could not create server TCP listening socket *:{port}: bind: Address already in use"),
            )
            .await;
            return 1;
        };
        log(&call, 'M', '*', "Ready to accept connections tcp").await;
        let store = Mutex::new(store);
        let (ours, shared) = (&call, &store);
        let shutdown = tokio::sync::Notify::new();
        let wanted = &shutdown;
        let served = http::serve(&listener, |stream| async move {
            let mut reader = Reader::new(&stream);
            let mut known = false;
            while let Ok(Some(words)) = request(&mut reader).await {
                if words.is_empty() {
                    continue;
                }
                let name = words[0].to_ascii_uppercase();
                let (reply, used) = {
                    let mut store = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    (store.answer(&words, &mut known), store.used())
                };
                let text = match reply {
                    Reply::Unknown => {
                        beyond(ours, &format!("the redis command {}", words.join(" "))).await;
                        format!("-ERR unknown command '{}', with args beginning with: \r\n", words[0])
                    }
                    reply => reply.to_text(),
                };
                if name == "SHUTDOWN" {
                    wanted.notify_one();
                    return;
                }
                // The data lies in memory before the client hears of it.
                ours.process.hold(EMPTY + used).await;
                if stream.write(text).await.is_err() || name == "QUIT" {
                    return;
                }
            }
        });
        let work = async {
            tokio::select! {
                biased;
                () = shutdown.notified() => {}
                () = served => {}
            }
        };
        if let Ended::Signal(signal) = until_signal(&call, work).await {
            let stamp = now(&call, "%s");
            let name = signals::name(signal);
            say(&call, &format!("{}:signal-handler ({stamp}) Received SIG{name} scheduling shutdown...", call.process.pid)).await;
        }
        farewell(&call, &store).await;
        0
    })
}

/// The ordered end: saves what is to be saved; a server that cannot save does not end.
async fn farewell(call: &Invocation, store: &Mutex<Store>) {
    log(call, 'M', '*', "User requested shutdown...").await;
    let (saves, saved) = {
        let store = store.lock().unwrap_or_else(PoisonError::into_inner);
        (store.saves, store.save())
    };
    if saves {
        log(call, 'M', '*', "Saving the final RDB snapshot before exiting.").await;
        let files = &call.process.machine.spec.filesystem;
        files.make_directories("/data");
        match files.store(SNAPSHOT, saved) {
            Ok(()) => log(call, 'M', '*', "DB saved on disk").await,
            Err(error) => {
                log(
                    call,
                    'M',
                    '#',
                    &format!("Failed opening the temp RDB file temp-1.rdb (in server root dir /data) for saving: {error}"),
                )
                .await;
                log(call, 'M', '#', "Error trying to save the DB, can't exit.").await;
                complain(call, "").await;
                std::future::pending::<()>().await;
            }
        }
    }
    log(call, 'M', '#', "Redis is now ready to exit, bye bye...").await;
}

/// One command: an array of bulk strings, or a line of words as `nc` sends them.
async fn request(reader: &mut Reader<'_>) -> Result<Option<Vec<String>>, HttpError> {
    let Some(line) = reader.line().await? else { return Ok(None) };
    let Some(count) = line.strip_prefix('*') else {
        return Ok(Some(line.split_whitespace().map(str::to_owned).collect()));
    };
    let count: usize = count.parse().ok().filter(|count| *count <= 1_024).ok_or_else(|| HttpError::Malformed(line.clone()))?;
    let mut words = Vec::new();
    for _ in 0..count {
        let Some(size) = reader.line().await? else { return Ok(None) };
        let size: usize = size.strip_prefix('$').and_then(|size| size.parse().ok()).ok_or(HttpError::Malformed(size))?;
        words.push(String::from_utf8_lossy(&reader.exactly(size).await?).into_owned());
        reader.exactly(2).await?;
    }
    Ok(Some(words))
}
