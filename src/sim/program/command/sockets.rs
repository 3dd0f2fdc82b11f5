//! The programs that use the network, and what they share: looking names up, time limits, usage texts.
//! The network itself is `sim::network`.

mod curl;
mod httpd;
mod interfaces;
mod nc;
mod nslookup;
mod reach;
#[cfg(test)]
mod tests;
mod wget;

use super::Invocation;
use crate::sim::network::{NetError, Stream};
use crate::sim::program::data::Data;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// Their names.
pub const PROGRAMS: [&str; 11] =
    ["curl", "httpd", "ifconfig", "ip", "nc", "netstat", "nslookup", "ping", "route", "telnet", "wget"];

/// Runs one of them.
pub async fn run(invocation: Invocation) -> i32 {
    let call = &invocation;
    match call.argv[0].as_str() {
        "curl" => curl::run(call).await,
        "httpd" => httpd::run(invocation).await,
        "nc" => nc::run(invocation).await,
        "nslookup" => nslookup::run(call).await,
        "ping" => reach::ping(call).await,
        "telnet" => reach::telnet(call).await,
        "wget" => wget::run(call).await,
        _ => interfaces::run(call).await,
    }
}

/// The first address of a name, by the container's own files; busybox's message if there is none.
pub async fn lookup(call: &Invocation, name: &str) -> Option<Ipv4Addr> {
    let machine = &call.process.machine;
    let file = |path: &str| String::from_utf8_lossy(&machine.spec.filesystem.read(path).unwrap_or_default()).into_owned();
    let (hosts, resolv_conf) = (file("/etc/hosts"), file("/etc/resolv.conf"));
    if let Ok(addresses) = machine.spec.network.lookup(&hosts, &resolv_conf, name).await {
        return addresses.first().copied();
    }
    call.error(&format!("bad address '{name}'")).await;
    None
}

/// How a limited attempt to connect ended.
pub enum Connected {
    /// With a connection.
    Yes(Stream),
    /// The kernel says why not.
    No(NetError),
    /// The program's own limit passed first.
    TimedOut,
}

/// Connects within a limit (`None`: as long as the kernel tries).
pub async fn connect(call: &Invocation, to: SocketAddrV4, limit: Option<Duration>) -> Connected {
    let connecting = call.process.machine.spec.network.connect(to);
    let result = match limit {
        None => connecting.await,
        Some(limit) => match tokio::time::timeout(limit, connecting).await {
            Ok(result) => result,
            Err(_) => return Connected::TimedOut,
        },
    };
    result.map_or_else(Connected::No, Connected::Yes)
}

/// Writes to standard error as it is.
pub async fn note(call: &Invocation, text: &str) {
    if let Ok(descriptor) = call.descriptors.get(2) {
        // A closed standard error swallows messages, as it does in a real process.
        let _ = descriptor.write(Data::Bytes(text.as_bytes().to_vec())).await;
    }
}

/// An option that the program does not have: the message and the usage, status 1.
pub async fn usage(call: &Invocation, bad_option: Option<&str>, text: &str) -> i32 {
    if let Some(option) = bad_option {
        match option.strip_prefix("--") {
            Some(_) => call.error(&format!("unrecognized option '{option}'")).await,
            None => call.error(&format!("invalid option -- '{}'", option.trim_start_matches('-'))).await,
        }
    }
    note(call, &format!("BusyBox v1.36.1 multi-call binary.\n\nUsage: {text}\n")).await;
    1
}

/// A port number, or the number of a service that everybody knows.
pub fn port(text: &str) -> Option<u16> {
    match text {
        "http" => Some(80),
        "https" => Some(443),
        "telnet" => Some(23),
        "domain" => Some(53),
        _ => text.parse().ok(),
    }
}
