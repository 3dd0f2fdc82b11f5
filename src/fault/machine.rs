//! Faults on the machines of nodes: which act a fault is, finding the machine, the limits, and waiting until the node is back.
//! How machines are reached is `cluster::machine`'s.

use super::prepare::Scene;
use super::undo::{Remedy, UndoRecord, Undone};
use super::{FaultError, Prepared, Prey};
use crate::cluster::kinds::Kind;
use crate::cluster::machine::{Act, CONTROL_PLANE, Limit, Machine, Machines, TakenBack, host};
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::cluster::wait;
use crate::observe::index::pod::condition_of;
use crate::observe::index::text;
use crate::observe::timeline::Reference;
use crate::scenario::Fault;
use kube::api::{DynamicObject, ListParams};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a node may take to be Ready again when its machine is as before. Recorded: 0 to 11 s after a pause.
pub const READY_WITHIN: Duration = Duration::from_secs(90);

/// How much later than asked for a stopped API server goes on by itself, should nobody let it.
const BY_ITSELF_AFTER: Duration = Duration::from_secs(8);
/// A server that answers does so within this time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What a fault did to a machine: all that taking it back needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// The machine.
    pub machine: Machine,
    /// What was done.
    pub act: Act,
    /// Its mark, and when the machine takes it back by itself.
    #[serde(default)]
    pub limit: Limit,
}

impl Done {
    /// How long taking it back may have to wait for the machine to do so by itself.
    #[must_use]
    pub fn waits(&self) -> Duration {
        match self.machine {
            Machine::Host { .. } => host::waits(&self.act, &self.limit),
            Machine::Simulated { .. } | Machine::Container { .. } => Duration::ZERO,
        }
    }
}

/// What a fault does to one machine; none for faults on objects.
pub(super) fn done(prepared: &Prepared, prey: &Prey) -> Option<Done> {
    let machine = prey.machine.clone()?;
    let mark = || format!("comeback {} {} {}", prepared.run, prepared.namespace, prepared.position);
    let mut limit = Limit { mark: mark(), seconds: prepared.limit.as_secs() };
    let act = match &prepared.fault {
        Fault::PauseNode(_) => Act::Pause,
        Fault::RebootNode(fault) if fault.lasts.is_some() => Act::PowerOff,
        Fault::RebootNode(_) => {
            // It is over by itself.
            limit.seconds = 0;
            Act::Reboot
        }
        Fault::StopKubelet(_) => Act::StopKubelet,
        Fault::StopContainerRuntime(_) => Act::StopContainerRuntime,
        Fault::PartitionNode(_) => Act::Partition { mark: mark() },
        Fault::BlockRegistry(_) => Act::BlockRegistry { mark: mark() },
        Fault::PauseApiServer(fault) => {
            // Nobody can ask a pod to let it go on: the machine does so in time.
            let late = if matches!(machine, Machine::Host { .. }) { Duration::ZERO } else { BY_ITSELF_AFTER };
            limit.seconds = (fault.timing().lasts.unwrap_or_default() + late).as_secs();
            Act::PauseApiServer { mark: mark(), seconds: limit.seconds }
        }
        _ => return None,
    };
    Some(Done { machine, act, limit })
}

/// Finds the machine of each node.
///
/// # Errors
/// A node that is not Ready is no target; the last ready node of a control plane is refused, and so is a machine that cannot be
/// reached or is not surely the node's.
pub(super) async fn find(scene: Scene<'_>, fault: &Fault, prey: &mut [Prey]) -> Result<(), FaultError> {
    let Some(machines) = scene.machines else {
        return Err(unreachable(fault.key()).into());
    };
    for prey in &mut *prey {
        let Some(node) = &prey.before else { continue };
        if !is_ready(node) {
            return Err(FaultError::NoTarget(format!("node {} is not Ready already", prey.reference.name)));
        }
        prey.machine = Some(machines.of(node).await?);
    }
    if machines.carry_the_control_plane() && fault.takes_a_node_away() {
        spare_the_last_control_plane(scene, fault, prey).await?;
    }
    Ok(())
}

async fn spare_the_last_control_plane(scene: Scene<'_>, fault: &Fault, prey: &[Prey]) -> Result<(), FaultError> {
    let Some(kind) = prey.first().map(|prey| &prey.kind) else { return Ok(()) };
    let api = kind.api(scene.client, "");
    let parameters = ListParams::default();
    let nodes = retried("listing nodes", REQUEST_BUDGET, || api.list(&parameters)).await?;
    let ready = nodes.items.into_iter().map(|node| crate::observe::watch::plain(node, &kind.resource));
    let ready: Vec<_> = ready.filter(|node| is_control_plane(node) && is_ready(node)).collect();
    let struck: BTreeSet<&str> = prey.iter().map(|prey| prey.reference.name.as_str()).collect();
    match last_control_plane(&ready, &struck) {
        None => Ok(()),
        Some(name) => {
            let message = format!("node {name} is the last ready one of the control plane, which is never broken");
            Err(RequestError::of(fault.key(), message).into())
        }
    }
}

