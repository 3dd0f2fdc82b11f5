//! What may be done to a node: pausing, cutting the power, stopping its kubelet, taking the API server away from it.
//! What a kubelet does when it wakes or starts lives in `wake`.

use super::agent::Agent;
use super::host::Host;
use crate::sim::tasks::Tasks;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// From the start of a machine to that of containerd (recorded: 0.5 to 0.6 s), and on to the kubelet's (0.9 s).
const BOOT: (Duration, Duration) = (Duration::from_millis(450), Duration::from_millis(600));
const BOOT_KUBELET: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(300));
/// From the start of a kubelet to its first event (recorded: 0.26 s).
const START: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(300));

/// Something was asked of a node that cannot be done in its present state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node {node} is {state}: {help}")]
pub struct ControlError {
    /// The node.
    pub node: String,
    /// What it is now.
    pub state: &'static str,
    /// What to do instead.
    pub help: &'static str,
}

/// What is switched on in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Whether the machine runs.
    pub powered: bool,
    /// Whether all its processes are frozen.
    pub paused: bool,
    /// Whether its kubelet runs (frozen or not).
    pub kubelet: bool,
    /// Whether its container runtime runs.
    pub container_runtime: bool,
    /// Whether it reaches the API server.
    pub connected: bool,
}

/// The switches of one simulated node.
#[derive(Clone, Debug)]
pub struct NodeControl {
    host: Arc<Host>,
}

impl NodeControl {
    pub(super) const fn new(host: Arc<Host>) -> Self {
        Self { host }
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.host.node.name
    }

    /// What is switched on now.
    #[must_use]
    pub fn state(&self) -> NodeState {
        let switches = self.host.switches();
        NodeState {
            powered: switches.powered,
            paused: switches.paused.is_some(),
            kubelet: switches.kubelet_up,
            container_runtime: self.host.containerd.get(),
            connected: self.host.link.get(),
        }
    }

    /// Bytes of memory that the node has in all, and that its containers and its own programs use now.
    #[must_use]
    pub fn memory(&self) -> (u64, u64) {
        let capacity = self.host.node.memory_bytes;
        (capacity, capacity.min(super::host::SYSTEM_MEMORY + self.host.memory().used()))
    }

    fn refused(&self, state: &'static str, help: &'static str) -> ControlError {
        ControlError { node: self.name().to_owned(), state, help }
    }

    /// The kubelet and the tasks of the machine, if the machine runs and is not paused.
    fn awake(&self) -> Result<(Option<Arc<Agent>>, Tasks), ControlError> {
        let switches = self.host.switches();
        if !switches.powered {
            return Err(self.refused("powered off", "power it on first"));
        }
        if switches.paused.is_some() {
            return Err(self.refused("paused", "unpause it first"));
        }
        Ok((switches.kubelet.upgrade(), switches.machine.clone()))
    }

    /// Freezes the kubelet and all containers, as `docker pause` does with a node of kind. Clocks go on.
    ///
    /// # Errors
    /// [`ControlError`] when the node is paused already or has no power.
    pub fn pause(&self) -> Result<(), ControlError> {
        let (agent, machine) = self.awake()?;
        if let Some(agent) = agent {
            agent.fall_silent();
            agent.tasks.freeze();
        }
        machine.freeze();
        self.host.switches().paused = Some(Instant::now());
        Ok(())
    }

    /// Lets a paused node go on: what fell due meanwhile happens now.
    ///
    /// # Errors
    /// [`ControlError`] when the node is not paused.
    pub fn unpause(&self) -> Result<(), ControlError> {
        let (since, agent, machine) = {
            let mut switches = self.host.switches();
            let Some(since) = switches.paused.take() else {
                drop(switches);
                return Err(self.refused("not paused", "pause it first"));
            };
            (since, switches.kubelet.upgrade(), switches.machine.clone())
        };
        if let Some(agent) = agent {
            // Before the tasks run again: the pods' workers must find the kubelet as it wakes.
            agent.woken(since.elapsed());
            agent.tasks.thaw();
        }
        machine.thaw();
        Ok(())
    }

    /// Cuts the power: kubelet and containers are gone at once, without a word to the API server.
    ///
    /// # Errors
    /// [`ControlError`] when there is no power already.
    pub fn power_off(&self) -> Result<(), ControlError> {
        if !self.host.switches().powered {
            return Err(self.refused("powered off", "power it on first"));
        }
        self.host.stop_kubelet();
        self.host.lose_power();
        self.host.unplug();
        let mut switches = self.host.switches();
        switches.powered = false;
        switches.paused = None;
        // The processes of this boot die in the tasks that they were; the next boot has its own.
        switches.memory = super::host::memory_of(&self.host.node);
        std::mem::take(&mut switches.machine).thaw();
        Ok(())
    }

