//! Replays a recording's manifests and actions on the embedded cluster, and records what it shows in the same form.
//! What a kubectl command does is `kubectl`'s; what is compared is chosen later.

use super::action::Act;
use super::kubectl::{self, Kubectl};
use super::recording::{Action, Fact, KINDS, Recording};
use super::tolerances::Tolerances;
use super::{Error, registry};
use crate::sim::api::resource::{self, Resource};
use crate::sim::api::{self};
use crate::sim::cluster::Simulation;
use crate::sim::kubelet::control::ControlError;
use crate::sim::program::container::Signal;
use crate::sim::store::ChangeKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How long the cluster is up before the recording begins: the recorded cluster had been up for a while, too.
const WARM: Duration = Duration::from_secs(30);
/// Renewals of leases come every 10 s, and statuses show whole seconds: where in both a recording begins is chance.
const PERIOD: Duration = Duration::from_secs(10);
/// Multiples of the golden ratio's inverse, modulo one, spread evenly however many seeds there are.
const GOLDEN: f64 = 0.618_033_988_749_894_9;
/// 2026-01-01T00:00:00Z, the beginning of simulated time, in seconds of Unix.
const EPOCH: i64 = 1_767_225_600;

type Facts = Arc<Mutex<Vec<Fact>>>;

/// Runs one seed for as long as the recording, and gives what its watchers saw.
///
/// # Errors
/// An action that cannot be replayed, a refusal of the API server, and whatever the simulation could not do faithfully.
pub fn replay(recording: &Recording, seed: u64, tolerances: &Tolerances) -> Result<Vec<Fact>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(|error| Error::new(format!("no runtime for the simulation: {error}")))?;
    runtime.block_on(run(recording, seed, tolerances))
}

