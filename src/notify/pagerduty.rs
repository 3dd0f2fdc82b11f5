//! An event for PagerDuty's Events API v2: a run that did not pass triggers an alert, a good run of the same scenarios on the same
//! cluster ends it. Limits are those of the API's documentation.

use super::message::{Message, is_bad};
use super::settings::{PagerDuty, Severity};
use crate::measure::result::Outcome;
use crate::report::layout::cut;
use crate::report::style::word;
use serde_json::{Value, json};

/// Characters of a summary (1,024) and of a key (255); less, because of the mark of a cut.
const SUMMARY: usize = 980;
const KEY: usize = 255;

/// The body of the POST.
pub(super) fn payload(message: &Message, settings: &PagerDuty, routing_key: &str) -> Value {
    let passed = message.outcome == Outcome::Passed;
    let key: String = settings.dedup_key.as_ref().unwrap_or(&message.group).chars().take(KEY).collect();
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": if passed { "resolve" } else { "trigger" },
        "dedup_key": key,
        "client": "comeback",
    });
    if passed {
        return event;
    }
    let severity = if message.outcome == Outcome::Failed { settings.severity } else { settings.severity.min(Severity::Warning) };
    let bad: Vec<Value> = message
        .scenarios
        .iter()
        .filter(|one| is_bad(one.outcome))
        .take(20)
        .map(|one| json!({ "scenario": one.name, "class": one.class, "outcome": word(one.outcome), "reason": one.reason }))
        .collect();
    let facts: serde_json::Map<String, Value> =
        message.facts.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    event["payload"] = json!({
        "summary": cut(&message.title, SUMMARY),
        "source": message.cluster,
        "severity": severity,
        "component": "comeback",
        "group": message.group,
        "class": word(message.outcome),
        "custom_details": { "text": message.text, "scenarios": bad, "exitCode": message.exit_code, "facts": facts },
    });
    if let Some((_, finished)) = message.window {
        event["payload"]["timestamp"] = Value::from(finished.to_string());
    }
    if let Some(link) = &message.link {
        event["links"] = json!([{ "href": link, "text": "What was run" }]);
        event["client_url"] = Value::from(link.as_str());
    }
    event
}
