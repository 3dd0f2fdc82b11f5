//! What is told of one finding while a run goes on, for the step `notify` of a ladder. Pure.

use super::message::{Message, Told};
use crate::detect::Finding;
use crate::measure::result::Outcome;
use crate::report::format;
use std::collections::BTreeMap;

/// How many pieces of evidence are repeated.
const MOST: usize = 5;

/// The message of one finding; `text` stands before its evidence.
#[must_use]
pub fn incident(finding: &Finding, text: Option<&str>, run: &str) -> Message {
    let subject = &finding.subject;
    let title = format::plain(&format!("✗ comeback: {} needs help: {}", finding.group, finding.cause));
    let asked = text.unwrap_or("Nothing that may be done by itself has healed it.");
    let mut lines = vec![format::plain(asked)];
    lines.extend(finding.evidence.iter().take(MOST).map(|piece| format::plain(&format!("{}: {}", piece.source, piece.text))));
    let mut facts = vec![("cluster", format::plain(&subject.cluster))];
    if !subject.namespace.is_empty() {
        facts.push(("namespace", format::plain(&subject.namespace)));
    }
    facts.push(("subject", format::plain(&format!("{}/{}", subject.kind.to_lowercase(), subject.name))));
    facts.push(("run", run.to_owned()));
    let told = Told {
        name: format::plain(&finding.group),
        class: finding.cause.clone(),
        outcome: Outcome::Failed,
        reason: finding.evidence.first().map(|piece| format::plain(&piece.text)).unwrap_or_default(),
    };
    Message {
        outcome: Outcome::Failed,
        exit_code: 0,
        title,
        text: lines.join("\n"),
        own_text: false,
        facts,
        scenarios: vec![told],
        run: run.to_owned(),
        cluster: format::plain(&subject.cluster),
        simulated: false,
        window: None,
        windows: Vec::new(),
        link: None,
        group: format!("comeback/{}/{}/{}", format::plain(&subject.cluster), subject.namespace, finding.group),
        values: BTreeMap::new(),
    }
}
