//! A healer that dies between two attempts, and its successor: against the embedded API server, on a pod that never gets well.

use super::*;
use crate::cluster::embedded::Embedded;
use crate::cluster::{Cluster, Session, TrialContext};
use crate::detect::replay::seen;
use crate::detect::{Finding, Subject};
use crate::engine::apply::apply_object;
use crate::engine::namespace::{Identity, create};
use crate::heal::decide::tests::found;
use crate::heal::decide::{decide, next_deadline};
use crate::observe::Index;
use crate::observe::timeline::Fact;
use crate::observe::watch::plain;
use crate::scenario::heal::{Attempts, Scale};
use crate::scenario::{Heal, Healer, Healers, Step};
use kube::api::{Patch, PatchParams};
use rstest::rstest;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What outlives a healer: the cluster.
#[derive(Clone)]
struct World {
    session: Session,
    namespace: String,
    began: Instant,
}

impl World {
    async fn new() -> Self {
        let session = Embedded::default().open(&TrialContext { seed: 7, nodes: 1, ..TrialContext::default() }).await.unwrap();
        let identity = Identity { run: "run-1", scenario: "heal", trial: 0, seed: 7 };
        let namespace = create(&session.client, &identity).await.unwrap().name;
        let pool = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "pool"}, "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "pool"}}, "template": {"metadata": {"labels": {"app": "pool"}},
            "spec": {"containers": [{"name": "app", "image": "busybox:1.37", "command": ["sleep", "3600"]}]}}}});
        apply_object(&session.client, &namespace, "run-1", &pool, false).await.unwrap();
        Self { session, namespace, began: Instant::now() }
    }

    fn clock(&self) -> Timestamp {
        let passed = jiff::SignedDuration::try_from(self.began.elapsed()).unwrap();
        "2026-11-22T04:00:00Z".parse::<Timestamp>().unwrap().checked_add(passed).unwrap()
    }

    fn finding(&self) -> Finding {
        let subject = Subject {
            namespace: self.namespace.clone(),
            kind: "Pod".to_owned(),
            name: "pool-x".to_owned(),
            uid: "pool-x".to_owned(),
            ..Subject::default()
        };
        found("crash.app-error", subject, Duration::from_secs(1))
    }

    /// One healer, from its start until it has no more to do; it tells of each action once it is carried out.
    async fn heal(self, run: &'static str, remembers: bool, done: mpsc::UnboundedSender<String>) {
        let began = Instant::now();
        let mut index = Index::new("embedded");
        for object in self.objects().await {
            index.apply(&seen(Duration::from_millis(100), Fact::Object(Arc::new(object))));
        }
        let policy = policy(run);
        let recalled = Memory::recall(&self.session.client, &self.namespace, &policy, Duration::ZERO, self.clock()).await;
        let mut memory = recalled.unwrap();
        let mut history = if remembers { memory.earlier().to_vec() } else { Vec::new() };
        loop {
            index.advance(began.elapsed());
            let findings = [self.finding()];
            let Some(due) = next_deadline(&findings, &index, &policy, &history, began.elapsed()) else { return };
            tokio::time::sleep_until(began + due).await;
            for intent in decide(&findings, &index, &policy, &history, began.elapsed()) {
                let healing = Healing {
                    client: &self.session.client,
                    index: &index,
                    baseline: None,
                    namespace: &self.namespace,
                    announce: None,
                    nodes: None,
                    run,
                };
                let action = memory.carry_out(&healing, &intent, self.clock()).await;
                let id = ActionId::parse(&action.id).unwrap();
                done.send(format!("{} {}/{} {:?}", action.step, id.rung, id.attempt, action.outcome)).unwrap();
                history.push(action);
            }
        }
    }

    /// A Deployment, and a pod of it that crashes.
    async fn objects(&self) -> Vec<Value> {
        let pool = self.get("Deployment", "pool").await.unwrap();
        let owned = |kind: &str, name: &str, by: &str, uid: &str| {
            json!({"name": name, "uid": name, "namespace": self.namespace,
            "ownerReferences": [{"kind": by, "name": if kind == "Pod" { "pool-1" } else { "pool" }, "uid": uid, "controller": true}]})
        };
        let uid = text(&pool, "/metadata/uid").to_owned();
        let set = json!({"kind": "ReplicaSet", "metadata": owned("ReplicaSet", "pool-1", "Deployment", &uid), "spec": {"template": {}}});
        let pod = json!({"kind": "Pod", "metadata": owned("Pod", "pool-x", "ReplicaSet", "pool-1"), "spec": {"containers": [{"name": "app"}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 2, "ready": false, "lastState": {},
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}});
        vec![pool, set, pod]
    }

    async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let kind = Kind::known(None, kind).unwrap();
        let found = kind.api(&self.session.client, &self.namespace).get_opt(name).await.unwrap();
        found.map(|object| plain(object, &kind.resource))
    }

    async fn replicas(&self) -> Value {
        self.get("Deployment", "pool").await.unwrap()["spec"]["replicas"].clone()
    }
}

