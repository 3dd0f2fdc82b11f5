//! A scenario in the HTML report: its row in the table with a dot per trial, and its section.
//! A single trial is in `trial`.

use super::{Html, drawn, escaped, tone, trial};
use crate::measure::result::{Measured, RunResult, ScenarioResult, TrialResult};
use crate::report::format;
use crate::report::style::{mark, trial_mark, word};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Width and height of a picture of recovery times.
const DOTS: (f64, f64) = (220.0, 28.0);

/// One row per scenario.
pub(super) fn table(result: &RunResult) -> String {
    if result.scenarios.is_empty() {
        return "<p>No scenario was run.</p>\n".to_owned();
    }
    let mut out =
        "<section>\n<h2>Scenarios</h2>\n<div class=\"wide\"><table>\n<thead><tr><th></th><th>scenario</th><th>expected</th>\
         <th>trials</th><th class=\"number\">detected</th><th class=\"number\">recovered</th><th class=\"number\">RTO</th>\
         <th>recovery times</th><th>healed by</th><th>outcome</th></tr></thead>\n<tbody>\n"
            .to_owned();
    for (position, scenario) in result.scenarios.iter().enumerate() {
        let valid = || scenario.trials.iter().filter(|trial| trial.verdict.is_valid());
        let times = |of: fn(&TrialResult) -> Option<&Measured>| escaped(&format::range(valid().filter_map(of)));
        let tone = tone(scenario.outcome);
        let healers: BTreeSet<&str> =
            scenario.trials.iter().filter_map(|trial| trial.healed_by.as_ref()).map(|healed| format::who(healed.who)).collect();
        let _ = writeln!(
            out,
            "<tr><td class=\"{tone}\">{}</td><th scope=\"row\"><a href=\"#s{position}\">{}</a></th><td>{}</td><td>{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td><td>{}</td>\
             <td class=\"{tone}\">{}</td></tr>",
            mark(scenario.outcome).0,
            escaped(&scenario.name),
            expected(scenario),
            escaped(&format::counts(scenario, "\u{a0}")),
            times(|trial| trial.durations.to_detect.as_ref()),
            times(|trial| trial.durations.to_recover.as_ref()),
            scenario.rto.map_or_else(|| "–".to_owned(), format::seconds),
            dots(scenario),
            if healers.is_empty() { "–".to_owned() } else { healers.into_iter().collect::<Vec<_>>().join(", ") },
            word(scenario.outcome)
        );
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    out
}

fn expected(scenario: &ScenarioResult) -> String {
    scenario.expect.iter().map(|verdict| verdict.as_str()).collect::<Vec<_>>().join(" or ")
}

/// A dot per valid trial against the RTO's line; hollow: only known to be longer.
fn dots(scenario: &ScenarioResult) -> String {
    let times: Vec<(&TrialResult, &Measured)> = scenario
        .trials
        .iter()
        .filter(|trial| trial.verdict.is_valid())
        .filter_map(|trial| Some((trial, trial.durations.to_recover.as_ref()?)))
        .collect();
    if times.is_empty() {
        return String::new();
    }
    let longest = times.iter().map(|(_, time)| time.value).chain(scenario.rto).fold(1.0, f64::max);
    let (width, height) = DOTS;
    let x = |seconds: f64| (seconds.max(0.0) / longest).mul_add(width - 16.0, 8.0);
    let title = format!("recovery times: {}", format::range(times.iter().map(|(_, time)| *time)));
    let mut out = format!(
        "<svg role=\"img\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\"><title>{}</title>\
         <line class=\"axis\" stroke=\"#8c959f\" x1=\"8\" x2=\"{:.0}\" y1=\"14\" y2=\"14\"/>",
        escaped(&title),
        width - 8.0
    );
    if let Some(rto) = scenario.rto {
        let _ = write!(
            out,
            "<line class=\"stroke-rto\" stroke=\"#cf222e\" stroke-dasharray=\"3 2\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"2\" y2=\"26\"><title>RTO {1}</title></line>",
            x(rto),
            format::seconds(rto)
        );
    }
    // Equal dots of many trials would only be drawn over each other.
    let mut seen = BTreeSet::new();
    for (trial, time) in times {
        let late = scenario.rto.is_some_and(|rto| time.value > rto) || time.censored;
        let (class, color) = if late { ("fill-bad", "#cf222e") } else { ("fill-good", "#1a7f37") };
        let at = format!("{:.1}", x(time.value));
        if seen.insert((at.clone(), time.censored, late)) {
            let hollow = if time.censored { " fill-opacity=\"0.15\" stroke=\"#cf222e\"" } else { "" };
            let _ = write!(
                out,
                "<circle class=\"{class}\" fill=\"{color}\"{hollow} cx=\"{at}\" cy=\"14\" r=\"4\"><title>trial {}: {}</title></circle>",
                trial.index,
                escaped(&format::measured(time))
            );
        }
    }
    out.push_str("</svg>");
    out
}

/// A scenario with its trials: those that are drawn one by one, the others as a table.
pub(super) fn section(html: &Html, result: &RunResult, scenario: &ScenarioResult, position: usize) -> String {
    let tone = tone(scenario.outcome);
    let mut out = format!(
        "<section id=\"s{position}\">\n<h2><span class=\"{tone}\">{}</span> {}</h2>\n<p>{}</p>\n<p class=\"{tone}\">{}: {}</p>\n\
         <p class=\"note\">{}; expected: {}{}{}.</p>\n",
        mark(scenario.outcome).0,
        escaped(&scenario.name),
        escaped(&scenario.summary),
        word(scenario.outcome),
        escaped(&scenario.reason),
        escaped(&scenario.file),
        expected(scenario),
        scenario.rto.map(|rto| format!("; RTO {}", format::seconds(rto))).unwrap_or_default(),
        scenario
            .detect
            .as_ref()
            .map(|detect| format!("; to be found: {} within {}", escaped(&detect.cause), format::seconds(detect.within)))
            .unwrap_or_default()
    );
    if scenario.success_rate.n > 1 {
        let _ = writeln!(out, "<p>{}</p>", escaped(&format::rate(&scenario.success_rate, "were as expected")));
    }
    let drawn = drawn(scenario);
    for trial in &drawn {
        out.push_str(&trial::section(html, result, scenario, trial));
    }
    let shown: BTreeSet<u32> = drawn.iter().map(|trial| trial.index).collect();
    let rest: Vec<&TrialResult> = scenario.trials.iter().filter(|trial| !shown.contains(&trial.index)).collect();
    if !rest.is_empty() {
        out.push_str(&rows(scenario, &rest));
    }
    out.push_str("</section>\n");
    out
}

fn rows(scenario: &ScenarioResult, trials: &[&TrialResult]) -> String {
    let mut out = format!(
        "<details><summary>{}</summary>\n<div class=\"wide\"><table>\n<thead><tr><th></th><th class=\"number\">trial</th><th>verdict</th>\
         <th class=\"number\">detected</th><th class=\"number\">recovered</th><th class=\"number\">seed</th></tr></thead>\n<tbody>\n",
        format::count(trials.len(), "more trial")
    );
    for trial in trials {
        let time = |measured: &Option<Measured>| {
            measured.as_ref().map_or_else(|| "–".to_owned(), |time| escaped(&format::measured(time)))
        };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            trial_mark(trial.verdict, &scenario.expect).0,
            trial.index,
            trial.verdict,
            time(&trial.durations.to_detect),
            time(&trial.durations.to_recover),
            trial.seed
        );
    }
    out.push_str("</tbody>\n</table></div>\n</details>\n");
    out
}
