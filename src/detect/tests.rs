//! Detection over recordings of a real cluster: as a stream, as a single LIST, and silence where nothing is wrong.

mod calls;

use super::replay::{Recording, seen};
use super::*;
use crate::observe::timeline::{Fact, LogLine};
use rstest::rstest;
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;

/// Feeds a recording and looks after every observation, and at every deadline in between, as the engine does.
fn statements(name: &str) -> Vec<Finding> {
    let (thresholds, mut ledger) = (Thresholds::default(), Ledger::default());
    let mut index = Index::new("test");
    let mut stated = Vec::new();
    for observation in Recording::read(name).stream() {
        while let Some(due) = next_deadline(&index, &thresholds).filter(|due| *due < observation.at) {
            index.advance(due);
            note(&mut ledger, &index, &thresholds, &mut stated);
        }
        index.apply(&observation);
        note(&mut ledger, &index, &thresholds, &mut stated);
    }
    // Nothing more is seen, and time goes on.
    let end = index.now() + Duration::from_secs(20);
    while let Some(due) = next_deadline(&index, &thresholds).filter(|due| *due < end) {
        index.advance(due);
        note(&mut ledger, &index, &thresholds, &mut stated);
    }
    stated
}

fn note(ledger: &mut Ledger, index: &Index, thresholds: &Thresholds, stated: &mut Vec<Finding>) {
    let findings = detect(index, thresholds);
    let mut groups: Vec<_> = findings.iter().map(|finding| finding.group.as_str()).collect();
    groups.dedup();
    for group in groups {
        let leading = findings.iter().filter(|finding| finding.group == group && finding.leading).count();
        assert_eq!(leading, 1, "{group} at {:?}: {findings:#?}", index.now());
    }
    stated.extend(ledger.note(findings).into_iter().filter(|(_, changed)| *changed).map(|(finding, _)| finding));
}

/// (recording, cause, earliest and latest second of the first leading statement)
#[rstest]
#[case::crash_loop("crash-loop", "crash.app-error", 11.0, 13.5)]
#[case::init_crash("init-crash", "crash.app-error", 1.0, 8.0)]
#[case::oom("oom", "oom.limit", 0.5, 12.0)]
#[case::bad_liveness("bad-liveness", "probe.liveness", 6.0, 7.0)]
#[case::startup("startup-never", "probe.startup", 6.0, 7.0)]
#[case::readiness("bad-readiness", "probe.readiness", 30.0, 33.0)]
#[case::image("image-pull", "image.notfound", 0.5, 1.0)]
#[case::config_error("config-error", "config.missing", 0.7, 0.8)]
#[case::volume("missing-volume", "config.missing", 0.2, 0.5)]
#[case::command("bad-command", "start.command", 0.8, 1.0)]
#[case::request("unschedulable", "schedule.resources", 5.0, 6.5)]
#[case::rollout_image("bad-rollout", "image.notfound", 30.0, 31.5)]
#[case::rollout_crash("bad-rollout-crash", "crash.after-rollout", 30.0, 60.0)]
#[case::config_change("config-update", "config.bad-value", 70.0, 100.0)]
#[case::clean_exit("completed", "crash.exit0", 1.0, 20.0)]
#[case::image_policy("image-never", "image.name", 0.0, 3.0)]
#[case::image_name("image-bad-name", "image.name", 0.0, 3.0)]
#[case::dead_registry("image-pull-dead-registry", "image.registry", 30.0, 33.0)]
#[case::as_root("run-as-nonroot", "cert.permission", 0.0, 5.0)]
#[case::selector("node-selector", "schedule.constraints", 5.0, 7.0)]
#[case::quota("quota", "quota.admission", 5.0, 7.0)]
#[case::claim("pvc-pending", "schedule.constraints", 30.0, 33.0)]
#[case::deadline("job-deadline", "job.failed", 5.0, 60.0)]
#[case::hook("poststart-fail", "start.command", 0.0, 10.0)]
#[case::leak("oom-leak", "oom.limit", 1.0, 120.0)]
#[case::tail("oom-tail", "oom.limit", 1.0, 120.0)]
#[case::paused_node("paused-node", "node.unreachable", 70.0, 80.0)]
#[case::cut_node("cut-node", "node.unreachable", 75.0, 90.0)]
fn a_stream_gives_the_cause_and_nothing_else_leads(#[case] name: &str, #[case] cause: &str, #[case] from: f64, #[case] to: f64) {
    let stated = statements(name);
    let leading: Vec<_> = stated.iter().filter(|finding| finding.leading).collect();
    let first = leading.first().unwrap_or_else(|| panic!("nothing stated"));
    assert_eq!(first.cause, cause, "{first:#?}");
    let at = first.at.as_secs_f64();
    assert!(from <= at && at <= to, "stated at {at}: {first:#?}");
    assert!(leading.iter().all(|finding| finding.cause == cause), "{leading:#?}");
}

