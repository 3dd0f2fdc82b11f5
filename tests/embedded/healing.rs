//! The healer's steps in whole trials: each heals for real, or is refused and heals nothing; what it did to nodes is taken back.

use super::run;
use comeback::heal::{ActionOutcome, ActionRecord};
use comeback::measure::result::{RunResult, TrialResult, Who};
use comeback::scenario::Verdict;
use rstest::rstest;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/workloads/shop.yaml");
const POOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/workloads/pool.yaml");

/// Runs one scenario with this heading and rest.
fn try_out(folder: &Path, text: &str) -> (RunResult, TrialResult) {
    let file = folder.join("healing.yaml");
    let head = "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: { name: healing }\nspec:\n  summary: a healer\n";
    std::fs::write(&file, format!("{head}{text}")).unwrap();
    let result = run(&[file.to_str().unwrap()], &folder.join("run"), 5, 1, None);
    let trial = result.scenarios[0].trials[0].clone();
    (result, trial)
}

fn done(trial: &TrialResult) -> Vec<(&str, ActionOutcome)> {
    trial.actions.iter().map(|action| (action.step.as_str(), action.outcome)).collect()
}

fn action<'a>(trial: &'a TrialResult, step: &str) -> &'a ActionRecord {
    trial.actions.iter().find(|action| action.step == step).unwrap()
}

/// The lines of the trial's undo log.
fn undo_log(folder: &Path) -> Vec<Value> {
    let file = std::fs::read_dir(folder.join("run/undo")).unwrap().next().unwrap().unwrap().path();
    std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const READY: &str =
    "[{ ready: { deployment: database } }, { ready: { deployment: front } }, { endpoints: { service: front, atLeast: 2 } }]";

/// A node without a kubelet, which nobody starts again; these steps, and the budget that recovery has.
fn dead_kubelet(steps: &str, within: &str) -> String {
    format!(
        "  needs: [multiNode]\n  workload: {{ manifests: [{SHOP}] }}\n  steady: {{ until: {READY}, within: 2m, hold: 5s }}\n  \
         fault: [{{ stopKubelet: {{ deployment: front }} }}]\n  heal: {{ by: comeback, strategy: {steps} }}\n  \
         recover: {{ until: {READY}, rto: 1m, hold: 20s, within: {within} }}\n"
    )
}

#[test]
fn a_rebooted_node_has_its_kubelet_again() {
    let folder = tempfile::tempdir().unwrap();
    let (_, trial) = try_out(folder.path(), &dead_kubelet("[{ rebootNode: {} }]", "4m"));
    assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
    let reboots = done(&trial).into_iter().filter(|one| *one == ("rebootNode", ActionOutcome::Acted)).count();
    assert_eq!(reboots, 1, "several workloads on one node ask for the same: {:#?}", trial.actions);
    assert_eq!(action(&trial, "rebootNode").subject.kind, "Node");
    let healed = trial.healed_by.unwrap();
    assert_eq!(healed.who, Who::Comeback, "{healed:#?}");
    assert!(trial.leftovers.is_empty());
}

#[test]
fn a_drained_node_loses_its_pods_to_others_and_is_free_again_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let (_, trial) = try_out(folder.path(), &dead_kubelet("[{ drainNode: { maxAttempts: 3, timeout: 10s } }]", "4m"));
    assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
    let drained = action(&trial, "drainNode");
    assert_eq!(drained.outcome, ActionOutcome::Acted, "{drained:#?}");
    assert!(
        !drained.replaces.is_empty() && drained.reason.contains("evicted ") && drained.reason.contains("front-"),
        "{drained:#?}"
    );
    assert_eq!(drained.after.as_ref().unwrap()["spec"]["unschedulable"], true);
    let log = undo_log(folder.path());
    let cordoned = |line: &&Value| line["record"]["key"] == "healing" && line["record"]["target"]["name"] == drained.subject.name;
    assert_eq!(log.iter().filter(cordoned).count(), 1, "{log:#?}");
    let back = |line: &&Value| line["undone"]["target"]["kind"] == "Node" && line["undone"]["fault"].as_u64() >= Some(1_000_000);
    assert!(log.iter().any(|line| back(&line)), "the node is uncordoned when the run ends: {log:#?}");
    assert!(trial.leftovers.is_empty());
}

#[test]
fn a_cordoned_node_keeps_the_new_pod_away() {
    let folder = tempfile::tempdir().unwrap();
    let steps = "[{ cordonNode: { timeout: 1s } }, { restartPod: { maxAttempts: 2 } }]";
    let (_, trial) = try_out(folder.path(), &dead_kubelet(steps, "4m"));
    assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
    assert!(done(&trial).contains(&("cordonNode", ActionOutcome::Acted)), "{:#?}", trial.actions);
    assert!(undo_log(folder.path()).iter().any(|line| line["undone"]["target"]["kind"] == "Node"));
}

#[test]
fn the_last_node_that_takes_pods_is_not_cordoned() {
    let folder = tempfile::tempdir().unwrap();
    let text = dead_kubelet("[{ cordonNode: {} }, { drainNode: {} }]", "2m").replace("  needs: [multiNode]\n", "")
        + "  expect: unrecovered\n";
    let (_, trial) = try_out(folder.path(), &text);
    assert_eq!(trial.verdict, Verdict::Unrecovered, "{trial:#?}");
    let refused = action(&trial, "cordonNode");
    assert_eq!(refused.outcome, ActionOutcome::Refused, "{refused:#?}");
    assert!(refused.reason.contains("no other node takes pods"), "{}", refused.reason);
    assert_eq!(action(&trial, "drainNode").outcome, ActionOutcome::Refused);
    assert!(!undo_log(folder.path()).iter().any(|line| line["record"]["key"] == "healing"));
}

