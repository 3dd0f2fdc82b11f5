//! Annotations for Grafana's HTTP API: one over the run, and on real clusters one over each fault and each recovery, so that graphs of
//! the workload show what was done to it. Simulated time is on nobody's graphs.

use super::Post;
use super::message::Message;
use super::settings::Grafana;
use crate::report::style::word;
use jiff::Timestamp;
use serde_json::{Value, json};

/// How many windows are told; the rest is counted.
const MOST: usize = 100;

/// The POSTs.
pub(super) fn posts(message: &Message, settings: &Grafana, token: &str) -> Vec<Post> {
    let Some((started, finished)) = message.window else { return Vec::new() };
    let url = format!("{}/api/annotations", settings.url.trim_end_matches('/'));
    let post = |from: Timestamp, until: Timestamp, text: String, tags: Vec<String>| {
        let mut body = json!({
            "time": from.as_millisecond(),
            "timeEnd": until.as_millisecond().max(from.as_millisecond()),
            "text": text,
            "tags": tags.into_iter().chain(settings.tags.iter().cloned()).collect::<Vec<_>>(),
        });
        if let Some(dashboard) = &settings.dashboard {
            body["dashboardUID"] = Value::from(dashboard.as_str());
        }
        if let Some(panel) = settings.panel {
            body["panelId"] = Value::from(panel);
        }
        let headers = vec![("Authorization".to_owned(), format!("Bearer {token}"))];
        Post { headers, ..Post::json(url.clone(), &body) }
    };
    let simulated = if message.simulated { vec!["simulated".to_owned()] } else { Vec::new() };
    let mut tags = vec!["comeback".to_owned(), "run".to_owned(), word(message.outcome).to_owned()];
    tags.extend(simulated);
    let link = message.link.as_ref().map(|link| format!("\n{link}")).unwrap_or_default();
    let left_out = match message.windows.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!("\n{more} more windows of trials are not annotated"),
    };
    let run = escaped(&format!("{}\n{}{left_out}", message.title, message.text)) + &link;
    let windows = message.windows.iter().take(MOST).map(|window| {
        let mut tags = vec!["comeback".to_owned(), window.what.to_owned(), format!("scenario:{}", window.scenario)];
        tags.push(window.verdict.to_string());
        if !window.class.is_empty() {
            tags.push(format!("class:{}", window.class));
        }
        post(window.from, window.until, escaped(&window.text), tags)
    });
    std::iter::once(post(started, finished, run, tags)).chain(windows).collect()
}

/// Grafana shows an annotation's text as HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
