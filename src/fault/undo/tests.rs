//! Faults injected and undone on the embedded cluster, and what their records look like on the disk.

use super::*;
use crate::cluster::embedded::Embedded;
use crate::cluster::{Cluster, Session, TrialContext};
use crate::engine::apply::apply_object;
use crate::engine::namespace::{Identity, create};
use crate::fault::prepare::Scene;
use crate::fault::{FaultError, inject, prepare};
use crate::scenario::Fault;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

struct Stage {
    session: Session,
    namespace: String,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn with(objects: &[Value]) -> Self {
        let trial = TrialContext { seed: 5, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
        let session = Embedded::default().open(&trial).await.unwrap();
        let identity = Identity { run: "run-1", scenario: "faults", trial: 0, seed: 5 };
        let namespace = create(&session.client, &identity).await.unwrap().name;
        for object in objects {
            apply_object(&session.client, &namespace, "run-1", object, false).await.unwrap();
        }
        Self { session, namespace, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("undo.jsonl")
    }

    async fn inject(&self, fault: Value) -> Result<UndoLog, FaultError> {
        let fault: Fault = serde_json::from_value(fault).unwrap();
        let scene = Scene {
            client: &self.session.client,
            namespace: &self.namespace,
            run: "run-1",
            pods: None,
            machines: self.session.machines.as_deref(),
            surroundings: None,
            limit: std::time::Duration::from_mins(1),
        };
        let prepared = prepare(scene, 0, &fault, &[]).await?;
        let mut log = UndoLog::at(self.path());
        log.record(&prepared).await.unwrap();
        let confirmations = inject(&self.session.client, self.session.machines.as_deref(), &prepared).await?.confirmations;
        log.confirm(&confirmations).await.unwrap();
        Ok(log)
    }

    async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let kind = crate::cluster::kinds::Kind::known(None, kind).unwrap();
        let found = kind.api(&self.session.client, &self.namespace).get_opt(name).await.unwrap();
        found.map(|object| plain(object, &kind.resource))
    }

    async fn undo(&self, log: &UndoLog) -> Vec<Undone> {
        log.undo(&self.session.client).await.into_iter().map(|(_, undone)| undone.unwrap()).collect()
    }

    async fn set(&self, key: &str, value: &str) {
        let api = crate::cluster::kinds::Kind::known(None, "ConfigMap").unwrap().api(&self.session.client, &self.namespace);
        api.patch("pool", &PatchParams::default(), &Patch::Merge(json!({ "data": { key: value } }))).await.unwrap();
    }
}

fn config() -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "pool" }, "data": { "workers": "3", "other": "x" } })
}

fn deployment() -> Value {
    let container = json!({ "name": "app", "image": "busybox:1.37", "command": ["sleep", "3600"],
        "resources": { "limits": { "memory": "64Mi" } } });
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "pool" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "pool" } },
            "template": { "metadata": { "labels": { "app": "pool" } }, "spec": { "containers": [container] } } } })
}

