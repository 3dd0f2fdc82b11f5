//! A trial's surroundings on the embedded cluster: namespace, manifests, watches, baseline, removal.

use super::*;
use crate::cluster::embedded::Embedded;
use crate::cluster::{Cluster, Session, TrialContext};
use crate::engine::namespace::{Identity, create};
use crate::engine::{apply, baseline};
use crate::json::At as _;
use crate::observe::watch::{self, Seen};
use crate::scenario::plan::Manifest;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

async fn session() -> Session {
    let trial = TrialContext { seed: 3, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
    Embedded::default().open(&trial).await.unwrap()
}

fn identity(run: &str) -> Identity<'_> {
    Identity { run, scenario: "pool", trial: 0, seed: 3 }
}

fn manifest(object: Value) -> Manifest {
    Manifest { file: "pool.yaml".to_owned(), line: 7, object }
}

fn deployment() -> Manifest {
    let container = json!({ "name": "app", "image": "busybox:1.37", "command": ["sh", "-c", "sleep 3600"] });
    manifest(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "pool" },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "pool" } },
            "template": { "metadata": { "labels": { "app": "pool" } }, "spec": { "containers": [container] } } },
    }))
}

fn secret() -> Manifest {
    manifest(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "token" }, "stringData": { "a": "geheim" } }))
}

