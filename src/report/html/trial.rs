//! One trial in the HTML report: verdict and reasons, its picture, findings with their evidence, actions, how to repeat it.
//! The picture is drawn in `timeline`.

use super::{Html, escaped, timeline, tone};
use crate::measure::result::{Measured, Outcome, RunResult, ScenarioResult, TrialResult};
use crate::report::repeat::again;
use crate::report::style::trial_mark;
use crate::report::{format, layout};
use std::fmt::Write as _;

/// The longest piece of evidence, in characters.
const LONGEST: usize = 2_000;

/// A folded section; open where the verdict was not expected.
pub(super) fn section(html: &Html, result: &RunResult, scenario: &ScenarioResult, trial: &TrialResult) -> String {
    let expected = scenario.expect.contains(&trial.verdict);
    let outcome = match trial.verdict {
        verdict if !verdict.is_valid() => Outcome::Inconclusive,
        _ if expected => Outcome::Passed,
        _ => Outcome::Failed,
    };
    let mut out = format!(
        "<details{}><summary><span class=\"{}\">{} trial {}: {}</span> – {}</summary>\n",
        if expected { "" } else { " open" },
        tone(outcome),
        trial_mark(trial.verdict, &scenario.expect).0,
        trial.index,
        trial.verdict,
        escaped(&layout::cut(&trial.reason, LONGEST))
    );
    match html.marks.get(&trial.timeline) {
        Some(marks) => out.push_str(&timeline::picture(scenario, trial, marks)),
        None if trial.verdict.is_valid() => {
            out.push_str("<p class=\"note\">Its timeline is not at hand, so it is not drawn.</p>\n");
        }
        None => {}
    }
    out.push_str(&times(trial));
    out.push_str(&list(scenario, trial));
    let _ = writeln!(out, "<pre>{}</pre>\n</details>", escaped(&again(result, scenario, trial)));
    out
}

fn times(trial: &TrialResult) -> String {
    let durations = &trial.durations;
    let time = |what: &str, measured: &Option<Measured>| {
        measured.as_ref().map(|time| {
            let uncertainty =
                if time.uncertainty >= 0.0005 { format!(" (± {})", format::seconds(time.uncertainty)) } else { String::new() };
            format!("{what} {}{uncertainty}", escaped(&format::measured(time)))
        })
    };
    let all: Vec<String> = [
        time("effect after", &durations.to_effect),
        time("detected after", &durations.to_detect),
        time("recovered after", &durations.to_recover),
        trial.healed_by.as_ref().map(|healed| {
            format!(
                "healed by {}{}",
                format::who(healed.who),
                healed.name.as_ref().map(|name| format!(" ({})", escaped(name))).unwrap_or_default()
            )
        }),
        Some(format!("seed {}", trial.seed)),
    ]
    .into_iter()
    .flatten()
    .collect();
    format!("<p>{}.</p>\n", all.join("; "))
}

fn list(scenario: &ScenarioResult, trial: &TrialResult) -> String {
    let mut out = String::new();
    let mut item = |text: String| {
        let _ = writeln!(out, "<li>{}</li>", escaped(&layout::cut(&text, LONGEST)));
    };
    let told = format!("{}: {}", trial.verdict, trial.reason);
    for reason in trial.reasons.iter().filter(|reason| **reason != trial.reason && **reason != told) {
        item(format!("also: {reason}"));
    }
    for finding in &trial.findings {
        let lead = if finding.leading { "found" } else { "considered" };
        let confidence = format!("{:?}", finding.confidence).to_lowercase();
        let at = format::seconds(finding.at.as_secs_f64());
        item(format!(
            "{lead} at {at}: {} on {} {} ({confidence} confidence)",
            finding.cause,
            finding.subject.kind.to_lowercase(),
            finding.subject.name
        ));
        for evidence in &finding.evidence {
            item(format!("evidence: {}: {}", evidence.source, evidence.text));
        }
    }
    for action in &trial.actions {
        let how = format::outcome(action.outcome);
        let at = format::seconds(action.at.as_secs_f64());
        item(format!(
            "healer at {at}: {} on {} {}: {how}; {}",
            action.step,
            action.subject.kind.to_lowercase(),
            action.subject.name,
            action.reason
        ));
    }
    for evidence in trial.healed_by.iter().flat_map(|healed| &healed.evidence) {
        item(format!("why we say who healed: {evidence}"));
    }
    if let Some(evidence) = &trial.evidence {
        item(format!("objects, events and logs are in {evidence} of the run directory; begin with describe.txt"));
    }
    for note in &trial.notes {
        item(format!("note: {note}"));
    }
    if let Some(retries) = format::retries(trial, &scenario.expect) {
        item(format!("tried again: {retries}"));
    }
    for (retry, n) in trial.retries.iter().zip(1..) {
        item(format!("retry {n}, seed {}: {}: {}", retry.seed, retry.verdict, retry.reason));
    }
    for leftover in trial.attempts().flat_map(|attempt| &attempt.leftovers) {
        item(format!("left over: {leftover}"));
    }
    if out.is_empty() { out } else { format!("<ul>\n{out}</ul>\n") }
}
