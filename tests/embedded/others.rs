//! Healers that are not comeback's: what they say makes no recovery, what they do is seen, and what they gain is reported.

use super::request;
use comeback::cluster::embedded::Embedded;
use comeback::cluster::{Cluster, ClusterError, Session, TrialContext};
use comeback::engine::{self, RunRequest};
use comeback::heal::ClaimStatus;
use comeback::measure::result::{ClusterInfo, How, RunResult, TrialResult, Who};
use comeback::scenario::model::Need;
use comeback::scenario::{self, Verdict};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

const POOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/workloads/pool.yaml");

/// An embedded cluster on which somebody's controller mends a ConfigMap, if it runs.
#[derive(Debug)]
struct Attended {
    inner: Embedded,
    controller: Option<Controller>,
}

/// Somebody's controller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Controller {
    /// Whether it puts the good value back, under the name `pool-operator`, before it deletes the pods.
    pub writes: bool,
    /// By which name it tells of that in Events.
    pub tells: Option<&'static str>,
}

impl Cluster for Attended {
    fn info(&self) -> ClusterInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Vec<Need> {
        self.inner.capabilities()
    }

    fn is_virtual_time(&self) -> bool {
        true
    }

    fn open<'a>(&'a self, trial: &'a TrialContext) -> BoxFuture<'a, Result<Session, ClusterError>> {
        async move {
            let session = self.inner.open(trial).await?;
            if let Some(controller) = self.controller {
                tokio::spawn(mend(session.client.clone(), controller));
            }
            Ok(session)
        }
        .boxed()
    }
}

/// Puts the good value back when pods have crashed, and has them made anew.
async fn mend(client: kube::Client, controller: Controller) {
    let (maps, all): (Api<ConfigMap>, Api<Pod>) = (Api::all(client.clone()), Api::all(client.clone()));
    let crashed = |pod: &Pod| {
        let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        statuses.map(|status| status.restart_count).any(|count| count > 1)
    };
    let of_pool = watcher::Config::default().labels("app=pool");
    let mut seen = std::pin::pin!(watcher::watcher(all.clone(), of_pool).applied_objects());
    while let Some(pod) = seen.next().await {
        if !crashed(&pod.unwrap()) {
            continue;
        }
        let maps = maps.list(&ListParams::default()).await.unwrap().items;
        let Some(map) = maps.into_iter().find(|map| map.metadata.name.as_deref() == Some("pool")) else { continue };
        let namespace = map.metadata.namespace.unwrap();
        let params = PatchParams { field_manager: Some("pool-operator".to_owned()), ..PatchParams::default() };
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        if controller.writes {
            maps.patch("pool", &params, &Patch::Merge(json!({ "data": { "workers": "4" } }))).await.unwrap();
        } else {
            // Until the fault has undone itself.
            let is_good =
                |map: Option<&ConfigMap>| map.and_then(|map| map.data.as_ref()?.get("workers")).is_some_and(|n| n == "4");
            await_condition(maps, "pool", is_good).await.unwrap();
        }
        let own: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        for pod in all.list(&ListParams::default().labels("app=pool")).await.unwrap().items {
            let name = pod.metadata.name.unwrap();
            if let Some(teller) = controller.tells {
                let event = json!({"metadata": {"name": format!("{name}.told")}, "type": "Normal", "reason": "Replacing",
                    "message": "it crashed too often", "source": {"component": teller},
                    "involvedObject": {"kind": "Pod", "namespace": namespace, "name": name, "uid": pod.metadata.uid}});
                let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
                events.create(&PostParams::default(), &serde_json::from_value(event).unwrap()).await.unwrap();
            }
            let _ = own.delete(&name, &DeleteParams::default()).await;
        }
        return;
    }
}

fn run(folder: &Path, heal: &str, rest: &str, controller: bool) -> RunResult {
    run_with(folder, heal, rest, "", controller.then_some(Controller { writes: true, tells: None }))
}

/// Runs a bad value of the pool's, whose fault may have more settings.
pub(super) fn run_with(folder: &Path, heal: &str, rest: &str, more: &str, controller: Option<Controller>) -> RunResult {
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: others }}\nspec:\n  summary: a healer of others\n  \
         workload: {{ manifests: [{POOL}] }}\n  steady: {{ until: [{{ ready: {{ deployment: pool }} }}], within: 2m, hold: 5s }}\n  \
         fault: [{{ setConfig: {{ configMap: pool, key: workers, value: many{more} }} }}]\n  \
         effect: {{ until: [{{ restarts: {{ deployment: pool, atLeast: 1 }} }}], within: 3m }}\n  heal: {heal}\n{rest}"
    );
    let file = folder.join("others.yaml");
    std::fs::write(&file, text).unwrap();
    let options = scenario::LoadOptions::default();
    let loaded = scenario::load(&[file.to_string_lossy().into_owned()], &options).unwrap_or_else(|found| panic!("{found:#?}"));
    let directory = folder.join("run");
    std::fs::create_dir_all(&directory).unwrap();
    let cluster = Arc::new(Attended { inner: Embedded::default(), controller });
    let request = RunRequest { plans: loaded.plans, cluster, directory, seed: 3, ..request() };
    let (_keep, stop) = watch::channel(None);
    engine::run(&request, &stop, &mut |_| {})
}

pub(super) fn first(result: &RunResult) -> TrialResult {
    result.scenarios[0].trials[0].clone()
}

