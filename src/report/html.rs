//! One self-contained HTML file: headline, success rate, scenarios with their trials against the RTO, each trial on a time axis.
//! No script and no network; where a content security policy takes the style away, the page still reads and draws.

mod gate;
mod scenario;
mod timeline;
mod trial;

use super::exporter::{ExportError, Exporter};
use super::format;
use super::style::{mark, word};
use super::summary::{cluster, succeeded, sums};
use crate::measure::marks::Marks;
use crate::measure::result::{ExitReason, Outcome, Rate, RunResult, ScenarioResult, TrialResult};
use crate::measure::statistics;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many trials of a scenario that went as expected are drawn; the others are rows of a table. All unexpected ones are drawn,
/// up to [`MOST_UNEXPECTED`].
const DRAWN: usize = 20;
/// How many reasons for the exit code stand open above everything else.
const REASONS: usize = 5;
/// How many unexpected trials of a scenario are drawn.
const MOST_UNEXPECTED: usize = 100;

/// `--report html`.
#[derive(Clone, Debug, Default)]
pub struct Html {
    /// What is known of each drawn trial's timeline, by [`TrialResult::timeline`]. One that is missing is not drawn.
    pub marks: BTreeMap<String, Marks>,
}

/// The trials that get a section of their own, in order.
#[must_use]
pub fn drawn(scenario: &ScenarioResult) -> Vec<&TrialResult> {
    let mut left = (DRAWN, MOST_UNEXPECTED);
    let mut shown = Vec::new();
    for trial in &scenario.trials {
        let left = if scenario.expect.contains(&trial.verdict) { &mut left.0 } else { &mut left.1 };
        if *left > 0 {
            *left -= 1;
            shown.push(trial);
        }
    }
    shown
}

impl Exporter for Html {
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError> {
        let mut page = head(result);
        page.push_str(&headline(result));
        page.push_str(&gate::section(result));
        page.push_str(&rates(result));
        page.push_str(&scenario::table(result));
        page.push_str(&super::lift::html(result));
        for (position, scenario) in result.scenarios.iter().enumerate() {
            page.push_str(&scenario::section(self, result, scenario, position));
        }
        page.push_str(&environment(result));
        page.push_str("</main>\n</body>\n</html>\n");
        Ok(page.into_bytes())
    }
}

/// Foreign text as HTML, in elements and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in format::plain(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// The class that gives an outcome its colour.
const fn tone(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "good",
        Outcome::Failed => "bad",
        Outcome::Inconclusive => "doubt",
        Outcome::Skipped => "faint",
    }
}

fn head(result: &RunResult) -> String {
    let title = format!("comeback {}: {}", result.run.id, how(result));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n",
        escaped(&title),
        include_str!("html/page.css")
    )
}

fn how(result: &RunResult) -> &'static str {
    if result.complete { word(result.outcome) } else { "incomplete" }
}

