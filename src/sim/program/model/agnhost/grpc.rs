//! `agnhost grpc-health-checking`: a gRPC server that knows nothing but its health, which can be switched over HTTP.
//! The protocol is the network's.

use super::super::http::serve;
use super::super::server::{Gauge, beyond, complain, now};
use crate::sim::network::NetError;
use crate::sim::network::grpc::{self, Health};
use crate::sim::network::http::{self, Request, Response};
use crate::sim::program::command::Invocation;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::time::Instant;

/// What `/make-not-serving` and `/make-serving` have set.
const NOT_SERVING: u64 = 1;
const SERVING: u64 = 2;

#[derive(Debug)]
struct Options {
    port: u16,
    http_port: u16,
    /// Seconds after which it reports that it does not serve; negative for never.
    delay: i64,
    service: String,
}

fn parse(call: &Invocation) -> Result<Options, String> {
    let mut options = Options { port: 5000, http_port: 8080, delay: -1, service: String::new() };
    let mut words = call.arguments().iter().skip(1);
    while let Some(word) = words.next() {
        let (name, attached) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        let value = attached.or_else(|| words.next().map(String::as_str)).ok_or_else(|| word.clone())?;
        let bad = |_| word.clone();
        match name.trim_start_matches('-') {
            "port" => options.port = value.parse().map_err(bad)?,
            "http-port" => options.http_port = value.parse().map_err(bad)?,
            "delay-unhealthy-sec" => options.delay = value.parse().map_err(bad)?,
            "service" => value.clone_into(&mut options.service),
            _ => return Err(word.clone()),
        }
    }
    Ok(options)
}

/// Serves until a port is taken: why, and which port.
///
/// # Errors
/// The exit code, when an option is not known.
pub(super) async fn health_checking(call: &Invocation) -> Result<(NetError, u16), i32> {
    let options = match parse(call) {
        Ok(options) => options,
        Err(word) => return Err(beyond(call, &format!("agnhost grpc-health-checking {word}")).await),
    };
    let (began, forced) = (Instant::now(), Gauge::default());
    let (options, forced) = (&options, &forced);
    let health = move |service: &str| {
        let late = options.delay >= 0 && began.elapsed() >= Duration::from_secs(options.delay.unsigned_abs());
        match forced.get() {
            _ if service != options.service => Health::Unknown,
            NOT_SERVING => Health::NotServing,
            // As the real one has it: switching it back on does not turn the clock back.
            _ if late => Health::NotServing,
            _ => Health::Serving,
        }
    };
    let at = now(call, "%Y/%m/%d %H:%M:%S");
    complain(call, &format!("{at} Http server starting to listen on :{}", options.http_port)).await;
    let switch = serve(call, options.http_port, |_, request: Request| async move {
        let (state, word) = match request.path() {
            "/make-not-serving" => (NOT_SERVING, "unhealthy"),
            "/make-serving" => (SERVING, "healthy"),
            _ => return Response::new(404, "text/plain; charset=utf-8", "404 page not found\n"),
        };
        complain(call, &format!("{} Mark as {word}", now(call, "%Y/%m/%d %H:%M:%S"))).await;
        forced.set(state);
        Response::new(200, "text/plain; charset=utf-8", format!("{}s", began.elapsed().as_secs_f64()))
    });
    let checks = async {
        let network = &call.process.machine.spec.network;
        let listener = match network.listen(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, options.port)) {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        http::serve(&listener, |stream| async move { grpc::answer(&stream, health).await }).await;
        NetError::Refused
    };
    tokio::select! {
        biased;
        error = switch => Ok((error, options.http_port)),
        error = checks => Ok((error, options.port)),
    }
}
