//! What is compared: pods as sequences of projected states, events as totals; names, uids, addresses and hashes made equal.

use crate::recording::Fact;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One pod's life.
#[derive(Clone, Debug)]
pub struct Life {
    /// When it was first seen.
    pub born: f64,
    /// Distinct states in order, with the time at which each was first seen.
    pub states: Vec<(f64, String)>,
}

/// (regarding kind, type, reason, message) to the total count over all objects.
pub type Events = BTreeMap<String, u32>;

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"\bapp-[0-9a-z]{8,10}-[0-9a-z]{5}", "POD"),
        (r"\bapp-[0-9a-z]{8,10}", "SET"),
        (r"\b\d+\.\d+\.\d+\.\d+\b", "IP"),
        (r"to (trace1|embedded)-control-plane", "to NODE"),
        (r"in [0-9.]+m?s \([0-9.]+m?s including waiting\)", "in TIME"),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
    .into()
});

fn normal(text: &str) -> String {
    PATTERNS.iter().fold(text.to_owned(), |text, (pattern, name)| pattern.replace_all(&text, *name).into_owned())
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Every pod's life, in order of birth.
pub fn lives(facts: &[Fact]) -> Vec<Life> {
    let mut lives: BTreeMap<String, Life> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.kind == "pods") {
        let life = lives
            .entry(text(&fact.object, "/metadata/uid").to_owned())
            .or_insert_with(|| Life { born: fact.at, states: Vec::new() });
        let state = if fact.change == "DELETED" { "DELETED".to_owned() } else { state(&fact.object) };
        if life.states.last().is_none_or(|(_, last)| *last != state) {
            life.states.push((fact.at, state));
        }
    }
    let mut lives: Vec<_> = lives.into_values().collect();
    lives.sort_by(|a, b| a.born.total_cmp(&b.born));
    lives
}

fn state(pod: &Value) -> String {
    let mut words = vec![text(pod, "/status/phase").to_owned()];
    for condition in pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten() {
        let (kind, status) = (text(condition, "/type"), text(condition, "/status"));
        let (reason, message) = (text(condition, "/reason"), text(condition, "/message"));
        words.push(if reason.is_empty() { format!("{kind}={status}") } else { format!("{kind}={status}({reason}: {message})") });
    }
    for container in pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten() {
        let last = container.pointer("/lastState").map(container_state).unwrap_or_default();
        words.push(format!(
            "[{} {} last={last} ready={} started={} restarts={}]",
            text(container, "/name"),
            container.pointer("/state").map(container_state).unwrap_or_default(),
            container["ready"],
            container["started"],
            container["restartCount"]
        ));
    }
    if let Some(grace) = pod.pointer("/metadata/deletionGracePeriodSeconds") {
        words.push(format!("deleting({grace})"));
    }
    normal(&words.join(" "))
}

fn container_state(state: &Value) -> String {
    let Some((kind, detail)) = state.as_object().and_then(|state| state.iter().next()) else { return String::new() };
    let mut words = vec![kind.clone()];
    words.extend(
        [text(detail, "/reason"), text(detail, "/message")].into_iter().filter(|word| !word.is_empty()).map(ToOwned::to_owned),
    );
    if let Some(code) = detail.get("exitCode") {
        words.push(code.to_string());
    }
    words.join(":")
}

/// Totals of events: the highest count of each Event object, summed over objects.
pub fn events(facts: &[Fact]) -> Events {
    let mut counts: BTreeMap<String, (String, u32)> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.kind == "events" && fact.change != "DELETED") {
        let event = &fact.object;
        let count = ["/count", "/series/count"].iter().find_map(|pointer| event.pointer(pointer)?.as_u64()).unwrap_or(1);
        let key = format!(
            "{} {} {}: {}",
            text(event, "/involvedObject/kind"),
            text(event, "/type"),
            text(event, "/reason"),
            normal(text(event, "/message"))
        );
        let entry = counts.entry(text(event, "/metadata/uid").to_owned()).or_insert((key.clone(), 0));
        *entry = (key, entry.1.max(u32::try_from(count).unwrap()));
    }
    let mut totals = Events::new();
    for (key, count) in counts.into_values() {
        *totals.entry(key).or_default() += count;
    }
    totals
}