fn headline(result: &RunResult) -> String {
    let shown = if result.complete { result.outcome } else { Outcome::Inconclusive };
    let simulated = if result.cluster.fingerprint.simulated { " <small>(simulated)</small>" } else { "" };
    let mut out = format!(
        "<header>\n<h1 class=\"{}\">{} comeback: {}{simulated}</h1>\n<p>{}, on {}.</p>\n",
        tone(shown),
        mark(shown).0,
        how(result),
        escaped(&sums(result)),
        escaped(&cluster(result))
    );
    if !result.exit_reasons.is_empty() || !result.warnings.is_empty() {
        let (shown, folded) = result.exit_reasons.split_at(result.exit_reasons.len().min(REASONS));
        let item = |reason: &ExitReason| format!("<li>exit code {}: {}</li>\n", reason.code, escaped(&reason.reason));
        out.push_str("<ul>\n");
        out.extend(shown.iter().map(item));
        if !folded.is_empty() {
            let _ = writeln!(out, "<li><details><summary>{}</summary>\n<ul>", format::count(folded.len(), "more reason"));
            out.extend(folded.iter().map(item));
            out.push_str("</ul>\n</details></li>\n");
        }
        for warning in &result.warnings {
            let _ = writeln!(out, "<li class=\"doubt\">warning: {}</li>", escaped(warning));
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</header>\n");
    out
}

/// The success rate over all, and how well each class of scenarios kept its RTO.
fn rates(result: &RunResult) -> String {
    let summary = &result.summary;
    let with_rto = || result.scenarios.iter().filter_map(|scenario| Some((scenario, scenario.within_rto.as_ref()?)));
    let mut out = "<section>\n<h2>Success rate</h2>\n".to_owned();
    if with_rto().next().is_some() {
        let _ =
            writeln!(out, "<p><strong>{}</strong></p>", escaped(&format::rate(&summary.within_rto, "recovered within the RTO")));
    }
    if summary.success_rate != summary.within_rto || with_rto().next().is_none() {
        let _ = writeln!(out, "<p>{}</p>", escaped(&format::rate(&summary.success_rate, succeeded(result))));
    }
    let mut classes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (scenario, rate) in with_rto() {
        let class = scenario.labels.get("class").map_or("without a class", String::as_str);
        let sums = classes.entry(class).or_default();
        sums.0 += rate.successes;
        sums.1 += rate.n;
    }
    if !classes.is_empty() {
        out.push_str("<div class=\"wide\"><table>\n<thead><tr><th>class</th><th>within the RTO</th><th>interval</th><th></th></tr></thead>\n<tbody>\n");
        for (class, (successes, n)) in classes {
            let rate = statistics::rate(successes, n, summary.within_rto.confidence);
            let interval = if n == 0 { "no valid trial".to_owned() } else { format::interval(&rate) };
            let _ = writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td class=\"number\">{successes} of {n}</td><td>{}</td><td>{}</td></tr>",
                escaped(class),
                escaped(&interval),
                interval_bar(&rate)
            );
        }
        out.push_str("</tbody>\n</table></div>\n");
    }
    out.push_str("</section>\n");
    out
}

/// A rate and its interval between 0 and 1, drawn.
pub(super) fn interval_bar(rate: &Rate) -> String {
    let Some(observed) = rate.observed else { return String::new() };
    let x = |share: f64| share.mul_add(160.0, 4.0);
    format!(
        "<svg role=\"img\" width=\"168\" height=\"16\" viewBox=\"0 0 168 16\"><title>{}</title>\
         <line class=\"axis\" stroke=\"#8c959f\" x1=\"4\" x2=\"164\" y1=\"8\" y2=\"8\"/>\
         <rect class=\"span\" fill=\"#218bff\" x=\"{:.1}\" y=\"5\" width=\"{:.1}\" height=\"6\" rx=\"3\"/>\
         <circle class=\"point\" fill=\"#0550ae\" cx=\"{:.1}\" cy=\"8\" r=\"4\"/></svg>",
        escaped(&format!("{}, {}", format::percent(observed), format::interval(rate))),
        x(rate.lower),
        (rate.upper - rate.lower) * 160.0,
        x(observed)
    )
}

/// What makes the results comparable, and how to repeat them.
fn environment(result: &RunResult) -> String {
    let fingerprint = &result.cluster.fingerprint;
    let mut rows = vec![
        ("run".to_owned(), result.run.id.clone()),
        ("comeback".to_owned(), result.run.version.clone()),
        ("started".to_owned(), result.run.started_at.clone()),
        ("finished".to_owned(), result.run.finished_at.clone().unwrap_or_else(|| "not at all".to_owned())),
        ("seed".to_owned(), result.run.seed.to_string()),
        ("command".to_owned(), result.run.command.join(" ")),
        ("cluster".to_owned(), format!("{} ({})", result.cluster.name, result.cluster.provider)),
        ("Kubernetes".to_owned(), fingerprint.kubernetes.clone()),
        ("nodes".to_owned(), fingerprint.nodes.to_string()),
        ("simulated".to_owned(), if fingerprint.simulated { "yes" } else { "no" }.to_owned()),
    ];
    rows.extend(fingerprint.properties.iter().map(|(name, value)| (name.clone(), value.clone())));
    let mut out = "<section>\n<h2>Environment</h2>\n<div class=\"wide\"><table>\n<tbody>\n".to_owned();
    for (name, value) in rows {
        let _ = writeln!(out, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escaped(&name), escaped(&value));
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    out
}

#[cfg(test)]
mod tests;
