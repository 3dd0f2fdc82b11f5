//! `quota.admission`: pods are wanted and the API server refuses them, so that there is no pod to look at.
//! Look at what should have made them.

use crate::detect::case::{Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::objects::Objects;
use crate::json::At as _;
use crate::observe::index::{EventRecord, text};
use serde_json::Value;
use std::time::Duration;

/// What makes pods, beside the `ReplicaSet`, which has a condition.
const MAKERS: [&str; 3] = ["StatefulSet", "DaemonSet", "Job"];

/// Each maker of pods that is refused, once that has lasted for the threshold.
pub fn signs(objects: &Objects<'_>, signs: &mut Vec<Sign>) {
    for set in objects.index.objects("ReplicaSet") {
        let Some(told) = objects.told("ReplicaSet", set, "ReplicaFailure", "True") else { continue };
        if told.reason == "FailedCreate" && told.age >= objects.thresholds.unschedulable_for {
            signs.push(sign(set, told.message, (told.since, told.since, 1), "replicaset"));
        }
    }
    for maker in MAKERS.iter().flat_map(|kind| objects.index.objects(kind)) {
        if let Some((first, newest)) = refused(objects, maker)
            && objects.index.now().saturating_sub(first) >= objects.thresholds.unschedulable_for
        {
            signs.push(sign(maker, &newest.message, (first, newest.last_seen, newest.count), "event"));
        }
    }
}

/// When the rule would fire.
pub fn due(objects: &Objects<'_>) -> Vec<Duration> {
    let threshold = objects.thresholds.unschedulable_for;
    let sets = objects.index.objects("ReplicaSet").filter_map(|set| {
        let told = objects.told("ReplicaSet", set, "ReplicaFailure", "True")?;
        Some(objects.index.now() + threshold.checked_sub(told.age)?)
    });
    let makers = MAKERS.iter().flat_map(|kind| objects.index.objects(kind));
    sets.chain(makers.filter_map(|maker| Some(refused(objects, maker)?.0 + threshold))).collect()
}

/// The refusals of a maker that still lacks pods: when the first was seen, and the newest.
fn refused<'a>(objects: &Objects<'a>, maker: &'a Value) -> Option<(Duration, &'a EventRecord)> {
    let number = |pointer| maker.at(pointer).and_then(Value::as_u64);
    let lacks = match text(maker, "/kind") {
        "StatefulSet" => number("/status/replicas").unwrap_or(0) < number("/spec/replicas").unwrap_or(1),
        "DaemonSet" => {
            number("/status/currentNumberScheduled").unwrap_or(0) < number("/status/desiredNumberScheduled").unwrap_or(0)
        }
        _ => number("/status/active").unwrap_or(0) == 0 && maker.at("/status/completionTime").is_none(),
    };
    let events = || {
        objects.warnings(text(maker, "/metadata/uid"), "FailedCreate").filter(|event| {
            let message = event.message.to_lowercase();
            ["forbidden", "exceeded quota", "admission", "denied", "violates"].iter().any(|word| message.contains(word))
        })
    };
    let first = events().map(|event| event.first_seen).min().filter(|_| lacks)?;
    Some((first, events().max_by_key(|event| event.last_seen)?))
}

fn sign(maker: &Value, message: &str, seen: (Duration, Duration, u32), source: &str) -> Sign {
    let (first_seen, last_seen, count) = seen;
    let about = Objects::about(maker);
    let text = format!("pods of {} are refused: {}", about.group, message.chars().take(240).collect::<String>());
    Sign {
        cause: "quota.admission",
        about,
        container: None,
        first_seen,
        last_seen,
        count,
        confidence: Confidence::High,
        evidence: vec![evidence(source, text)],
        alternatives: Vec::new(),
    }
}
