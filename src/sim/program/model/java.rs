//! A service on a JVM that leaks: its heap grows by itself or with requests, to its own limit or the kernel's.
//! A stand-in for images whose jar nobody can know; what a real jar does stays unknown.

use super::Model;
use super::http::serve;
use super::server::{
    Ended, Gauge, MEBIBYTE, available, bytes, complain, duration, handle, now, option, say, takes, until_signal,
};
use crate::sim::network::http::{Request, Response};
use crate::sim::program::command::Invocation;
use crate::sim::program::signals;
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::sync::Notify;

/// Memory of the JVM beside its heap: metaspace, code cache, threads.
const NATIVE: u64 = 90 * MEBIBYTE;
/// What the application holds once it has started.
const LIVE: u64 = 24 * MEBIBYTE;
/// The share of the container's memory that the heap may take by default.
const DEFAULT_PERCENT: f64 = 25.0;

/// The model.
pub const MODEL: Model = Model {
    name: "java",
    images: &["comeback/leaking-jvm"],
    summary: "A leaking JVM service on 8080 (/ and /actuator/health): OutOfMemoryError at its own heap limit, or the kernel's OOM kill.",
    ports: &[8080],
    entrypoint: &[],
    arguments: &["java", "-jar", "/app.jar"],
    shell: true,
    stop_signal: signals::TERM,
    options: &[
        (
            "heap",
            "the largest heap (-Xmx), as 256Mi; default: -Xmx or -XX:MaxRAMPercentage of command or JAVA_TOOL_OPTIONS, else 25 % of the container's memory",
        ),
        ("growth", "heap that leaks every second, as 4Mi (default 0)"),
        ("growthPerRequest", "heap that leaks with every request, as 512Ki (default 0)"),
        ("startup", "how long it takes until it listens, about (default 4s)"),
        ("port", "where it listens (default 8080)"),
        (
            "onOutOfMemory",
            "exit (code 3, as with -XX:+ExitOnOutOfMemoryError), crash (134) or throw (the request fails, the process stays; default)",
        ),
    ],
    programs: &[("java", run)],
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnOutOfMemory {
    Exit,
    Crash,
    Throw,
}

struct Settings {
    heap: u64,
    growth: u64,
    per_request: u64,
    startup: Duration,
    port: u16,
    action: OnOutOfMemory,
}

fn settings(call: &Invocation) -> Result<Settings, String> {
    let limit = available(call);
    let flags = call.environment.get("JAVA_TOOL_OPTIONS").cloned().unwrap_or_default() + " " + &call.argv.join(" ");
    let (mut heap, mut percent, mut action) = (None, DEFAULT_PERCENT, OnOutOfMemory::Throw);
    for flag in flags.split_whitespace() {
        if let Some(size) = flag.strip_prefix("-Xmx") {
            heap = Some(bytes(size).ok_or_else(|| format!("java {flag}"))?);
        } else if let Some(text) = flag.strip_prefix("-XX:MaxRAMPercentage=") {
            percent = text.parse().map_err(|_| format!("java {flag}"))?;
        } else if flag == "-XX:+ExitOnOutOfMemoryError" {
            action = OnOutOfMemory::Exit;
        } else if flag == "-XX:+CrashOnOutOfMemoryError" {
            action = OnOutOfMemory::Crash;
        }
    }
    let size = |name: &str| match option(call, name) {
        None => Ok(None),
        Some(text) => bytes(text).map(Some).ok_or_else(|| format!("java with {name} \"{text}\": a size as 256Mi is expected")),
    };
    match option(call, "onOutOfMemory") {
        None => {}
        Some("exit") => action = OnOutOfMemory::Exit,
        Some("crash") => action = OnOutOfMemory::Crash,
        Some("throw") => action = OnOutOfMemory::Throw,
        Some(other) => return Err(format!("java with onOutOfMemory \"{other}\": exit, crash or throw is expected")),
    }
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of memory")]
    let share = (limit as f64 * percent / 100.0) as u64;
    let startup = match option(call, "startup") {
        None => Duration::from_secs(4),
        Some(text) => duration(text).ok_or_else(|| format!("java with startup \"{text}\": a duration as 4s is expected"))?,
    };
    let port = match option(call, "port") {
        None => 8080,
        Some(text) => text.parse().map_err(|_| format!("java with port \"{text}\": a number is expected"))?,
    };
    Ok(Settings {
        heap: size("heap")?.or(heap).unwrap_or(share),
        growth: size("growth")?.unwrap_or(0),
        per_request: size("growthPerRequest")?.unwrap_or(0),
        startup,
        port,
        action,
    })
}

fn line(call: &Invocation, level: &str, text: &str) -> String {
    format!("{} {level:>5} 1 --- [           main] app : {text}", now(call, "%Y-%m-%dT%H:%M:%S.000Z"))
}

fn run(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let settings = match settings(&call) {
            Ok(settings) => settings,
            Err(problem) => return super::server::beyond(&call, &problem).await,
        };
        handle(&call, &[signals::TERM, signals::INT, 1]);
        if let Some(given) = call.environment.get("JAVA_TOOL_OPTIONS") {
            complain(&call, &format!("Picked up JAVA_TOOL_OPTIONS: {given}")).await;
        }
        let (leaked, full) = (Gauge::default(), Notify::new());
        let ours = &call;
        let work =
            async {
                say(ours, &line(ours, "INFO", "Starting application")).await;
                ours.process.hold(NATIVE / 2).await;
                takes(ours, "start", settings.startup).await;
                ours.process.hold(NATIVE + LIVE.min(settings.heap)).await;
                say(ours, &line(ours, "INFO", &format!("Started application on port {}", settings.port))).await;
                let (settings, leaked, full) = (&settings, &leaked, &full);
                let grow = async {
                    loop {
                        if settings.growth == 0 {
                            std::future::pending::<()>().await;
                        }
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        if !leak(ours, settings, leaked, settings.growth).await {
                            full.notify_one();
                            std::future::pending::<()>().await;
                        }
                    }
                };
                let served = serve(ours, settings.port, |_, request: Request| async move {
                    answer(ours, settings, leaked, full, &request).await
                });
                let wants_end = async {
                    loop {
                        full.notified().await;
                        complain(ours, "Exception in thread \"leak\" java.lang.OutOfMemoryError: Java heap space").await;
                        if settings.action != OnOutOfMemory::Throw {
                            break;
                        }
                    }
                };
                tokio::select! {
                    biased;
                    () = wants_end => None,
                    () = grow => None,
                    error = served => Some(error),
                }
            };
        match until_signal(&call, work).await {
            // The shutdown hooks ran; the exit code is that of the signal.
            Ended::Signal(signal) => 128 + signal,
            Ended::Done(Some(_)) => {
                say(
                    &call,
                    &line(&call, "ERROR", &format!("Web server failed to start. Port {} was already in use.", settings.port)),
                )
                .await;
                1
            }
            Ended::Done(None) if settings.action == OnOutOfMemory::Crash => {
                say(&call, "Aborting due to java.lang.OutOfMemoryError: Java heap space").await;
                134
            }
            Ended::Done(None) => {
                say(&call, "Terminating due to java.lang.OutOfMemoryError: Java heap space").await;
                3
            }
        }
    })
}

/// Leaks so much heap; false where the heap has no room for it.
async fn leak(call: &Invocation, settings: &Settings, leaked: &Gauge, by: u64) -> bool {
    let used = LIVE.min(settings.heap) + leaked.get() + by;
    if used > settings.heap {
        return false;
    }
    leaked.set(leaked.get() + by);
    call.process.hold(NATIVE + used).await;
    true
}

async fn answer(call: &Invocation, settings: &Settings, leaked: &Gauge, full: &Notify, request: &Request) -> Response {
    if request.path().starts_with("/actuator") {
        return match request.path() {
            "/actuator/health" | "/actuator/health/liveness" | "/actuator/health/readiness" => {
                Response::new(200, "application/vnd.spring-boot.actuator.v3+json", "{\"status\":\"UP\"}")
            }
            _ => Response::new(404, "application/json", "{\"status\":404,\"error\":\"Not Found\"}"),
        };
    }
    if settings.per_request > 0 && !leak(call, settings, leaked, settings.per_request).await {
        full.notify_one();
        return Response::new(500, "application/json", "{\"status\":500,\"error\":\"Internal Server Error\"}");
    }
    Response::new(200, "application/json", "{\"status\":\"ok\"}")
}
