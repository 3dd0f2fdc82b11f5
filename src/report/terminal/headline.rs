//! Title and headline of the terminal report: what ran where, how it ended, why the exit code is what it is.

use super::Terminal;
use crate::measure::result::{Outcome, RunResult, ScenarioResult};
use crate::report::style::{Tone, mark};
use crate::report::summary::{cluster, sums};
use crate::report::{format, layout};

/// `comeback 0.1.0 on a simulated Kubernetes v1.36.0 (embedded, 1 node), seed 42`.
pub(super) fn title(terminal: &Terminal, result: &RunResult) -> String {
    let text = format!("comeback {} on {}, seed {}", result.run.version, cluster(result), result.run.seed);
    layout::wrap(&text, terminal.width, layout::Break::Words)
        .iter()
        .fold(String::new(), |out, line| out + &terminal.palette.paint(Tone::Faint, line) + "\n")
}

/// Warnings, the verdict of the run, reasons, the run directory.
pub(super) fn headline(terminal: &Terminal, result: &RunResult) -> String {
    let palette = terminal.palette;
    let mut out = String::new();
    for warning in &result.warnings {
        let line = layout::hanging("warning: ", &format::plain(warning), terminal.width);
        out.push_str(&line.replacen("warning:", &palette.paint(Tone::Doubt, "warning:"), 1));
    }
    for scenario in skipped(result) {
        let line =
            layout::hanging("skipped: ", &format!("{}: {}", scenario.name, format::plain(&scenario.reason)), terminal.width);
        out.push_str(&line.replacen("skipped:", &palette.paint(Tone::Faint, "skipped:"), 1));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let (mark, tone) = if result.complete { mark(result.outcome) } else { mark(Outcome::Inconclusive) };
    let word = match (result.complete, result.outcome) {
        (false, _) => "INCOMPLETE",
        (true, Outcome::Passed) => "PASSED",
        (true, Outcome::Failed) => "FAILED",
        (true, Outcome::Inconclusive) => "INCONCLUSIVE",
        (true, Outcome::Skipped) => "SKIPPED",
    };
    let lead = format!("{mark} {word}");
    let simulated = if result.cluster.fingerprint.simulated { " (simulated)" } else { "" };
    let line = layout::outdented(0, &format!("{lead}{simulated}: {}", sums(result)), terminal.width);
    out.push_str(&line.replacen(&lead, &palette.paint(tone, &lead), 1));
    for (code, text) in reasons(result) {
        out.push_str(&layout::hanging(&format!("  exit code {code}: "), &format::plain(&text), terminal.width));
    }
    if let Some(directory) = &terminal.run_directory {
        out.push_str(&palette.paint(Tone::Faint, &format!("  everything that was observed: {directory}")));
        out.push('\n');
    }
    out
}

/// Exit codes and why. Scenarios are only named: what happened to them stands above.
fn reasons(result: &RunResult) -> Vec<(u8, String)> {
    let mut reasons: Vec<(u8, String)> = Vec::new();
    let mut named = None;
    for reason in &result.exit_reasons {
        let scenario = result.scenarios.iter().find(|scenario| {
            matches!(scenario.outcome, Outcome::Failed | Outcome::Inconclusive)
                && reason.reason.strip_prefix(&scenario.name).and_then(|rest| rest.strip_prefix(": ")) == Some(&scenario.reason)
        });
        let Some(scenario) = scenario else {
            reasons.push((reason.code, reason.reason.clone()));
            continue;
        };
        if let (Some((code, position)), name) = (named, &scenario.name)
            && code == reason.code
            && let Some((_, text)) = reasons.get_mut::<usize>(position)
        {
            text.push_str(", ");
            text.push_str(name);
            continue;
        }
        named = Some((reason.code, reasons.len()));
        let how = if scenario.outcome == Outcome::Failed { "failed" } else { "inconclusive" };
        reasons.push((reason.code, format!("{how}: {}", scenario.name)));
    }
    reasons
}

fn skipped(result: &RunResult) -> impl Iterator<Item = &ScenarioResult> {
    result.scenarios.iter().filter(|scenario| scenario.outcome == Outcome::Skipped)
}
