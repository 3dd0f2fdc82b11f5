//! Asking a remediation service to heal a finding: trigger, then polls until it says that it has ended. Bounded in time and memory;
//! what it says becomes claims, never a verdict. The transport is `http`'s.

use super::alert;
use super::claim::{Claim, ClaimStatus};
use super::http::{Answer, Ask, ask, headers, host_of};
use crate::detect::{Finding, Subject};
use crate::report::{format, layout};
use crate::scenario::duration;
use crate::scenario::heal::{WebhookFormat, WebhookHealer};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a request is tried that gets no answer, or one that may pass.
const TRIES: u32 = 3;
/// The pause before the second try, doubled each time.
const BACKOFF: Duration = Duration::from_secs(2);
/// The longest message of a service that is repeated, in characters.
const LONGEST: usize = 300;
/// The longest id of a workflow.
const LONGEST_ID: usize = 128;

/// One finding that a service is asked to heal.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its id: the same for the same run, workload and cause, so that a service can tell a repetition.
    pub id: String,
    /// The workload, or the node.
    pub resource: Subject,
    /// The finding.
    pub finding: Finding,
    /// The run's label.
    pub run: String,
    /// The cluster's time.
    pub now: Option<jiff::Timestamp>,
}

/// Where a service has got, as it says.
struct Said {
    status: ClaimStatus,
    message: Option<String>,
}

/// Asks for remediation and follows it; `tell` is given each claim that differs from the last. Ends within the settings' timeout
/// and one answer.
pub async fn remediate(settings: &WebhookHealer, incident: &Incident, mut tell: impl FnMut(Claim)) {
    let by = host_of(&settings.url);
    let mut claim = |workflow: Option<&str>, said: Said| {
        tell(Claim {
            by: by.clone(),
            incident: incident.id.clone(),
            workflow: workflow.map(ToOwned::to_owned),
            at: Duration::ZERO,
            status: said.status,
            message: said.message,
        });
    };
    let unanswered = |why: String| Said { status: ClaimStatus::Unanswered, message: Some(why) };
    let headers = match headers(&settings.headers) {
        Ok(headers) => headers,
        Err(why) => return claim(None, unanswered(why)),
    };
    let base = settings.url.trim_end_matches('/');
    let request = |url: String, body: Option<Value>| Ask { url, headers: headers.clone(), body, within: settings.within };
    if settings.format == WebhookFormat::Alertmanager {
        let body = alert::message(&incident.finding, incident.now, &incident.run);
        return match patiently(request(settings.url.clone(), Some(body))).await {
            Ok(_) => claim(None, Said { status: ClaimStatus::Accepted, message: None }),
            Err(why) => claim(None, unanswered(why)),
        };
    }
    let triggered = patiently(request(format!("{base}/api/v1/remediation/trigger"), Some(trigger(incident)))).await;
    let workflow = match triggered.and_then(|answer| workflow_of(&answer)) {
        Ok(workflow) => workflow,
        Err(why) => return claim(None, unanswered(why)),
    };
    claim(Some(&workflow), Said { status: ClaimStatus::Accepted, message: None });
    let until = Instant::now() + settings.timeout;
    let mut last = ClaimStatus::Accepted;
    loop {
        sleep(settings.every).await;
        if Instant::now() >= until {
            let text = format!("it had not ended after {}", duration::format(settings.timeout));
            return claim(Some(&workflow), unanswered(text));
        }
        let polled = patiently(request(format!("{base}/api/v1/workflows/{workflow}"), None)).await;
        match polled.and_then(|answer| said_by(&answer)) {
            Err(why) => return claim(Some(&workflow), unanswered(why)),
            Ok(said) => {
                let status = said.status;
                if status != last {
                    last = status;
                    claim(Some(&workflow), said);
                }
                if matches!(status, ClaimStatus::Completed | ClaimStatus::Failed) {
                    return;
                }
            }
        }
    }
}

/// Asks a few times, as long as there is hope; a success, or why there is none.
async fn patiently(request: Ask) -> Result<Answer, String> {
    let mut pause = BACKOFF;
    let mut tries = 1;
    loop {
        let asked = ask(request.clone()).await;
        let (why, passing) = match asked {
            Ok(answer) if answer.is_success() => return Ok(answer),
            Ok(answer) => (answer.refusal(), answer.status >= 500 || matches!(answer.status, 408 | 429)),
            Err(why) => (why, true),
        };
        if !passing || tries == TRIES {
            return Err(if tries > 1 { format!("{why}, {tries} times") } else { why });
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2);
        tries += 1;
    }
}

/// The body of the trigger.
fn trigger(incident: &Incident) -> Value {
    let evidence: Vec<&str> = incident.finding.evidence.iter().map(|piece| piece.text.as_str()).collect();
    json!({
        "incident_id": incident.id,
        "namespace": incident.finding.subject.namespace,
        "resource": { "kind": incident.resource.kind, "name": incident.resource.name },
        "issue": {
            "type": incident.finding.cause,
            "description": evidence.join("; "),
            "severity": alert::severity(&incident.finding),
        },
    })
}

/// The id of the workflow that a trigger began. It becomes a part of a path: only what is harmless there is taken.
fn workflow_of(answer: &Answer) -> Result<String, String> {
    let body = answer.json()?;
    let id = body.get("workflow_id").and_then(Value::as_str).unwrap_or_default();
    let harmless = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | ':');
    if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(harmless) || id.starts_with('.') {
        return Err(format!("its answer has no `workflow_id` that could be asked for: {}", shown(&body)));
    }
    Ok(id.to_owned())
}

/// What a service says of a workflow.
fn said_by(answer: &Answer) -> Result<Said, String> {
    let body = answer.json()?;
    let status = match body.get("status").and_then(Value::as_str) {
        Some("pending") => ClaimStatus::Pending,
        Some("in_progress") => ClaimStatus::InProgress,
        Some("completed") => ClaimStatus::Completed,
        Some("failed") => ClaimStatus::Failed,
        _ => return Err(format!("its answer has no `status` of a workflow: {}", shown(&body))),
    };
    let message = body.get("error_message").and_then(Value::as_str).filter(|text| !text.is_empty());
    Ok(Said { status, message: message.map(|text| layout::cut(&format::plain(text), LONGEST)) })
}

fn shown(body: &Value) -> String {
    layout::cut(&format::plain(&body.to_string()), LONGEST)
}

#[cfg(test)]
pub(super) mod tests;
