//! What healers gain over Kubernetes alone, in every report that people read. How it is found is `measure::lift`'s.

use super::format;
use super::html::escaped;
use super::layout::{self, Cell, Column};
use super::style::{Palette, Tone};
use crate::measure::result::{Lift, LiftSide, RunResult};
use std::fmt::Write as _;

const TITLE: &str = "What the healer gains";
const HEADERS: [&str; 5] = ["scenario", "healer", "without", "with", "gain"];

fn row(lift: &Lift) -> [String; 5] {
    [format::plain(&lift.scenario), lift.healer.as_str().to_owned(), side(&lift.without), side(&lift.with), gain(lift)]
}

/// `0 of 5, median not within its budget`
fn side(side: &LiftSide) -> String {
    let rate = &side.success_rate;
    if rate.n == 0 {
        return "no valid trial".to_owned();
    }
    let median = side.recovery.as_ref().map(|times| {
        let median = times.median.map_or_else(|| "not within its budget".to_owned(), format::seconds);
        format!(", median {median}")
    });
    format!("{} of {}{}", rate.successes, rate.n, median.unwrap_or_default())
}

fn gain(lift: &Lift) -> String {
    let points = lift.success_rate_gain.map(|gain| format!("{:+.0} points", gain * 100.0));
    let seconds = lift.median_gain.map(|gain| {
        let word = if gain < 0.0 { "slower" } else { "faster" };
        format!("{} {word}", format::seconds(gain.abs()))
    });
    let told: Vec<String> = points.into_iter().chain(seconds).collect();
    if told.is_empty() { "–".to_owned() } else { told.join(", ") }
}

/// The section of the terminal report; empty where nothing was compared.
pub(super) fn terminal(result: &RunResult, width: usize, palette: Palette) -> String {
    if result.lift.is_empty() {
        return String::new();
    }
    let column = |header: &'static str| Column { header, right: false, wraps: header != "HEALER", leave_out: None };
    let columns = ["SCENARIO", "HEALER", "WITHOUT", "WITH", "GAIN"].map(column);
    let cells = |lift: &Lift| row(lift).map(|text| Cell::new(text, Tone::Plain)).to_vec();
    let rows: Vec<Vec<Cell>> = result.lift.iter().map(cells).collect();
    let table = layout::table(&columns, &rows, width.saturating_sub(2), palette);
    let title = palette.paint(Tone::Strong, TITLE);
    table.lines().fold(title + "\n", |text, line| text + "  " + line + "\n")
}

/// The section of the Markdown page; `escape` makes foreign text harmless there.
pub(super) fn markdown(result: &RunResult, escape: impl Fn(&str) -> String) -> String {
    if result.lift.is_empty() {
        return String::new();
    }
    let mut out = format!("\n### {TITLE}\n\n| {} |\n|---|---|---|---|---|\n", HEADERS.join(" | "));
    for lift in &result.lift {
        let _ = writeln!(out, "| {} |", row(lift).map(|text| escape(&text)).join(" | "));
    }
    out
}

/// The section of the HTML page.
pub(super) fn html(result: &RunResult) -> String {
    if result.lift.is_empty() {
        return String::new();
    }
    let headers: String = HEADERS.iter().map(|header| format!("<th>{header}</th>")).collect();
    let mut out =
        format!("<section>\n<h2>{TITLE}</h2>\n<div class=\"wide\"><table>\n<thead><tr>{headers}</tr></thead>\n<tbody>\n");
    for lift in &result.lift {
        let [scenario, rest @ ..] = row(lift);
        let cells: String = rest.iter().map(|text| format!("<td>{}</td>", escaped(text))).collect();
        let _ = writeln!(out, "<tr><th scope=\"row\">{}</th>{cells}</tr>", escaped(&scenario));
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::statistics;
    use crate::report::fixture;
    use crate::scenario::Healer;

    fn lifted() -> RunResult {
        let mut result = fixture::run();
        let sample = |value| statistics::Sample { value, uncertainty: 0.0, censored: false };
        let recovery = statistics::distribution(&[sample(10.0), sample(12.0), sample(14.0)]);
        let side = |name: &str, successes, recovery| LiftSide {
            name: name.to_owned(),
            success_rate: statistics::rate(successes, 5, 0.95),
            recovery,
        };
        let censored = recovery.clone().map(|times| crate::measure::result::Distribution { median: None, ..times });
        result.lift = vec![Lift {
            scenario: "crash|<b>".to_owned(),
            healer: Healer::Comeback,
            without: side("a", 0, censored),
            with: side("b", 5, recovery),
            success_rate_gain: Some(1.0),
            median_gain: None,
        }];
        result
    }

    #[test]
    fn every_report_tells_both_sides_and_the_gain() {
        let result = lifted();
        let palette = Palette { colors: false };
        for text in [terminal(&result, 100, palette), markdown(&result, |text| text.replace('|', "\\|")), html(&result)] {
            assert!(text.contains("0 of 5, median not within its budget"), "{text}");
            assert!(text.contains("5 of 5, median ") && text.contains("+100 points"), "{text}");
        }
        assert!(!html(&result).contains("<b>") && markdown(&result, |text| text.replace('|', "\\|")).contains("crash\\|"));
        assert!(terminal(&result, 72, palette).lines().all(|line| line.chars().count() <= 72));
        assert!(terminal(&fixture::run(), 100, palette).is_empty());
    }
}
