//! What failed and why, for each scenario that did not pass: condition, last observed state, evidence, how to try it again.

use super::Terminal;
use crate::measure::result::{Outcome, RunResult, ScenarioResult, TrialResult};
use crate::report::repeat::again;
use crate::report::style::{Tone, mark, trial_mark};
use crate::report::{format, layout};
use crate::scenario::Verdict;
use std::fmt::Write as _;

/// How many trials of one scenario are shown in full; the rest is in the result file.
const SHOWN_TRIALS: usize = 3;
/// How many findings of one trial are shown.
const SHOWN_FINDINGS: usize = 2;

/// The section; empty where everything passed.
pub(super) fn failures(terminal: &Terminal, result: &RunResult) -> String {
    let (untried, tried): (Vec<&ScenarioResult>, Vec<&ScenarioResult>) = result
        .scenarios
        .iter()
        .filter(|scenario| matches!(scenario.outcome, Outcome::Failed | Outcome::Inconclusive))
        .partition(|scenario| scenario.trials.is_empty());
    let mut blocks: Vec<String> = tried.into_iter().map(|scenario| block(terminal, result, scenario)).collect();
    if !untried.is_empty() {
        let names: Vec<String> = untried.iter().map(|scenario| format::plain(&scenario.name)).collect();
        let (mark, tone) = mark(Outcome::Inconclusive);
        let line = format!("{mark} not tried: {}", names.join(", "));
        blocks.push(layout::outdented(0, &line, terminal.width).replacen(mark, &terminal.palette.paint(tone, mark), 1));
    }
    blocks.join("\n")
}

fn block(terminal: &Terminal, result: &RunResult, scenario: &ScenarioResult) -> String {
    let (mark, tone) = mark(scenario.outcome);
    let lead = format!("{mark} {}", format::plain(&scenario.name));
    let line = layout::outdented(
        0,
        &format!("{lead}: {} (expected {})", format::counts(scenario, " "), expected(scenario)),
        terminal.width,
    );
    let mut out = line.replacen(&lead, &terminal.palette.paint(tone, &lead), 1);
    let (aborted, unexpected): (Vec<&TrialResult>, Vec<&TrialResult>) = scenario
        .trials
        .iter()
        .filter(|trial| !scenario.expect.contains(&trial.verdict))
        .partition(|trial| trial.verdict == Verdict::Aborted);
    if let Some(first) = aborted.first() {
        let line = format!("{} aborted: {}", format::count(aborted.len(), "trial"), format::plain(&first.reason));
        out.push_str(&layout::outdented(2, &line, terminal.width));
    } else if unexpected.is_empty() {
        out.push_str(&layout::outdented(2, &format::plain(&scenario.reason), terminal.width));
    }
    for trial in unexpected.iter().take(SHOWN_TRIALS) {
        out.push_str(&describe(terminal, result, scenario, trial));
    }
    let rest = unexpected.len().saturating_sub(SHOWN_TRIALS);
    if rest > 0 {
        let _ = writeln!(out, "  and {} more, in the result file", format::count(rest, "trial"));
    }
    out
}

fn expected(scenario: &ScenarioResult) -> String {
    scenario.expect.iter().map(|verdict| verdict.as_str()).collect::<Vec<_>>().join(" or ")
}

fn describe(terminal: &Terminal, result: &RunResult, scenario: &ScenarioResult, trial: &TrialResult) -> String {
    let palette = terminal.palette;
    let (_, tone) = trial_mark(trial.verdict, &scenario.expect);
    let lead = format!("  trial {} {}", trial.index, trial.verdict);
    let line = layout::outdented(2, &format!("{}: {}", lead.trim_start(), format::plain(&trial.reason)), terminal.width);
    let mut out = line.replacen(&lead, &palette.paint(tone, &lead), 1);
    let mut detail = |label: &str, text: &str| {
        let label = format!("    {label:<9} ");
        let line = layout::hanging(&label, &format::plain(text), terminal.width);
        out.push_str(&line.replacen(&label, &palette.paint(Tone::Faint, &label), 1));
    };
    let told = format!("{}: {}", trial.verdict, trial.reason);
    for reason in trial.reasons.iter().filter(|reason| **reason != trial.reason && **reason != told) {
        detail("also", reason);
    }
    let leading: Vec<_> = trial.findings.iter().filter(|finding| finding.leading).collect();
    if leading.is_empty() && trial.verdict.is_valid() {
        detail("found", "nothing");
    }
    for finding in leading.iter().take(SHOWN_FINDINGS) {
        let subject = &finding.subject;
        let confidence = format!("{:?}", finding.confidence).to_lowercase();
        detail(
            "found",
            &format!("{} on {} {} ({confidence} confidence)", finding.cause, subject.kind.to_lowercase(), subject.name),
        );
        if let Some(evidence) = finding.evidence.first() {
            detail("evidence", &format!("{}: {}", evidence.source, evidence.text));
        }
    }
    for action in &trial.actions {
        let how = format::outcome(action.outcome);
        let on = format!("{} {}", action.subject.kind.to_lowercase(), action.subject.name);
        detail("healer", &format!("{} on {}: {how}; {}", action.step, on.trim(), action.reason));
    }
    if let Some(retries) = format::retries(trial, &scenario.expect) {
        detail("retried", &retries);
    }
    for note in &trial.notes {
        detail("note", note);
    }
    for leftover in trial.attempts().flat_map(|attempt| &attempt.leftovers) {
        detail("left over", leftover);
    }
    if let Some(directory) = &terminal.run_directory {
        detail("timeline", &format!("{directory}/{}", trial.timeline));
        if let Some(evidence) = &trial.evidence {
            detail("folder", &format!("{directory}/{evidence}: objects, events, logs; begin with describe.txt"));
        }
    }
    // Not wrapped: it is to be pasted.
    out.push_str(&palette.paint(Tone::Faint, "    again     "));
    out.push_str(&again(result, scenario, trial));
    out.push('\n');
    out
}
