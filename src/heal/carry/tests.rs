//! Every step against the embedded API server: what it changes, what it refuses, and what its record shows.
//! Controllers are not waited for: a hand-made pod stands for those of the workload.

use super::*;
use crate::cluster::embedded::Embedded;
use crate::cluster::kinds::Kind;
use crate::cluster::{Cluster, Session, TrialContext};
use crate::detect::replay::seen;

use crate::engine::apply::apply_object;
use crate::engine::namespace::{Identity, create};
use crate::heal::decide::tests::found;
use crate::heal::id::ActionId;
use crate::observe::timeline::Fact;
use crate::observe::watch::plain;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

struct Stage {
    session: Session,
    namespace: String,
    index: Index,
    baseline: Vec<Arc<Value>>,
}

impl Stage {
    /// A Deployment `pool` of two revisions with a pod of the newer one, a ConfigMap and a Secret that it reads.
    async fn new() -> Self {
        let trial = TrialContext { seed: 7, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
        let session = Embedded::default().open(&trial).await.unwrap();
        let identity = Identity { run: "run-1", scenario: "heal", trial: 0, seed: 7 };
        let namespace = create(&session.client, &identity).await.unwrap().name;
        let config =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pool"}, "data": {"workers": "4", "same": "x"}});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "data": {"token": "c2VjcmV0"}});
        for object in [&config, &secret, &deployment()] {
            apply_object(&session.client, &namespace, "run-1", object, false).await.unwrap();
        }
        let mut stage = Self { session, namespace, index: Index::new("embedded"), baseline: Vec::new() };
        for (kind, name) in [("ConfigMap", "pool"), ("Secret", "key"), ("Deployment", "pool")] {
            let object = Arc::new(stage.get(kind, name).await.unwrap());
            stage.baseline.push(Arc::clone(&object));
            stage.see(object);
        }
        let uid = stage.index.get("Deployment", "pool").unwrap()["metadata"]["uid"].clone();
        for (set, revision, image) in [("pool-1", "1", "busybox:1.36"), ("pool-2", "2", "busybox:1.37")] {
            let mut template = deployment()["spec"]["template"].clone();
            template["spec"]["containers"][0]["image"] = json!(image);
            template["metadata"]["labels"]["pod-template-hash"] = json!(revision);
            stage.see(Arc::new(json!({
                "kind": "ReplicaSet",
                "metadata": {"name": set, "uid": set, "namespace": stage.namespace,
                    "annotations": {"deployment.kubernetes.io/revision": revision},
                    "ownerReferences": [{"kind": "Deployment", "name": "pool", "uid": uid, "controller": true}]},
                "spec": {"template": template}, "status": {"availableReplicas": 1},
            })));
        }
        let mut pod = json!({"kind": "Pod", "metadata": {"name": "pool-2-x", "uid": "pod-uid", "namespace": stage.namespace,
            "ownerReferences": [{"kind": "ReplicaSet", "name": "pool-2", "uid": "pool-2", "controller": true}]}});
        pod["spec"] = deployment()["spec"]["template"]["spec"].clone();
        stage.see(Arc::new(pod));
        stage
    }

    fn see(&mut self, object: Arc<Value>) {
        self.index.apply(&seen(Duration::from_secs(1), Fact::Object(object)));
    }

    async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let kind = Kind::known(None, kind).unwrap();
        let found = kind.api(&self.session.client, &self.namespace).get_opt(name).await.unwrap();
        found.map(|object| plain(object, &kind.resource))
    }

    async fn act(&self, step: Value, cause: &str) -> ActionRecord {
        self.act_with(step, cause, Some(&self.baseline)).await
    }

    async fn act_with(&self, step: Value, cause: &str, baseline: Option<&[Arc<Value>]>) -> ActionRecord {
        let healing = Healing {
            client: &self.session.client,
            index: &self.index,
            baseline,
            namespace: &self.namespace,
            announce: None,
            nodes: None,
            run: "run-1",
        };
        healing.carry_out(&self.intent(step, cause)).await
    }