/// A client that comes late sees one LIST. What changed before is not in it, so a changed value shows as the crash that it causes.
#[rstest]
#[case("crash-loop", 60.0, "crash.app-error")]
#[case("oom", 55.0, "oom.limit")]
#[case("bad-liveness", 70.0, "probe.liveness")]
#[case("startup-never", 19.0, "probe.startup")]
#[case("bad-readiness", 58.0, "probe.readiness")]
#[case("image-pull", 40.0, "image.notfound")]
#[case("config-error", 20.0, "config.missing")]
#[case("missing-volume", 15.0, "config.missing")]
#[case("bad-command", 18.0, "start.command")]
#[case("unschedulable", 15.0, "schedule.resources")]
#[case("bad-rollout", 80.0, "image.notfound")]
#[case("bad-rollout-crash", 90.0, "crash.after-rollout")]
#[case("config-update", 120.0, "crash.app-error")]
#[case("init-crash", 35.0, "crash.app-error")]
fn a_single_list_gives_the_cause(#[case] name: &str, #[case] moment: f64, #[case] cause: &str) {
    let index = Recording::read(name).list_at(moment);
    let findings = detect(&index, &Thresholds::default());
    let leading: Vec<_> = findings.iter().filter(|finding| finding.leading).map(|finding| finding.cause.as_str()).collect();
    assert_eq!(leading, [cause], "{findings:#?}");
}

#[rstest]
fn nothing_is_stated_where_nothing_of_ours_is_wrong(
    #[values(
        "healthy",
        "good-rollout",
        "recreate",
        "healthy-noprobe",
        "sigterm-143",
        "init-slow",
        "slow-startup",
        "container-kill",
        "job-ok",
        "pvc-bound",
        "prestop",
        "resize",
        "image-pull-ok",
        "drain",
        "drain-blocked",
        "never-fail",
        "probe-tcp"
    )]
    name: &str,
) {
    assert_eq!(statements(name), []);
}

