//! The steps that only tell: `notify` and `webhook`. They change nothing on the cluster, so that they heal nothing by themselves.
//! How receivers want to be told is `notify`'s; the shape of an alert is `heal::alert`'s.

use super::{Done, Healing};
use crate::detect::Finding;
use crate::heal::action::ActionOutcome;
use crate::heal::alert;
use crate::heal::http::{self, Ask};
use crate::notify::deliver::Patience;
use crate::notify::settings::{Notification, Settings, When};
use crate::notify::{deliver, incident, prepare};
use crate::scenario::heal::{NotifyStep, WebhookStep};
use serde_json::json;
use std::time::Duration;

/// How long one receiver may take; in this time simulated time stands still.
const PATIENCE: Patience =
    Patience { tries: 2, within: Duration::from_secs(5), backoff: Duration::from_secs(1), in_all: Duration::from_secs(15) };

impl Healing<'_> {
    pub(super) async fn notify(&self, finding: &Finding, step: &NotifyStep) -> Done {
        let subject = finding.subject.clone();
        let message = incident(finding, step.text.as_deref(), self.run);
        let one = Notification { to: step.to.clone(), when: When::Always, title: None, text: None };
        let settings = Settings { notifications: vec![one] };
        let prepared = prepare(&settings, &message);
        // A receiver takes real time, whatever the cluster's clock is.
        let told = tokio::task::spawn_blocking(move || deliver(prepared, PATIENCE)).await;
        match told.as_deref() {
            Ok([]) => {
                let after = Some(json!({ "told": step.to.name(), "title": message.title }));
                Done { subject, outcome: ActionOutcome::Acted, note: None, before: None, after, replaces: Vec::new() }
            }
            Ok(failures) => Done::nothing(subject, ActionOutcome::Failed, failures.join("; ")),
            Err(error) => Done::nothing(subject, ActionOutcome::Failed, error.to_string()),
        }
    }

    pub(super) async fn webhook(&self, finding: &Finding, step: &WebhookStep) -> Done {
        let subject = finding.subject.clone();
        let host = http::host_of(&step.url);
        let body = alert::message(finding, self.index.server_now(), self.run);
        let asked = match http::headers(&step.headers) {
            Err(why) => Err(why),
            Ok(headers) => http::ask(Ask { url: step.url.clone(), headers, body: Some(body), within: step.within }).await,
        };
        match asked {
            Ok(answer) if answer.is_success() => {
                let after = Some(json!({ "posted": host, "status": answer.status }));
                Done { subject, outcome: ActionOutcome::Acted, note: None, before: None, after, replaces: Vec::new() }
            }
            Ok(answer) => Done::nothing(subject, ActionOutcome::Failed, format!("{host} {}", answer.refusal())),
            Err(why) => Done::nothing(subject, ActionOutcome::Failed, format!("{host}: {why}")),
        }
    }
}
