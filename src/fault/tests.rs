//! Each fault's example, injected on the embedded cluster and undone: afterwards everything is as it was before.
//! That the effects are real is shown by whole trials, in `tests/embedded/faults.rs`.

use super::undo::UndoLog;
use super::{FaultError, choose, inject, prepare};
use crate::cluster::embedded::Embedded;
use crate::cluster::kinds::Kind;
use crate::cluster::{Cluster, Session, TrialContext};
use crate::engine::apply::apply_object;
use crate::engine::namespace::{Identity, create};
use crate::fault::change::diff;
use crate::fault::prepare::Scene;
use crate::fault::undo::Undone;
use crate::observe::timeline::{Fact, Observation, Source};
use crate::observe::watch::plain;
use crate::observe::{Index, watch};
use crate::scenario::Fault;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const SOURCES: [&str; 11] = [
    include_str!("../scenario/fault.rs"),
    include_str!("../scenario/fault/chaos_mesh.rs"),
    include_str!("../scenario/fault/command.rs"),
    include_str!("../scenario/fault/config.rs"),
    include_str!("../scenario/fault/machine.rs"),
    include_str!("../scenario/fault/network.rs"),
    include_str!("../scenario/fault/node.rs"),
    include_str!("../scenario/fault/object.rs"),
    include_str!("../scenario/fault/pod.rs"),
    include_str!("../scenario/fault/stress.rs"),
    include_str!("../scenario/fault/workload.rs"),
];

/// The example in the documentation of each fault.
pub(crate) fn examples() -> Vec<Fault> {
    let blocks = SOURCES.iter().flat_map(|source| source.split("/// ```yaml\n").skip(1));
    let text = |block: &str| {
        let lines = block.lines().take_while(|line| line.trim() != "/// ```");
        lines.map(|line| line.trim().trim_start_matches("///")).collect::<Vec<_>>().join("\n")
    };
    blocks.map(|block| serde_saphyr::from_str(&text(block)).unwrap()).collect()
}

struct Stage {
    session: Session,
    namespace: String,
    folder: tempfile::TempDir,
}

const KINDS: [&str; 7] = ["ConfigMap", "Secret", "Service", "Deployment", "ResourceQuota", "NetworkPolicy", "Node"];

