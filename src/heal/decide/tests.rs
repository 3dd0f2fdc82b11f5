//! Ladders on a hand-made workload whose pod never gets well, and the guards.

use super::*;
use crate::detect::replay::seen;
use crate::detect::{Confidence, Subject};
use crate::observe::timeline::Fact;
use crate::scenario::heal::{Attempts, Wait};
use crate::scenario::{Heal, Healer, Healers};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// A Deployment whose pod `pod-N` of revision N appeared at a time, and crashed since unless it is well.
fn observe(index: &mut Index, number: u64, at: Duration, well: bool) {
    let owner = |kind: &str, name: &str| json!([{"kind": kind, "name": name, "uid": name, "controller": true}]);
    let set = format!("pool-{number}");
    let pod = format!("pod-{number}");
    let state = if well {
        json!({"name": "app", "restartCount": 0, "ready": true, "state": {"running": {}}, "lastState": {}})
    } else {
        json!({"name": "app", "restartCount": 2, "ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}})
    };
    let ready = if well { "True" } else { "False" };
    let objects: [Value; 2] = [
        json!({"kind": "ReplicaSet", "metadata": {"name": set, "uid": set, "namespace": "n", "ownerReferences": owner("Deployment", "pool"),
            "annotations": {"deployment.kubernetes.io/revision": number.to_string()}}, "spec": {"template": {"number": number}}}),
        json!({"kind": "Pod", "metadata": {"name": pod, "uid": pod, "namespace": "n", "ownerReferences": owner("ReplicaSet", &set)},
            "spec": {"containers": [{"name": "app"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}], "containerStatuses": [state]}}),
    ];
    for object in objects {
        index.apply(&seen(at, Fact::Object(Arc::new(object))));
    }
}

/// A finding of this cause on a pod of the Deployment `pool`.
pub(in crate::heal) fn found(cause: &str, subject: Subject, at: Duration) -> Finding {
    Finding {
        cause: cause.to_owned(),
        subject,
        at,
        first_seen: at,
        last_seen: at,
        count: 2,
        sources: Vec::new(),
        group: "deployment/pool".to_owned(),
        confidence: Confidence::High,
        evidence: Vec::new(),
        alternatives: Vec::new(),
        leading: true,
    }
}

fn finding(cause: &str, number: u64, at: Duration) -> Finding {
    let name = format!("pod-{number}");
    let subject = Subject { namespace: "n".to_owned(), kind: "Pod".to_owned(), uid: name.clone(), name, ..Subject::default() };
    found(cause, subject, at)
}

fn record(intent: &Intent, outcome: ActionOutcome) -> ActionRecord {
    intent.record(if intent.remedy == Remedy::Report { ActionOutcome::NoRemedy } else { outcome })
}

fn policy(strategy: Vec<Step>) -> Policy {
    Policy::new(&Heal { by: Healers(vec![Healer::Comeback]), strategy, ..Heal::default() }, "run")
}

/// Lets the healer loose on a workload that never gets well; a step that replaces pods makes pods that fail `fails_after` later.
fn climb(policy: &Policy, cause: &str, outcomes: &[ActionOutcome], fails_after: u64) -> Vec<ActionRecord> {
    let (mut index, mut history) = (Index::new("test"), Vec::new());
    let (mut now, mut number) = (seconds(10), 1);
    observe(&mut index, number, now, false);
    loop {
        index.advance(now);
        let findings = [finding(cause, number, now)];
        let intents = decide(&findings, &index, policy, &history, now);
        for intent in &intents {
            let outcome = outcomes.get(history.len() % outcomes.len().max(1)).copied().unwrap_or(ActionOutcome::Acted);
            let record = record(intent, outcome);
            let replaces = !matches!(record.step.as_str(), "wait" | "revertConfig" | "restoreObject" | "report");
            if replaces && record.outcome == ActionOutcome::Acted {
                number += 1;
                now += seconds(fails_after);
                observe(&mut index, number, now, false);
            }
            history.push(record);
        }
        let findings = [finding(cause, number, now)];
        match next_deadline(&findings, &index, policy, &history, now) {
            Some(due) => now = due.max(now),
            None => return history,
        }
        assert!(history.len() < 100, "no end: {history:#?}");
    }
}

fn told(history: &[ActionRecord]) -> Vec<(String, u64)> {
    history.iter().map(|record| (record.step.clone(), record.at.as_secs())).collect()
}

#[rstest]
// New pods fail after 5 s: the next attempt follows after its pause of 10 s, then 20 s.
#[case("oom.limit", &[("setMemory", 10), ("setMemory", 20), ("setMemory", 40), ("report", 45)])]
#[case("config.bad-value", &[("revertConfig", 10), ("restartWorkload", 11), ("report", 16)])]
#[case("config.missing", &[("restoreObject", 10), ("report", 70)])]
#[case("crash.after-rollout", &[("rollback", 10), ("report", 15)])]
#[case("image.notfound", &[("rollback", 10), ("report", 15)])]
#[case("start.command", &[("rollback", 10), ("report", 15)])]
#[case("probe.liveness", &[("relaxProbe", 10), ("relaxProbe", 20), ("report", 25)])]
#[case("crash.app-error", &[("report", 10)])]
#[case("node.notready", &[("wait", 10), ("rebootNode", 310), ("report", 370)])]
#[case("node.pressure", &[("wait", 10), ("drainNode", 310), ("drainNode", 340), ("drainNode", 400), ("rebootNode", 405), ("report", 465)])]
#[case("rollout.stuck", &[("rollback", 10), ("report", 15)])]
#[case("schedule.resources", &[("report", 10)])]
#[case("unheard.of", &[("report", 10)])]
fn the_default_ladders(#[case] cause: &str, #[case] expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected.iter().map(|(step, at)| ((*step).to_owned(), *at)).collect();
    assert_eq!(told(&climb(&policy(Vec::new()), cause, &[], 5)), expected);
}

#[rstest]
// The controller document's tables: restarts 30 s apart, the second pause twice as long, and then more replicas.
#[case("crash.app-error", &[("restartPod", 10), ("restartPod", 40), ("restartPod", 100), ("scale", 105), ("report", 110)])]
#[case("oom.limit", &[("scale", 10), ("scale", 20), ("scale", 40), ("rollback", 45), ("report", 50)])]
#[case("network", &[("restartPod", 10), ("restartPod", 70), ("rebootNode", 75), ("report", 135)])]
#[case("node.notready", &[("wait", 10), ("rebootNode", 310), ("report", 370)])]
#[case("node.pressure", &[("wait", 10), ("drainNode", 310), ("rebootNode", 315), ("report", 375)])]
// What they leave out has the default ladder.
#[case("image.notfound", &[("rollback", 10), ("report", 15)])]
fn named_strategies_go_before_the_default_ladders(#[case] cause: &str, #[case] expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected.iter().map(|(step, at)| ((*step).to_owned(), *at)).collect();
    let named = policy(Vec::new()).with_ladders(&crate::scenario::strategy::shipped("controller"));
    assert_eq!(told(&climb(&named, cause, &[], 5)), expected);
}

#[rstest]
#[case::refused(ActionOutcome::Refused, &[("setMemory", 10), ("report", 10)])]
#[case::nothing_to_do(ActionOutcome::NoOp, &[("setMemory", 10), ("report", 10)])]
#[case::failed(ActionOutcome::Failed, &[("setMemory", 10), ("setMemory", 20), ("setMemory", 40), ("report", 40)])]
fn what_the_server_makes_of_it_decides_how_it_goes_on(#[case] outcome: ActionOutcome, #[case] expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected.iter().map(|(step, at)| ((*step).to_owned(), *at)).collect();
    assert_eq!(told(&climb(&policy(Vec::new()), "oom.limit", &[outcome], 5)), expected);
}

#[test]
fn a_strategy_is_one_ladder_for_every_cause() {
    let strategy =
        vec![Step::Wait(Wait { for_: seconds(30) }), Step::RestartPod(Attempts { max_attempts: 2, ..Attempts::default() })];
    let policy = policy(strategy);
    let history = climb(&policy, "crash.app-error", &[], 1);
    assert_eq!(
        told(&history),
        [("wait".to_owned(), 10), ("restartPod".to_owned(), 40), ("restartPod".to_owned(), 50), ("report".to_owned(), 51)]
    );
    let mut index = Index::new("test");
    observe(&mut index, 9, seconds(100), false);
    let other = [finding("oom.limit", 9, seconds(100))];
    assert_eq!(decide(&other, &index, &policy, &history, seconds(100)), []);
}

#[test]
fn a_report_of_one_cause_does_not_hold_up_the_remedy_of_another() {
    let mut index = Index::new("test");
    observe(&mut index, 1, seconds(1), false);
    let policy = policy(Vec::new());
    let first = decide(&[finding("crash.app-error", 1, seconds(1))], &index, &policy, &[], seconds(1));
    let history: Vec<_> = first.iter().map(|intent| record(intent, ActionOutcome::Acted)).collect();
    assert_eq!(told(&history), [("report".to_owned(), 1)]);
    let next = decide(&[finding("config.bad-value", 1, seconds(2))], &index, &policy, &history, seconds(2));
    assert_eq!(next.first().map(|intent| intent.id.to_string()).as_deref(), Some("run/deployment/pool/config.bad-value/0/1"));
}

#[test]
fn nothing_is_done_without_need_or_right() {
    let policy = policy(Vec::new());
    let acts = |index: &Index, finding: Finding, policy: &Policy| {
        let findings = [finding];
        let deadline = next_deadline(&findings, index, policy, &[], seconds(5));
        let intents = decide(&findings, index, policy, &[], seconds(5));
        assert_eq!(intents.is_empty(), deadline.is_none());
        !intents.is_empty()
    };
    let found = || finding("oom.limit", 1, seconds(5));
    let mut index = Index::new("test");
    assert!(!acts(&index, found(), &policy), "a pod that nobody knows");
    observe(&mut index, 1, seconds(1), false);
    assert!(acts(&index, found(), &policy));
    assert!(!acts(&index, Finding { leading: false, ..found() }, &policy), "a finding that does not lead");
    let bystander = Policy::new(&Heal::default(), "run");
    assert!(!acts(&index, found(), &bystander), "Kubernetes heals");
    let mut newer = index.clone();
    observe(&mut newer, 2, seconds(2), false);
    assert!(!acts(&newer, found(), &policy), "a pod of an old revision");
    let mut leaving = index.clone();
    let mut pod = Value::clone(leaving.pod("pod-1").unwrap().object());
    pod["metadata"]["deletionTimestamp"] = json!("2026-11-21T08:00:00Z");
    leaving.apply(&seen(seconds(3), Fact::Object(Arc::new(pod))));
    assert!(!acts(&leaving, found(), &policy), "a pod that is being deleted");
    let mut well = Index::new("test");
    observe(&mut well, 1, seconds(1), true);
    assert!(!acts(&well, found(), &policy), "a workload that is well");
}

proptest! {
    #[test]
    fn ids_are_unique_attempts_are_bounded_and_it_ends_with_one_report(
        rungs in proptest::collection::vec((0u64..3, 1u32..5, 0u64..40, 0u64..90), 0..5),
        outcomes in proptest::collection::vec(0usize..4, 1..8),
        fails_after in 0u64..100,
        cause in proptest::sample::select(vec!["oom.limit", "crash.app-error", "probe.startup", "config.bad-value", "config.missing"]),
    ) {
        let strategy: Vec<_> = rungs.iter().map(|(sort, attempts, backoff, timeout)| {
            let attempts = Attempts { max_attempts: *attempts, backoff: seconds(*backoff), timeout: seconds(*timeout) };
            match sort {
                0 => Step::RestartPod(attempts),
                1 => Step::RevertConfig(attempts),
                _ => Step::Wait(Wait { for_: seconds(*timeout) }),
            }
        }).collect();
        let all = [ActionOutcome::Acted, ActionOutcome::Failed, ActionOutcome::Refused, ActionOutcome::NoOp];
        let outcomes: Vec<_> = outcomes.into_iter().filter_map(|position| all.get(position).copied()).collect();
        let policy = policy(strategy);
        let history = climb(&policy, cause, &outcomes, fails_after);
        let mut ids: Vec<_> = history.iter().map(|record| record.id.clone()).collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), history.len());
        let ladder = policy.ladder(cause);
        for (rung, step) in ladder.iter().enumerate() {
            let of_rung = |record: &&ActionRecord| ActionId::parse(&record.id).is_some_and(|id| id.rung == rung) && record.step != "report";
            let tried = history.iter().filter(of_rung).count();
            prop_assert!(u32::try_from(tried).unwrap() <= patience(step).attempts);
        }
        prop_assert!(history.iter().filter(|record| counts(record)).count() <= MOST_ACTIONS);
        prop_assert_eq!(history.iter().filter(|record| record.outcome == ActionOutcome::NoRemedy).count(), 1);
        prop_assert!(history.windows(2).all(|pair| matches!(pair, [a, b] if a.at <= b.at)));
    }
}

