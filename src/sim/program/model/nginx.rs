//! nginx as its official image runs it: port 80, static files, access log, graceful end on SIGQUIT.
//! Configuration files are not read: a mounted one is a limit.

use super::Model;
use super::http::serve;
use super::server::{Ended, Gauge, MEBIBYTE, beyond, complain, handle, now, say, takes, until_signal};
use crate::sim::network::http::{Request, Response};
use crate::sim::program::command::{Invocation, run_other};
use crate::sim::program::filesystem::{Kind, normalize};
use crate::sim::program::signals;
use futures::future::BoxFuture;
use std::net::SocketAddrV4;
use std::time::Duration;
use tokio::sync::Notify;

const ROOT: &str = "/usr/share/nginx/html";

/// The model.
pub const MODEL: Model = Model {
    name: "nginx",
    images: &["nginx", "bitnami/nginx", "nginxinc/nginx-unprivileged"],
    summary: "nginx: serves /usr/share/nginx/html (or its welcome page) on 80, logs requests, ends gracefully with 0.",
    ports: &[80],
    entrypoint: &["/docker-entrypoint.sh"],
    arguments: &["nginx", "-g", "daemon off;"],
    shell: true,
    stop_signal: signals::QUIT,
    options: &[],
    programs: &[("docker-entrypoint.sh", entrypoint), ("nginx", nginx), ("nginx-debug", nginx)],
};

fn entrypoint(mut call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        if call.argv.len() < 2 {
            return 0;
        }
        call.argv.remove(0);
        if call.argv[0].starts_with("nginx") {
            for line in [
                "/docker-entrypoint.sh: /docker-entrypoint.d/ is not empty, will attempt to perform configuration",
                "/docker-entrypoint.sh: Looking for shell scripts in /docker-entrypoint.d/",
                "/docker-entrypoint.sh: Launching /docker-entrypoint.d/10-listen-on-ipv6-by-default.sh",
                "10-listen-on-ipv6-by-default.sh: info: Getting the checksum of /etc/nginx/conf.d/default.conf",
                "10-listen-on-ipv6-by-default.sh: info: Enabled listen on IPv6 in /etc/nginx/conf.d/default.conf",
                "/docker-entrypoint.sh: Sourcing /docker-entrypoint.d/15-local-resolvers.envsh",
                "/docker-entrypoint.sh: Launching /docker-entrypoint.d/20-envsubst-on-templates.sh",
                "/docker-entrypoint.sh: Launching /docker-entrypoint.d/30-tune-worker-processes.sh",
                "/docker-entrypoint.sh: Configuration complete; ready for start up",
            ] {
                say(&call, line).await;
            }
            takes(&call, "start", Duration::from_millis(60)).await;
        }
        run_other(call).await
    })
}

fn notice(call: &Invocation, text: &str) -> String {
    format!("{} [notice] {pid}#{pid}: {text}", now(call, "%Y/%m/%d %H:%M:%S"), pid = call.process.pid)
}

fn nginx(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let files = &call.process.machine.spec.filesystem;
        for place in
            ["/etc/nginx", "/etc/nginx/nginx.conf", "/etc/nginx/conf.d", "/etc/nginx/conf.d/default.conf", "/etc/nginx/templates"]
        {
            if files.is_mounted(place) || files.metadata(place).is_ok() {
                return beyond(&call, &format!("a configuration of nginx at {place}")).await;
            }
        }
        let mut foreground = false;
        let mut words = call.arguments().iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-g" => {
                    let directives = words.next().map_or("", String::as_str);
                    let unknown = directives
                        .split(';')
                        .map(str::trim)
                        .find(|directive| !matches!(*directive, "" | "daemon off" | "daemon on"));
                    if let Some(directive) = unknown {
                        return beyond(&call, &format!("nginx -g \"{directive};\"")).await;
                    }
                    foreground = directives.contains("daemon off");
                }
                other => return beyond(&call, &format!("nginx {other}")).await,
            }
        }
        if !foreground {
            // The parent of a daemon ends; with it the container, if it is PID 1.
            return 0;
        }
        call.process.hold(8 * MEBIBYTE).await;
        handle(&call, &[signals::TERM, signals::INT, signals::QUIT, 1]);
        for line in ["using the \"epoll\" event method", "nginx/1.27.5", "OS: Linux 6.12.0", "start worker processes"] {
            complain(&call, &notice(&call, line)).await;
        }
        let (ours, running) = (&call, Gauge::default());
        let (busy, number, answered) = (&running, &Gauge::default(), &Notify::new());
        let port =
            if call.process.machine.spec.image.contains("unprivileged") || call.process.machine.spec.image.contains("bitnami") {
                8080
            } else {
                80
            };
        let mut served = Box::pin(serve(&call, port, |peer, request: Request| async move {
            busy.set(busy.get() + 1);
            number.set(number.get() + 1);
            let response = page(ours, peer, &request, number.get()).await;
            busy.set(busy.get() - 1);
            answered.notify_one();
            response
        }));
        loop {
            match until_signal(&call, &mut served).await {
                // Workers are replaced, connections stay.
                Ended::Signal(1) => complain(&call, &notice(&call, "signal 1 (SIGHUP) received from 0, reconfiguring")).await,
                Ended::Signal(signals::QUIT) => {
                    complain(&call, &notice(&call, "signal 3 (SIGQUIT) received, shutting down")).await;
                    // Requests that have begun are answered; idle connections are closed.
                    while running.get() > 0 {
                        tokio::select! {
                            biased;
                            _ = &mut served => {}
                            () = answered.notified() => {}
                        }
                    }
                    complain(&call, &notice(&call, "exit")).await;
                    return 0;
                }
                Ended::Signal(signal) => {
                    let name = signals::name(signal);
                    complain(&call, &notice(&call, &format!("signal {signal} (SIG{name}) received, exiting"))).await;
                    complain(&call, &notice(&call, "exit")).await;
                    return 0;
                }
                Ended::Done(_) => {
                    let at = now(&call, "%Y/%m/%d %H:%M:%S");
                    complain(&call, &format!("{at} [emerg] 1#1: bind() to 0.0.0.0:{port} failed (98: Address already in use)"))
                        .await;
                    return 1;
                }
            }
        }
    })
}

