//! What any HTTP endpoint can be sent: an alert per scenario in the shape of Alertmanager's webhook (version 4), or a CloudEvent 1.0.

use super::Post;
use super::message::{Message, Told, is_bad};
use super::settings::{Webhook, WebhookFormat};
use crate::measure::result::Outcome;
use crate::report::style::word;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What Alertmanager writes for an alert that has not ended.
const NOT_ENDED: &str = "0001-01-01T00:00:00Z";

/// The POST.
///
/// # Errors
/// A secret is not at hand.
pub(super) fn post(message: &Message, settings: &Webhook) -> Result<Post, String> {
    let url = match (&settings.url, &settings.url_from) {
        (Some(url), _) => url.clone(),
        (None, Some(secret)) => secret.value()?,
        (None, None) => return Err("it has no URL".to_owned()),
    };
    let mut post = match settings.format {
        WebhookFormat::Alertmanager => Post::json(url, &alertmanager(message)),
        WebhookFormat::CloudEvents => {
            Post { content_type: "application/cloudevents+json", ..Post::json(url, &cloud_event(message)) }
        }
    };
    for (name, value) in &settings.headers {
        post.headers.push((name.clone(), value.value()?));
    }
    Ok(post)
}

/// Alertmanager's `webhook.Message`.
fn alertmanager(message: &Message) -> Value {
    let mut alerts: Vec<Value> =
        message.scenarios.iter().filter(|one| one.outcome != Outcome::Skipped).map(|one| of_scenario(message, one)).collect();
    // What no scenario shows: an interruption, something left behind, nothing that ran.
    let of_run = message.outcome != Outcome::Passed && !message.scenarios.iter().any(|one| is_bad(one.outcome));
    let run = json!({ "alertname": "ComebackRun", "cluster": message.cluster, "severity": severity(message.outcome) });
    alerts.push(alert(message, run, !of_run, &message.text));
    let firing = alerts.iter().any(|alert| alert["status"] == "firing");
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{group={:?}}}", message.group),
        "truncatedAlerts": 0,
        "status": status(!firing),
        "receiver": "comeback",
        "groupLabels": { "group": message.group },
        "commonLabels": { "cluster": message.cluster },
        "commonAnnotations": { "title": message.title, "run": message.run, "simulated": message.simulated.to_string() },
        "externalURL": message.link.clone().unwrap_or_default(),
        "alerts": alerts,
    })
}

fn of_scenario(message: &Message, scenario: &Told) -> Value {
    let labels = json!({
        "alertname": "ComebackScenario",
        "scenario": scenario.name,
        "class": scenario.class,
        "cluster": message.cluster,
        "severity": "warning",
    });
    alert(message, labels, !is_bad(scenario.outcome), &format!("{}: {}", word(scenario.outcome), scenario.reason))
}

/// One alert. Its fingerprint follows from what identifies it: the severity of a run changes, the alert stays the same.
fn alert(message: &Message, labels: Value, resolved: bool, description: &str) -> Value {
    let (starts, ends) = message.window.map_or_else(
        || (NOT_ENDED.to_owned(), NOT_ENDED.to_owned()),
        |(started, finished)| (started.to_string(), finished.to_string()),
    );
    let identity = format!("{}\n{}\n{}", labels["alertname"], labels["scenario"], message.group);
    let digest = Sha256::digest(identity.as_bytes());
    json!({
        "status": status(resolved),
        "labels": labels,
        "annotations": { "summary": message.title, "description": description },
        "startsAt": starts,
        "endsAt": if resolved { ends } else { NOT_ENDED.to_owned() },
        "generatorURL": message.link.clone().unwrap_or_default(),
        "fingerprint": digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>(),
    })
}

const fn status(resolved: bool) -> &'static str {
    if resolved { "resolved" } else { "firing" }
}

const fn severity(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "critical",
        _ => "warning",
    }
}

/// A CloudEvent in structured mode.
fn cloud_event(message: &Message) -> Value {
    let scenarios: Vec<Value> = message
        .scenarios
        .iter()
        .map(|one| json!({ "name": one.name, "class": one.class, "outcome": word(one.outcome), "reason": one.reason }))
        .collect();
    let mut event = json!({
        "specversion": "1.0",
        "id": message.run,
        "source": format!("urn:{}", message.group.replace('/', ":")),
        "type": "dev.comeback.run.finished.v1alpha1",
        "subject": word(message.outcome),
        "datacontenttype": "application/json",
        "data": {
            "run": message.run,
            "cluster": message.cluster,
            "simulated": message.simulated,
            "outcome": word(message.outcome),
            "exitCode": message.exit_code,
            "title": message.title,
            "text": message.text,
            "scenarios": scenarios,
        },
    });
    if let Some((_, finished)) = message.window {
        event["time"] = Value::from(finished.to_string());
    }
    if let Some(link) = &message.link {
        event["data"]["link"] = Value::from(link.as_str());
    }
    event
}
