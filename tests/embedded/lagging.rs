//! A cluster whose watches tell everything three seconds late, as those of a loaded one do: what has not been seen yet must not be
//! taken for what is.

use super::faults::scenario;
use bytes::Bytes;
use comeback::cluster::embedded::Embedded;
use comeback::cluster::{Cluster, ClusterError, Session, TrialContext};
use comeback::engine::{self, RunRequest};
use comeback::measure::result::ClusterInfo;
use comeback::scenario::model::Need;
use comeback::scenario::{self, LoadOptions};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const LATE: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Lagging(Embedded);

impl Cluster for Lagging {
    fn info(&self) -> ClusterInfo {
        self.0.info()
    }

    fn capabilities(&self) -> Vec<Need> {
        self.0.capabilities()
    }

    fn is_virtual_time(&self) -> bool {
        true
    }

    fn open<'a>(&'a self, trial: &'a TrialContext) -> BoxFuture<'a, Result<Session, ClusterError>> {
        async move {
            let session = self.0.open(trial).await?;
            Ok(Session { client: late(session.client.clone()), ..session })
        }
        .boxed()
    }
}

type Late = UnsyncBoxBody<Bytes, kube::Error>;

fn late(client: kube::Client) -> kube::Client {
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let client = client.clone();
        async move {
            let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=") && !query.contains("watch=false"));
            let answer = client.send(request).await?;
            Ok::<http::Response<Late>, kube::Error>(answer.map(|body| {
                let body = body.map_err(|error| kube::Error::Service(error.into()));
                if is_watch { delayed(body.boxed_unsync()) } else { body.boxed_unsync() }
            }))
        }
    });
    kube::Client::new(service, "default")
}

/// Each frame comes later by the same time, and none is held up by another.
fn delayed(mut body: Late) -> Late {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(frame) = body.frame().await {
            if tell.send((Instant::now() + LATE, frame)).is_err() {
                return;
            }
        }
    });
    let frames = stream::unfold(told, |mut told| async move {
        let (at, frame) = told.recv().await?;
        sleep_until(at).await;
        Some((frame, told))
    });
    StreamBody::new(frames.boxed()).boxed_unsync()
}

#[test]
fn a_later_fault_takes_no_target_that_an_earlier_one_took_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let faults = "{ deletePods: { deployment: pool, all: true } }, { deletePods: { deployment: pool, all: true, after: 500ms } }";
    let text = scenario("twice", faults, "  recover: { hold: 10s, within: 1m }\n");
    std::fs::write(folder.path().join("one.yaml"), text).unwrap();
    let loaded = scenario::load(&[folder.path().display().to_string()], &LoadOptions::default()).unwrap();
    let request = RunRequest {
        plans: loaded.plans,
        directory: folder.path().join("run"),
        cluster: Arc::new(Lagging(Embedded::default())),
        ..super::request()
    };
    std::fs::create_dir_all(&request.directory).unwrap();
    let (_keep, stop) = tokio::sync::watch::channel(None);
    let result = engine::run(&request, &stop, &mut |_| {});
    let trial = &result.scenarios[0].trials[0];
    let timeline = std::fs::read_to_string(request.directory.join(&trial.timeline)).unwrap();
    let mut taken = BTreeSet::new();
    for line in timeline.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let targets = line.pointer("/fact/requested/targets").and_then(Value::as_array);
        for target in targets.into_iter().flatten() {
            assert!(taken.insert(target["uid"].to_string()), "{target} was taken twice: {}", trial.reason);
        }
    }
    assert!(taken.len() >= 2, "{}", trial.reason);
}
