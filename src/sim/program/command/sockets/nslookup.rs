//! `nslookup` as busybox has it: asks one server for A and AAAA (or another type) of every name that the search list makes.
//! The order of its lines follows the search list: on a real cluster they come as the answers arrive.

use super::{note, usage};
use crate::sim::network::dns::{Answer, Question, Record};
use crate::sim::network::resolver::ResolvConf;
use crate::sim::program::command::Invocation;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::time::sleep;

const USAGE: &str = "nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]

Query DNS about HOST

QUERY_TYPE: soa,ns,a,aaaa,cname,mx,txt,ptr,srv,any";
/// How long it waits for answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `nslookup`.
pub async fn run(call: &Invocation) -> i32 {
    let mut questions = vec![Question::A, Question::Aaaa];
    let mut operands = Vec::new();
    for word in call.arguments() {
        let kind = ["-type=", "-querytype=", "-t="].iter().find_map(|prefix| word.strip_prefix(prefix));
        match kind.map(str::to_lowercase).as_deref() {
            Some("a") => questions = vec![Question::A],
            Some("aaaa") => questions = vec![Question::Aaaa],
            Some("srv") => questions = vec![Question::Srv],
            Some("ptr") => questions = vec![Question::Ptr],
            Some(_) => return call.bad_option(word).await,
            None if word == "-debug" => {}
            None if word.starts_with('-') => return usage(call, Some(&word[..2]), USAGE).await,
            None => operands.push(word.as_str()),
        }
    }
    let Some(host) = operands.first() else { return usage(call, None, USAGE).await };
    let machine = &call.process.machine;
    let file = machine.spec.filesystem.read("/etc/resolv.conf").unwrap_or_default();
    let conf = ResolvConf::parse(&String::from_utf8_lossy(&file));
    let server = match operands.get(1) {
        None => conf.servers.first().copied().unwrap_or(Ipv4Addr::LOCALHOST),
        Some(named) => match super::lookup(call, named).await {
            Some(server) => server,
            None => return 1,
        },
    };
    let names = names(&conf, host);
    if host.parse::<Ipv4Addr>().is_ok() {
        questions = vec![Question::Ptr];
    }
    let mut text = format!("Server:\t\t{server}\nAddress:\t{server}:53\n\n");
    let (mut failed, mut answered) = (false, false);
    for question in questions {
        for name in &names {
            match machine.spec.network.query(server, name, question).await {
                Answer::Silence => {}
                Answer::Refused => {
                    note(call, &format!("nslookup: write to '{server}': Connection refused\n;; connection timed out; no servers could be reached\n\n")).await;
                    return 1;
                }
                Answer::Found(records) => {
                    answered = true;
                    text.push_str(&lines(&records));
                    text.push('\n');
                }
                answer @ (Answer::NoSuchName | Answer::Failed) => {
                    (answered, failed) = (true, true);
                    let code = if answer == Answer::Failed { "SERVFAIL" } else { "NXDOMAIN" };
                    text.push_str(&format!("** server can't find {name}: {code}\n\n"));
                }
            }
        }
    }
    if !answered {
        sleep(PATIENCE).await;
        note(call, ";; connection timed out; no servers could be reached\n\n").await;
        return 1;
    }
    call.print(text).await;
    i32::from(failed)
}

/// The names that are asked for: with dots the name as it is, else what the search list makes of it.
fn names(conf: &ResolvConf, host: &str) -> Vec<String> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        let reverse: Vec<_> = address.octets().iter().rev().map(u8::to_string).collect();
        return vec![format!("{}.in-addr.arpa", reverse.join("."))];
    }
    if host.contains('.') || conf.search.is_empty() {
        return vec![host.trim_end_matches('.').to_owned()];
    }
    conf.search.iter().map(|domain| format!("{host}.{domain}")).collect()
}

fn lines(records: &[Record]) -> String {
    records
        .iter()
        .map(|record| match record {
            Record::A(name, address) => format!("Name:\t{name}\nAddress: {address}\n"),
            Record::Alias(name, target) => format!("{name}\tcanonical name = {target}\n"),
            Record::Service(name, port, host) => format!("{name}\tservice = 0 100 {port} {host}\n"),
            Record::Pointer(reverse, name) => format!("{reverse}\tname = {name}\n"),
        })
        .collect()
}
