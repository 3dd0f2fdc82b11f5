//! Programs that show a pod's network: `ip`, `ifconfig`, `route`, `netstat`.
//! They show what `sim::network` knows; changing anything is not simulated.

use super::usage;
use crate::sim::program::command::Invocation;
use std::net::Ipv4Addr;

const IP_USAGE: &str = "ip [OPTIONS] address|route|link|tunnel|neigh|rule [ARGS]

OPTIONS := -f[amily] inet|inet6|link | -o[neline]
";
const NETSTAT_USAGE: &str = "netstat [-ral] [-tuwx] [-en]

Display networking information

\t-r\tRouting table
\t-a\tAll sockets
\t-l\tListening sockets
\t\tElse: connected sockets
\t-t\tTCP sockets
\t-u\tUDP sockets
\t-w\tRaw sockets
\t-x\tUnix sockets
\t\tElse: all socket types
\t-e\tOther/more information
\t-n\tDon't resolve names";

/// A pod's interface: its address, that of the bridge, the last address of its subnet, its hardware address.
struct Interface {
    address: Ipv4Addr,
    gateway: Ipv4Addr,
    broadcast: Ipv4Addr,
    network: Ipv4Addr,
    hardware: String,
}

fn interface(call: &Invocation) -> Interface {
    let spec = &call.process.machine.spec;
    let address = spec.network.address();
    let [a, b, c, _] = address.octets();
    let bytes = spec.random.bits(&spec.uid, "hardware-address", 0).to_le_bytes();
    // Locally administered, as those of virtual interfaces are.
    let first = bytes[0] & 0xfc | 0x02;
    let rest: String = bytes[1..6].iter().map(|byte| format!(":{byte:02x}")).collect();
    Interface {
        address,
        gateway: Ipv4Addr::new(a, b, c, 1),
        broadcast: Ipv4Addr::new(a, b, c, 255),
        network: Ipv4Addr::new(a, b, c, 0),
        hardware: format!("{first:02x}{rest}"),
    }
}

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "ip" => ip(call).await,
        "ifconfig" => ifconfig(call).await,
        "route" => route(call).await,
        _ => netstat(call).await,
    }
}

async fn ip(call: &Invocation) -> i32 {
    let words: Vec<&str> =
        call.arguments().iter().map(String::as_str).filter(|word| !matches!(*word, "-4" | "-f" | "inet")).collect();
    let Some((what, rest)) = words.split_first() else { return usage(call, None, IP_USAGE).await };
    let own = interface(call);
    let only = match rest {
        [] | ["show" | "list" | "ls"] => None,
        ["show" | "list" | "ls", "dev", device] | ["show" | "list" | "ls", device] => Some(*device),
        _ => return call.bad_option(&rest.join(" ")).await,
    };
    let shown = |device: &str| only.is_none_or(|only| only == device);
    let family = call.arguments().iter().any(|word| word == "-4");
    let mut text = String::new();
    match *what {
        "a" | "addr" | "address" | "l" | "link" => {
            let addresses = !what.starts_with('l');
            let link = !(addresses && family);
            let valid = "       valid_lft forever preferred_lft forever\n";
            if shown("lo") {
                text.push_str("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n");
                if link {
                    text.push_str("    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n");
                }
                if addresses {
                    text.push_str(&format!("    inet 127.0.0.1/8 scope host lo\n{valid}"));
                }
            }
            if shown("eth0") {
                text.push_str("2: eth0@if9: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu 1500 qdisc noqueue qlen 1000\n");
                if link {
                    text.push_str(&format!("    link/ether {} brd ff:ff:ff:ff:ff:ff\n", own.hardware));
                }
                if addresses {
                    text.push_str(&format!("    inet {}/24 brd {} scope global eth0\n{valid}", own.address, own.broadcast));
                }
            }
            if text.is_empty() {
                call.error(&format!("can't find device '{}'", only.unwrap_or_default())).await;
                return 1;
            }
        }
        "r" | "route" => {
            let Interface { address, gateway, network, .. } = own;
            text = format!(
                "default via {gateway} dev eth0 \n{network}/24 via {gateway} dev eth0  src {address} \n{gateway} dev eth0 scope link  src {address} \n"
            );
        }
        other => return call.bad_option(other).await,
    }
    call.print(text).await
}

