//! The embedded cluster against recordings of a real Kubernetes 1.36: states, reasons, messages, events and times,
//! within the tolerances of `fixtures/traces/tolerances.yaml`.
#![expect(clippy::unwrap_used, reason = "a recording that cannot be read or replayed fails the test")]

use comeback::fidelity::known;
use comeback::fidelity::projection;
use comeback::fidelity::recording::{Action, Fact, Recording};
use comeback::fidelity::report::Report;
use comeback::fidelity::tolerances::Tolerances;
use comeback::fidelity::{self, replay};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn tolerances() -> Tolerances {
    Tolerances::shipped().unwrap()
}

fn read(name: &str) -> Recording {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/traces");
    Recording::read(&folder.join(format!("{name}.jsonl.gz"))).unwrap()
}

fn divergences(report: &Report) -> Vec<String> {
    report.divergences.iter().map(ToString::to_string).collect()
}

/// Every recording: what diverges is listed with its reason, and what is listed diverges.
#[rstest]
fn agrees_with_the_recording(#[files("fixtures/traces/*.jsonl.gz")] path: PathBuf) {
    let tolerances = tolerances();
    let recorded = Recording::read(&path).unwrap();
    let report = fidelity::check(&recorded, 1, tolerances.seeds_for(&recorded.name), &tolerances);
    let sorted = known::sort(&report, &known::shipped().unwrap());
    println!("{}", report.summary());
    let known: Vec<_> = sorted.known.iter().map(|(divergence, _)| format!("  known: {divergence}")).collect();
    println!("{}", known.join("\n"));
    let new: Vec<_> = sorted.new.iter().take(12).map(|divergence| format!("  - {divergence}")).collect();
    assert!(new.is_empty(), "{}\n{}", report.summary(), new.join("\n"));
    let gone: Vec<_> = sorted.gone.iter().map(|known| format!("  - {}", known.contains)).collect();
    assert!(
        gone.is_empty(),
        "{}: take these out of known-divergences.yaml, they no longer occur:\n{}",
        report.name,
        gone.join("\n")
    );
}

#[test]
fn every_listed_divergence_is_of_a_recording() {
    for known in known::shipped().unwrap() {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/traces").join(known.recording.replace('/', "--") + ".jsonl.gz");
        assert!(file.exists(), "{} is no recording", known.recording);
    }
}

/// A falsified copy of the recording stands in for the simulation: each kind of falsification must be found.
#[rstest]
#[case::later("recorded,", |facts: &mut Vec<Fact>| {
    let restarted = |fact: &Fact| fact.kind == "pods" && fact.object.to_string().contains("\"restartCount\":2");
    let from = facts.iter().position(restarted).unwrap();
    facts[from..].iter_mut().for_each(|fact| fact.at += 20.0);
})]
#[case::other_exit_code("simulated", |facts: &mut Vec<Fact>| {
    rewrite(facts, "pods", "\"exitCode\":1", "\"exitCode\":2");
})]
#[case::other_reason("CrashLoop", |facts: &mut Vec<Fact>| rewrite(facts, "pods", "\"CrashLoopBackOff\"", "\"CrashLoop\""))]
#[case::other_event_text("Back-off restarting", |facts: &mut Vec<Fact>| {
    rewrite(facts, "events", "Back-off restarting failed", "Back-off restarting the failed");
})]
#[case::missing_events("BackOff", |facts: &mut Vec<Fact>| {
    facts.retain(|fact| fact.kind != "events" || fact.object["reason"] != "BackOff");
})]
#[case::frozen("nothing more", |facts: &mut Vec<Fact>| facts.retain(|fact| fact.at < 60.0))]
#[case::no_pods("0 pods instead of", |facts: &mut Vec<Fact>| facts.retain(|fact| fact.kind != "pods"))]
fn finds_what_differs(#[case] expected: &str, #[case] falsify: fn(&mut Vec<Fact>)) {
    let tolerances = tolerances();
    let recorded = read("crash-loop");
    let unchanged = fidelity::compare(&recorded, std::slice::from_ref(&recorded.facts), &tolerances);
    assert_eq!(divergences(&unchanged), Vec::<String>::new());
    let mut facts = recorded.facts.clone();
    falsify(&mut facts);
    let found = divergences(&fidelity::compare(&recorded, &[facts], &tolerances)).join("\n");
    assert!(found.contains(expected), "{expected:?} is not among the divergences:\n{found}");
}

fn rewrite(facts: &mut [Fact], kind: &str, from: &str, to: &str) {
    for fact in facts.iter_mut().filter(|fact| fact.kind == kind) {
        fact.object = Arc::new(serde_json::from_str(&fact.object.to_string().replace(from, to)).unwrap());
    }
}