#[tokio::test(start_paused = true)]
async fn a_config_value_is_set_and_put_back_and_undoing_twice_does_nothing() {
    let stage = Stage::with(&[config()]).await;
    let log = stage.inject(json!({ "setConfig": { "configMap": "pool", "key": "workers", "value": 7 } })).await.unwrap();
    assert_eq!(stage.get("ConfigMap", "pool").await.unwrap()["data"], json!({ "workers": "7", "other": "x" }));
    // A later process knows only the file.
    let later = UndoLog::read(&stage.path()).unwrap();
    stage.set("other", "somebody's").await;
    assert_eq!(stage.undo(&later).await, [Undone::Reverted]);
    assert_eq!(stage.get("ConfigMap", "pool").await.unwrap()["data"], json!({ "workers": "3", "other": "somebody's" }));
    assert_eq!(stage.undo(&log).await, [Undone::AlreadyBack]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_since_is_left_alone() {
    let stage = Stage::with(&[config()]).await;
    let log = stage.inject(json!({ "setConfig": { "configMap": "pool", "key": "workers", "value": "many" } })).await.unwrap();
    stage.set("workers", "4").await;
    assert_eq!(stage.undo(&log).await, [Undone::LeftAlone("/data/workers was changed since".to_owned())]);
    assert_eq!(stage.get("ConfigMap", "pool").await.unwrap()["data"]["workers"], "4");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ended_before_the_confirmation_knew_what_would_change() {
    let stage = Stage::with(&[config()]).await;
    stage.inject(json!({ "deleteConfig": { "configMap": "pool", "key": "workers" } })).await.unwrap();
    let text = std::fs::read_to_string(stage.path()).unwrap();
    std::fs::write(stage.path(), text.lines().next().unwrap().to_owned() + "\n").unwrap();
    assert_eq!(stage.undo(&UndoLog::read(&stage.path()).unwrap()).await, [Undone::Reverted]);
    assert_eq!(stage.get("ConfigMap", "pool").await.unwrap()["data"]["workers"], "3");
}

#[tokio::test(start_paused = true)]
async fn deleted_objects_are_made_again_and_applied_ones_removed() {
    let stage = Stage::with(&[config()]).await;
    let log = stage.inject(json!({ "deleteConfig": { "configMap": "pool" } })).await.unwrap();
    assert_eq!(stage.get("ConfigMap", "pool").await, None);
    assert_eq!(stage.undo(&log).await, [Undone::Reverted]);
    assert_eq!(stage.get("ConfigMap", "pool").await.unwrap()["data"], config()["data"]);
    assert_eq!(stage.undo(&log).await, [Undone::AlreadyBack]);
    let deleted = std::fs::read_to_string(stage.path()).unwrap();
    let records = deleted.lines().filter(|line| line.starts_with(r#"{"record""#));
    assert_eq!(records.count(), 1, "{deleted}");

    let quota =
        json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "q" }, "spec": { "hard": { "pods": "1" } } });
    let log = stage.inject(json!({ "apply": { "manifest": quota } })).await.unwrap();
    assert_eq!(stage.get("ResourceQuota", "q").await.unwrap()["metadata"]["labels"][RUN], "run-1");
    assert_eq!(stage.undo(&log).await, [Undone::Reverted]);
    assert_eq!(stage.get("ResourceQuota", "q").await, None);
}

#[tokio::test(start_paused = true)]
async fn template_changes_name_their_container_and_are_taken_back() {
    let stage = Stage::with(&[deployment()]).await;
    let app = |object: &Value| object.pointer("/spec/template/spec/containers/0").cloned().unwrap();
    let image = stage.inject(json!({ "setImage": { "deployment": "pool", "image": "nowhere/none:1" } })).await.unwrap();
    assert_eq!(app(&stage.get("Deployment", "pool").await.unwrap())["image"], "nowhere/none:1");
    let set = json!({ "setResources": { "deployment": "pool", "container": "app", "limits": { "memory": "1Mi" } } });
    let limits = stage.inject(set).await.unwrap();
    let changed = app(&stage.get("Deployment", "pool").await.unwrap());
    assert_eq!((&changed["resources"]["limits"]["memory"], &changed["image"]), (&json!("1Mi"), &json!("nowhere/none:1")));
    assert_eq!((stage.undo(&limits).await, stage.undo(&image).await), (vec![Undone::Reverted], vec![Undone::Reverted]));
    let back = app(&stage.get("Deployment", "pool").await.unwrap());
    assert_eq!((&back["resources"]["limits"]["memory"], &back["image"]), (&json!("64Mi"), &json!("busybox:1.37")));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_no_target_and_what_the_server_refuses_is_an_error() {
    let stage = Stage::with(&[config(), deployment()]).await;
    for fault in [
        json!({ "setConfig": { "configMap": "nope", "key": "a", "value": "b" } }),
        json!({ "deleteConfig": { "configMap": "pool", "key": "nope" } }),
        json!({ "setImage": { "deployment": "pool", "container": "nope", "image": "x" } }),
        json!({ "delete": { "kind": "Service", "name": "nope" } }),
        json!({ "delete": { "kind": "Node", "name": "embedded-control-plane" } }),
    ] {
        assert!(matches!(stage.inject(fault.clone()).await, Err(FaultError::NoTarget(_))), "{fault}");
    }
    let refused = json!({ "patch": { "kind": "Deployment", "name": "pool", "patch": { "spec": { "replicas": -1 } } } });
    assert!(matches!(stage.inject(refused).await, Err(FaultError::Request(_))));
}

#[tokio::test(start_paused = true)]
async fn secret_values_never_reach_the_disk_but_this_process_can_undo() {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "data": { "a": "Z2VoZWlt" } });
    let stage = Stage::with(&[secret]).await;
    let patch = json!({ "patch": { "kind": "Secret", "name": "s", "type": "merge", "patch": { "data": { "a": "YW5kZXJz" } } } });
    let log = stage.inject(patch).await.unwrap();
    let written = std::fs::read_to_string(stage.path()).unwrap();
    assert!(!written.contains("Z2VoZWlt") && !written.contains("YW5kZXJz"), "{written}");
    let later = stage.undo(&UndoLog::read(&stage.path()).unwrap()).await;
    assert!(matches!(later.as_slice(), [Undone::LeftAlone(_)]), "{later:?}");
    assert_eq!(stage.undo(&log).await, [Undone::Reverted]);
    assert_eq!(stage.get("Secret", "s").await.unwrap()["data"]["a"], "Z2VoZWlt");
}

#[tokio::test(start_paused = true)]
async fn faults_on_one_object_are_undone_newest_first_even_if_it_was_made_again() {
    let stage = Stage::with(&[config()]).await;
    stage.inject(json!({ "setConfig": { "configMap": "pool", "key": "workers", "value": "many" } })).await.unwrap();
    stage.inject(json!({ "deleteConfig": { "configMap": "pool" } })).await.unwrap();
    let log = UndoLog::read(&stage.path()).unwrap();
    assert_eq!(stage.undo(&log).await, [Undone::Reverted, Undone::Reverted]);
    assert_eq!(stage.get("ConfigMap", "pool").await.unwrap()["data"], config()["data"]);
}

#[tokio::test(start_paused = true)]
async fn an_undoing_that_was_cut_short_is_finished_by_the_next() {
    let stage = Stage::with(&[config()]).await;
    stage.inject(json!({ "setConfig": { "configMap": "pool", "key": "workers", "value": "many" } })).await.unwrap();
    stage.inject(json!({ "deleteConfig": { "configMap": "pool" } })).await.unwrap();
    let records: Vec<UndoRecord> = std::fs::read_to_string(stage.path())
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_value(serde_json::from_str::<Value>(line).unwrap()["record"].clone()).ok())
        .collect();
    // The first attempt ends after the newest record: the object is there again, with the broken value.
    assert_eq!(undo(&stage.session.client, &records[1]).await, Ok(Undone::Reverted));
    assert_eq!(stage.get("ConfigMap", "pool").await.unwrap()["data"]["workers"], "many");
    let done: Vec<_> =
        undo_all(&stage.session.client, None, &records).await.into_iter().map(|(_, undone)| undone.unwrap()).collect();
    assert_eq!(done, [Undone::AlreadyBack, Undone::Reverted]);
    assert_eq!(stage.get("ConfigMap", "pool").await.unwrap()["data"], config()["data"]);
}