    fn intent(&self, step: Value, cause: &str) -> Intent {
        let subject = Subject {
            namespace: self.namespace.clone(),
            kind: "Pod".to_owned(),
            name: "pool-2-x".to_owned(),
            uid: "pod-uid".to_owned(),
            container: Some("app".to_owned()),
            ..Subject::default()
        };
        let finding = found(cause, subject, Duration::from_secs(2));
        let (group, at) = (finding.group.clone(), finding.at);
        let id = ActionId { run: "run-1".to_owned(), group, cause: cause.to_owned(), rung: 0, attempt: 1 };
        let remedy = Remedy::Step(serde_json::from_value(step).unwrap());
        Intent { id, remedy, finding, at, reason: "why".to_owned() }
    }
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "pool"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "pool"}},
        "template": {"metadata": {"labels": {"app": "pool"}}, "spec": {
            "containers": [{"name": "app", "image": "busybox:1.37", "command": ["sleep", "3600"],
                "livenessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 5},
                "resources": {"limits": {"memory": "32Mi"}, "requests": {"memory": "32Mi"}},
                "envFrom": [{"secretRef": {"name": "key"}}]}],
            "volumes": [{"name": "config", "configMap": {"name": "pool"}}]}}}})
}

#[tokio::test(start_paused = true)]
async fn memory_is_raised_in_the_template_and_the_record_shows_only_that() {
    let stage = Stage::new().await;
    let record = stage.act(json!({"setMemory": {}}), "oom.limit").await;
    assert_eq!((record.outcome, record.subject.kind.as_str()), (ActionOutcome::Acted, "Deployment"), "{record:#?}");
    let part = |memory: &str| json!({"spec": {"template": {"spec": {"containers": {"app": {"resources": {"limits": {"memory": memory}, "requests": {"memory": memory}}}}}}}});
    assert_eq!((record.before, record.after), (Some(part("32Mi")), Some(part("48Mi"))));
    assert_eq!(record.replaces, ["pod-uid"]);
    assert_eq!(stage.act(json!({"setMemory": {}}), "oom.limit").await.outcome, ActionOutcome::Acted);
    assert_eq!(stage.act(json!({"setMemory": {}}), "oom.limit").await.outcome, ActionOutcome::Acted);
    assert_eq!(stage.act(json!({"setMemory": {}}), "oom.limit").await.outcome, ActionOutcome::Acted);
    let last = stage.act(json!({"setMemory": {}}), "oom.limit").await;
    assert_eq!(last.outcome, ActionOutcome::Refused);
    assert!(last.reason.contains("128Mi"), "{}", last.reason);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_brings_the_older_template_and_only_once() {
    let stage = Stage::new().await;
    let record = stage.act(json!({"rollback": {}}), "crash.after-rollout").await;
    assert_eq!(record.outcome, ActionOutcome::Acted, "{record:#?}");
    assert_eq!(record.after.unwrap()["spec"]["template"]["spec"]["containers"]["app"], json!({"image": "busybox:1.36"}));
    let again = stage.act(json!({"rollback": {}}), "crash.after-rollout").await;
    assert_eq!(again.outcome, ActionOutcome::NoOp);
}

#[tokio::test(start_paused = true)]
async fn a_changed_value_is_put_back_and_nothing_else() {
    let stage = Stage::new().await;
    let nothing = stage.act(json!({"revertConfig": {}}), "config.bad-value").await;
    assert_eq!(nothing.outcome, ActionOutcome::NoOp, "{nothing:#?}");
    let api = Kind::known(None, "ConfigMap").unwrap().api(&stage.session.client, &stage.namespace);
    api.patch("pool", &PatchParams::default(), &Patch::Merge(json!({"data": {"workers": "many"}}))).await.unwrap();
    let record = stage.act(json!({"revertConfig": {}}), "config.bad-value").await;
    assert_eq!((record.outcome, record.subject.name.as_str()), (ActionOutcome::Acted, "pool"), "{record:#?}");
    assert_eq!(
        (record.before, record.after),
        (Some(json!({"data": {"workers": "many"}})), Some(json!({"data": {"workers": "4"}})))
    );
    assert_eq!(stage.get("ConfigMap", "pool").await.unwrap()["data"], json!({"workers": "4", "same": "x"}));
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_comes_back_and_its_value_is_not_told() {
    let stage = Stage::new().await;
    let api = Kind::known(None, "Secret").unwrap().api(&stage.session.client, &stage.namespace);
    api.delete("key", &DeleteParams::default()).await.unwrap();
    let hashed: Vec<_> =
        stage.baseline.iter().map(|object| Arc::new(crate::observe::watch::observed((**object).clone()))).collect();
    let refused = stage.act_with(json!({"restoreObject": {}}), "config.missing", Some(&hashed)).await;
    assert_eq!(refused.outcome, ActionOutcome::Refused, "hashes are not restored: {refused:#?}");
    let record = stage.act(json!({"restoreObject": {}}), "config.missing").await;
    assert_eq!((record.outcome, record.subject.kind.as_str()), (ActionOutcome::Acted, "Secret"), "{record:#?}");
    assert_eq!(record.after, Some(json!({"data": {"token": "(secret)"}})));
    let restored = stage.get("Secret", "key").await.unwrap();
    assert_eq!(restored["data"], json!({"token": "c2VjcmV0"}));
    assert_eq!(restored["metadata"]["labels"], stage.baseline[1]["metadata"]["labels"], "the run's label, for cleaning up");
    assert_eq!(stage.act(json!({"restoreObject": {}}), "config.missing").await.outcome, ActionOutcome::NoOp);
}

#[tokio::test(start_paused = true)]
async fn without_a_steady_state_configuration_is_left_alone() {
    let stage = Stage::new().await;
    for step in [json!({"revertConfig": {}}), json!({"restoreObject": {}})] {
        let record = stage.act_with(step, "config.missing", None).await;
        assert_eq!(record.outcome, ActionOutcome::Refused, "{record:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn probes_restarts_and_patches_change_the_template() {
    let stage = Stage::new().await;
    let record = stage.act(json!({"relaxProbe": {}}), "probe.liveness").await;
    assert_eq!(record.outcome, ActionOutcome::Acted, "{record:#?}");
    let live = stage.get("Deployment", "pool").await.unwrap();
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["startupProbe"]["failureThreshold"], 9);
    let patch = json!({"patch": {"patch": {"spec": {"template": {"spec": {"containers": [{"name": "app", "command": ["sleep", "1"]}]}}}}}});
    let record = stage.act(patch, "crash.app-error").await;
    assert_eq!(record.outcome, ActionOutcome::Acted, "{record:#?}");
    assert_eq!(record.replaces, ["pod-uid"]);
    let json_patch = json!({"patch": {"kind": "ConfigMap", "name": "pool", "type": "json",
        "patch": [{"op": "replace", "path": "/data/workers", "value": "5"}]}});
    let record = stage.act(json_patch, "crash.app-error").await;
    assert_eq!((record.outcome, record.after), (ActionOutcome::Acted, Some(json!({"data": {"workers": "5"}}))));
    let nobody = stage.act(json!({"patch": {"kind": "ConfigMap", "name": "nope", "type": "merge", "patch": {}}}), "crash").await;
    assert_eq!(nobody.outcome, ActionOutcome::Refused, "{nobody:#?}");
    let restart = stage.act(json!({"restartWorkload": {}}), "config.bad-value").await;
    assert_eq!(restart.outcome, ActionOutcome::Refused, "no epoch was observed, so there is no time to write: {restart:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_gone_needs_no_restart() {
    let stage = Stage::new().await;
    let record = stage.act(json!({"restartPod": {}}), "crash.app-error").await;
    assert_eq!(record.outcome, ActionOutcome::NoOp, "{record:#?}");
}

#[tokio::test(start_paused = true)]
async fn another_namespace_is_not_touched() {
    let mut stage = Stage::new().await;
    stage.namespace = "default".to_owned();
    let intent = stage.intent(json!({"setMemory": {}}), "oom.limit");
    let healing = Healing {
        client: &stage.session.client,
        index: &stage.index,
        baseline: None,
        namespace: "elsewhere",
        announce: None,
        nodes: None,
        run: "run-1",
    };
    let record = healing.carry_out(&intent).await;
    assert_eq!(record.outcome, ActionOutcome::Refused);
    assert_eq!(record.reason, "namespace default is not the trial's own (elsewhere)");
}

#[tokio::test(start_paused = true)]
async fn nodes_that_are_not_ours_are_not_touched() {
    let mut stage = Stage::new().await;
    let node = stage.session.client.clone();
    let nodes: kube::Api<k8s_openapi::api::core::v1::Node> = kube::Api::all(node);
    let name = nodes.list(&kube::api::ListParams::default()).await.unwrap().items[0].metadata.name.clone().unwrap();
    let mut pod = Value::clone(stage.index.pod("pod-uid").unwrap().object());
    pod["spec"]["nodeName"] = json!(name);
    stage.see(Arc::new(pod));
    for step in ["cordonNode", "drainNode", "rebootNode"] {
        let record = stage.act(json!({ step: {} }), "node.notready").await;
        assert_eq!(record.outcome, ActionOutcome::Refused, "{record:#?}");
        assert!(record.reason.contains("--allow cluster-faults"), "{}", record.reason);
        assert_eq!((record.subject.kind.as_str(), record.subject.name.as_str()), ("Node", name.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_change_within_their_bound() {
    let stage = Stage::new().await;
    let record = stage.act(json!({"scale": {"atMost": 2}}), "oom.limit").await;
    assert_eq!(record.outcome, ActionOutcome::Acted, "{record:#?}");
    assert_eq!((record.before, record.after), (Some(json!({"spec": {"replicas": 1}})), Some(json!({"spec": {"replicas": 2}}))));
    assert_eq!(stage.get("Deployment", "pool").await.unwrap()["spec"]["replicas"], 2);
    let again = stage.act(json!({"scale": {"atMost": 2}}), "oom.limit").await;
    assert_eq!(again.outcome, ActionOutcome::Refused, "{again:#?}");
    assert_eq!(again.reason, "it has 2 replicas, and 2 is the most that is allowed");
}

#[tokio::test(start_paused = true)]
async fn what_a_gitops_tool_keeps_is_left_to_it() {
    let stage = Stage::new().await;
    let kind = Kind::known(None, "Deployment").unwrap();
    let theirs = json!({"metadata": {"labels": {crate::engine::labels::RUN: null},
        "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/pool"}}});
    let api = kind.api(&stage.session.client, &stage.namespace);
    api.patch("pool", &PatchParams::default(), &Patch::Merge(theirs)).await.unwrap();
    for step in [json!({"setMemory": {}}), json!({"scale": {}}), json!({"patch": {"patch": {"spec": {"replicas": 3}}}})] {
        let record = stage.act(step, "oom.limit").await;
        assert_eq!(record.outcome, ActionOutcome::Refused, "{record:#?}");
        assert!(record.reason.contains("it belongs to Argo CD"), "{}", record.reason);
    }
    assert_eq!(stage.get("Deployment", "pool").await.unwrap()["spec"]["replicas"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_leads_where_it_led_and_what_is_no_workload_is_refused_with_the_reason() {
    let mut stage = Stage::new().await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pool"},
        "spec": {"selector": {"app": "pool"}, "ports": [{"port": 80}]}});
    apply_object(&stage.session.client, &stage.namespace, "run-1", &service, false).await.unwrap();
    let good = Arc::new(stage.get("Service", "pool").await.unwrap());
    stage.see(Arc::clone(&good));
    let kind = Kind::known(None, "Service").unwrap();
    let broken = Patch::Merge(json!({"spec": {"selector": {"app": "nobody"}}}));
    let api = kind.api(&stage.session.client, &stage.namespace);
    api.patch("pool", &PatchParams::default(), &broken).await.unwrap();
    let mut intent = stage.intent(json!({"revertConfig": {}}), "network");
    intent.finding.group = "service/pool".to_owned();
    intent.finding.subject = crate::detect::Subject {
        kind: "Service".to_owned(),
        name: "pool".to_owned(),
        uid: good["metadata"]["uid"].as_str().unwrap().to_owned(),
        container: None,
        ..intent.finding.subject.clone()
    };
    let healing = |baseline| Healing {
        client: &stage.session.client,
        index: &stage.index,
        baseline,
        namespace: &stage.namespace,
        announce: None,
        nodes: None,
        run: "run-1",
    };
    let unknown = healing(Some(&stage.baseline)).carry_out(&intent).await;
    assert_eq!((unknown.outcome, unknown.reason.as_str()), (ActionOutcome::Refused, "the steady state had no Service pool"));
    let baseline: Vec<_> = stage.baseline.iter().cloned().chain([good]).collect();
    let record = healing(Some(&baseline)).carry_out(&intent).await;
    assert_eq!(record.outcome, ActionOutcome::Acted, "{record:#?}");
    let selector = |name: &str| json!({"spec": {"selector": {"app": name}}});
    assert_eq!((record.before, record.after), (Some(selector("nobody")), Some(selector("pool"))));
    assert_eq!(stage.get("Service", "pool").await.unwrap()["spec"]["selector"], json!({"app": "pool"}));
    // A restart would not mend it, and there is nothing of it to restart.
    for step in [json!({"restartWorkload": {}}), json!({"scale": {}}), json!({"restartPod": {}}), json!({"rollback": {}})] {
        intent.remedy = Remedy::Step(serde_json::from_value(step).unwrap());
        let refused = healing(Some(&baseline)).carry_out(&intent).await;
        assert_eq!(refused.outcome, ActionOutcome::Refused, "{refused:#?}");
    }
    intent.finding.subject.kind = "PersistentVolumeClaim".to_owned();
    intent.finding.group = "persistentvolumeclaim/pool".to_owned();
    intent.remedy = Remedy::Step(serde_json::from_value(json!({"revertConfig": {}})).unwrap());
    let refused = healing(Some(&baseline)).carry_out(&intent).await;
    let why = "a PersistentVolumeClaim reads no configuration that could be put back";
    assert_eq!((refused.outcome, refused.reason.as_str()), (ActionOutcome::Refused, why));
}