/// The struck node after which no ready control plane would be left. `ready` are the ready nodes of the control plane.
fn last_control_plane<'a>(ready: &'a [Value], struck: &BTreeSet<&str>) -> Option<&'a str> {
    let names: Vec<_> = ready.iter().map(|node| text(node, "/metadata/name")).collect();
    let hit = names.iter().copied().find(|name| struck.contains(name))?;
    names.iter().all(|name| struck.contains(name)).then_some(hit)
}

fn is_control_plane(node: &Value) -> bool {
    node.pointer("/metadata/labels").is_some_and(|labels| labels.get(CONTROL_PLANE).is_some())
}

/// Whether a node says that it is Ready.
#[must_use]
pub fn is_ready(node: &Value) -> bool {
    condition_of(node, "Ready").is_some_and(|condition| text(condition, "/status") == "True")
}

/// The nodes of the control plane.
///
/// # Errors
/// There are none that tell, as where somebody else runs it.
pub(super) async fn control_plane(client: &kube::Client, kind: &Kind) -> Result<Vec<Value>, FaultError> {
    let (api, parameters) = (kind.api(client, ""), ListParams::default());
    let nodes = retried("listing nodes", REQUEST_BUDGET, || api.list(&parameters)).await?;
    let all: Vec<Value> = nodes.items.into_iter().map(|node| crate::observe::watch::plain(node, &kind.resource)).collect();
    // One node alone runs all there is.
    let alone = all.len() == 1;
    let found: Vec<_> = all.into_iter().filter(|node| alone || is_control_plane(node)).collect();
    if found.is_empty() {
        return Err(FaultError::NoTarget("no node says that it runs the control plane".to_owned()));
    }
    Ok(found)
}

/// Asks the API server, which was stopped: what shows that it is.
///
/// # Errors
/// It answers.
pub(super) async fn silence(client: &kube::Client) -> Result<String, FaultError> {
    match tokio::time::timeout(ANSWERS_WITHIN, client.apiserver_version()).await {
        Err(_) => Ok(format!("the API server did not answer within {} s", ANSWERS_WITHIN.as_secs())),
        Ok(Err(error)) if !matches!(error, kube::Error::Api(_)) => {
            Ok(format!("the API server did not answer: {}", RequestError::new("asking", &error).message))
        }
        Ok(_) => Err(FaultError::Command("the API server was stopped and answers all the same".to_owned())),
    }
}

pub(super) async fn carry_out(machines: Option<&dyn Machines>, prepared: &Prepared, prey: &Prey) -> Result<(), FaultError> {
    let (Some(machines), Some(done)) = (machines, done(prepared, prey)) else {
        return Err(unreachable(prepared.fault.key()).into());
    };
    Ok(machines.carry_out(&done.machine, &done.act, &done.limit).await?)
}

/// Takes back what was done to a machine.
pub(super) async fn take_back(machines: Option<&dyn Machines>, done: &Done) -> Result<Undone, RequestError> {
    let Some(machines) = machines else {
        return Err(unreachable(&format!("mending {}", done.machine)));
    };
    Ok(match machines.take_back(&done.machine, &done.act, &done.limit).await? {
        TakenBack::Now => Undone::Reverted,
        TakenBack::Already => Undone::AlreadyBack,
        TakenBack::Gone => Undone::Moot(format!("{} is gone", done.machine)),
    })
}

fn unreachable(what: &str) -> RequestError {
    RequestError::of(what, "the machines of this cluster's nodes cannot be reached from here")
}

/// The nodes whose machines records tell of.
#[must_use]
pub fn broken_nodes(records: &[UndoRecord]) -> Vec<Reference> {
    let mut nodes: Vec<_> =
        records.iter().filter(|record| matches!(record.remedy, Remedy::Machine(_))).map(|record| record.target.clone()).collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

/// Waits until a node is Ready, or is gone.
///
/// # Errors
/// It is not, in time, or may not be watched.
pub async fn wait_ready(client: &kube::Client, node: &str, within: Duration) -> Result<(), String> {
    let Some(kind) = Kind::known(None, "Node") else { return Err("the kind Node is not known".to_owned()) };
    let back = |found: Option<&DynamicObject>| {
        found.is_none_or(|found| is_ready(&crate::observe::watch::plain(found.clone(), &kind.resource)))
    };
    match wait::until(&kind.api(client, ""), node, within, back).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("node {node} was mended, but is not Ready after {} s", within.as_secs())),
        Err(error) => Err(format!("whether node {node} is Ready again cannot be told: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(&["a"], &["a"], Some("a"))]
    #[case(&["a", "b"], &["a"], None)]
    #[case(&["a", "b"], &["a", "b"], Some("a"))]
    #[case(&["a"], &["worker"], None)]
    #[case(&[], &["a"], None)]
    fn one_ready_control_plane_is_left(#[case] ready: &[&str], #[case] struck: &[&str], #[case] refused: Option<&str>) {
        let ready: Vec<_> = ready.iter().map(|name| json!({ "metadata": { "name": name } })).collect();
        assert_eq!(last_control_plane(&ready, &struck.iter().copied().collect()), refused);
    }
}