#[tokio::test(start_paused = true)]
async fn a_namespace_lives_from_its_creation_to_its_verified_end() {
    let session = session().await;
    let client = &session.client;
    let namespace = create(client, &identity("run-1")).await.unwrap();
    let (sink, mut seen) = mpsc::unbounded_channel();
    let kinds: Vec<_> =
        ["Pod", "Secret"].map(|kind| watch::WatchedKind { kind: kind.to_owned(), api_version: None }).into_iter().collect();
    let watching = watch::start(client, &namespace.name, &kinds, None, &sink).await.unwrap();
    assert_eq!(watching.kinds.iter().map(|kind| kind.resource.kind.as_str()).collect::<Vec<_>>(), ["Pod", "Secret"]);

    let manifests = [secret(), deployment()];
    let applied = apply::apply(client, &namespace.name, "run-1", &manifests).await.unwrap();
    assert_eq!(applied.iter().map(|object| object.kind.as_str()).collect::<Vec<_>>(), ["Secret", "Deployment"]);
    assert!(applied.iter().all(|object| !object.uid.is_empty() && object.namespace == namespace.name));

    let mut running = BTreeSet::new();
    timeout(Duration::from_mins(1), async {
        while running.len() < 2 {
            match seen.recv().await.unwrap() {
                Seen::Object(object) => {
                    assert!(!object.to_string().contains("geheim") && !object.to_string().contains("Z2VoZWlt"));
                    assert_eq!(object.at("/metadata/managedFields"), None);
                    if object["kind"] == "Pod" && object.at("/status/phase") == Some(&json!("Running")) {
                        running.insert(object["metadata"]["name"].to_string());
                    }
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
    })
    .await
    .unwrap();

    let (baseline, originals) = baseline::read(client, &namespace.name, &manifests).await.unwrap();
    assert_eq!((baseline.objects.len(), baseline.pods.len()), (2, 2));
    assert!(!serde_json::to_string(&baseline).unwrap().contains("Z2VoZWlt"));
    assert_eq!(originals.get("Secret", "token").unwrap().at("/data/a"), Some(&json!("Z2VoZWlt")));
    assert!(!format!("{originals:?}").contains("Z2VoZWlt"));
    let run = baseline.objects[1].at("/metadata/labels").and_then(|labels| labels.get(labels::RUN));
    assert_eq!(
        (run, baseline.objects[1].at("/spec/template/metadata/labels")),
        (Some(&json!("run-1")), Some(&json!({ "app": "pool" })))
    );

    drop(watching);
    let begun = tokio::time::Instant::now();
    assert_eq!(namespace::remove(client, &namespace, "run-1", REMOVED_WITHIN).await, []);
    assert!(begun.elapsed() < Duration::from_secs(15), "pods got their full grace: {:?}", begun.elapsed());
    assert_eq!(find(client, &Scope::All, &[]).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn clean_up_touches_only_what_carries_the_label_of_the_run() {
    let session = session().await;
    let client = &session.client;
    let one = create(client, &identity("run-1")).await.unwrap();
    let two = create(client, &identity("run-2")).await.unwrap();
    let found = find(client, &Scope::Run("run-1".to_owned()), &[]).await.unwrap();
    let cleaned = clean(client, found.into_iter().next().unwrap()).await;
    assert_eq!(cleaned.removed.iter().map(|found| &found.namespace).collect::<Vec<_>>(), [&one]);
    assert_eq!(cleaned.left, []);
    let mut left = find(client, &Scope::All, &[]).await.unwrap();
    assert_eq!((left.len(), &left[0].namespaces[0].namespace, left[0].run.as_str()), (1, &two, "run-2"));
    assert!(clean(client, left.remove(0)).await.left.is_empty());
    let others = namespace::namespaces(client).unwrap().list(&ListParams::default()).await.unwrap();
    assert!(others.items.iter().any(|namespace| namespace.metadata.name.as_deref() == Some("default")));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_shown_with_file_line_and_its_message() {
    let session = session().await;
    let namespace = create(&session.client, &identity("run-1")).await.unwrap();
    let mut broken = deployment();
    broken.object["spec"]["selector"] = json!({ "matchLabels": { "app": "other" } });
    let error = apply::apply(&session.client, &namespace.name, "run-1", &[broken]).await.unwrap_err().to_string();
    assert!(error.starts_with("pool.yaml:7: deployment/pool was not accepted: ") && error.contains("selector"), "{error}");
    let cluster = manifest(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "mine" } }));
    let error = apply::apply(&session.client, &namespace.name, "run-1", &[cluster]).await.unwrap_err();
    assert!(error.message.contains("cluster-scoped"), "{error}");
}

/// A run's own namespace with its lease, which would be renewed by nobody.
async fn home_of(client: &kube::Client, run: &str) -> Home {
    let home = home::establish(client, run, &[], false).await.unwrap();
    lease::acquire(client, &home, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    home
}

#[tokio::test(start_paused = true)]
async fn only_runs_whose_lease_does_not_change_are_stale() {
    let session = session().await;
    let client = &session.client;
    let (dead, live) = (home_of(client, "dead").await, home_of(client, "live").await);
    create(client, &identity("dead")).await.unwrap();
    // Killed between the two: a namespace without a lease.
    home::establish(client, "unborn", &[], false).await.unwrap();
    let renewing = async {
        loop {
            tokio::time::sleep(lease::RENEWED_EVERY).await;
            lease::renew(client, &live, session.clock.now()).await.unwrap();
        }
    };
    let found = find(client, &Scope::Stale, &[]).await.unwrap();
    assert_eq!(found.iter().map(|left| left.run.as_str()).collect::<Vec<_>>(), ["dead", "live", "unborn"]);
    let begun = tokio::time::Instant::now();
    let (stale, alive) = tokio::select! {
        biased;
        () = renewing => unreachable!(),
        judged = stale_only(client, found) => judged.unwrap(),
    };
    assert!((lease::DURATION..lease::DURATION * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(alive, ["live"]);
    assert_eq!(stale.iter().map(|left| left.run.as_str()).collect::<Vec<_>>(), ["dead", "unborn"]);
    for left in stale {
        assert_eq!(clean(client, left).await.left, []);
    }
    let left = find(client, &Scope::All, &[]).await.unwrap();
    assert_eq!(left.iter().map(|left| left.run.as_str()).collect::<Vec<_>>(), ["live"]);
    assert_ne!(dead.namespace, live.namespace);
}
