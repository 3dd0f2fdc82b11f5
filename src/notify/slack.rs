//! A message for Slack's incoming webhooks: blocks with a text for notifications. Limits are those of Slack's documentation of blocks.

use super::message::Message;
use crate::report::layout::cut;
use serde_json::{Value, json};

/// Characters of a header (150) and of a section's text (3,000); less, because of the mark of a cut.
const HEADER: usize = 120;
const TEXT: usize = 2_800;

/// The body of the POST.
pub(super) fn payload(message: &Message) -> Value {
    let mut blocks =
        vec![json!({ "type": "header", "text": { "type": "plain_text", "text": cut(&message.title, HEADER), "emoji": false } })];
    if !message.text.trim().is_empty() {
        blocks.push(section(&message.text));
    }
    if !message.own_text {
        let fields: Vec<Value> = message
            .facts
            .iter()
            .map(|(name, value)| json!({ "type": "mrkdwn", "text": format!("*{name}*\n{}", escaped(&cut(value, 500))) }))
            .collect();
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    if let Some(link) = &message.link {
        let text = json!({ "type": "plain_text", "text": "What was run" });
        blocks.push(json!({ "type": "actions", "elements": [{ "type": "button", "text": text, "url": link }] }));
    }
    json!({ "text": escaped(&message.title), "blocks": blocks })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": escaped(&cut(text, TEXT)), "verbatim": true } })
}

/// The three characters that begin markup, mentions among it (`<!channel>`); what emphasis foreign text shows does no harm.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
