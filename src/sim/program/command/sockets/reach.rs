//! Programs that try whether somebody is there: `ping` and `telnet`.
//! Echo requests obey partitions and policies as connections do; a Service's address does not answer them.

use super::{Connected, connect, lookup, port, usage};
use crate::sim::program::command::Invocation;
use crate::sim::program::data::Data;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

const PING_USAGE: &str = "ping [OPTIONS] HOST

Send ICMP ECHO_REQUESTs to HOST

\t-c CNT\t\tSend only CNT pings
\t-s SIZE\t\tSend SIZE data bytes in packets (default 56)
\t-i SECS\t\tInterval
\t-W SEC\t\tSeconds to wait for the first response (default 10)
\t\t\t(after all -c CNT packets are sent)
\t-w SEC\t\tSeconds until ping exits (default:infinite)
\t\t\t(can exit earlier with -c CNT)
\t-q\t\tQuiet, only display output at start/finish";
const TELNET_USAGE: &str = "telnet [-a] [-l USER] HOST [PORT]\n\nConnect to telnet server";
/// How long the last answer is waited for.
const LINGER: Duration = Duration::from_secs(10);

struct Ping {
    count: Option<u64>,
    size: usize,
    interval: Duration,
    linger: Duration,
    deadline: Option<Duration>,
    quiet: bool,
}

/// Runs `ping`.
pub async fn ping(call: &Invocation) -> i32 {
    let (options, operands) = match call.options("4nqA", "csiWwtIp") {
        Ok(parsed) => parsed,
        Err(bad) => return usage(call, Some(&bad), PING_USAGE).await,
    };
    let mut ping = Ping { count: None, size: 56, interval: Duration::from_secs(1), linger: LINGER, deadline: None, quiet: false };
    for (letter, value) in options {
        let seconds = value.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let valid = match letter {
            'q' => {
                ping.quiet = true;
                true
            }
            'c' => value.parse().map(|count| ping.count = Some(count)).is_ok(),
            's' => value.parse().map(|size| ping.size = size).is_ok(),
            'i' => seconds.map(|seconds| ping.interval = seconds.max(Duration::from_millis(10))).is_some(),
            'W' => seconds.map(|seconds| ping.linger = seconds).is_some(),
            'w' => seconds.map(|seconds| ping.deadline = Some(seconds)).is_some(),
            _ => true,
        };
        if !valid {
            call.error(&format!("invalid number '{value}'")).await;
            return 1;
        }
    }
    let Some(host) = operands.first() else { return usage(call, None, PING_USAGE).await };
    let Some(address) = lookup(call, host).await else { return 1 };
    call.print(format!("PING {host} ({address}): {} data bytes\n", ping.size)).await;
    run(call, &ping, host, address).await
}

async fn run(call: &Invocation, ping: &Ping, host: &str, address: Ipv4Addr) -> i32 {
    let machine = &call.process.machine;
    let own = address.is_loopback() || address == machine.spec.network.address();
    let begun = Instant::now();
    let over = ping.deadline.map(|limit| begun + limit);
    let mut times = Vec::new();
    let mut sent = 0u64;
    while ping.count.is_none_or(|count| sent < count) && over.is_none_or(|over| Instant::now() < over) {
        if machine.spec.network.is_echoed(address) {
            #[expect(clippy::cast_precision_loss, reason = "a number below 1000")]
            let time = (machine.draw() % 150) as f64 / 1000.0 + if own { 0.02 } else { 0.08 };
            times.push(time);
            if !ping.quiet {
                let line = format!(
                    "{} bytes from {address}: seq={sent} ttl={} time={time:.3} ms\n",
                    ping.size + 8,
                    if own { 64 } else { 62 }
                );
                call.print(line).await;
            }
        }
        sent += 1;
        let next = begun + ping.interval * u32::try_from(sent).unwrap_or(u32::MAX);
        if ping.count.is_none_or(|count| sent < count) {
            sleep_until(over.map_or(next, |over| next.min(over))).await;
        }
    }
    if (times.len() as u64) < sent {
        let rest = over.map_or(ping.linger, |over| over.saturating_duration_since(Instant::now()).min(ping.linger));
        sleep(rest).await;
    }
    let received = times.len() as u64;
    let loss = ((sent - received) * 100).checked_div(sent).unwrap_or(0);
    let mut text = format!(
        "\n--- {host} ping statistics ---\n{sent} packets transmitted, {received} packets received, {loss}% packet loss\n"
    );
    if let (Some(least), Some(most)) = (times.iter().copied().reduce(f64::min), times.iter().copied().reduce(f64::max)) {
        #[expect(clippy::cast_precision_loss, reason = "a count of packets")]
        let average = times.iter().sum::<f64>() / times.len() as f64;
        text.push_str(&format!("round-trip min/avg/max = {least:.3}/{average:.3}/{most:.3} ms\n"));
    }
    call.print(text).await;
    i32::from(received == 0)
}

/// Runs `telnet`, as far as it goes without a terminal: input is sent, what comes is printed.
pub async fn telnet(call: &Invocation) -> i32 {
    let operands: Vec<&String> = call.arguments().iter().filter(|word| !word.starts_with('-')).collect();
    let Some(host) = operands.first() else { return usage(call, None, TELNET_USAGE).await };
    let Some(number) = operands.get(1).map_or(Some(23), |text| port(text)) else { return 1 };
    let Some(address) = lookup(call, host).await else { return 1 };
    let stream = match connect(call, SocketAddrV4::new(address, number), None).await {
        Connected::Yes(stream) => stream,
        Connected::No(error) => {
            call.error(&format!("can't connect to remote host ({address}): {error}")).await;
            return 1;
        }
        // Without a limit there is none to pass.
        Connected::TimedOut => return 1,
    };
    call.print(format!("Connected to {host}\n")).await;
    let sending = async {
        if let Ok(input) = call.descriptors.get(0) {
            while let Ok(data) = input.read(4 * 1024).await {
                // The end of its input ends the program.
                if data.is_empty() || stream.write(data.into_bytes()).await.is_err() {
                    return 0;
                }
            }
        }
        0
    };
    let receiving = async {
        loop {
            match stream.read(4 * 1024).await {
                Ok(bytes) if !bytes.is_empty() => {
                    call.write(Data::Bytes(bytes.to_vec())).await;
                }
                _ => {
                    call.print("Connection closed by foreign host\r\n").await;
                    return 1;
                }
            }
        }
    };
    tokio::select! {
        biased;
        code = receiving => code,
        code = sending => code,
    }
}
