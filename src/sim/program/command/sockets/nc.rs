//! `nc` as busybox has it: a client, a listener for one connection (`-l`) or for many (`-ll -e`), a program on a connection.
//! Its options `-z`, `-v`, `-k` belong to other netcats; the busybox of the recorded image refuses them.

use super::{Connected, connect, lookup, port, usage};
use crate::sim::network::{Listener, NetError, Stream};
use crate::sim::program::command::{Invocation, run_other};
use crate::sim::program::data::Data;
use crate::sim::program::descriptor::Descriptor;
use crate::sim::program::process::{self, Origin};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

const USAGE: &str = "nc [-iN] [-wN] [-l] [-p PORT] [-f FILE|IPADDR PORT] [-e PROG]

Open a pipe to IP:PORT or FILE

\t-l\tListen mode, for inbound connects
\t\t(use -ll with -e for persistent server)
\t-p PORT\tLocal port
\t-w SEC\tConnect timeout
\t-i SEC\tDelay interval for lines sent
\t-f FILE\tUse file (ala /dev/ttyS0) instead of network
\t-e PROG\tRun PROG after connect";
const CHUNK: u64 = 16 * 1024;

#[derive(Default)]
struct Options {
    /// How many `-l` there were.
    listen: usize,
    port: u16,
    limit: Option<Duration>,
    program: Vec<String>,
    operands: Vec<String>,
}

/// Runs `nc`.
pub async fn run(call: Invocation) -> i32 {
    let options = match parse(&call) {
        Ok(options) => options,
        Err(Some(bad)) if bad == "-i" || bad == "-f" => return call.bad_option(&bad).await,
        Err(bad) => return usage(&call, bad.as_deref(), USAGE).await,
    };
    let stream = if options.listen > 0 {
        let at = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, options.port);
        let listener = match call.process.machine.spec.network.listen(at) {
            Ok(listener) => listener,
            Err(error) => return failed(&call, &format!("bind: {error}")).await,
        };
        if options.listen > 1 {
            return serve(&call, &listener, &options.program).await;
        }
        match options.limit {
            None => listener.accept().await,
            Some(limit) => match tokio::time::timeout(limit, listener.accept()).await {
                Ok(stream) => stream,
                Err(_) => return failed(&call, "timed out").await,
            },
        }
    } else {
        let [host, number, ..] = options.operands.as_slice() else { return usage(&call, None, USAGE).await };
        let Some(address) = lookup(&call, host).await else { return 1 };
        let Some(number) = port(number) else { return failed(&call, &format!("bad port '{number}'")).await };
        match connect(&call, SocketAddrV4::new(address, number), options.limit).await {
            Connected::Yes(stream) => stream,
            Connected::No(error) => return failed(&call, &format!("can't connect to remote host ({address}): {error}")).await,
            Connected::TimedOut => return failed(&call, "timed out").await,
        }
    };
    let stream = Arc::new(stream);
    if options.program.is_empty() {
        return relay(&call, &stream).await;
    }
    run_other(on(call, &stream, options.program)).await
}

fn parse(call: &Invocation) -> Result<Options, Option<String>> {
    let mut options = Options::default();
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            options.operands.push(word.clone());
            continue;
        };
        if word.starts_with("--") {
            return Err(Some(word.clone()));
        }
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let mut value = || {
                let attached: String = rest.by_ref().collect();
                if attached.is_empty() { words.next().cloned() } else { Some(attached) }
            };
            match letter {
                'l' => options.listen += 1,
                'p' => options.port = value().and_then(|text| port(&text)).ok_or(None)?,
                'w' => options.limit = Some(Duration::from_secs(value().and_then(|text| text.parse().ok()).ok_or(None)?)),
                'e' => {
                    options.program = value().into_iter().collect();
                    options.program.extend(words.by_ref().cloned());
                }
                other => return Err(Some(format!("-{other}"))),
            }
        }
    }
    let known = options.listen > 0 || options.operands.len() >= 2;
    if known && (options.listen < 2 || !options.program.is_empty()) { Ok(options) } else { Err(None) }
}

async fn failed(call: &Invocation, message: &str) -> i32 {
    call.error(message).await;
    1
}

/// The program of `-e`, with the connection as its input and output.
fn on(call: Invocation, stream: &Arc<Stream>, program: Vec<String>) -> Invocation {
    let mut descriptors = call.descriptors;
    for number in 0..3 {
        descriptors.set(number, Some(Descriptor::Socket(Arc::clone(stream))));
    }
    Invocation { argv: program, descriptors, ..call }
}

/// `-ll -e`: a process for each connection, for ever.
async fn serve(call: &Invocation, listener: &Listener, program: &[String]) -> i32 {
    loop {
        let stream = Arc::new(listener.accept().await);
        call.process.processor(process::FORK).await;
        let origin = Origin {
            parent: call.process.pid,
            session: Some(call.process.session),
            ignored: call.process.ignored(),
            argv: program.to_vec(),
        };
        let own = Invocation {
            applet: call.applet.clone(),
            argv: Vec::new(),
            environment: call.environment.clone(),
            directory: call.directory.clone(),
            descriptors: call.descriptors.clone(),
            process: Arc::clone(&call.process),
            position: call.position.clone(),
        };
        let invocation = on(own, &stream, program.to_vec());
        drop(stream);
        process::spawn(&call.process.machine, origin, |process| run_other(Invocation { process, ..invocation }));
    }
}

/// Passes bytes both ways until the other side has finished.
async fn relay(call: &Invocation, stream: &Arc<Stream>) -> i32 {
    let input = call.descriptors.get(0);
    let sending = async {
        if let Ok(input) = input {
            while let Ok(data) = input.read(CHUNK).await {
                if data.is_empty() || Descriptor::Socket(Arc::clone(stream)).write(data).await.is_err() {
                    break;
                }
            }
        }
        stream.finish();
        std::future::pending::<()>().await;
    };
    let receiving = async {
        loop {
            match stream.read(usize::try_from(CHUNK).unwrap_or(usize::MAX)).await {
                Ok(bytes) if bytes.is_empty() => return 0,
                Ok(bytes) => {
                    if call.write(Data::Bytes(bytes.to_vec())).await != 0 {
                        return 1;
                    }
                }
                Err(NetError::Reset) => return failed(call, "read: Connection reset by peer").await,
                Err(error) => return failed(call, &format!("read: {error}")).await,
            }
        }
    };
    tokio::select! {
        biased;
        code = receiving => code,
        () = sending => 1,
    }
}