impl Stage {
    async fn new() -> Self {
        let trial = TrialContext { seed: 5, nodes: 1, chaos_mesh: true, ..TrialContext::default() };
        let session = Embedded::default().open(&trial).await.unwrap();
        let identity = Identity { run: "run-1", scenario: "faults", trial: 0, seed: 5 };
        let namespace = create(&session.client, &identity).await.unwrap().name;
        let text = include_str!("../../fixtures/faults-pool.yaml");
        for document in text.split("\n---\n") {
            let object: Value = serde_saphyr::from_str(document).unwrap();
            apply_object(&session.client, &namespace, "run-1", &object, false).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        Self { session, namespace, folder: tempfile::tempdir().unwrap() }
    }

    async fn index(&self) -> Index {
        let kinds = ["Pod", "ReplicaSet"].map(|kind| Kind::known(None, kind).unwrap());
        let listings = watch::list(&self.session.client, &self.namespace, &kinds, None, &BTreeMap::new()).await.unwrap();
        let mut index = Index::new("c");
        for object in listings.into_iter().flat_map(|listing| listing.objects).filter_map(|listed| listed.object) {
            let fact = Fact::Object(object);
            index.apply(&Observation { seq: 0, at: Duration::ZERO, source: Source::Watch, fact });
        }
        index
    }

    async fn state(&self) -> BTreeMap<String, Value> {
        let mut state = BTreeMap::new();
        for kind in KINDS {
            let kind = Kind::known(None, kind).unwrap();
            let list = kind.api(&self.session.client, &self.namespace).list(&ListParams::default()).await.unwrap();
            for object in list.items {
                let object = plain(object, &kind.resource);
                state.insert(format!("{}/{}", kind.resource.kind, object["metadata"]["name"]), object);
            }
        }
        state
    }

    async fn inject(&self, fault: &Fault) -> Result<UndoLog, FaultError> {
        let scene = Scene {
            client: &self.session.client,
            namespace: &self.namespace,
            run: "run-1",
            pods: None,
            machines: self.session.machines.as_deref(),
            surroundings: None,
            limit: std::time::Duration::from_mins(1),
        };
        let log = UndoLog::at(self.folder.path().join("undo.jsonl"));
        let mut log = log.with_machines(self.session.machines.clone());
        for (position, fault) in fault.leaves().into_iter().enumerate() {
            let chosen = choose(fault, &self.index().await, 1)?;
            let prepared = prepare(scene, position, fault, &chosen).await?;
            log.record(&prepared).await.unwrap();
            let injected = inject(&self.session.client, self.session.machines.as_deref(), &prepared).await?;
            log.confirm(&injected.confirmations).await.unwrap();
        }
        Ok(log)
    }

    async fn try_it(&self, fault: Value) -> Result<UndoLog, FaultError> {
        self.inject(&serde_json::from_value(fault).unwrap()).await
    }
}

#[test]
fn every_fault_has_one_example() {
    let mut keys: Vec<_> = examples().iter().map(Fault::key).collect();
    keys.sort_unstable();
    let schema = schemars::schema_for!(Fault).to_value();
    let variants = schema["oneOf"].as_array().unwrap().iter();
    let mut all: Vec<_> =
        variants.flat_map(|variant| variant["properties"].as_object().unwrap().keys().map(String::as_str)).collect();
    all.sort_unstable();
    assert_eq!(keys, all);
}

#[tokio::test(start_paused = true)]
async fn every_example_is_undone_to_what_was_there_before() {
    // No program reaches the embedded cluster.
    for fault in examples().into_iter().filter(|fault| !matches!(fault, Fault::Command(_))) {
        let stage = Stage::new().await;
        let before = stage.state().await;
        let log = stage.inject(&fault).await.unwrap_or_else(|error| panic!("{}: {error}", fault.key()));
        // A lost node is given up after its grace.
        let lost = fault.takes_a_node_away();
        tokio::time::sleep(Duration::from_secs(if lost { 70 } else { 5 })).await;
        // A server that is stopped tells nothing.
        let silent = matches!(fault, Fault::PauseApiServer(_));
        let during = if silent { before.clone() } else { stage.state().await };
        let only_pods = fault.leaves().iter().all(|fault| fault.pods().is_some());
        let changed = during.iter().any(|(name, object)| before.get(name).is_none_or(|old| !diff(old, object).is_empty()))
            || during.len() != before.len();
        let only_pods = only_pods
            || silent
            || matches!(fault, Fault::RebootNode(_) | Fault::BlockRegistry(_) | Fault::ExpireToken(_) | Fault::ChaosMesh(_));
        assert_eq!(changed, !only_pods, "{}: is what it changes seen?", fault.key());
        for (target, undone) in log.undo(&stage.session.client).await {
            // What held the memory was killed with its container.
            let gone = matches!(fault, Fault::RebootNode(_) | Fault::StressMemory(_) | Fault::ExpireToken(_));
            let expected = if gone { Undone::AlreadyBack } else { Undone::Reverted };
            assert_eq!(undone, Ok(expected), "{} on {target}", fault.key());
        }
        tokio::time::sleep(Duration::from_secs(if lost { 20 } else { 5 })).await;
        let after = stage.state().await;
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{}", fault.key());
        for (name, object) in &before {
            let changes = diff(object, &after[name]);
            assert!(changes.is_empty(), "{} left {name} changed: {changes:?}", fault.key());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_pods_that_a_fault_hits_are_counted() {
    let stage = Stage::new().await;
    let index = stage.index().await;
    let all = index.pods().count();
    let of_pool = json!({ "deployment": "pool" });
    for (fault, hit, present) in [
        (json!({ "deletePods": { "deployment": "pool", "all": true } }), 2, 2),
        (json!({ "evictPods": { "deployment": "pool" } }), 1, 2),
        (json!({ "killContainer": { "deployment": "pool", "percent": 100 } }), 2, 2),
        (json!({ "drainNode": of_pool }), all, all),
        (json!({ "taintNode": { "deployment": "pool", "effect": "NoExecute" } }), all, all),
        (json!({ "taintNode": { "deployment": "pool", "effect": "NoSchedule" } }), 0, all),
        (json!({ "cordonNode": of_pool }), 0, all),
        (json!({ "setReplicas": { "deployment": "pool", "replicas": 0 } }), 0, all),
    ] {
        let parsed: Fault = serde_json::from_value(fault.clone()).unwrap();
        let chosen = choose(&parsed, &index, 1).unwrap();
        let scene = Scene {
            client: &stage.session.client,
            namespace: &stage.namespace,
            run: "run-1",
            pods: None,
            machines: stage.session.machines.as_deref(),
            surroundings: None,
            limit: std::time::Duration::from_mins(1),
        };
        let prepared = prepare(scene, 0, &parsed, &chosen).await.unwrap();
        assert_eq!(super::choose::hits(&prepared, &index), (hit, present), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_namespace_of_others_a_drain_evicts_only_the_trials_own_pods() {
    let stage = Stage::new().await;
    let fault: Fault = serde_json::from_value(json!({ "drainNode": {} })).unwrap();
    let index = stage.index().await;
    let chosen = choose(&fault, &index, 1).unwrap();
    let scene = Scene {
        client: &stage.session.client,
        namespace: &stage.namespace,
        run: "run-1",
        pods: Some("app=pool"),
        machines: stage.session.machines.as_deref(),
        surroundings: None,
        limit: std::time::Duration::from_mins(1),
    };
    let prepared = prepare(scene, 0, &fault, &chosen).await.unwrap();
    let pods: Vec<_> = prepared.prey.iter().filter(|prey| prey.reference.kind == "Pod").collect();
    assert!(index.pods().count() > pods.len(), "others run there, too");
    assert_eq!(pods.len(), 2);
    assert!(pods.iter().all(|prey| prey.before.as_ref().unwrap()["metadata"]["labels"]["app"] == "pool"), "{pods:?}");
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_heeded_and_its_refusal_is_told() {
    let stage = Stage::new().await;
    let budget = |least: u32| {
        json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "pool" },
            "spec": { "minAvailable": least, "selector": { "matchLabels": { "app": "pool" } } } })
    };
    apply_object(&stage.session.client, &stage.namespace, "run-1", &budget(2), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let error = stage.try_it(json!({ "evictPods": { "deployment": "pool" } })).await.unwrap_err();
    assert!(
        matches!(&error, FaultError::NoTarget(why) if why.contains("disruption budget") && why.contains("asked for")),
        "{error}"
    );
    // With one to spare both go, the second once the first is replaced: that it had to wait is told.
    apply_object(&stage.session.client, &stage.namespace, "run-1", &budget(1), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let fault: Fault = serde_json::from_value(json!({ "evictPods": { "deployment": "pool", "all": true } })).unwrap();
    let chosen = choose(&fault, &stage.index().await, 1).unwrap();
    let scene = Scene {
        client: &stage.session.client,
        namespace: &stage.namespace,
        run: "run-1",
        pods: None,
        machines: stage.session.machines.as_deref(),
        surroundings: None,
        limit: std::time::Duration::from_mins(1),
    };
    let prepared = prepare(scene, 0, &fault, &chosen).await.unwrap();
    let injected = inject(&stage.session.client, stage.session.machines.as_deref(), &prepared).await.unwrap();
    assert_eq!(injected.notes.len(), 1, "{:?}", injected.notes);
    assert!(injected.notes[0].contains("was refused for"), "{:?}", injected.notes);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_broken_so_is_no_target() {
    let stage = Stage::new().await;
    for fault in [
        json!({ "setReplicas": { "deployment": "pool", "replicas": 2 } }),
        json!({ "setEnv": { "deployment": "pool", "name": "MODE", "value": "plain" } }),
        json!({ "setEnv": { "deployment": "pool", "name": "NONE" } }),
        json!({ "deleteSecret": { "secret": "pool", "key": "none" } }),
        json!({ "breakService": { "service": "kubernetes" } }),
        json!({ "cordonNode": { "node": "none" } }),
        json!({ "drainNode": { "selector": "app=none" } }),
    ] {
        let result = stage.try_it(fault.clone()).await;
        assert!(matches!(result, Err(FaultError::NoTarget(_))), "{fault}: {result:?}");
    }
    stage.try_it(json!({ "quota": { "hard": { "pods": "5" } } })).await.unwrap();
    let again = stage.try_it(json!({ "quota": { "hard": { "pods": "5" } } })).await;
    assert!(matches!(again, Err(FaultError::NoTarget(_))), "{again:?}");
}

#[tokio::test]
async fn a_command_and_its_undoing_each_run_once() {
    let trial = TrialContext { seed: 5, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
    let session = Embedded::default().open(&trial).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("done");
    let append = |word: &str| json!(["sh", "-c", format!("echo {word} $COMEBACK_NAMESPACE >> done")]);
    let fault: Fault =
        serde_json::from_value(json!({ "command": { "run": append("broken"), "undo": append("mended") } })).unwrap();
    let scene = Scene {
        client: &session.client,
        namespace: "shop",
        run: "run-1",
        pods: None,
        machines: None,
        surroundings: None,
        limit: std::time::Duration::from_mins(1),
    };
    assert!(matches!(prepare(scene, 0, &fault, &[]).await, Err(FaultError::Request(_))), "no program reaches it");
    let surroundings =
        super::program::Surroundings { folder: folder.path().to_owned(), namespace: "shop".to_owned(), ..Default::default() };
    let surroundings = std::sync::Arc::new(surroundings);
    let scene = Scene { surroundings: Some(&surroundings), ..scene };
    let prepared = prepare(scene, 0, &fault, &[]).await.unwrap();
    let mut log = UndoLog::at(folder.path().join("undo.jsonl"));
    log.record(&prepared).await.unwrap();
    inject(&session.client, None, &prepared).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "broken shop\n");
    // What was written down runs nothing: a later `cleanup` tells what to do.
    let found = UndoLog::read(&folder.path().join("undo.jsonl")).unwrap().undo(&session.client).await;
    assert!(matches!(&found[0].1, Ok(Undone::LeftAlone(why)) if why.contains("echo mended")), "{found:?}");
    for expected in [Undone::Reverted, Undone::AlreadyBack] {
        assert_eq!(log.undo(&session.client).await[0].1, Ok(expected));
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "broken shop\nmended shop\n");
}