async fn run(recording: &Recording, seed: u64, tolerances: &Tolerances) -> Result<Vec<Fact>, Error> {
    let epoch = jiff::Timestamp::from_second(EPOCH).map_err(|error| Error::new(error.to_string()))?;
    let simulation = Simulation::start(seed, epoch, registry::profile(recording));
    let client = api::client(Arc::clone(&simulation.api), simulation.runtime.clone(), &simulation.profile)
        .map_err(|error| Error::new(format!("no client of the simulation: {}", error.message)))?;
    let kubectl = Kubectl::new(client);
    sleep(warm(seed)).await;
    let begin = Instant::now();
    let facts = Facts::default();
    // Heartbeats are written while somebody watches them.
    let _witness = simulation.api.heartbeats.watch(resource::LEASES);
    watch_all(&simulation, recording, begin, &facts);
    let mut running = Vec::new();
    for action in &recording.actions {
        sleep_until(begin + Duration::from_secs_f64(action.at.max(0.0))).await;
        if tolerances.left_out(&action.command).is_some() {
            continue;
        }
        let act = Act::parse(&action.command, &recording.namespace)?;
        if let Some(lasting) = carry_out(&simulation, &kubectl, recording, action, act).await? {
            running.push(lasting);
        }
    }
    sleep_until(begin + Duration::from_secs_f64(recording.length.max(0.0))).await;
    for lasting in running {
        if lasting.is_finished() {
            lasting.await.map_err(|error| Error::new(format!("an action died: {error}")))??;
        }
    }
    if let Some(limit) = simulation.limits.since(0).first() {
        let place = limit.position.as_ref().map(|position| format!(" at {position}")).unwrap_or_default();
        return Err(Error::new(format!("{} cannot be simulated: {}{place}; {}", limit.subject, limit.construct, limit.help)));
    }
    Ok(std::mem::take(&mut *facts.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// How long the cluster is up before the recording begins, with this seed.
fn warm(seed: u64) -> Duration {
    // A seed's low bits are exact, and enough.
    let turns = f64::from(u16::try_from(seed % 1000).unwrap_or_default()) * GOLDEN;
    WARM + PERIOD.mul_f64(turns.fract())
}

type Lasting = tokio::task::JoinHandle<Result<(), Error>>;

async fn carry_out(
    simulation: &Simulation,
    kubectl: &Kubectl,
    recording: &Recording,
    action: &Action,
    act: Act,
) -> Result<Option<Lasting>, Error> {
    let named = |error: Error| Error::new(format!("at {:.1}s, {}: {error}", action.at, action.command));
    match act {
        Act::Kubectl(words) if words.iter().any(|word| word == "drain") => {
            // A drain takes its time; what was done meanwhile was done meanwhile.
            let (kubectl, recording) = (kubectl.clone(), recording.clone());
            return Ok(Some(tokio::spawn(async move { kubectl::run(&kubectl, &words, &recording).await })));
        }
        Act::Kubectl(words) => kubectl::run(kubectl, &words, recording).await.map_err(named)?,
        Act::KillContainer => kill(simulation, &recording.namespace).map_err(named)?,
        act => {
            if let Some(lasting) = switch(simulation, act).map_err(named)? {
                return Ok(Some(lasting));
            }
        }
    }
    Ok(None)
}

/// Does something to a node. What takes its time goes on beside the other actions.
fn switch(simulation: &Simulation, act: Act) -> Result<Option<Lasting>, Error> {
    let node = |name: &str| {
        let known = || simulation.nodes.keys().cloned().collect::<Vec<_>>().join(", ");
        simulation.nodes.get(name).cloned().ok_or_else(|| Error::new(format!("there is no node {name}, only {}", known())))
    };
    let failed = |error: ControlError| Error::new(error.to_string());
    match act {
        Act::Pause(name) => node(&name)?.pause().map_err(failed)?,
        Act::Unpause(name) => node(&name)?.unpause().map_err(failed)?,
        Act::PowerOff(name) => node(&name)?.power_off().map_err(failed)?,
        Act::PowerOn(name) => node(&name)?.power_on().map_err(failed)?,
        Act::StopKubelet(name) => node(&name)?.stop_kubelet().map_err(failed)?,
        Act::StartKubelet(name) => node(&name)?.start_kubelet().map_err(failed)?,
        Act::StopContainerRuntime(name) => node(&name)?.stop_container_runtime().map_err(failed)?,
        Act::StartContainerRuntime(name) => node(&name)?.start_container_runtime().map_err(failed)?,
        Act::Partition(name) => node(&name)?.cut_from_api_server().map_err(failed)?,
        Act::Heal(name) => node(&name)?.mend().map_err(failed)?,
        Act::Kubectl(_) | Act::KillContainer => {}
    }
    Ok(None)
}

/// SIGKILL to the first container of the first pod by name, as its recorder did through containerd.
fn kill(simulation: &Simulation, namespace: &str) -> Result<(), Error> {
    let pods = simulation.api.list(resource::PODS, Some(namespace));
    let found = pods.first().and_then(|pod| {
        let (uid, name) = (pod.pointer("/metadata/uid")?.as_str()?, pod.pointer("/spec/containers/0/name")?.as_str()?);
        simulation.runtime.find(uid, name, false)
    });
    let Some(found) = found else { return Err(Error::new("there is no container to kill")) };
    found.container.signal(Signal::Kill);
    Ok(())
}

/// Watches every kind that a recording may have.
fn watch_all(simulation: &Simulation, recording: &Recording, begin: Instant, facts: &Facts) {
    let recorded = |kind: &str| recording.facts.iter().any(|fact| fact.kind == kind);
    for kind in KINDS {
        let resource = |plural: &str| resource::ALL.iter().copied().find(|resource| resource.plural == plural);
        let (resource, namespace) = match kind {
            "nodes" | "leases" | "node_events" if !recorded(kind) => continue,
            "nodes" => (resource(kind), None),
            "leases" => (resource(kind), Some("kube-node-lease")),
            "node_events" => (resource("events"), Some("default")),
            _ => (resource(kind), Some(recording.namespace.as_str())),
        };
        if let Some(resource) = resource {
            watch(simulation, resource, namespace, kind, begin, facts);
        }
    }
}

fn watch(
    simulation: &Simulation,
    resource: Resource,
    namespace: Option<&str>,
    kind: &'static str,
    begin: Instant,
    facts: &Facts,
) {
    let mut watch = simulation.api.watch(resource, namespace);
    let facts = Arc::clone(facts);
    tokio::spawn(async move {
        while let Some(item) = watch.next().await {
            let change = match item.kind {
                ChangeKind::Added => "ADDED",
                ChangeKind::Modified => "MODIFIED",
                ChangeKind::Deleted => "DELETED",
            };
            let at = begin.elapsed().as_secs_f64();
            let fact = Fact { at, kind: kind.to_owned(), change: change.to_owned(), object: item.object };
            facts.lock().unwrap_or_else(PoisonError::into_inner).push(fact);
        }
    });
}
