//! `registry.k8s.io/e2e-test-images/agnhost`: the image of Kubernetes' own tests, its most used commands.
//! Other subcommands are limits.

mod grpc;

use super::Model;
use super::http::{query, serve};
use super::server::{Ended, Gauge, beyond, complain, go_exit, handle, now, say, until_signal};
use crate::sim::network::http::{Request, Response};
use crate::sim::program::command::Invocation;
use crate::sim::program::signals;
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::time::Instant;

/// The model.
pub const MODEL: Model = Model {
    name: "agnhost",
    images: &["registry.k8s.io/e2e-test-images/agnhost", "k8s.gcr.io/e2e-test-images/agnhost", "registry.k8s.io/liveness"],
    summary: "agnhost: pause, netexec, liveness (healthy for 10 s, then 500), serve-hostname, grpc-health-checking; SIGTERM ends it with 2.",
    ports: &[8080],
    entrypoint: &["/agnhost"],
    arguments: &["pause"],
    shell: true,
    stop_signal: signals::TERM,
    options: &[],
    programs: &[("agnhost", run)],
};

fn run(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let wanted = call.arguments().first().cloned().unwrap_or_default();
        if wanted == "grpc-health-checking" {
            handle(&call, &[signals::TERM, signals::INT]);
            return match until_signal(&call, grpc::health_checking(&call)).await {
                Ended::Signal(signals::INT) => 1,
                Ended::Signal(signal) => go_exit(&call, signal),
                Ended::Done(Ok((error, port))) => {
                    let at = now(&call, "%Y/%m/%d %H:%M:%S");
                    complain(&call, &format!("{at} listen tcp :{port}: bind: {}", error.go())).await;
                    1
                }
                Ended::Done(Err(code)) => code,
            };
        }
        let mut port = if wanted == "serve-hostname" { 9376 } else { 8080 };
        let mut words = call.arguments().iter().skip(1);
        while let Some(word) = words.next() {
            let (name, attached) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
            match name.trim_start_matches('-') {
                "http-port" | "port" => {
                    let text = attached.or_else(|| words.next().map(String::as_str)).unwrap_or_default();
                    match text.parse() {
                        Ok(given) => port = given,
                        Err(_) => return beyond(&call, &format!("agnhost {wanted} {word}")).await,
                    }
                }
                _ => return beyond(&call, &format!("agnhost {wanted} {word}")).await,
            }
        }
        handle(&call, &[signals::TERM, signals::INT]);
        let began = Instant::now();
        let (unhealthy, host) = (Gauge::default(), call.process.machine.spec.hostname.clone());
        let (ours, unhealthy, host) = (&call, &unhealthy, &host);
        let work = async {
            match wanted.as_str() {
                "pause" => {
                    say(&call, "Paused").await;
                    std::future::pending().await
                }
                "liveness" => Ok(serve(&call, port, |_, request: Request| async move { liveness(&request, began) }).await),
                "serve-hostname" => {
                    Ok(serve(&call, port, |_, _| async move { Response::new(200, "text/plain; charset=utf-8", host.clone()) })
                        .await)
                }
                "netexec" => {
                    complain(&call, &format!("{} Started HTTP server on port {port}", now(&call, "%Y/%m/%d %H:%M:%S"))).await;
                    Ok(serve(&call, port, |peer, request: Request| async move {
                        netexec(ours, peer.to_string(), &request, unhealthy).await
                    })
                    .await)
                }
                _ => Err(()),
            }
        };

        match until_signal(&call, work).await {
            Ended::Signal(signals::INT) => 1,
            Ended::Signal(signal) => go_exit(&call, signal),
            Ended::Done(Ok(error)) => {
                let at = now(&call, "%Y/%m/%d %H:%M:%S");
                complain(&call, &format!("{at} listen tcp :{port}: bind: {}", error.go())).await;
                1
            }
            Ended::Done(Err(())) => return beyond(&call, &format!("agnhost {wanted}")).await,
        }
    })
}

fn liveness(request: &Request, began: Instant) -> Response {
    let age = began.elapsed().as_secs_f64();
    match request.path() {
        "/started" => Response::new(200, "text/plain; charset=utf-8", format!("{age}s")),
        "/healthz" if age > 10.0 => Response::new(500, "text/plain; charset=utf-8", format!("error: {age}")),
        "/healthz" => Response::new(200, "text/plain; charset=utf-8", "ok"),
        _ => Response::new(404, "text/plain; charset=utf-8", "404 page not found\n"),
    }
}

async fn netexec(call: &Invocation, peer: String, request: &Request, unhealthy: &Gauge) -> Response {
    let text = |code, body: String| Response::new(code, "text/plain; charset=utf-8", body);
    complain(call, &format!("{} GET {}", now(call, "%Y/%m/%d %H:%M:%S"), request.path())).await;
    match request.path() {
        "/" => text(200, format!("NOW: {} UTC", now(call, "%Y-%m-%d %H:%M:%S"))),
        "/healthz" if unhealthy.get() > 0 => text(412, String::new()),
        "/healthz" => text(200, String::new()),
        "/hostname" | "/hostName" => text(200, call.process.machine.spec.hostname.clone()),
        "/clientip" => text(200, peer),
        "/echo" => text(200, query(request, "msg").unwrap_or_default().to_owned()),
        "/shutdown" => {
            call.process.deliver(signals::TERM);
            text(200, String::new())
        }
        "/exit" => {
            let wait = query(request, "timeout").and_then(super::server::duration).unwrap_or(Duration::ZERO);
            tokio::time::sleep(wait).await;
            match query(request, "code").and_then(|code| code.parse::<i32>().ok()) {
                None | Some(2) => {
                    call.process.deliver(signals::TERM);
                    text(200, String::new())
                }
                Some(code) => {
                    beyond(call, &format!("agnhost netexec /exit?code={code}")).await;
                    text(500, String::new())
                }
            }
        }
        other => {
            beyond(call, &format!("agnhost netexec {other}")).await;
            unhealthy.set(1);
            text(404, "404 page not found\n".to_owned())
        }
    }
}
