//! gRPC's health protocol between the kubelet and models of servers: the preface is HTTP/2's, so that other servers answer as they
//! would in life; what follows is an exchange of our own, because both sides are ours.

use super::http::Reader;
use super::namespace::PodNetwork;
use super::stream::Stream;
use std::net::SocketAddrV4;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// What an HTTP/2 client sends first.
const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a model of a gRPC server answers, in place of HTTP/2's settings.
const SETTINGS: &str = "SETTINGS";
/// The first pause after a failed attempt to connect (gRPC's backoff; jitter is left out).
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What a server says about one of its services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// `SERVING`.
    Serving,
    /// `NOT_SERVING`.
    NotServing,
    /// The server does not know the service.
    Unknown,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// Nobody spoke gRPC there before the deadline.
    NotConnected,
    /// The server did not answer before the deadline.
    NoAnswer,
}

/// Asks for the health of a service, as the kubelet's gRPC client does: trying to connect until the deadline.
///
/// # Errors
/// The deadline passed.
pub async fn check(network: &PodNetwork, to: SocketAddrV4, service: &str, deadline: Instant) -> Result<Health, CheckError> {
    let connect = async {
        loop {
            if let Ok(stream) = network.connect(to).await
                && stream.write(PREFACE).await.is_ok()
            {
                let answer = Reader::new(&stream).line().await;
                if matches!(&answer, Ok(Some(line)) if line == SETTINGS) {
                    return stream;
                }
            }
            sleep(FIRST_PAUSE).await;
        }
    };
    let Ok(stream) = timeout_at(deadline, connect).await else { return Err(CheckError::NotConnected) };
    let ask = async {
        stream.write(format!("CHECK {service}\n")).await.ok()?;
        Reader::new(&stream).line().await.ok()?
    };
    match timeout_at(deadline, ask).await {
        Ok(Some(line)) if line == "SERVING" => Ok(Health::Serving),
        Ok(Some(line)) if line == "NOT_SERVING" => Ok(Health::NotServing),
        Ok(Some(_)) => Ok(Health::Unknown),
        Ok(None) | Err(_) => Err(CheckError::NoAnswer),
    }
}

/// Answers the health checks of one connection, for models of gRPC servers. Ends when the client has left or speaks otherwise.
pub async fn answer(stream: &Stream, health: impl Fn(&str) -> Health) {
    let mut reader = Reader::new(stream);
    for expected in PREFACE.split("\r\n").take(4) {
        match reader.line().await {
            Ok(Some(line)) if line == expected => {}
            _ => return,
        }
    }
    if stream.write(format!("{SETTINGS}\n")).await.is_err() {
        return;
    }
    while let Ok(Some(line)) = reader.line().await {
        let Some(service) = line.strip_prefix("CHECK ") else { return };
        let text = match health(service) {
            Health::Serving => "SERVING\n",
            Health::NotServing => "NOT_SERVING\n",
            Health::Unknown => "UNKNOWN\n",
        };
        if stream.write(text).await.is_err() {
            return;
        }
    }
}
