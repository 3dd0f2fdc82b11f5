//! The machines of the embedded cluster: the switches of its simulation.
//! What follows when one is thrown is simulated in `sim::kubelet::control` and `sim::network`.

use super::{Act, Limit, Machine, Machines, TakenBack};
use crate::cluster::request::RequestError;
use crate::sim::cluster::Simulation;
use crate::sim::kubelet::control::{ControlError, NodeControl};
use crate::sim::network::{CutId, Party};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The machines of one simulation.
#[derive(Debug)]
pub struct Simulated {
    simulation: Arc<Simulation>,
    cuts: Mutex<BTreeMap<String, CutId>>,
    /// The nodes whose kubelets lost the API server when it was paused.
    without_server: Mutex<Vec<String>>,
}

impl Simulated {
    /// The machines of a simulation.
    #[must_use]
    pub fn new(simulation: Arc<Simulation>) -> Self {
        Self { simulation, cuts: Mutex::default(), without_server: Mutex::default() }
    }

    fn control(&self, machine: &Machine) -> Result<&NodeControl, RequestError> {
        let found = match machine {
            Machine::Simulated { node } => self.simulation.nodes.get(node),
            Machine::Container { .. } | Machine::Host { .. } => None,
        };
        found.ok_or_else(|| RequestError::of(&format!("looking for {machine}"), "the embedded cluster has no such machine"))
    }

    /// Nobody is answered: neither the harness nor kubelets and controllers.
    fn pause_api_server(&self) {
        self.simulation.api.gate.close();
        let mut silent = self.without_server.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, control) in &self.simulation.nodes {
            if control.cut_from_api_server().is_ok() {
                silent.push(name.clone());
            }
        }
    }

    fn resume_api_server(&self) -> bool {
        let silent = std::mem::take(&mut *self.without_server.lock().unwrap_or_else(PoisonError::into_inner));
        let opened = self.simulation.api.gate.reopen();
        for control in silent.iter().filter_map(|name| self.simulation.nodes.get(name)) {
            // One that was mended meanwhile is connected already.
            let _ = control.mend();
        }
        opened
    }

    fn done(&self, machine: &Machine, act: &Act) -> Result<(), RequestError> {
        let control = self.control(machine)?;
        let refused = |error: ControlError| RequestError::of(&format!("breaking {machine}"), error.to_string());
        match act {
            Act::Pause => control.pause().map_err(refused),
            Act::PowerOff => control.power_off().map_err(refused),
            Act::Reboot => control.power_off().and_then(|()| control.power_on()).map_err(refused),
            Act::StopKubelet => control.stop_kubelet().map_err(refused),
            Act::StopContainerRuntime => control.stop_container_runtime().map_err(refused),
            Act::BlockRegistry { .. } => control.block_registry().map_err(refused),
            Act::PauseApiServer { .. } => {
                self.pause_api_server();
                Ok(())
            }
            Act::Partition { mark } => {
                control.cut_from_api_server().map_err(refused)?;
                let cut = self.simulation.network.cut(Party::Node(control.name().to_owned()), Party::Everyone);
                self.cuts.lock().unwrap_or_else(PoisonError::into_inner).insert(mark.clone(), cut);
                Ok(())
            }
        }
    }

    fn taken_back(&self, machine: &Machine, act: &Act) -> Result<TakenBack, RequestError> {
        let control = self.control(machine)?;
        let state = control.state();
        let done = match act {
            Act::Pause if state.paused => control.unpause(),
            Act::PowerOff | Act::Reboot if !state.powered => control.power_on(),
            Act::StopKubelet if state.powered && !state.kubelet => control.start_kubelet(),
            Act::StopContainerRuntime if state.powered && !state.container_runtime => control.start_container_runtime(),
            Act::BlockRegistry { .. } if control.open_registry() => Ok(()),
            Act::PauseApiServer { .. } if self.resume_api_server() => Ok(()),
            Act::Partition { mark } => {
                let cut = self.cuts.lock().unwrap_or_else(PoisonError::into_inner).remove(mark);
                let Some(cut) = cut else { return Ok(TakenBack::Already) };
                self.simulation.network.heal(cut);
                control.mend()
            }
            _ => return Ok(TakenBack::Already),
        };
        let refused = |error: ControlError| RequestError::of(&format!("mending {machine}"), error.to_string());
        done.map(|()| TakenBack::Now).map_err(refused)
    }
}

impl Machines for Simulated {
    fn of<'a>(&'a self, node: &'a Value) -> BoxFuture<'a, Result<Machine, RequestError>> {
        let name = node.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let machine = Machine::Simulated { node: name };
        async move { self.control(&machine).map(|_| machine.clone()) }.boxed()
    }

    fn carry_out<'a>(&'a self, machine: &'a Machine, act: &'a Act, _limit: &'a Limit) -> BoxFuture<'a, Result<(), RequestError>> {
        async move { self.done(machine, act) }.boxed()
    }

    fn take_back<'a>(
        &'a self,
        machine: &'a Machine,
        act: &'a Act,
        _limit: &'a Limit,
    ) -> BoxFuture<'a, Result<TakenBack, RequestError>> {
        async move { self.taken_back(machine, act) }.boxed()
    }

    fn carry_the_control_plane(&self) -> bool {
        // The simulated API server and controllers run beside the nodes.
        false
    }
}
