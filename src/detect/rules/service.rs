//! `network`: a Service that leads nowhere although its pods are there: its selector or its port does not fit them.
//! A Service whose pods are not ready, or scaled away, is not at fault.

use crate::detect::case::{Began, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::objects::Objects;
use crate::detect::related::{selector_of, selects};
use crate::json::At as _;
use crate::observe::index::pod::labels_of;
use crate::observe::index::{ObjectRecord, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Each Service that misses its pods for the threshold.
pub fn signs(objects: &Objects<'_>, signs: &mut Vec<Sign>) {
    for (_, record) in objects.index.records("Service").filter(|(_, record)| record.deleted.is_none()) {
        let Some(wrong) = wrong(objects, record) else { continue };
        if wrong.age < wrong.patience {
            continue;
        }
        let since = objects.index.now().saturating_sub(wrong.age);
        signs.push(Sign {
            cause: "network",
            about: Objects::about(&record.object),
            container: None,
            first_seen: since,
            last_seen: since,
            count: 1,
            confidence: wrong.confidence,
            evidence: vec![evidence("service", wrong.text)],
            alternatives: Vec::new(),
        });
    }
}

/// When the rule would fire.
pub fn due(objects: &Objects<'_>) -> Vec<Duration> {
    let services = objects.index.records("Service").filter(|(_, record)| record.deleted.is_none());
    services
        .filter_map(|(_, record)| {
            let wrong = wrong(objects, record)?;
            Some(objects.index.now() + wrong.patience.checked_sub(wrong.age)?)
        })
        .collect()
}

struct Wrong {
    age: Duration,
    patience: Duration,
    confidence: Confidence,
    text: String,
}

fn wrong(objects: &Objects<'_>, record: &ObjectRecord) -> Option<Wrong> {
    let service = &record.object;
    let selector = selector_of(service)?;
    let name = text(service, "/metadata/name");
    let index = objects.index;
    let stamp = text(service, "/metadata/creationTimestamp").parse().ok();
    if let Some(port) = missing_port(objects, service) {
        let age = Began::at(index, record.versions.last().map_or(record.first_seen, |(at, _)| *at), None).age;
        let text = format!("Service {name} leads to the port named {port}, which none of its pods has");
        return Some(Wrong { age, patience: objects.thresholds.stuck_for, confidence: Confidence::High, text });
    }
    let fits = |labels: &BTreeMap<String, String>| selects(service, labels);
    let templates = ["Deployment", "StatefulSet", "DaemonSet", "Job"].into_iter().flat_map(|kind| index.objects(kind));
    let mut templates = templates.filter_map(|workload| workload.at("/spec/template")).map(labels_of);
    if index.pods().any(|pod| fits(&pod.labels)) || templates.any(|labels| fits(&labels)) {
        return None;
    }
    let wanted = selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let text = |what: String| format!("Service {name} selects {wanted}, which no pod has; {what}");
    // It led to pods that are still there.
    let before = record.versions.iter().rev().skip(1).map(|(_, older)| older);
    for older in before {
        if let Some(pod) = index.pods().find(|pod| pod.is_live() && selects(older, &pod.labels)) {
            let changed = record.versions.last().map_or(record.first_seen, |(at, _)| *at);
            return Some(Wrong {
                age: index.now().saturating_sub(changed),
                patience: objects.thresholds.unschedulable_for,
                confidence: Confidence::High,
                text: text(format!("before, it led to pods as {}", pod.reference.name)),
            });
        }
    }
    let near = index
        .pods()
        .find(|pod| pod.ready && selector.iter().any(|(key, value)| pod.labels.get(*key).is_some_and(|known| known == value)))?;
    Some(Wrong {
        age: Began::at(index, record.first_seen, stamp).age,
        patience: objects.thresholds.stuck_for,
        confidence: Confidence::Medium,
        text: text(format!("pod {} has a part of it", near.reference.name)),
    })
}

/// The named target port of a Service that has ready pods, none of which knows the name.
fn missing_port<'a>(objects: &Objects<'_>, service: &'a Value) -> Option<&'a str> {
    let ports = service.at("/spec/ports").and_then(Value::as_array)?;
    let mut pods = objects.index.pods().filter(|pod| pod.ready && selects(service, &pod.labels)).peekable();
    pods.peek()?;
    let known: Vec<String> = pods
        .flat_map(|pod| pod.object().at("/spec/containers").and_then(Value::as_array).into_iter().flatten())
        .flat_map(|container| container.get("ports").and_then(Value::as_array).into_iter().flatten())
        .map(|port| text(port, "/name").to_owned())
        .collect();
    ports.iter().map(|port| text(port, "/targetPort")).find(|name| !name.is_empty() && !known.iter().any(|known| known == name))
}
