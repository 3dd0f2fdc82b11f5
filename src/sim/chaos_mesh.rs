//! Chaos Mesh on the simulated cluster: its kinds, and a controller that does `PodChaos`, `NetworkChaos` (partition, delay, loss),
//! `StressChaos` (memory, processor), and `Schedule` and `Workflow` of these truly, with the statuses, events and times that were observed
//! of the real one. Everything else of it is a limit.
//!
//! What is chosen says `select`, what is done to a target `inject`, what makes others `makers`.

mod inject;
mod makers;
mod select;

use super::api::Resource;
use super::api::server::Subresource;
use super::cluster::Simulation;
use super::events::{EventRecorder, EventType, ObjectRef};
use super::limits::{Limit, LimitKind};
use super::store::ChangeKind;
use crate::json::At as _;
use inject::Injected;
use makers::Maker;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Kind and plural of everything that is served.
const KINDS: [(&str, &str); 10] = [
    ("PodChaos", "podchaos"),
    ("NetworkChaos", "networkchaos"),
    ("StressChaos", "stresschaos"),
    ("IOChaos", "iochaos"),
    ("TimeChaos", "timechaos"),
    ("DNSChaos", "dnschaos"),
    ("HTTPChaos", "httpchaos"),
    ("JVMChaos", "jvmchaos"),
    ("Schedule", "schedules"),
    ("Workflow", "workflows"),
];
/// What holds a deleted object until everything is taken back.
const FINALIZER: &str = "chaos-mesh/records";
/// From an object to its first status, from that to the choice, and on to the conditions. Observed: 0.2 to 0.9 s in all.
const NOTICE: (Duration, Duration) = (Duration::from_millis(80), Duration::from_millis(300));
const CHOICE: (Duration, Duration) = (Duration::from_millis(60), Duration::from_millis(250));

