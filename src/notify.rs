//! Notifications at the end of a run or a gate: who is told (`settings`), what (`message` and one small pure module per receiver), and how
//! it gets there (`deliver`). They fail softly: what could not be told is a warning and never changes how a run ends.

pub mod deliver;
mod email;
mod grafana;
mod incident;
mod message;
mod pagerduty;
pub mod settings;
mod slack;
pub mod template;
mod webhook;

pub use deliver::deliver;
pub use incident::incident;
pub use message::{Message, Window};
pub use settings::{Notification, Settings};

use crate::measure::result::Outcome;
use settings::{Receiver, Secret, When};

/// Something to be sent, with everything in it that it needs; holds secrets and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A POST.
    Http(Post),
    /// A mail.
    Mail(email::Mail),
}

/// A POST of a JSON document.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// Headers beside the content type.
    pub headers: Vec<(String, String)>,
    /// The body's type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Post {
    fn json(url: String, body: &serde_json::Value) -> Self {
        Self { url, headers: Vec::new(), content_type: "application/json", body: body.to_string() }
    }
}

/// What is to be sent of a run, by notification; a notification that does not want to hear of this outcome has none.
///
/// # Errors
/// In place of the deliveries of a notification whose secrets are not at hand: why.
#[must_use]
pub fn prepare(settings: &Settings, message: &Message) -> Vec<(String, Result<Vec<Delivery>, String>)> {
    let named = settings.notifications.iter().zip(1..);
    named
        .filter(|(one, _)| is_wanted(one, message.outcome))
        .map(|(one, position)| (format!("notification {position} ({})", one.to.name()), deliveries(one, message)))
        .filter(|(_, deliveries)| deliveries.as_ref().map_or(true, |deliveries| !deliveries.is_empty()))
        .collect()
}

/// Receivers that know of alerts that end hear of good runs, too: nothing else would end them.
fn is_wanted(notification: &Notification, outcome: Outcome) -> bool {
    match notification.when {
        When::Always => true,
        When::Failure => outcome == Outcome::Failed || outcome == Outcome::Passed && notification.to.resolves(),
        When::Problem => outcome != Outcome::Passed || notification.to.resolves(),
    }
}

fn deliveries(notification: &Notification, message: &Message) -> Result<Vec<Delivery>, String> {
    let message = message.with(notification.title.as_deref(), notification.text.as_deref());
    let secret = |secret: &Secret| secret.value();
    let posts = match &notification.to {
        Receiver::Slack(slack) => vec![Post::json(secret(&slack.url)?, &slack::payload(&message))],
        Receiver::PagerDuty(pager) => {
            let body = pagerduty::payload(&message, pager, &secret(&pager.routing_key)?);
            vec![Post::json(pager.url.clone(), &body)]
        }
        Receiver::Webhook(hook) => vec![webhook::post(&message, hook)?],
        Receiver::Grafana(grafana) => grafana::posts(&message, grafana, &secret(&grafana.token)?),
        Receiver::Email(email) => return Ok(vec![Delivery::Mail(email::mail(&message, email)?)]),
    };
    Ok(posts.into_iter().map(Delivery::Http).collect())
}

#[cfg(test)]
mod tests;