#[test]
fn too_many_failures_at_once_trip_the_breaker_and_too_many_actions_wait() {
    let mut index = Index::new("test");
    for number in 1..=4 {
        observe(&mut index, number, seconds(1), false);
    }
    let policy = policy(Vec::new());
    // The pods of the newest revision are the present ones; four groups of them fail.
    let groups = ["deployment/pool", "deployment/b", "deployment/c", "deployment/d"];
    let findings: Vec<_> =
        groups.iter().map(|group| Finding { group: (*group).to_owned(), ..finding("oom.limit", 4, seconds(5)) }).collect();
    let intents = decide(&findings, &index, &policy, &[], seconds(5));
    assert!(intents.iter().all(|intent| intent.remedy == Remedy::Report), "{intents:#?}");
    assert!(intents[0].reason.contains("the circuit breaker is open: 4 of"), "{}", intents[0].reason);
    // One alone is healed, but not more often than the bucket allows.
    let one = [finding("oom.limit", 4, seconds(5))];
    let first = decide(&one, &index, &policy, &[], seconds(5));
    assert!(matches!(first[0].remedy, Remedy::Step(Step::SetMemory(_))));
    let spent: Vec<_> = (0..5)
        .map(|attempt| {
            let id = ActionId { attempt, cause: "probe.startup".to_owned(), ..first[0].id.clone() };
            record(&Intent { id, at: seconds(1), ..first[0].clone() }, ActionOutcome::Refused)
        })
        .collect();
    assert_eq!(decide(&one, &index, &policy, &spent, seconds(30)), []);
    assert_eq!(next_deadline(&one, &index, &policy, &spent, seconds(30)), Some(seconds(61)));
}
