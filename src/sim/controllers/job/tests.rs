//! Tests of the controller with the stand-in kubelet on a paused clock; pods end when a test says so.

use super::super::object::{annotation, is_pod_active};
use super::super::testing::Cluster;
use super::*;
use crate::sim::api::{DeleteOptions, Subresource};
use serde_json::json;

/// A Job whose pods the stand-in kubelet leaves alone.
fn create(cluster: &Cluster, spec: Value) {
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "bad"}]}});
    let mut job = json!({"metadata": {"name": "j"}, "spec": {"template": template}});
    for (field, value) in spec.as_object().unwrap() {
        job["spec"][field] = value.clone();
    }
    cluster.create(JOBS, job);
}

fn status(cluster: &Cluster) -> Value {
    cluster.get(JOBS, "j")["status"].clone()
}

/// `type reason` of the conditions.
fn conditions(cluster: &Cluster) -> Vec<String> {
    let status = status(cluster);
    list(&status, "/conditions")
        .iter()
        .map(|c| format!("{} {} {}", text(c, "/type"), text(c, "/status"), text(c, "/reason")))
        .collect()
}

fn active(cluster: &Cluster) -> Vec<Value> {
    cluster.all(PODS).into_iter().filter(is_pod_active).collect()
}

/// Ends a pod as a kubelet reports it.
fn finish(cluster: &Cluster, pod: &Value, phase: &str, code: i64) {
    let now = cluster.api.clock.seconds();
    cluster
        .api
        .modify(PODS, "shop", name(pod), Subresource::Status, |pod| {
            let ended = json!({"exitCode": code, "finishedAt": now});
            pod["status"] = json!({"phase": phase, "containerStatuses": [{"name": "app", "state": {"terminated": ended}}]});
        })
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn pods_are_counted_once_and_the_job_goes_after_its_time_to_live() {
    let cluster = Cluster::start();
    create(&cluster, json!({"completions": 3, "parallelism": 2, "ttlSecondsAfterFinished": 20}));
    cluster.pass(0.5).await;
    let first = active(&cluster);
    assert!(first.len() == 2 && first.iter().all(pod::is_tracked));
    let expected = json!({"active": 2, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {},
        "startTime": "2026-01-01T00:00:00Z"});
    assert_eq!(status(&cluster), expected);
    finish(&cluster, &first[0], "Succeeded", 0);
    cluster.pass(0.4).await;
    assert_eq!(active(&cluster).len(), 1, "news are gathered for a second");
    cluster.pass(1.4).await;
    assert_eq!((active(&cluster).len(), integer(&status(&cluster), "/succeeded")), (2, 1));
    assert!(!pod::is_tracked(&cluster.get(PODS, name(&first[0]))));
    for pod in active(&cluster) {
        finish(&cluster, &pod, "Succeeded", 0);
    }
    cluster.pass(3.0).await;
    assert_eq!(conditions(&cluster), ["SuccessCriteriaMet True CompletionsReached", "Complete True CompletionsReached"]);
    let ended = status(&cluster);
    assert_eq!((integer(&ended, "/succeeded"), ended.get("active")), (3, None));
    assert_eq!(ended["uncountedTerminatedPods"], json!({}));
    assert!(ended["completionTime"].is_string());
    assert_eq!(cluster.events("Completed"), ["Job completed x1"]);
    cluster.pass(15.0).await;
    assert_eq!(cluster.all(PODS).len(), 3);
    cluster.pass(6.0).await;
    assert_eq!((cluster.all(PODS).len(), cluster.all(JOBS).len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_after_ten_seconds_and_twenty_until_the_limit_is_passed() {
    let cluster = Cluster::start();
    create(&cluster, json!({"backoffLimit": 2}));
    for wait in [10, 20] {
        cluster.pass(1.5).await;
        finish(&cluster, &active(&cluster)[0], "Failed", 1);
        cluster.pass(f64::from(wait) - 1.0).await;
        assert_eq!(active(&cluster).len(), 0, "the back-off of {wait} s has not passed");
        cluster.pass(2.0).await;
        assert_eq!(active(&cluster).len(), 1);
    }
    assert_eq!(integer(&status(&cluster), "/failed"), 2);
    finish(&cluster, &active(&cluster)[0], "Failed", 1);
    cluster.pass(3.0).await;
    assert_eq!(conditions(&cluster), ["FailureTarget True BackoffLimitExceeded", "Failed True BackoffLimitExceeded"]);
    assert_eq!(cluster.events("BackoffLimitExceeded"), ["Job has reached the specified backoff limit x1"]);
    cluster.pass(100.0).await;
    assert_eq!(cluster.all(PODS).len(), 3, "an ended job makes no pods and keeps those that it had");
}

#[tokio::test(start_paused = true)]
async fn past_its_deadline_a_job_ends_when_its_pods_have_ended() {
    let cluster = Cluster::start();
    create(&cluster, json!({"activeDeadlineSeconds": 15, "parallelism": 2, "completions": 2}));
    cluster.pass(14.9).await;
    assert_eq!(active(&cluster).len(), 2);
    cluster.pass(0.3).await;
    assert_eq!((active(&cluster).len(), conditions(&cluster)), (0, vec!["FailureTarget True DeadlineExceeded".to_owned()]));
    assert_eq!(integer(&status(&cluster), "/terminating"), 2);
    cluster.pass(2.5).await;
    assert_eq!(conditions(&cluster)[1], "Failed True DeadlineExceeded");
    assert_eq!((integer(&status(&cluster), "/failed"), cluster.all(PODS).len()), (2, 0));
    assert_eq!(cluster.events("DeadlineExceeded"), ["Job was active longer than specified deadline x1"]);
}

#[tokio::test(start_paused = true)]
async fn indexes_fail_by_themselves_and_the_rest_goes_on() {
    let cluster = Cluster::start();
    let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 1});
    create(&cluster, spec);
    cluster.pass(0.5).await;
    let of = |index: i64| active(&cluster).into_iter().find(|pod| pod::index(pod) == Some(index)).unwrap();
    let pod = of(1);
    assert!(name(&pod).starts_with("j-1-") && text(&pod, "/spec/hostname") == "j-1");
    assert_eq!(annotation(&pod, pod::FAILURES), Some("0"));
    assert_eq!(text(&pod, "/spec/containers/0/env/0/name"), "JOB_COMPLETION_INDEX");
    finish(&cluster, &pod, "Failed", 1);
    finish(&cluster, &of(0), "Succeeded", 0);
    cluster.pass(13.0).await;
    assert_eq!(annotation(&of(1), pod::FAILURES), Some("1"), "the successor knows of the failure before it");
    finish(&cluster, &of(1), "Failed", 1);
    cluster.pass(3.0).await;
    let seen = status(&cluster);
    assert_eq!((text(&seen, "/completedIndexes"), text(&seen, "/failedIndexes")), ("0", "1"));
    assert!(conditions(&cluster).is_empty());
    finish(&cluster, &of(2), "Succeeded", 0);
    cluster.pass(3.0).await;
    assert_eq!(conditions(&cluster), ["FailureTarget True FailedIndexes", "Failed True FailedIndexes"]);
    assert_eq!(text(&status(&cluster), "/completedIndexes"), "0,2");
}

#[tokio::test(start_paused = true)]
async fn a_success_policy_ends_the_job_and_its_other_pods() {
    let cluster = Cluster::start();
    let policy = json!({"rules": [{"succeededIndexes": "0"}]});
    create(&cluster, json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "successPolicy": policy}));
    cluster.pass(0.5).await;
    let leader = active(&cluster).into_iter().find(|pod| pod::index(pod) == Some(0)).unwrap();
    finish(&cluster, &leader, "Succeeded", 0);
    cluster.pass(5.0).await;
    assert_eq!(conditions(&cluster), ["SuccessCriteriaMet True SuccessPolicy", "Complete True SuccessPolicy"]);
    assert_eq!((active(&cluster).len(), integer(&status(&cluster), "/succeeded")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn failure_policies_ignore_some_pods_and_end_the_job_for_others() {
    let cluster = Cluster::start();
    let ignore = json!({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [42]}});
    let fail = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}});
    create(&cluster, json!({"backoffLimit": 0, "podFailurePolicy": {"rules": [ignore, fail]}}));
    cluster.pass(0.5).await;
    finish(&cluster, &active(&cluster)[0], "Failed", 42);
    cluster.pass(15.0).await;
    assert_eq!((active(&cluster).len(), status(&cluster).get("failed")), (1, None));
    let pod = active(&cluster).remove(0);
    finish(&cluster, &pod, "Failed", 3);
    cluster.pass(3.0).await;
    assert_eq!(conditions(&cluster)[1], "Failed True PodFailurePolicy");
    let expected =
        format!("Container app for pod shop/{} failed with exit code 3 matching FailJob rule at index 1 x1", name(&pod));
    assert_eq!(cluster.events("PodFailurePolicy"), [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_job_has_no_pods_and_no_start() {
    let cluster = Cluster::start();
    create(&cluster, json!({"suspend": true}));
    cluster.pass(1.5).await;
    assert_eq!((active(&cluster).len(), conditions(&cluster)), (0, vec!["Suspended True JobSuspended".to_owned()]));
    assert!(status(&cluster).get("startTime").is_none());
    cluster.change(JOBS, "j", |job| job["spec"]["suspend"] = json!(false));
    cluster.pass(0.5).await;
    assert_eq!((active(&cluster).len(), conditions(&cluster)), (1, vec!["Suspended False JobResumed".to_owned()]));
    cluster.change(JOBS, "j", |job| job["spec"]["suspend"] = json!(true));
    cluster.pass(3.0).await;
    assert_eq!((cluster.all(PODS).len(), status(&cluster).get("failed")), (0, None), "suspending is no failure");
    assert_eq!(cluster.events("Suspended").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_deleted_job_are_freed_and_collected() {
    let cluster = Cluster::start();
    create(&cluster, json!({"parallelism": 2}));
    cluster.pass(0.5).await;
    cluster.api.delete(JOBS, "shop", "j", &DeleteOptions::default()).unwrap();
    cluster.pass(5.0).await;
    assert_eq!(cluster.all(PODS).len(), 0);
}