async fn page(call: &Invocation, peer: SocketAddrV4, request: &Request, number: u64) -> Response {
    let files = &call.process.machine.spec.filesystem;
    let wanted = normalize(&format!("{ROOT}{}", request.path()));
    let is_directory = |path: &str| files.metadata(path).is_ok_and(|metadata| metadata.kind == Kind::Directory);
    let path = if request.path().ends_with('/') { normalize(&format!("{wanted}/index.html")) } else { wanted.clone() };
    let mounted = files.is_mounted(ROOT) || is_directory(ROOT);
    let error = |code: u16, words: &str| {
        let body = format!(
            "<html>\r\n<head><title>{code} {words}</title></head>\r\n<body>\r\n<center><h1>{code} {words}</h1></center>\r\n<hr><center>nginx/1.27.5</center>\r\n</body>\r\n</html>\r\n"
        );
        Response::new(code, "text/html", body)
    };
    let found = if !wanted.starts_with(ROOT) {
        None
    } else if !mounted && path == format!("{ROOT}/index.html") {
        Some(WELCOME.as_bytes().to_vec())
    } else {
        files.load(&path).ok()
    };
    let mut response = match found {
        _ if !matches!(request.method.as_str(), "GET" | "HEAD") => error(405, "Not Allowed"),
        Some(body) => Response::new(200, media_type(&path), body),
        None if is_directory(&wanted) && !request.path().ends_with('/') => error(301, "Moved Permanently"),
        None if is_directory(&wanted) => error(403, "Forbidden"),
        None => {
            let at = now(call, "%Y/%m/%d %H:%M:%S");
            let host = request.headers.get("Host").unwrap_or_default();
            let line = format!(
                "{at} [error] 29#29: *{number} open() \"{path}\" failed (2: No such file or directory), client: {}, server: localhost, request: \"{} {} HTTP/1.1\", host: \"{host}\"",
                peer.ip(),
                request.method,
                request.target
            );
            complain(call, &line).await;
            error(404, "Not Found")
        }
    };
    let length = response.body.len();
    if request.method == "HEAD" {
        response.body.clear();
    }
    response.headers.add("Server", "nginx/1.27.5");
    let at = now(call, "%d/%b/%Y:%H:%M:%S +0000");
    let header = |name: &str| request.headers.get(name).unwrap_or("-");
    let (referer, agent, forwarded) = (header("Referer"), header("User-Agent"), header("X-Forwarded-For"));
    let sent = if request.method == "HEAD" { 0 } else { length };
    let line = format!(
        "{} - - [{at}] \"{} {} HTTP/1.1\" {} {sent} \"{referer}\" \"{agent}\" \"{forwarded}\"",
        peer.ip(),
        request.method,
        request.target,
        response.status
    );
    say(call, &line).await;
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html" | "htm") => "text/html",
        Some("css") => "text/css",
        Some("js") => "application/javascript",
        Some("json") => "application/json",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

const WELCOME: &str = "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n</head>\n<body>\n<h1>Welcome to nginx!</h1>\n</body>\n</html>\n";
