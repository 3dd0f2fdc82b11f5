//! A finding as an alert, in the shape of Alertmanager's webhook (version 4): what many remediation services already take.
//! Sending it is `http`'s.

use crate::detect::Finding;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What Alertmanager writes for an alert that has not ended.
const NOT_ENDED: &str = "0001-01-01T00:00:00Z";

/// The message of one firing alert. `now` is the cluster's time, where it is known.
#[must_use]
pub fn message(finding: &Finding, now: Option<jiff::Timestamp>, run: &str) -> Value {
    let subject = &finding.subject;
    let mut labels = json!({
        "alertname": "ComebackFinding",
        "severity": severity(finding),
        "cause": finding.cause,
        "workload": finding.group,
        "cluster": subject.cluster,
    });
    if !subject.namespace.is_empty() {
        labels["namespace"] = json!(subject.namespace);
    }
    labels[subject.kind.to_lowercase()] = json!(subject.name);
    if let Some(container) = &subject.container {
        labels["container"] = json!(container);
    }
    let evidence: Vec<&str> = finding.evidence.iter().map(|piece| piece.text.as_str()).collect();
    let identity = format!("{run}\n{}\n{}", finding.group, finding.cause);
    let fingerprint: String = Sha256::digest(identity.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let starts = now.map_or_else(|| NOT_ENDED.to_owned(), |now| now.to_string());
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{workload={:?}}}", finding.group),
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "comeback",
        "groupLabels": { "workload": finding.group },
        "commonLabels": labels.clone(),
        "commonAnnotations": { "run": run },
        "externalURL": "",
        "alerts": [{
            "status": "firing",
            "labels": labels,
            "annotations": { "summary": summary(finding), "description": evidence.join("\n") },
            "startsAt": starts,
            "endsAt": NOT_ENDED,
            "generatorURL": "",
            "fingerprint": fingerprint,
        }],
    })
}

/// One line for people.
#[must_use]
pub fn summary(finding: &Finding) -> String {
    format!("{}: {}", finding.group, finding.cause)
}

/// How bad a cause is: lost nodes and killed containers serve nobody.
#[must_use]
pub fn severity(finding: &Finding) -> &'static str {
    let first = finding.cause.split('.').next().unwrap_or_default();
    if matches!(first, "crash" | "oom" | "node" | "config" | "image" | "start") { "critical" } else { "warning" }
}
