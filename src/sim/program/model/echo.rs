//! HTTP servers that say what was asked: hashicorp/http-echo, ealen/echo-server, kennethreitz/httpbin.
//! Of httpbin, only the paths that tests of failures use.

use super::Model;
use super::http::{port, query, serve};
use super::server::{Ended, MEBIBYTE, beyond, complain, go_exit, handle, now, say, takes, until_signal};
use crate::sim::network::http::{Request, Response};
use crate::sim::program::command::Invocation;
use crate::sim::program::signals;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::net::SocketAddrV4;
use std::time::Duration;

/// hashicorp/http-echo.
pub const HTTP_ECHO: Model = Model {
    name: "http-echo",
    images: &["hashicorp/http-echo"],
    summary: "hashicorp/http-echo: answers every request with -text; exits 127 without it, and with 2 on SIGTERM.",
    ports: &[5678],
    entrypoint: &["/http-echo"],
    arguments: &[],
    shell: false,
    stop_signal: signals::TERM,
    options: &[],
    programs: &[("http-echo", http_echo)],
};

/// ealen/echo-server.
pub const ECHO_SERVER: Model = Model {
    name: "echo-server",
    images: &["ealen/echo-server"],
    summary: "ealen/echo-server: describes the request as JSON; ?echo_code=, ?echo_time=, ?echo_body= change the answer.",
    ports: &[80],
    entrypoint: &["node", "webserver"],
    arguments: &[],
    shell: true,
    stop_signal: signals::TERM,
    options: &[],
    programs: &[("node", echo_server)],
};

/// kennethreitz/httpbin.
pub const HTTPBIN: Model = Model {
    name: "httpbin",
    images: &["kennethreitz/httpbin", "mccutchen/go-httpbin", "kong/httpbin"],
    summary: "httpbin: /get, /status/N, /delay/N, /headers, /ip, /bytes/N.",
    ports: &[80],
    entrypoint: &[],
    arguments: &["gunicorn", "-b", "0.0.0.0:80", "httpbin:app", "-k", "gevent"],
    shell: true,
    stop_signal: signals::TERM,
    options: &[],
    programs: &[("gunicorn", httpbin)],
};

fn http_echo(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let (mut text, mut listen) = (call.environment.get("ECHO_TEXT").cloned().unwrap_or_default(), ":5678".to_owned());
        let mut words = call.arguments().iter();
        while let Some(word) = words.next() {
            let flag = word.trim_start_matches('-');
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => (flag, words.next().cloned().unwrap_or_default()),
            };
            match name {
                "text" => text = value,
                "listen" => listen = value,
                _ => return beyond(&call, &format!("http-echo {word}")).await,
            }
        }
        if text.is_empty() {
            complain(&call, "Missing -text option OR ENV var TEXT is empty!").await;
            return 127;
        }
        let Some(port) = port(&listen) else { return beyond(&call, &format!("http-echo -listen {listen}")).await };
        handle(&call, &[signals::TERM, signals::INT]);
        call.process.hold(4 * MEBIBYTE).await;
        complain(&call, &format!("{} [INFO] server is listening on {listen}", now(&call, "%Y/%m/%d %H:%M:%S"))).await;
        let ours = &call;
        let served = serve(&call, port, |peer, request: Request| {
            let text = text.clone();
            async move {
                if request.path() == "/health" {
                    return Response::new(200, "text/plain; charset=utf-8", "{\"status\":\"ok\"}\n");
                }
                let response = Response::new(200, "text/plain; charset=utf-8", format!("{text}\n"));
                let agent = request.headers.get("User-Agent").unwrap_or_default();
                let at = now(ours, "%Y/%m/%d %H:%M:%S");
                let host = request.headers.get("Host").unwrap_or_default();
                let line = format!(
                    "{at} {host} {peer} \"{} {} HTTP/1.1\" 200 {} \"{agent}\" 20.5µs",
                    request.method,
                    request.target,
                    text.len() + 1
                );
                say(ours, &line).await;
                response
            }
        });
        match until_signal(&call, served).await {
            Ended::Signal(signals::INT) => {
                complain(&call, &format!("{} [INFO] received interrupt, shutting down...", now(&call, "%Y/%m/%d %H:%M:%S")))
                    .await;
                2
            }
            Ended::Signal(signal) => go_exit(&call, signal),
            Ended::Done(error) => {
                let at = now(&call, "%Y/%m/%d %H:%M:%S");
                complain(&call, &format!("{at} [ERR] server exited with: listen tcp {listen}: bind: {}", error.go())).await;
                1
            }
        }
    })
}