#[test]
fn the_evidence_speaks_to_people() {
    let mut text = String::new();
    for name in
        ["crash-loop", "config-update", "bad-rollout-crash", "bad-liveness", "oom", "image-pull", "config-error", "unschedulable"]
    {
        let stated = statements(name);
        let last = stated.last().unwrap();
        writeln!(text, "{name}: {} {:?} x{} {:?}", last.cause, last.confidence, last.count, last.alternatives).unwrap();
        for piece in &last.evidence {
            writeln!(text, "  {}: {}", piece.source, piece.text).unwrap();
        }
    }
    insta::assert_snapshot!(text, @r#"
    crash-loop: crash.app-error Medium x8 []
      pod status: container app ended by itself 4 times, last exit code 1 (Error) after 5s
      pod status: container app was seen waiting: CrashLoopBackOff (back-off 20s)
      pod status: 2 pods of deployment/app show it: app-56b45fcf95-4b6g2, app-56b45fcf95-cgfnl
    config-update: config.bad-value Medium x8 ["crash.app-error"]
      configmap: ConfigMap cfg changed 32s before the first crash after it: key mode `good` -> `bad`
      pod status: container app ended by itself 4 times, last exit code 78 (Error) after 0s
      pod status: container app was seen waiting: CrashLoopBackOff (back-off 20s)
      pod status: 2 pods of deployment/app show it: app-7bf76679f9-llsqj, app-7bf76679f9-q7xw9
    bad-rollout-crash: crash.after-rollout High x9 ["crash.app-error"]
      replicaset: only revision 2 (ReplicaSet app-55fc454598) fails; revision 1 (ReplicaSet app-5dff9bc75c) was available
      pod status: container app ended by itself 3 times, last exit code 3 (Error) after 1s
      pod status: container app was seen waiting: CrashLoopBackOff (back-off 10s)
      pod status: 3 pods of deployment/app show it: app-55fc454598-7p49c, app-55fc454598-msphj, app-55fc454598-zgdrk
    bad-liveness: probe.liveness High x2 ["crash.app-error"]
      event: container app was stopped 2 times because its liveness probe failed (failureThreshold 3, periodSeconds 2)
      event: Liveness probe failed:
      pod status: its last exit code was 137 after 36s
    oom: oom.limit High x4 ["oom.leak"]
      pod status: container app was OOMKilled 4 times (exit code 137) at its memory limit of 32Mi, 3s after its start
    image-pull: image.notfound High x3 []
      pod status: image example.invalid/nope:1 of container app was not found by its registry (asked 3 times)
    config-error: config.missing High x4 []
      pod status: ConfigMap cfg does not exist, and pod app-859c76d6bb-fp4nd needs it (told 4 times)
    unschedulable: schedule.resources High x1 []
      pod status: pod app-56785f5f88-78b8k unscheduled for 5s: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate
    "#);
}

/// A Secret that changed, a pod of its own that reads it, and two crashes; `value` is what a careless harness would have kept.
fn crash_after_a_change(kind: &str, log: Option<&str>) -> Vec<Finding> {
    let (thresholds, mut index) = (Thresholds::default(), Index::new("test"));
    let config = |value: &str| json!({"kind": kind, "metadata": {"name": "pool", "uid": "c", "namespace": "n"}, "data": {"workers": value}});
    let reference =
        if kind == "Secret" { json!({"secretRef": {"name": "pool"}}) } else { json!({"configMapRef": {"name": "pool"}}) };
    let pod = |restarts: u32, second: u32| {
        let last =
            json!({"terminated": {"exitCode": 2, "reason": "Error", "finishedAt": format!("2026-01-01T00:00:{second:02}Z")}});
        json!({"kind": "Pod", "metadata": {"name": "pool", "uid": "p", "namespace": "n"},
            "spec": {"containers": [{"name": "app", "envFrom": [reference]}]},
            "status": {"containerStatuses": [{"name": "app", "restartCount": restarts, "ready": true, "state": {"running": {}},
                "lastState": if restarts == 0 { json!({}) } else { last }}]}})
    };
    let states = [(1, config("hunter2")), (2, pod(0, 0)), (20, config("hunter3")), (30, pod(1, 30)), (31, pod(2, 31))];
    for (at, object) in states {
        index.apply(&seen(Duration::from_secs(at), Fact::Object(Arc::new(object))));
    }
    if let Some(text) = log {
        let line = LogLine {
            pod: "pool".to_owned(),
            uid: "p".to_owned(),
            container: "app".to_owned(),
            restart: 1,
            server: None,
            text: text.to_owned(),
        };
        index.apply(&seen(Duration::from_secs(32), Fact::LogLine(line)));
    }
    detect(&index, &thresholds)
}

#[test]
fn a_changed_secret_is_blamed_without_telling_its_value() {
    let findings = crash_after_a_change("Secret", None);
    assert_eq!(findings.first().map(|finding| finding.cause.as_str()), Some("config.bad-value"), "{findings:#?}");
    let text = format!("{findings:?}");
    assert!(text.contains("Secret pool changed 10s before the first crash after it: key workers"), "{text}");
    assert!(!text.contains("hunter"), "{text}");
}

#[rstest]
#[case(None, Confidence::Medium)]
#[case(Some("listening on 8080"), Confidence::Medium)]
#[case(Some("workers: invalid value `hunter3`"), Confidence::High)]
fn the_log_only_raises_the_confidence(#[case] log: Option<&str>, #[case] confidence: Confidence) {
    let findings = crash_after_a_change("ConfigMap", log);
    let found: Vec<_> = findings.iter().map(|finding| (finding.cause.as_str(), finding.confidence)).collect();
    assert_eq!(found, [("config.bad-value", confidence)]);
}

#[rstest]
#[case("configmap \"cfg\" not found", Some(("ConfigMap", "cfg", None)))]
#[case("Error: secret \"s\" not found", Some(("Secret", "s", None)))]
#[case("MountVolume.SetUp failed for volume \"v\" : secret \"nope\" not found", Some(("Secret", "nope", None)))]
#[case("couldn't find key mode in ConfigMap t/cfg", Some(("ConfigMap", "cfg", Some("mode"))))]
#[case("couldn't find key token in Secret t/key", Some(("Secret", "key", Some("token"))))]
#[case("container has runAsNonRoot and image will run as root", None)]
#[case("object \"t\"/\"kube-root-ca.crt\" not registered", None)]
fn the_kubelets_words_name_what_is_missing(#[case] message: &str, #[case] expected: Option<(&str, &str, Option<&str>)>) {
    let missing = related::missing_in(message);
    let found = missing.as_ref().map(|missing| (missing.kind, missing.name.as_str(), missing.key.as_deref()));
    assert_eq!(found, expected);
}

#[test]
fn a_rule_about_duration_says_when_it_will_fire() {
    let (recording, thresholds) = (Recording::read("bad-readiness"), Thresholds::default());
    let mut index = Index::new("test");
    for observation in recording.stream().iter().take_while(|observation| observation.at < Duration::from_secs(7)) {
        index.apply(observation);
    }
    assert_eq!(detect(&index, &thresholds), []);
    let due = next_deadline(&index, &thresholds).unwrap();
    index.advance(due.saturating_sub(Duration::from_millis(1)));
    assert_eq!(detect(&index, &thresholds), []);
    index.advance(due);
    assert_eq!(detect(&index, &thresholds).first().map(|finding| finding.cause.clone()).as_deref(), Some("probe.readiness"));
    assert_eq!(next_deadline(&index, &thresholds), None);
}

#[test]
fn a_dependency_that_goes_away_and_a_service_that_leads_nowhere_are_told_apart() {
    let mut leading: Vec<_> = statements("dependency").into_iter().filter(|finding| finding.leading).collect();
    leading.dedup_by(|a, b| (&a.cause, &a.group) == (&b.cause, &b.group));
    let told: Vec<_> =
        leading.iter().map(|finding| (finding.cause.as_str(), finding.group.as_str(), finding.at.as_secs())).collect();
    // Scaled to zero at 40 s and back at 100 s; the selector is wrong from 160 s to 220 s.
    assert_eq!(told, [("dependency", "deployment/frontend", 77), ("network", "service/backend", 165)]);
}

/// The same demand under a raised limit: killed as early as before, or later by as much as the limit grew.
#[rstest]
#[case(&[("32Mi", 30), ("64Mi", 62)], "oom.leak")]
#[case(&[("32Mi", 1), ("48Mi", 1)], "oom.limit")]
#[case(&[("32Mi", 30), ("32Mi", 62)], "oom.limit")]
fn a_raise_tells_a_leak_from_a_limit(#[case] lives: &[(&str, i64)], #[case] cause: &str) {
    let mut index = Index::new("test");
    let at: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for (place, (limit, seconds)) in (0_u32..).zip(lives) {
        let (start, end) = (at + jiff::SignedDuration::from_secs(100 * i64::from(place)), *seconds);
        let last = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": start.to_string(),
            "finishedAt": (start + jiff::SignedDuration::from_secs(end)).to_string()}});
        let owner = json!([{"kind": "StatefulSet", "name": "leaky", "uid": "s", "controller": true}]);
        let pod = json!({"kind": "Pod", "metadata": {"name": format!("leaky-{place}"), "uid": format!("p{place}"), "namespace": "n", "ownerReferences": owner},
            "spec": {"containers": [{"name": "app", "resources": {"limits": {"memory": limit}}}]},
            "status": {"containerStatuses": [{"name": "app", "restartCount": 1, "ready": true, "state": {"running": {}}, "lastState": last}]}});
        index.apply(&seen(Duration::from_secs(100 * u64::from(place) + 70), Fact::Object(Arc::new(pod))));
    }
    let findings = detect(&index, &Thresholds::default());
    let leading: Vec<_> = findings.iter().filter(|finding| finding.leading).map(|finding| finding.cause.as_str()).collect();
    assert_eq!(leading, [cause], "{findings:#?}");
}
