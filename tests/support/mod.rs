//! Hand-made timelines for the judge: one Deployment with one pod, a fault that deletes it, a replacement.

use comeback::observe::timeline::{Baseline, Began, Fact, FaultRecord, Observation, Reference, Sample, Source};
use comeback::scenario::condition::Ready;
use comeback::scenario::fault::DeletePods;
use comeback::scenario::plan::{EffectPlan, RecoverPlan, SteadyPlan};
use comeback::scenario::{Condition, Fault, Heal, Plan, Thresholds, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn ready() -> Vec<Condition> {
    vec![Condition::Ready(Ready {
        deployment: Some("app".to_owned()),
        stateful_set: None,
        daemon_set: None,
        job: None,
        pod: None,
        selector: None,
        at_least: None,
    })]
}

/// A pod is deleted and must be back; a hold of 30 s, a budget of 5 min.
pub fn plan(rto: Option<u64>) -> Arc<Plan> {
    Arc::new(Plan {
        name: "pod-deleted".to_owned(),
        file: "pod-deleted.yaml".to_owned(),
        labels: BTreeMap::new(),
        summary: String::new(),
        needs: Vec::new(),
        manifests: Vec::new(),
        existing: None,
        render: Vec::new(),
        registry: None,
        images: BTreeMap::new(),
        steady: Some(SteadyPlan { until: ready(), within: Duration::from_mins(1), hold: Duration::from_secs(5) }),
        faults: vec![Fault::DeletePods(DeletePods {
            deployment: Some("app".to_owned()),
            stateful_set: None,
            daemon_set: None,
            job: None,
            pod: None,
            selector: None,
            count: None,
            percent: None,
            all: true,
            grace_period_seconds: None,
            after: None,
        })],
        effect: EffectPlan { until: None, within: Duration::from_mins(2) },
        detect: None,
        thresholds: Thresholds::default(),
        detectors: Vec::new(),
        ladders: Vec::new(),
        patterns: Vec::new(),
        heal: Heal::default(),
        recover: RecoverPlan {
            until: ready(),
            rto: rto.map(Duration::from_secs),
            hold: Duration::from_secs(30),
            within: Duration::from_mins(5),
        },
        throughout: None,
        expect: vec![Verdict::Recovered],
        first_trial: 0,
        comparison: None,
        trials: 1,
        retries: 0,
    })
}

/// Builds a timeline second by second.
pub struct Stream {
    observations: Vec<Observation>,
}

impl Stream {
    /// A trial whose only pod `old` has been steady; the fault comes at 10 s.
    pub fn with_steady_pod() -> Self {
        Self::steady_after(0)
    }

    /// The same, but the pod's container had restarted that often before it was steady.
    pub fn steady_after(restarts: u32) -> Self {
        let mut stream = Self { observations: Vec::new() };
        let began = Began {
            scenario: "pod-deleted".to_owned(),
            trial: 0,
            attempt: 0,
            seed: 1,
            run_label: "x".to_owned(),
            cluster: "test".to_owned(),
            namespace: "ns".to_owned(),
            epoch: "2026-01-01T00:00:00Z".parse().unwrap(),
        };
        stream.push(0, Source::Engine, Fact::Began(began));
        stream.push(0, Source::Engine, Fact::NamespaceReady);
        let kinds = ["Pod", "Deployment", "ReplicaSet"].map(ToOwned::to_owned).to_vec();
        stream.push(0, Source::Watch, Fact::Watching { kinds });
        stream.object(0, deployment(1));
        stream.object(0, replica_set());
        stream.push(0, Source::Engine, Fact::Applied { objects: Vec::new() });
        stream.object(1, pod("old", true, restarts, false));
        stream.push(7, Source::Engine, Fact::Steady);
        let pods = vec![Reference {
            kind: "Pod".to_owned(),
            namespace: "ns".to_owned(),
            name: "app-old".to_owned(),
            uid: "old".to_owned(),
        }];
        stream.push(8, Source::Engine, Fact::Baseline(Baseline { objects: vec![Arc::new(deployment(1))], pods }));
        stream
    }

    fn push(&mut self, at: u64, source: Source, fact: Fact) {
        // A fresh list just before confirms what was known until then.
        if self.observations.last().is_some_and(|last| last.at < Duration::from_secs(at)) {
            self.append(at, Source::Watch, Fact::Confirmed);
        }
        self.append(at, source, fact);
    }

    fn append(&mut self, at: u64, source: Source, fact: Fact) {
        let seq = self.observations.len() as u64;
        self.observations.push(Observation { seq, at: Duration::from_secs(at), source, fact });
    }

    /// What came of trying a condition.
    pub fn sample(&mut self, at: u64, condition: &Condition, good: Option<bool>) {
        let (probe, took) = (condition.sample_key(), Duration::from_millis(20));
        self.push(at, Source::Probe, Fact::Sample(Sample { probe, number: at, good, took, text: String::new(), alert: None }));
    }

    fn object(&mut self, at: u64, object: Value) {
        self.push(at, Source::Watch, Fact::Object(Arc::new(object)));
    }

    /// The fault is requested and accepted, and nothing is seen of it.
    pub fn request_deletion(&mut self) {
        let targets = vec![Reference {
            kind: "Pod".to_owned(),
            namespace: "ns".to_owned(),
            name: "app-old".to_owned(),
            uid: "old".to_owned(),
        }];
        let record = FaultRecord { fault: 0, key: "deletePods".to_owned(), targets, description: String::new() };
        self.push(9, Source::Fault, Fact::Requested(record));
        self.push(9, Source::Fault, Fact::Accepted { fault: 0, notes: Vec::new() });
    }

    /// The fault takes hold at 10 s; the pod is gone at 11 s.
    pub fn inject_deletion(&mut self) {
        self.request_deletion();
        self.object(10, pod("old", true, 0, true));
        self.push(11, Source::Watch, Fact::Deleted(Arc::new(pod("old", false, 0, true))));
    }

    /// The ReplicaSet's new pod.
    pub fn replacement(&mut self, at: u64) {
        self.object(at, pod("new", false, 0, false));
    }

    /// A state of the new pod.
    pub fn pod_state(&mut self, at: u64, ready: bool, restarts: u32) {
        self.object(at, pod("new", ready, restarts, false));
    }

    /// The new pod is Ready, by the server's stamp since then.
    pub fn ready_since(&mut self, at: u64, stamp: &str) {
        let mut pod = pod("new", true, 0, false);
        pod["status"]["conditions"][0]["lastTransitionTime"] = json!(stamp);
        self.object(at, pod);
    }

    /// Nothing was seen of pods from one second until another.
    pub fn blind(&mut self, since: u64, until: u64) {
        let fact = Fact::Blind { since: Duration::from_secs(since), until: None, what: "pods".to_owned() };
        self.push(until, Source::Watch, fact);
    }

    /// The server gave no answer from one second until another, which was noticed later.
    pub fn outage(&mut self, since: u64, until: u64, noticed: u64) {
        let (since, until) = (Duration::from_secs(since), Some(Duration::from_secs(until)));
        self.push(noticed, Source::Watch, Fact::Blind { since, until, what: "the server".to_owned() });
    }

    /// Somebody scales the Deployment.
    pub fn scale_deployment(&mut self, at: u64, replicas: u32) {
        self.object(at, deployment(replicas));
    }

    /// The engine ends the trial.
    pub fn end(&mut self, at: u64) {
        self.push(at, Source::Engine, Fact::Ended { reason: String::new() });
        self.push(at + 1, Source::Engine, Fact::Restored { leftovers: Vec::new() });
    }

    /// The timeline.
    pub fn finish(self) -> Vec<Observation> {
        self.observations
    }
}

fn deployment(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "ns", "uid": "deployment", "generation": 1},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "app", "image": "busybox"}]}}},
        "status": {"observedGeneration": 1},
    })
}

fn replica_set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": "app-1", "namespace": "ns", "uid": "set",
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            "ownerReferences": [{"kind": "Deployment", "name": "app", "uid": "deployment", "controller": true}],
        },
        "spec": {"replicas": 1},
    })
}

fn pod(uid: &str, ready: bool, restarts: u32, terminating: bool) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("app-{uid}"), "namespace": "ns", "uid": uid, "labels": {"app": "app"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "app-1", "uid": "set", "controller": true}],
        },
        "spec": {"containers": [{"name": "app", "image": "busybox"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
            "containerStatuses": [{"name": "app", "ready": ready, "restartCount": restarts, "state": {"running": {"startedAt": "2026-01-01T00:00:01Z"}}}],
        },
    });
    if terminating {
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:40Z");
    }
    pod
}
