//! What the tests of programs share: a container that runs a command to its end on a paused clock.
//! Only for tests.

use super::filesystem::{FileSystem, Mount};
use super::node_memory::NodeMemory;
use super::{Container, ContainerSpec};
use crate::sim::clock::Clock;
use crate::sim::limits::Limits;
use crate::sim::network::{Identity, Network};
use crate::sim::profile::Cgroup;
use crate::sim::random::Random;
use crate::sim::tasks::Tasks;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A container of busybox with this command line.
pub fn spec(argv: &[&str], mounts: Vec<Mount>) -> ContainerSpec {
    let limits = Limits::default();
    let identity = Identity {
        uid: "uid".to_owned(),
        namespace: "ns".to_owned(),
        name: "pod".to_owned(),
        node: "node".to_owned(),
        address: Ipv4Addr::new(10, 244, 0, 5),
        host_network: false,
        hosts: "127.0.0.1\tlocalhost\n10.244.0.5\tpod\n".to_owned(),
        resolv_conf: "search ns.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
            .to_owned(),
    };
    ContainerSpec {
        uid: "uid".to_owned(),
        subject: "ns/pod/app".to_owned(),
        image: "busybox:1.36".to_owned(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        env: BTreeMap::new(),
        working_directory: "/".to_owned(),
        hostname: "pod".to_owned(),
        filesystem: FileSystem::with_mounts(mounts),
        network: Network::alone(Random::new(1), &limits).attach(identity),
        memory_limit: None,
        cpu_limit: None,
        node_memory: NodeMemory::default(),
        oom_score_adj: 1_000,
        cgroup: Cgroup::V2,
        clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
        random: Random::new(1),
        limits,
        tasks: Tasks::default(),
    }
}

/// Runs a container to its end: its log, its code, whether memory ended it, what was not simulated.
pub async fn finish(spec: ContainerSpec) -> (Vec<String>, i32, bool, Vec<String>) {
    let limits = spec.limits.clone();
    let container = Container::start(spec).unwrap();
    let exit = container.exit().wait_for(Option::is_some).await.unwrap().unwrap();
    let lines = container.log().since(0).into_iter().map(|line| line.text).collect();
    (lines, exit.code, exit.oom_killed, limits.since(0).into_iter().map(|limit| limit.construct).collect())
}

/// Runs a script with `sh -c`: its log as one text, and its code. Nothing in it may be unsupported.
pub async fn sh(script: &str) -> (String, i32) {
    let (lines, code, _, limits) = finish(spec(&["sh", "-c", script], Vec::new())).await;
    assert_eq!(limits, Vec::<String>::new(), "{script}");
    (lines.join("\n"), code)
}