/// The waits between an end and the next start, in whole seconds as statuses show them, by the delay that was said.
fn waits(facts: &[Fact]) -> BTreeMap<String, Vec<i64>> {
    let (mut said, mut waits) = (BTreeMap::new(), BTreeMap::<String, Vec<i64>>::new());
    let second = |value: &Value, pointer: &str| -> Option<i64> {
        Some(value.pointer(pointer)?.as_str()?.parse::<jiff::Timestamp>().ok()?.as_second())
    };
    for fact in facts.iter().filter(|fact| fact.kind == "pods") {
        let status = |list: &str| fact.object.pointer(&format!("/status/{list}/0")).cloned().unwrap_or_default();
        for container in [status("initContainerStatuses"), status("containerStatuses")] {
            let key = (fact.object["metadata"]["uid"].to_string(), container["name"].to_string());
            let message = container.pointer("/state/waiting/message").and_then(Value::as_str).unwrap_or_default();
            if let Some(delay) = message.strip_prefix("back-off ").and_then(|rest| rest.split(' ').next()) {
                said.insert(key, delay.to_owned());
            } else if let Some(started) = second(&container, "/state/running/startedAt") {
                let ended = second(&container, "/lastState/terminated/finishedAt");
                if let (Some(delay), Some(ended)) = (said.remove(&key), ended) {
                    waits.entry(delay).or_default().push(started - ended);
                }
            }
        }
    }
    waits
}

/// The law of the crash loop, on every recording that has one: what was recorded lies within the law, and the simulated
/// distribution over 200 seeds covers it. The law (whole seconds): the delay, slept in parts of at most a minute, each stretched
/// by up to a half; the work queue and a slow machine add up to two seconds. Both ends of a wait are cut to whole seconds.
#[test]
fn the_back_off_law_covers_every_recorded_wait() {
    let mut recorded: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for name in [
        "crash-loop",
        "crash-immediately",
        "completed",
        "init-crash",
        "oom",
        "oom-leak",
        "oom-tail",
        "config-update",
        "container-kill",
    ] {
        for (delay, waits) in waits(&read(name).facts) {
            recorded.entry(delay).or_default().extend(waits);
        }
    }
    let tolerances = tolerances();
    let crashing = read("crash-immediately");
    let mut simulated: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for seed in 1..=200 {
        for (delay, waits) in waits(&replay::replay(&crashing, seed, &tolerances).unwrap()) {
            simulated.entry(delay).or_default().extend(waits);
        }
    }
    let law = [("10s", 10, 15), ("20s", 20, 30), ("40s", 40, 60), ("1m20s", 80, 90), ("2m40s", 160, 180), ("5m0s", 300, 330)];
    for (delay, least, most) in law {
        let range = |waits: &BTreeMap<String, Vec<i64>>| {
            let all = waits.get(delay).cloned().unwrap_or_default();
            (all.len(), all.iter().copied().min().unwrap_or_default(), all.iter().copied().max().unwrap_or_default())
        };
        let (count, from, to) = range(&recorded);
        let (draws, low, high) = range(&simulated);
        println!("{delay}: {count} recorded {from} to {to} s, {draws} simulated {low} to {high} s");
        assert!(count >= 5 && draws >= 50, "{delay}: {count} recorded, {draws} simulated");
        assert!(least <= from && to <= most + 2, "{delay}: {from} to {to} s recorded are not within the law");
        assert!(least <= low && high <= most + 2, "{delay}: {low} to {high} s simulated are not within the law");
        assert!(low <= from + 1 && to <= high + 1, "{delay}: {from} to {to} s recorded, {low} to {high} s simulated");
    }
}

/// Two pods of `sleep 30; exit 1` for an hour. The law: the delay doubles from 10 s to 5 min, and a run of 30 s never resets it.
#[test]
fn an_hour_of_a_crash_loop() {
    const HOUR: f64 = 3600.0;
    let container = json!({"name": "app", "image": "busybox:1.36", "command": ["sh", "-c", "sleep 30; exit 1"]});
    let template = json!({"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}});
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "app"}}, "template": template});
    let items = json!([
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hour"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app", "namespace": "hour"}, "spec": spec},
    ]);
    let manifests = BTreeMap::from([("manifest".to_owned(), items.as_array().unwrap().clone())]);
    let actions = vec![Action { at: 0.0, command: "kubectl apply -f manifest.yaml".to_owned() }];
    let (name, namespace) = ("hour".to_owned(), "hour".to_owned());
    let recording = Recording { name, manifests, namespace, actions, facts: Vec::new(), length: HOUR };
    #[expect(clippy::disallowed_methods, reason = "the figure is real time per simulated time")]
    let began = std::time::Instant::now();
    let facts = replay::replay(&recording, 1, &tolerances()).unwrap();
    let took = began.elapsed().as_secs_f64();
    println!("an hour of a crash loop: {took:.3} s, {:.0} virtual seconds a second, {} facts", HOUR / took, facts.len());
    let restarts = |fact: &Fact| fact.object.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_i64);
    let lives: Vec<_> = projection::tracks(&facts).into_iter().filter(|track| track.kind == "pods").collect();
    assert_eq!(lives.len(), 2);
    for life in &lives {
        let runs =
            life.states.iter().filter(|(_, state)| state.starts_with("Running ") && state.contains("[app running")).count();
        // 30 s each, then 0, 10, 20, 40, 80, 160, 300, 300, ... s, each up to a quarter longer: 14 or 15 starts in the hour.
        assert!((13..=16).contains(&runs), "{runs} runs");
    }
    let most = facts.iter().filter_map(restarts).max();
    assert!(most.is_some_and(|most| (12..=15).contains(&most)), "{most:?} restarts");
}
