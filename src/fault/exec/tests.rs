//! Commands in running containers and deleted pods, on the embedded cluster.

use crate::cluster::embedded::Embedded;
use crate::cluster::{Cluster, Session, TrialContext};
use crate::engine::apply::apply_object;
use crate::engine::namespace::{Identity, create};
use crate::fault::prepare::Scene;
use crate::fault::{FaultError, choose, inject, prepare};
use crate::observe::logs::LogFollower;
use crate::observe::timeline::{Fact, Observation, Source};
use crate::observe::watch::{self, Seen};
use crate::observe::{Index, index::text};
use crate::scenario::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// A Deployment of two pods, its namespace watched.
struct Stage {
    session: Session,
    namespace: String,
    index: Index,
    seen: mpsc::UnboundedReceiver<Seen>,
    logs: LogFollower,
    lines: Vec<(u32, String)>,
    _watching: watch::Watching,
}

impl Stage {
    async fn of(script: &str) -> Self {
        let trial = TrialContext { seed: 5, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
        let session = Embedded::default().open(&trial).await.unwrap();
        let identity = Identity { run: "run-1", scenario: "exec", trial: 0, seed: 5 };
        let namespace = create(&session.client, &identity).await.unwrap().name;
        let (sink, seen) = mpsc::unbounded_channel();
        let kinds = ["Pod", "ReplicaSet"].map(|kind| watch::WatchedKind { kind: kind.to_owned(), api_version: None });
        let watching = watch::start(&session.client, &namespace, &kinds, None, &sink).await.unwrap();
        let container = json!({ "name": "app", "image": "busybox:1.37", "command": ["sh", "-c", script] });
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "pool" },
            "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "pool" } },
                "template": { "metadata": { "labels": { "app": "pool" } }, "spec": { "containers": [container] } } } });
        apply_object(&session.client, &namespace, "run-1", &deployment, false).await.unwrap();
        let logs = LogFollower::new(&session.client, &namespace, Vec::new(), sink);
        let (index, lines) = (Index::new("c"), Vec::new());
        let mut stage = Self { session, namespace, index, seen, logs, lines, _watching: watching };
        stage.watch(Duration::from_secs(3)).await;
        stage
    }

    async fn watch(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(Some(seen)) = timeout_at(end, self.seen.recv()).await {
            let fact = match seen {
                Seen::Object(object) => {
                    if text(&object, "/kind") == "Pod" {
                        self.logs.pod_seen(&object);
                    }
                    Fact::Object(object)
                }
                Seen::Deleted(object) => Fact::Deleted(object),
                Seen::LogLine(line) => {
                    self.lines.push((line.restart, line.text.clone()));
                    Fact::LogLine(line)
                }
                other => panic!("unexpected: {other:?}"),
            };
            self.index.apply(&Observation { seq: 0, at: Duration::ZERO, source: Source::Watch, fact });
        }
    }

    async fn inject(&self, fault: Value) -> Result<Vec<String>, FaultError> {
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
        let pods = choose(&fault, &self.index, 1)?;
        let prepared = prepare(scene, 0, &fault, &pods).await?;
        inject(&self.session.client, self.session.machines.as_deref(), &prepared).await?;
        Ok(prepared.record().targets.into_iter().map(|target| target.uid).collect())
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_fails_is_an_error_and_one_that_ends_its_container_is_not() {
    let mut stage = Stage::of("trap 'echo asked; exit 3' TERM; echo up; while true; do sleep 1; done").await;
    let exec = |command: &str| json!({ "exec": { "deployment": "pool", "command": ["sh", "-c", command] } });
    assert_eq!(stage.inject(exec("echo out; true")).await.unwrap().len(), 1);
    let Err(FaultError::Command(message)) = stage.inject(exec("echo bad >&2; exit 4")).await else { panic!("accepted") };
    assert!(message.ends_with("exit code 4 (bad)"), "{message}");
    let killed = stage.inject(exec("kill -TERM 1; sleep 30")).await.unwrap();
    stage.watch(Duration::from_secs(3)).await;
    let pod = stage.index.pod(&killed[0]).unwrap();
    assert_eq!(pod.object().pointer("/status/containerStatuses/0/lastState/terminated/exitCode"), Some(&json!(3)), "{pod:?}");
    assert_eq!(stage.lines, [(0, "up".to_owned()), (0, "asked".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn deleted_pods_are_replaced_and_deleting_them_again_finds_no_target() {
    let mut stage = Stage::of("sleep 3600").await;
    let all = json!({ "deletePods": { "deployment": "pool", "all": true, "gracePeriodSeconds": 1 } });
    let deleted = stage.inject(all.clone()).await.unwrap();
    assert_eq!(deleted.len(), 2);
    // The index still shows them: the server's answer counts.
    let again = stage.inject(json!({ "exec": { "deployment": "pool", "container": "nope", "command": ["true"] } })).await;
    assert!(matches!(again, Err(FaultError::NoTarget(_))), "{again:?}");
    stage.watch(Duration::from_secs(10)).await;
    let live: Vec<_> = stage.index.pods().filter(|pod| pod.is_live()).map(|pod| pod.reference.uid.clone()).collect();
    assert!(live.len() == 2 && live.iter().all(|uid| !deleted.contains(uid)), "{live:?}");
}