/// A value that the app does not understand; these steps follow once the good one is back.
fn bad_value(steps: &str, rest: &str) -> String {
    format!(
        "  workload: {{ manifests: [{POOL}] }}\n  steady: {{ until: [{{ ready: {{ deployment: pool }} }}], within: 2m, hold: 5s }}\n  \
         fault: [{{ setConfig: {{ configMap: pool, key: workers, value: many }} }}]\n  \
         effect: {{ until: [{{ restarts: {{ deployment: pool, atLeast: 1 }} }}], within: 3m }}\n  \
         heal: {{ by: comeback, strategy: {steps} }}\n{rest}"
    )
}

#[test]
fn a_workload_that_is_stopped_and_started_has_its_replicas_and_new_pods() {
    let folder = tempfile::tempdir().unwrap();
    let steps = "[{ revertConfig: { timeout: 1s } }, { scale: { replicas: 0, for: 10s } }]";
    let (_, trial) = try_out(folder.path(), &bad_value(steps, "  recover: { rto: 4m, hold: 45s, within: 12m }\n"));
    assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
    let scaled = action(&trial, "scale");
    assert_eq!((scaled.outcome, scaled.replaces.len()), (ActionOutcome::Acted, 2), "{scaled:#?}");
    assert!(scaled.reason.ends_with("2 replicas again after 10s"), "{}", scaled.reason);
    assert_eq!(trial.healed_by.unwrap().who, Who::Comeback);
}

#[test]
fn more_replicas_of_what_is_broken_heal_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let steps = "[{ scale: { factor: 2, atMost: 3, maxAttempts: 2 } }]";
    let rest = "  recover: { within: 6m, hold: 45s }\n  expect: [unrecovered, regressed]\n";
    let (result, trial) = try_out(folder.path(), &bad_value(steps, rest));
    assert_eq!(result.exit_code, 0, "{trial:#?}");
    let scaled: Vec<_> = done(&trial).into_iter().filter(|(step, _)| *step == "scale").collect();
    assert_eq!(scaled, [("scale", ActionOutcome::Acted), ("scale", ActionOutcome::Refused)], "{:#?}", trial.actions);
    assert_eq!(action(&trial, "scale").after.as_ref().unwrap()["spec"]["replicas"], 3);
}

/// Answers each request with a status and notes the bodies.
fn receiver(status: &'static str) -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
            reader.into_inner().write_all(answer.as_bytes()).unwrap();
            if tell.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, told)
}

#[rstest]
#[case::taken("200 OK", ActionOutcome::Acted, 1)]
#[case::broken("500 Internal Server Error", ActionOutcome::Failed, 2)]
#[case::elsewhere("307 Temporary Redirect", ActionOutcome::Failed, 2)]
fn who_is_told_hears_of_the_finding_and_nothing_is_healed_by_that(
    #[case] status: &'static str,
    #[case] outcome: ActionOutcome,
    #[case] attempts: usize,
) {
    let folder = tempfile::tempdir().unwrap();
    let (url, told) = receiver(status);
    let steps = format!(
        "[{{ webhook: {{ url: '{url}/alerts', timeout: 5s }} }}, {{ notify: {{ to: {{ webhook: {{ url: '{url}' }} }}, text: please look }} }}]"
    );
    let rest = "  recover: { within: 4m, hold: 45s }\n  expect: [unrecovered, regressed]\n";
    let (result, trial) = try_out(folder.path(), &bad_value(&steps, rest));
    assert_eq!(result.exit_code, 0, "{trial:#?}");
    let posted: Vec<_> = done(&trial).into_iter().filter(|(step, _)| *step == "webhook").collect();
    assert_eq!(posted, vec![("webhook", outcome); attempts], "{:#?}", trial.actions);
    assert_eq!(action(&trial, "notify").outcome, outcome);
    let first = told.try_recv().unwrap();
    let labels = &first["alerts"][0]["labels"];
    assert_eq!((&first["version"], &first["status"]), (&"4".into(), &"firing".into()));
    assert_eq!((&labels["cause"], &labels["workload"]), (&"config.bad-value".into(), &"deployment/pool".into()));
    let last = told.try_iter().last().unwrap();
    assert!(last["alerts"][0]["annotations"]["summary"].as_str().unwrap().contains("deployment/pool needs help"), "{last:#}");
    assert!(result.scenarios[0].healing.is_none(), "telling is no healing");
}

#[test]
fn a_scenario_that_lies_about_its_cause_does_not_lead_the_healer_astray() {
    let done = |cause: &str| {
        let folder = tempfile::tempdir().unwrap();
        let rest = format!("  detect: {{ cause: {cause} }}\n  recover: {{ rto: 4m, hold: 45s, within: 12m }}\n");
        let text = bad_value("[]", &rest).replace(", strategy: []", "");
        try_out(folder.path(), &text).1
    };
    let (honest, lying) = (done("config.bad-value"), done("image.notfound"));
    assert!(honest.actions.iter().any(|action| action.step == "revertConfig"));
    assert_eq!(honest.actions, lying.actions);
    assert_eq!((honest.verdict, lying.verdict), (Verdict::Recovered, Verdict::Undetected));
}