/// Starts the controller. The kinds are served from now on.
pub(super) fn start(simulation: &Simulation) {
    let recorder = EventRecorder::new(Arc::clone(&simulation.api), "chaos-controller-manager", None);
    for (kind, plural) in KINDS {
        let resource = simulation.api.learn("chaos-mesh.org", "v1alpha1", kind, plural, true);
        let (simulation, recorder) = (simulation.clone(), recorder.clone());
        let tasks = simulation.api.gate.control_plane.clone();
        tasks.spawn(async move {
            let wakes: Mutex<BTreeMap<String, Arc<Notify>>> = Mutex::default();
            loop {
                let mut watch = simulation.api.watch(resource, None);
                while let Some(item) = watch.next().await {
                    let uid = text(&item.object, "/metadata/uid").to_owned();
                    let mut wakes = wakes.lock().unwrap_or_else(PoisonError::into_inner);
                    if item.kind == ChangeKind::Deleted {
                        wakes.remove(&uid);
                    } else if let Some(wake) = wakes.get(&uid) {
                        wake.notify_one();
                    } else {
                        let wake = Arc::new(Notify::new());
                        wakes.insert(uid.clone(), Arc::clone(&wake));
                        let maker = || Maker {
                            simulation: simulation.clone(),
                            recorder: recorder.clone(),
                            resource,
                            object: Arc::clone(&item.object),
                        };
                        match kind {
                            "Schedule" => {
                                simulation.api.gate.control_plane.spawn(makers::schedule(maker()));
                                continue;
                            }
                            "Workflow" => {
                                simulation.api.gate.control_plane.spawn(makers::workflow(maker()));
                                continue;
                            }
                            _ => {}
                        }
                        let experiment = Experiment::of(&simulation, &recorder, resource, &item.object, wake);
                        simulation.api.gate.control_plane.spawn(experiment.run());
                    }
                }
            }
        });
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// One object and what became of it.
struct Experiment {
    simulation: Simulation,
    recorder: EventRecorder,
    resource: Resource,
    namespace: String,
    name: String,
    uid: String,
    spec: Value,
    wake: Arc<Notify>,
    records: Vec<Record>,
}

/// One target.
struct Record {
    id: String,
    injected: Option<Injected>,
    count: u64,
    events: Vec<Value>,
}

impl Experiment {
    fn of(simulation: &Simulation, recorder: &EventRecorder, resource: Resource, object: &Value, wake: Arc<Notify>) -> Self {
        Self {
            simulation: simulation.clone(),
            recorder: recorder.clone(),
            resource,
            namespace: text(object, "/metadata/namespace").to_owned(),
            name: text(object, "/metadata/name").to_owned(),
            uid: text(object, "/metadata/uid").to_owned(),
            spec: object.get("spec").cloned().unwrap_or_default(),
            wake,
            records: Vec::new(),
        }
    }

    async fn after(&self, purpose: &str, (low, high): (Duration, Duration)) {
        tokio::time::sleep(self.simulation.random.between(&self.uid, purpose, 0, low, high)).await;
    }

    async fn run(mut self) {
        if let Err(construct) = inject::is_simulated(self.resource.kind, &self.spec) {
            self.simulation.limits.report(Limit {
                kind: LimitKind::Kind,
                uid: self.uid.clone(),
                subject: format!("{}/{}", self.namespace, self.name),
                construct,
                position: None,
                help: "run this scenario on a real cluster with Chaos Mesh".to_owned(),
            });
            // Nothing is chosen, and nobody is to wait for it.
            self.write("Run", [true, false, false]);
            self.until_deleted(None).await;
            return self.let_go();
        }
        self.after("notice", NOTICE).await;
        self.write("Run", [false; 3]);
        self.after("choice", CHOICE).await;
        let chosen = match select::targets(&self.simulation, self.resource.kind, &self.spec, (&self.namespace, &self.uid)) {
            Ok(chosen) if !chosen.is_empty() => chosen,
            chosen => {
                let why = chosen.err().unwrap_or_else(|| "no pod is selected".to_owned());
                self.say(EventType::Warning, "Failed", &format!("Failed to select targets: {why}"));
                // Not tried again: only another object would be.
                self.until_deleted(None).await;
                return self.let_go();
            }
        };
        for id in chosen {
            self.records.push(Record { id, injected: None, count: 0, events: Vec::new() });
        }
        self.inject();
        let momentary = matches!(text(&self.spec, "/action"), "pod-kill" | "container-kill") && self.resource.kind == "PodChaos";
        let lasts = select::duration(text(&self.spec, "/duration")).filter(|_| !momentary);
        if self.until_deleted(lasts).await {
            self.recover();
            return self.let_go();
        }
        self.recover();
        self.write("Stop", [true, false, true]);
        self.until_deleted(None).await;
        self.let_go();
    }

    fn inject(&mut self) {
        let mut all = true;
        for position in 0..self.records.len() {
            let id = self.records[position].id.clone();
            let done = inject::inject(&self.simulation, self.resource.kind, &self.spec, &self.namespace, &id);
            let stamp = super::clock::format_seconds(self.simulation.api.clock.now());
            let record = &mut self.records[position];
            let (type_, message) = match &done {
                Ok(_) => ("Succeeded", String::new()),
                Err(error) => ("Failed", error.clone()),
            };
            record.events.push(json!({ "operation": "Apply", "type": type_, "timestamp": stamp, "message": message }));
            match done {
                Ok(injected) => (record.injected, record.count) = (Some(injected), record.count + 1),
                Err(_) => all = false,
            }
            if type_ == "Succeeded" {
                self.say(EventType::Normal, "Applied", &format!("Successfully apply chaos for {id}"));
            }
        }
        self.write("Run", [true, all, false]);
    }

    /// Takes everything back, newest first.
    fn recover(&mut self) {
        let stamp = super::clock::format_seconds(self.simulation.api.clock.now());
        for record in self.records.iter_mut().rev() {
            if let Some(injected) = record.injected.take() {
                injected.take_back(&self.simulation);
                record.events.push(json!({ "operation": "Recover", "type": "Succeeded", "timestamp": stamp }));
            }
        }
    }

    /// Waits until the object is deleted, or for so long; true when it is deleted.
    async fn until_deleted(&self, lasts: Option<Duration>) -> bool {
        let created = self.simulation.api.get(self.resource, &self.namespace, &self.name).ok();
        let created = created.and_then(|object| text(&object, "/metadata/creationTimestamp").parse::<jiff::Timestamp>().ok());
        // A duration counts from the object's creation, not from the injection.
        let left = lasts.map(|lasts| {
            let past = created.map(|created| self.simulation.api.clock.now().duration_since(created));
            lasts.saturating_sub(past.and_then(|past| Duration::try_from(past).ok()).unwrap_or_default())
        });
        let over = async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        loop {
            let object = self.simulation.api.get(self.resource, &self.namespace, &self.name);
            let gone = object.map_or(true, |object| {
                text(&object, "/metadata/uid") != self.uid || !text(&object, "/metadata/deletionTimestamp").is_empty()
            });
            if gone {
                return true;
            }
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = &mut over => return false,
            }
        }
    }

    /// Lets a deleted object go.
    fn let_go(&self) {
        let _ = self.simulation.api.modify(self.resource, &self.namespace, &self.name, Subresource::Main, |object| {
            if let Some(finalizers) = object.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
                finalizers.retain(|finalizer| finalizer != FINALIZER);
            }
        });
    }

    /// Writes the status: what is wanted, and whether all is selected, injected, recovered.
    fn write(&self, phase: &str, [selected, injected, recovered]: [bool; 3]) {
        let records: Vec<Value> = self
            .records
            .iter()
            .map(|record| {
                let phase = if record.injected.is_some() { "Injected" } else { "Not Injected" };
                json!({ "id": record.id, "selectorKey": ".", "phase": phase, "injectedCount": record.count,
                    "recoveredCount": u64::from(record.count > 0 && record.injected.is_none()), "events": record.events })
            })
            .collect();
        let condition = |type_: &str, holds: bool| json!({ "type": type_, "status": if holds { "True" } else { "False" } });
        let conditions = [
            condition("Selected", selected),
            condition("AllInjected", injected),
            condition("AllRecovered", recovered),
            condition("Paused", false),
        ];
        let mut experiment = json!({ "desiredPhase": phase });
        if !records.is_empty() {
            experiment["containerRecords"] = json!(records);
        }
        let _ = self.simulation.api.modify(self.resource, &self.namespace, &self.name, Subresource::Main, |object| {
            if text(object, "/metadata/uid") != self.uid {
                return;
            }
            if text(object, "/metadata/deletionTimestamp").is_empty() {
                object["metadata"]["finalizers"] = json!([FINALIZER]);
            }
            object["status"] = json!({ "conditions": conditions, "experiment": experiment });
        });
    }

    fn say(&self, type_: EventType, reason: &str, message: &str) {
        if let Ok(object) = self.simulation.api.get(self.resource, &self.namespace, &self.name) {
            self.recorder.event(&ObjectRef::of(&object), type_, reason, message);
        }
    }
}