/// A service that takes every incident, and says at once that it is done.
fn liar() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut line, mut length, mut first) = (String::new(), 0, None);
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).unwrap();
                first.get_or_insert_with(|| line.clone());
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let body = if first.unwrap().starts_with("POST") {
                r#"{"workflow_id":"wf-7","status":"pending","is_anomaly":true,"confidence":0.92}"#
            } else {
                r#"{"status":"completed"}"#
            };
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            reader.into_inner().write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    url
}

pub(super) const RECOVER: &str = "  recover: { rto: 4m, hold: 45s, within: 6m }\n";

#[test]
fn a_service_that_lies_makes_no_recovery() {
    let folder = tempfile::tempdir().unwrap();
    let result = run(folder.path(), &format!("{{ by: webhook, webhook: {{ url: '{}' }} }}", liar()), RECOVER, false);
    let trial = first(&result);
    assert!(matches!(trial.verdict, Verdict::Unrecovered | Verdict::Regressed), "{trial:#?}");
    assert_eq!(result.exit_code, 1);
    assert!(trial.healed_by.is_none());
    let said: Vec<_> = trial.claims.iter().map(|claim| claim.status).collect();
    assert_eq!(said, [ClaimStatus::Accepted, ClaimStatus::Completed], "{:#?}", trial.claims);
    assert!(trial.reason.contains("said `completed` at") && trial.reason.contains("no recovery was seen"), "{}", trial.reason);
    assert!(trial.actions.is_empty(), "comeback does nothing itself: {:#?}", trial.actions);
}

#[test]
fn a_service_whose_doing_is_seen_is_named_with_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let result = run(folder.path(), &format!("{{ by: webhook, webhook: {{ url: '{}' }} }}", liar()), RECOVER, true);
    let trial = first(&result);
    assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
    let healed = trial.healed_by.unwrap();
    assert_eq!((healed.who, healed.how), (Who::Webhook, How::Healed), "{healed:#?}");
    assert!(healed.evidence.iter().any(|text| text.contains("written by pool-operator")), "{healed:#?}");
}

#[test]
fn a_service_that_cannot_be_reached_leaves_the_rest_of_the_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let result = run(folder.path(), &format!("{{ by: webhook, webhook: {{ url: 'http://{closed}' }} }}"), RECOVER, true);
    let trial = first(&result);
    assert_eq!(trial.claims.len(), 1, "{:#?}", trial.claims);
    assert!(
        trial.notes.iter().any(|note| note.starts_with(&format!("{closed} gave no answer that could be used"))),
        "{:?}",
        trial.notes
    );
    assert!(!trial.findings.is_empty() && trial.stamps.effective.is_some());
    // Somebody healed it, but surely not a service that never answered.
    assert_ne!(trial.healed_by.map(|healed| healed.who), Some(Who::Webhook));
}

#[test]
fn a_second_opinion_is_noted_and_decides_nothing() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let about = "on config.bad-value of pod pool-";
    for (url, said) in
        [(liar(), "an anomaly, too: confidence 0.92"), (format!("http://{closed}"), "no answer that could be used: ")]
    {
        let folder = tempfile::tempdir().unwrap();
        let detect =
            format!("  detect: {{ cause: config.bad-value, within: 2m, secondOpinion: {{ url: '{url}', model: pods }} }}\n");
        let trial = first(&run(folder.path(), "{ by: comeback }", &format!("{detect}{RECOVER}"), false));
        assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
        let noted: Vec<_> = trial.notes.iter().filter(|note| note.starts_with("second opinion of")).collect();
        assert!(noted.iter().any(|note| note.contains(about) && note.contains(said)), "{:#?}", trial.notes);
    }
}

#[test]
fn a_controller_that_is_only_watched_is_told_by_its_writes() {
    for (heal, who) in [
        ("{ by: external }", Who::External),
        ("{ by: external, external: { manager: pool-operator } }", Who::External),
        ("{ by: external, external: { manager: somebody-else } }", Who::Unknown),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let trial = first(&run(folder.path(), heal, RECOVER, true));
        assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
        let healed = trial.healed_by.unwrap();
        assert_eq!(healed.who, who, "{healed:#?}");
        if who == Who::External {
            assert_eq!(healed.name.as_deref(), Some("pool-operator"));
        }
    }
}

#[test]
fn the_lift_is_what_a_healer_gains_over_kubernetes_alone() {
    let folder = tempfile::tempdir().unwrap();
    let rest = format!("{RECOVER}  trials: 2\n");
    let result = run(folder.path(), "{ by: [kubernetes, comeback] }", &rest, false);
    let names: Vec<_> = result.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names, ["others[heal=kubernetes]", "others[heal=comeback]"]);
    assert_eq!(result.exit_code, 0, "the reference proves nothing: {:#?}", result.exit_reasons);
    let lift = &result.lift[0];
    assert_eq!((lift.scenario.as_str(), lift.success_rate_gain), ("others", Some(1.0)), "{lift:#?}");
    let rates = [&lift.without.success_rate, &lift.with.success_rate].map(|rate| (rate.successes, rate.n));
    assert_eq!(rates, [(0, 2), (2, 2)]);
    assert_eq!(lift.without.recovery.as_ref().unwrap().censored, 2);
    assert!(lift.with.recovery.as_ref().unwrap().median.is_some());
    let sums = &result.summary.success_rate;
    assert_eq!((sums.successes, sums.n), (2, 2), "the reference counts in no sum");
    let seeds: Vec<Vec<u64>> = result.scenarios.iter().map(|one| one.trials.iter().map(|trial| trial.seed).collect()).collect();
    assert_eq!(seeds[0], seeds[1], "both sides meet the same course of events");
}