    /// Starts the machine and its kubelet, which starts the pods anew that are still bound to it.
    ///
    /// # Errors
    /// [`ControlError`] when the machine runs already.
    pub fn power_on(&self) -> Result<(), ControlError> {
        let (machine, boots) = {
            let mut switches = self.host.switches();
            if switches.powered {
                drop(switches);
                return Err(self.refused("powered on", "power it off first"));
            }
            switches.powered = true;
            switches.kubelet_up = true;
            switches.boots += 1;
            self.host.run_containerd(true);
            (switches.machine.clone(), switches.boots)
        };
        self.host.addresses.store(1, Ordering::Relaxed);
        let random = self.host.api.random;
        let draw = |purpose, (low, high)| random.between(&self.host.node.name, purpose, boots, low, high);
        let (containerd, kubelet) = (draw("boot", BOOT), draw("boot-kubelet", BOOT_KUBELET));
        let host = Arc::clone(&self.host);
        machine.spawn(async move {
            sleep(containerd).await;
            host.plug();
            host.find_dead();
            sleep(kubelet).await;
            if host.switches().kubelet_up {
                host.start_kubelet();
                super::kube_proxy::start(&host).await;
            }
        });
        Ok(())
    }

    /// Stops the kubelet. Containers go on, but nobody restarts, probes or reports them.
    ///
    /// # Errors
    /// [`ControlError`] when the node is not running or its kubelet is stopped already.
    pub fn stop_kubelet(&self) -> Result<(), ControlError> {
        self.awake()?;
        if !self.host.switches().kubelet_up {
            return Err(self.refused("without a kubelet", "start its kubelet first"));
        }
        self.host.stop_kubelet();
        Ok(())
    }

    /// Starts a stopped kubelet, which takes over the containers that still run.
    ///
    /// # Errors
    /// [`ControlError`] when the node is not running or its kubelet runs already.
    pub fn start_kubelet(&self) -> Result<(), ControlError> {
        let (_, machine) = self.awake()?;
        let starts = {
            let mut switches = self.host.switches();
            if switches.kubelet_up {
                drop(switches);
                return Err(self.refused("running its kubelet", "stop its kubelet first"));
            }
            switches.kubelet_up = true;
            switches.starts
        };
        let delay = self.host.api.random.between(&self.host.node.name, "kubelet-start", starts, START.0, START.1);
        let host = Arc::clone(&self.host);
        machine.spawn(async move {
            sleep(delay).await;
            // It needs a runtime to begin with. The host keeps the sender.
            let _runs = host.containerd.subscribe().wait_for(|up| *up).await;
            // Stopped again, or started again, before it came up.
            let wanted = { host.switches().kubelet_up && host.switches().starts == starts };
            if wanted {
                host.start_kubelet();
            }
        });
        Ok(())
    }

    /// Stops the container runtime. Containers go on, but none can be started, stopped or looked at.
    ///
    /// # Errors
    /// [`ControlError`] when the node is not running or its runtime is stopped already.
    pub fn stop_container_runtime(&self) -> Result<(), ControlError> {
        let (agent, _) = self.awake()?;
        if !self.host.containerd.get() {
            return Err(self.refused("without a container runtime", "start its container runtime first"));
        }
        self.host.run_containerd(false);
        if let Some(agent) = agent {
            agent.runtime_stopped();
        }
        Ok(())
    }

    /// Starts a stopped container runtime, which finds the containers that still run.
    ///
    /// # Errors
    /// [`ControlError`] when the node is not running or its runtime runs already.
    pub fn start_container_runtime(&self) -> Result<(), ControlError> {
        self.awake()?;
        if self.host.containerd.get() {
            return Err(self.refused("running its container runtime", "stop its container runtime first"));
        }
        self.host.run_containerd(true);
        Ok(())
    }

    /// Lets the container runtime reach no registry, until [`NodeControl::open_registry`]. Images that are there can be used.
    ///
    /// # Errors
    /// [`ControlError`] when the node is not running, or reaches none already.
    pub fn block_registry(&self) -> Result<(), ControlError> {
        self.awake()?;
        if self.host.registry_blocked.swap(true, Ordering::Relaxed) {
            return Err(self.refused("without a registry", "open it first"));
        }
        Ok(())
    }

    /// Lets it reach registries again; false if it did.
    #[must_use]
    pub fn open_registry(&self) -> bool {
        self.host.registry_blocked.swap(false, Ordering::Relaxed)
    }

    /// Takes the API server away from the node: no reads, writes or watches for its kubelet. Containers go on.
    ///
    /// # Errors
    /// [`ControlError`] when it is cut off already.
    pub fn cut_from_api_server(&self) -> Result<(), ControlError> {
        if !self.host.link.get() {
            return Err(self.refused("cut off already", "mend it first"));
        }
        if let Some(agent) = self.host.switches().kubelet.upgrade() {
            agent.fall_silent();
        }
        self.host.link.send_replace(false);
        Ok(())
    }

    /// Gives the API server back.
    ///
    /// # Errors
    /// [`ControlError`] when it is not cut off.
    pub fn mend(&self) -> Result<(), ControlError> {
        if self.host.link.get() {
            return Err(self.refused("connected", "cut it off first"));
        }
        self.host.link.send_replace(true);
        if let Some(agent) = self.host.switches().kubelet.upgrade() {
            agent.reconnected();
        }
        Ok(())
    }
}
