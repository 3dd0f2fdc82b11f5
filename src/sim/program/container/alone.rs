//! A container without a cluster around it, for tests, fuzzing and measurements.
//! The kubelet builds its own.

use super::ContainerSpec;
use crate::sim::clock::Clock;
use crate::sim::limits::Limits;
use crate::sim::network::{Identity, Network};
use crate::sim::profile::Cgroup;
use crate::sim::program::console::Console;
use crate::sim::program::filesystem::FileSystem;
use crate::sim::program::node_memory::NodeMemory;
use crate::sim::random::Random;
use crate::sim::tasks::Tasks;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

impl ContainerSpec {
    /// A container of busybox with this command line, on a node and a network of its own. Its clock begins with 2026.
    #[must_use]
    pub fn alone(argv: &[&str]) -> Self {
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
        Self {
            uid: "uid".to_owned(),
            subject: "ns/pod/app".to_owned(),
            image: "busybox:1.36".to_owned(),
            model: None,
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            env: BTreeMap::new(),
            working_directory: "/".to_owned(),
            hostname: "pod".to_owned(),
            filesystem: FileSystem::default(),
            network: Network::alone(Random::new(1), &limits).attach(identity),
            memory_limit: None,
            cpu_limit: None,
            node_memory: NodeMemory::default(),
            oom_score_adj: 1_000,
            cgroup: Cgroup::V2,
            console: Console::default(),
            loading: Duration::ZERO,
            wake: Duration::ZERO,
            clock: Clock::starting_at(Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH)),
            random: Random::new(1),
            limits,
            tasks: Tasks::default(),
        }
    }
}
