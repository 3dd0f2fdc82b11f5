//! The node profile and the numbers of one Kubernetes version: what a simulation may be set to.
//! Laws (back-off, probes) live in `kubelet`; only their constants live here.

use super::program::model::Choice;
use std::collections::BTreeMap;
use std::time::Duration;

/// How the kernel's OOM killer acts inside a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cgroup {
    /// One process dies; the container only when that is PID 1.
    V1,
    /// `memory.oom.group`: a container over its limit dies whole, 137 `OOMKilled`.
    #[default]
    V2,
}

/// Which release's behaviour is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Crash-looping pods are re-synced every 10 to 15 s.
    V1_34,
    /// Crash-looping pods are re-synced when their back-off ends (PR 133066).
    #[default]
    V1_36,
}

/// The size of the disk of the recorded nodes (bytes).
pub const DISK_BYTES: u64 = 264_212_084 * 1024;

/// What one simulated node offers.
#[derive(Clone, Debug)]
pub struct NodeShape {
    /// The node's name.
    pub name: String,
    /// CPU capacity in millicores.
    pub cpu_millis: u64,
    /// Memory capacity in bytes.
    pub memory_bytes: u64,
    /// Size of its one disk in bytes: images, containers' layers and logs, and volumes of pods lie there.
    pub disk_bytes: u64,
    /// Whether the control plane's `NoSchedule` taint is set.
    pub control_plane: bool,
}

/// A stand-in program for images whose own program is unknown (`images:` of a scenario).
#[derive(Clone, Debug)]
pub struct ImageStandIn {
    /// Glob on the image name as written in the manifest (`shop/api:*`).
    pub pattern: String,
    /// The program to run in its place.
    pub command: Vec<String>,
    /// The model to run in its place, instead of a program.
    pub model: Option<Choice>,
}

/// Medians of the latencies that no source fixes (`kubernetes-behaviour.md` 0.2, calibrated on `shared/traces`).
#[derive(Clone, Debug)]
pub struct Latencies {
    /// One API write.
    pub api_write: Duration,
    /// Watch delivery and informer handling, before a controller acts.
    pub informer: Duration,
    /// Scheduler cycle and binding.
    pub scheduling: Duration,
    /// Sandbox and network of a pod, until PodReadyToStartContainers.
    pub sandbox: Duration,
    /// Creating one container.
    pub create: Duration,
    /// Starting one container.
    pub start: Duration,
    /// From the start of a container's first process to its first instruction.
    pub load: Duration,
    /// From the end of a sleep until the program that slept, and the shell that waits for it, go on.
    pub wake: Duration,
    /// From the last exit of a terminating pod to the object's removal.
    pub cleanup: Duration,
    /// Pulling a small image that exists.
    pub pull: Duration,
    /// Running one exec probe or exec call.
    pub exec: Duration,
}

/// Spreads of the latencies: each is drawn from a lognormal law about its median, whose logarithm has this standard deviation.
pub mod spread {
    /// What the kubelet and its runtime do.
    pub const KUBELET: f64 = 0.15;
    /// Loading and waking programs: of sixteen recorded servers five did not listen yet at their first probe, some 9 ms after
    /// the start.
    pub const LOAD: f64 = 0.6;
    /// API writes, watch delivery, binding, events.
    pub const CONTROL_PLANE: f64 = 0.3;
    /// Exec sessions.
    pub const EXEC: f64 = 0.3;
}

impl Default for Latencies {
    /// As recorded on a real 1.36.
    fn default() -> Self {
        Self {
            api_write: Duration::from_millis(3),
            informer: Duration::from_millis(5),
            scheduling: Duration::from_millis(8),
            sandbox: Duration::from_millis(430),
            create: Duration::from_millis(30),
            start: Duration::from_millis(80),
            load: Duration::from_micros(5_500),
            wake: Duration::from_millis(2),
            cleanup: Duration::from_millis(350),
            pull: Duration::from_millis(110),
            exec: Duration::from_millis(25),
        }
    }
}

impl Latencies {
    /// None at all.
    #[must_use]
    pub const fn none() -> Self {
        let zero = Duration::ZERO;
        Self {
            api_write: zero,
            informer: zero,
            scheduling: zero,
            sandbox: zero,
            create: zero,
            start: zero,
            load: zero,
            wake: zero,
            cleanup: zero,
            pull: zero,
            exec: zero,
        }
    }
}

mod choice;

pub use choice::ProfileChoice;

/// Parts of the control plane that are left out, so that the real programs can take their place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Without {
    /// No controllers: kube-controller-manager may run against the API server. What is no part of that program stays:
    /// the expiry of events.
    pub controllers: bool,
    /// No scheduler: kube-scheduler may run against the API server.
    pub scheduler: bool,
}

/// Everything a simulation may be set to, but its seed.
#[derive(Clone, Debug)]
pub struct Profile {
    /// What it is called: `1.36`, `1.34` or `instant`.
    pub name: &'static str,
    /// The release.
    pub version: Version,
    /// The nodes' OOM behaviour.
    pub cgroup: Cgroup,
    /// The nodes.
    pub nodes: Vec<NodeShape>,
    /// Stand-ins for images.
    pub images: Vec<ImageStandIn>,
    /// Whether Chaos Mesh is installed.
    pub chaos_mesh: bool,
    /// Whether it is an OpenShift: its API groups, projects, Routes and security context constraints.
    pub openshift: bool,
    /// A registry that has, under the names as manifests write them, what all others have.
    pub mirror: Option<String>,
    /// Images that a pull would find, beside those that are present on every node (`busybox` in all usual spellings).
    pub pullable: BTreeMap<String, u64>,
    /// Images that are busybox with further files (path to content), present on every node.
    pub busybox_images: BTreeMap<String, BTreeMap<String, String>>,
    /// Latency medians.
    pub latencies: Latencies,
    /// Parts that are left out.
    pub without: Without,
    /// Whether the nodes are containers of one machine, as kind's are: then a reboot does not change the kernel's boot ID,
    /// and no kubelet speaks of it.
    pub shared_kernel: bool,
}

impl Profile {
    /// The same profile with `count` nodes as kind makes them: one alone takes everything; of several the first is a tainted
    /// control plane and the others are workers. Their size is that of the present first node.
    #[must_use]
    pub fn with_nodes(mut self, count: usize) -> Self {
        let Some(model) = self.nodes.first().cloned() else { return self };
        let name = |place| match place {
            0 => "embedded-control-plane".to_owned(),
            1 => "embedded-worker".to_owned(),
            _ => format!("embedded-worker{place}"),
        };
        let shape = |place| NodeShape { name: name(place), control_plane: count > 1 && place == 0, ..model.clone() };
        self.nodes = (0..count).map(shape).collect();
        self
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: "1.36",
            version: Version::default(),
            cgroup: Cgroup::default(),
            nodes: vec![NodeShape {
                name: "embedded-control-plane".to_owned(),
                cpu_millis: 4_000,
                memory_bytes: 16 * 1024 * 1024 * 1024,
                disk_bytes: DISK_BYTES,
                control_plane: false,
            }],
            images: Vec::new(),
            mirror: None,
            chaos_mesh: false,
            openshift: false,
            pullable: BTreeMap::new(),
            busybox_images: BTreeMap::new(),
            latencies: Latencies::default(),
            without: Without::default(),
            shared_kernel: false,
        }
    }
}