async fn ifconfig(call: &Invocation) -> i32 {
    let own = interface(call);
    let words: Vec<&str> = call.arguments().iter().map(String::as_str).filter(|word| *word != "-a").collect();
    let only = match words.as_slice() {
        [] => None,
        [device] if matches!(*device, "eth0" | "lo") => Some(*device),
        [device] => {
            call.error(&format!("{device}: error fetching interface information: Device not found")).await;
            return 1;
        }
        _ => return call.bad_option(&words.join(" ")).await,
    };
    let counters = "          RX packets:0 errors:0 dropped:0 overruns:0 frame:0\n          TX packets:0 errors:0 dropped:0 overruns:0 carrier:0\n          collisions:0 txqueuelen:1000 \n          RX bytes:0 (0.0 B)  TX bytes:0 (0.0 B)\n\n";
    let mut text = String::new();
    if only.is_none_or(|only| only == "eth0") {
        text.push_str(&format!(
            "eth0      Link encap:Ethernet  HWaddr {}  \n          inet addr:{}  Bcast:{}  Mask:255.255.255.0\n          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n{counters}",
            own.hardware.to_uppercase(), own.address, own.broadcast
        ));
    }
    if only.is_none_or(|only| only == "lo") {
        text.push_str(&format!(
            "lo        Link encap:Local Loopback  \n          inet addr:127.0.0.1  Mask:255.0.0.0\n          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n{counters}"
        ));
    }
    call.print(text).await
}

fn row(destination: &str, gateway: &str, mask: &str, flags: &str) -> String {
    format!("{destination:<15} {gateway:<15} {mask:<15} {flags:<5} 0      0        0 eth0\n")
}

async fn route(call: &Invocation) -> i32 {
    if let Some(other) = call.arguments().iter().find(|word| *word != "-n") {
        return call.bad_option(other).await;
    }
    let Interface { gateway, network, .. } = interface(call);
    let (gateway, network) = (gateway.to_string(), network.to_string());
    let mut text =
        "Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface\n".to_owned();
    text.push_str(&row("0.0.0.0", &gateway, "0.0.0.0", "UG"));
    text.push_str(&row(&network, &gateway, "255.255.255.0", "UG"));
    text.push_str(&row(&gateway, "0.0.0.0", "255.255.255.255", "UH"));
    call.print(text).await
}

async fn netstat(call: &Invocation) -> i32 {
    let letters: String = call.arguments().iter().map(|word| word.trim_start_matches('-')).collect();
    if let Some(bad) = letters.chars().find(|letter| !"altunwxer".contains(*letter)) {
        return usage(call, Some(&format!("-{bad}")), NETSTAT_USAGE).await;
    }
    if letters.contains('r') || letters.contains('e') {
        return call.bad_option(&format!("-{letters}")).await;
    }
    let network = &call.process.machine.spec.network;
    let (all, listening) = (letters.contains('a'), letters.contains('l'));
    let title = match (all, listening) {
        (true, _) => "servers and established",
        (_, true) => "only servers",
        _ => "w/o servers",
    };
    let kinds = letters.contains(['t', 'u', 'w', 'x']);
    let mut text = String::new();
    if !kinds || letters.contains(['t', 'u', 'w']) {
        text = format!(
            "Active Internet connections ({title})\nProto Recv-Q Send-Q Local Address           Foreign Address         State       \n"
        );
    }
    if !kinds || letters.contains('t') {
        let row = |local: &str, peer: &str, state: &str| format!("tcp        0      0 {local:<23} {peer:<23} {state:<12}\n");
        if all || listening {
            for at in network.listening() {
                let wildcard = at.ip().is_unspecified();
                let local = if wildcard { format!(":::{}", at.port()) } else { at.to_string() };
                text.push_str(&row(&local, if wildcard { ":::*" } else { "0.0.0.0:*" }, "LISTEN"));
            }
        }
        if all || !listening {
            for (local, peer) in network.established() {
                text.push_str(&row(&local.to_string(), &peer.to_string(), "ESTABLISHED"));
            }
        }
    }
    if !kinds || letters.contains('x') {
        text.push_str(&format!(
            "Active UNIX domain sockets ({title})\nProto RefCnt Flags       Type       State         I-Node Path\n"
        ));
    }
    call.print(text).await
}