/// Twice more replicas, and then back to an older revision, which there is none of.
fn policy(run: &str) -> Policy {
    let scale = Scale { max_attempts: 2, timeout: Duration::from_secs(40), ..Scale::default() };
    let strategy = vec![Step::Scale(scale), Step::Rollback(Attempts::default())];
    Policy::new(&Heal { by: Healers(vec![Healer::Comeback]), strategy, ..Heal::default() }, run)
}

/// A healer that dies in the pause before its second attempt, and what its successor does.
async fn killed_between_two_attempts(successor: &'static str, remembers: bool) -> (Vec<String>, World) {
    let world = World::new().await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let first = tokio::spawn(world.clone().heal("run-1", true, tell));
    assert_eq!(told.recv().await.unwrap(), "scale 0/1 Acted");
    tokio::time::sleep(Duration::from_secs(5)).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled() && told.try_recv().is_err());
    assert_eq!(world.replicas().await, 2);
    let (tell, mut told) = mpsc::unbounded_channel();
    world.clone().heal(successor, remembers, tell).await;
    let mut done = Vec::new();
    while let Ok(one) = told.try_recv() {
        done.push(one);
    }
    (done, world)
}

#[rstest]
#[case::the_same_run("run-1")]
#[case::another_run("run-2")]
#[tokio::test(start_paused = true)]
async fn a_healer_that_starts_anew_goes_on_with_the_ladder(#[case] successor: &'static str) {
    let (done, world) = killed_between_two_attempts(successor, true).await;
    assert_eq!(done, ["scale 0/2 Acted", "rollback 1/1 Refused", "report 2/1 NoRemedy"]);
    assert_eq!(world.replicas().await, 3);
    // What the first did 5 s before the second began has its 40 s to show, counted from then at the latest.
    assert!(world.began.elapsed() >= Duration::from_secs(80), "{:?}", world.began.elapsed());
    // A third one has nothing left to try, and does not say so again.
    let (tell, mut told) = mpsc::unbounded_channel();
    world.clone().heal(successor, true, tell).await;
    assert!(told.try_recv().is_err());
    assert_eq!(world.replicas().await, 3);
}

#[tokio::test(start_paused = true)]
async fn without_its_memory_it_would_begin_again() {
    let (done, world) = killed_between_two_attempts("run-2", false).await;
    assert_eq!(done, ["scale 0/1 Acted", "scale 0/2 Acted", "rollback 1/1 Refused", "report 2/1 NoRemedy"]);
    assert_eq!(world.replicas().await, 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_long_ago_or_of_another_ladder_or_nonsense_is_not_recalled() {
    let (_, world) = killed_between_two_attempts("run-1", true).await;
    let recall = async |policy: &Policy, clock: Timestamp| {
        let recalled = Memory::recall(&world.session.client, &world.namespace, policy, Duration::from_secs(9), clock).await;
        recalled.unwrap().earlier().iter().map(|action| action.step.clone()).collect::<Vec<_>>()
    };
    assert_eq!(recall(&policy("run-3"), world.clock()).await, ["scale", "scale", "rollback", "report"]);
    let later = world.clock().checked_add(jiff::SignedDuration::from_hours(2)).unwrap();
    assert!(recall(&policy("run-3"), later).await.is_empty());
    let other = Policy { strategy: vec![Step::RestartPod(Attempts::default())], ..policy("run-3") };
    assert!(recall(&other, world.clock()).await.is_empty());
    let api = maps(&world.session.client, &world.namespace, "test").unwrap();
    let garbage = json!({"data": {KEY: "garbage\n{}\n[1]"}});
    api.patch("comeback-healer-run-1", &PatchParams::default(), &Patch::Merge(&garbage)).await.unwrap();
    assert!(recall(&policy("run-3"), world.clock()).await.is_empty());
}