fn described(call: &Invocation, peer: SocketAddrV4, request: &Request) -> Value {
    let headers: Value = request
        .headers
        .0
        .iter()
        .map(|(name, value)| (name.to_lowercase(), Value::from(value.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let environment: Value = call
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "host": {"hostname": request.headers.get("Host"), "ip": format!("::ffff:{}", peer.ip()), "ips": []},
        "http": {"method": request.method, "baseUrl": "", "originalUrl": request.target, "protocol": "http"},
        "request": {
            "params": {"0": request.path()},
            "query": {},
            "cookies": {},
            "body": String::from_utf8_lossy(&request.body),
            "headers": headers,
        },
        "environment": environment,
    })
}

fn echo_server(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let port = call.environment.get("PORT").and_then(|text| text.parse().ok()).unwrap_or(80);
        call.process.hold(40 * MEBIBYTE).await;
        takes(&call, "start", Duration::from_millis(450)).await;
        handle(&call, &[signals::TERM, signals::INT]);
        say(&call, &format!("Listening on port {port}.")).await;
        let ours = &call;
        let served = serve(&call, port, |peer, request: Request| async move {
            if let Some(wait) = query(&request, "echo_time").and_then(|text| text.parse::<u64>().ok()) {
                tokio::time::sleep(Duration::from_millis(wait.min(60_000))).await;
            }
            let code = query(&request, "echo_code")
                .and_then(|text| text.parse().ok())
                .filter(|code| (200..=599).contains(code))
                .unwrap_or(200);
            match query(&request, "echo_body") {
                Some(body) => Response::new(code, "application/json; charset=utf-8", json!(body).to_string()),
                None => Response::new(code, "application/json; charset=utf-8", described(ours, peer, &request).to_string()),
            }
        });
        match until_signal(&call, served).await {
            // Node as PID 1 with express' own handlers ends at once.
            Ended::Signal(_) => 0,
            Ended::Done(_) => {
                complain(&call, &format!("Error: listen EADDRINUSE: address already in use :::{port}")).await;
                1
            }
        }
    })
}

fn httpbin(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let port = call.arguments().iter().find_map(|word| word.strip_prefix("0.0.0.0:")?.parse().ok()).unwrap_or(80);
        let at = |call: &Invocation| now(call, "[%Y-%m-%d %H:%M:%S +0000] [1] [INFO]");
        call.process.hold(55 * MEBIBYTE).await;
        takes(&call, "start", Duration::from_millis(700)).await;
        handle(&call, &[signals::TERM, signals::INT]);
        complain(&call, &format!("{} Starting gunicorn 19.9.0", at(&call))).await;
        complain(&call, &format!("{} Listening at: http://0.0.0.0:{port} (1)", at(&call))).await;
        complain(&call, &format!("{} Using worker: gevent", at(&call))).await;
        let ours = &call;
        let served = serve(&call, port, |peer, request: Request| async move { bin(ours, peer, &request).await });
        match until_signal(&call, served).await {
            Ended::Signal(_) => {
                complain(&call, &format!("{} Handling signal: term", at(&call))).await;
                complain(&call, &format!("{} Shutting down: Master", at(&call))).await;
                0
            }
            Ended::Done(_) => {
                complain(
                    &call,
                    &format!("{} Connection in use: ('0.0.0.0', {port})", now(&call, "[%Y-%m-%d %H:%M:%S +0000] [1] [ERROR]")),
                )
                .await;
                1
            }
        }
    })
}

async fn bin(call: &Invocation, peer: SocketAddrV4, request: &Request) -> Response {
    let json = |value: Value| Response::new(200, "application/json", format!("{value:#}\n"));
    let headers: Value = request
        .headers
        .0
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let host = request.headers.get("Host").unwrap_or_default();
    let about = json!({"args": {}, "headers": headers, "origin": peer.ip().to_string(), "url": format!("http://{host}{}", request.target)});
    let mut parts = request.path().trim_start_matches('/').split('/');
    let (first, number) = (parts.next().unwrap_or_default(), parts.next().and_then(|text| text.parse::<u64>().ok()));
    match (first, number) {
        ("get" | "anything", _) => json(about),
        ("headers", _) => json(json!({"headers": headers})),
        ("ip", _) => json(json!({"origin": peer.ip().to_string()})),
        ("status", Some(code)) => Response::new(u16::try_from(code).unwrap_or(400), "text/html; charset=utf-8", ""),
        ("delay", Some(seconds)) => {
            tokio::time::sleep(Duration::from_secs(seconds.min(10))).await;
            json(about)
        }
        ("bytes", Some(count)) => {
            let data = call.process.machine.random_bytes(count.min(100 * 1024));
            Response::new(200, "application/octet-stream", data.into_bytes())
        }
        ("", _) => Response::new(200, "text/html; charset=utf-8", "<!DOCTYPE html>\n<title>httpbin.org</title>\n"),
        _ => {
            beyond(call, &format!("httpbin {}", request.path())).await;
            Response::new(404, "text/html", "Not Found")
        }
    }
}
