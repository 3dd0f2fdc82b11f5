//! What following tells, and when it ends.

use super::*;
use rstest::rstest;
use serde_json::json;

fn following() -> Following {
    Following::new("comeback:1".to_owned(), BTreeMap::from([(1, 3), (2, 4)]), true)
}

fn pod(name: &str, index: u32, status: Value) -> Seen {
    Seen::Pod(json!({
        "metadata": { "name": name, "uid": name, "labels": { "batch.kubernetes.io/job-completion-index": index.to_string() } },
        "spec": { "nodeName": "n1" }, "status": status,
    }))
}

fn state(phase: &str, state: Value) -> Value {
    json!({ "phase": phase, "containerStatuses": [{ "state": state }] })
}

fn lines(following: &mut Following, seen: &[Seen]) -> Vec<String> {
    let mut lines = Vec::new();
    for seen in seen {
        following.take(seen, Instant::now(), &mut |line| lines.push(line.to_owned()));
    }
    lines
}

#[tokio::test]
async fn a_killed_pod_and_its_successor_are_told_and_kept() {
    let mut following = following();
    let stored = |name: &str| Seen::Stored { shard: 2, name: format!("comeback-piece-2-{name}") };
    let summary = Summary {
        shard: 2,
        attempt: "r-s2-b".into(),
        verdicts: BTreeMap::new(),
        taken_over: 1,
        exit_code: 0,
        results: "x".into(),
    };
    let message = serde_json::to_string(&summary).unwrap();
    let told = lines(
        &mut following,
        &[
            pod("a", 1, state("Running", json!({ "running": {} }))),
            pod("a", 1, state("Running", json!({ "running": {} }))),
            Seen::Said { shard: 2, line: "one: effect: restarts: 0 of 1, 11s of 1m".to_owned() },
            stored("0-0"),
            pod("a", 1, state("Failed", json!({ "terminated": { "exitCode": 137, "reason": "Error" } }))),
            Seen::PodGone { uid: "a".to_owned() },
            pod("b", 1, state("Pending", json!({ "waiting": { "reason": "ContainerCreating" } }))),
            pod("b", 1, state("Running", json!({ "running": {} }))),
            stored("0-1"),
            stored("end"),
            pod("b", 1, state("Succeeded", json!({ "terminated": { "exitCode": 0, "message": message } }))),
            Seen::Job(json!({ "status": { "conditions": [{ "type": "Complete", "status": "True" }] } })),
        ],
    );
    insta::assert_snapshot!(told.join("\n"), @r"
    shard 2/2: pod a runs on n1
    shard 2/2: one: effect: restarts: 0 of 1, 11s of 1m
    shard 2/2: 1 of 4 trials
    shard 2/2: pod a ended: exit code 137
    shard 2/2: pod b runs on n1
    shard 2/2: 2 of 4 trials
    ");
    assert_eq!(following.ended, Some(Ended::Over));
    assert_eq!(following.speaking, [("a".to_owned(), 2), ("b".to_owned(), 2)]);
    let attempts: Vec<_> = following.attempts().map(|attempt| (attempt.pod.as_str(), attempt.summary())).collect();
    assert_eq!(attempts, [("a", None), ("b", Some(summary))]);
}

#[rstest]
#[case("ErrImagePull", false)]
#[case("ImagePullBackOff", true)]
#[case("ErrImageNeverPull", true)]
#[tokio::test]
async fn an_image_that_cannot_be_had_ends_it_with_a_remedy(#[case] reason: &str, #[case] ends: bool) {
    let mut following = following();
    let waiting = json!({ "waiting": { "reason": reason, "message": "not found" } });
    let told = lines(&mut following, &[pod("a", 0, state("Pending", waiting))]);
    assert_eq!(told, [format!("shard 1/2: pod a waits: {reason}: not found")]);
    match following.ended {
        Some(Ended::Stuck(why)) if ends => assert!(why.contains("comeback:1") && why.contains("kind load docker-image"), "{why}"),
        ended => assert!(ended.is_none() && !ends, "{ended:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_no_node_takes_is_named_at_once_and_given_up_in_time() {
    let mut following = following();
    let scheduled =
        json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available" });
    let unplaced = pod("a", 0, json!({ "phase": "Pending", "conditions": [scheduled] }));
    assert_eq!(
        lines(&mut following, std::slice::from_ref(&unplaced)),
        ["shard 1/2: no node takes pod a: 0/3 nodes are available"]
    );
    let deadline = following.deadline(Instant::now()).unwrap();
    assert_eq!(following.ended, None);
    tokio::time::advance(SCHEDULED_WITHIN.saturating_sub(Duration::from_secs(1))).await;
    // Being told again does not begin it anew.
    assert!(lines(&mut following, &[unplaced]).is_empty());
    assert_eq!(following.deadline(Instant::now()), Some(deadline));
    tokio::time::advance(Duration::from_secs(1)).await;
    following.deadline(Instant::now());
    assert!(
        matches!(&following.ended, Some(Ended::Stuck(why)) if why.contains("0/3 nodes are available")),
        "{:?}",
        following.ended
    );
}

#[tokio::test]
async fn what_refuses_pods_is_named() {
    let mut following = following();
    let refused =
        |message: &str| Seen::Event(json!({ "involvedObject": { "kind": "Job" }, "reason": "FailedCreate", "message": message }));
    assert_eq!(lines(&mut following, &[refused("timed out")]), ["no pod can be made yet: timed out"]);
    assert_eq!(following.ended, None);
    lines(&mut following, &[refused("pods \"x\" is forbidden: exceeded quota: pods=0")]);
    assert!(matches!(&following.ended, Some(Ended::Stuck(why)) if why.contains("exceeded quota")), "{:?}", following.ended);
}

#[tokio::test]
async fn a_drained_node_is_what_ended_its_pod() {
    let mut status = state("Failed", json!({ "terminated": { "exitCode": 143, "reason": "Error" } }));
    status["conditions"] = json!([{ "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI" }]);
    let told = lines(&mut following(), &[pod("a", 0, status)]);
    assert_eq!(told, ["shard 1/2: pod a ended: EvictionByEvictionAPI, exit code 143"]);
}
