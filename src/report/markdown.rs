//! Markdown for job summaries (GitHub, GitLab) and merge-request comments: headline, success rate, a table, what failed and why.
//! Everything foreign is escaped: no log line becomes markup, a link or a mention.

use super::exporter::{ExportError, Exporter};
use super::repeat::again;
use super::style::{mark, word};
use super::summary::{cluster, succeeded, sums};
use super::{format, gate, layout, lift};
use crate::measure::result::{Measured, Outcome, RunResult, ScenarioResult, TrialResult};
use std::fmt::Write as _;

/// GitHub takes 1 MiB of summary for a step; the rest is room for what other programs of the step write.
pub const LIMIT: usize = 1_000_000;
/// How many trials of one scenario are shown in full.
const SHOWN_TRIALS: usize = 3;
/// From this many objectives on the gate's table has only those that are not met.
const MOST_OBJECTIVES: usize = 100;
/// Up to so many scenarios are in the run's order; of more, those that need a look come first.
const MOST_IN_ORDER: usize = 200;
/// How many bytes of the page lists may take that have no end of their own; the rest of them is counted.
const REASONS: usize = 100_000;
const WARNINGS: usize = 50_000;
const OBJECTIVES: usize = 200_000;
const ROWS: usize = 300_000;
/// The longest piece of foreign text, in characters.
const LONGEST: usize = 1_000;

/// `--report markdown`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Markdown;

impl Exporter for Markdown {
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError> {
        let mut page = headline(result);
        page.push_str(&gate(result));
        page.push_str(&table(result));
        page.push_str(&lift::markdown(result, escaped));
        let mut cut = 0;
        for scenario in result.scenarios.iter().filter(|scenario| is_told(scenario)) {
            let block = block(result, scenario);
            if page.len() + block.len() > LIMIT {
                cut += 1;
            } else {
                page.push_str(&block);
            }
        }
        if cut > 0 {
            let _ = writeln!(page, "\n*{} left out here: the result file has them.*", format::count(cut, "more scenario"));
        }
        Ok(page.into_bytes())
    }
}

fn is_told(scenario: &ScenarioResult) -> bool {
    matches!(scenario.outcome, Outcome::Failed | Outcome::Inconclusive)
}

fn headline(result: &RunResult) -> String {
    let (mark, outcome) = if result.complete {
        (mark(result.outcome).0, word(result.outcome))
    } else {
        (mark(Outcome::Inconclusive).0, "incomplete")
    };
    let simulated = if result.cluster.fingerprint.simulated { " (simulated)" } else { "" };
    let mut page = format!("## {mark} comeback: {outcome}{simulated}\n\n{}, on {}.\n", sums(result), escaped(&cluster(result)));
    if result.scenarios.iter().any(ScenarioResult::expects_recovery) {
        let summary = &result.summary;
        page.push('\n');
        if result.scenarios.iter().any(|scenario| scenario.within_rto.is_some()) {
            let _ = writeln!(page, "- **{}**", format::rate(&summary.within_rto, "recovered within the RTO"));
        }
        if summary.success_rate != summary.within_rto {
            let _ = writeln!(page, "- {}", format::rate(&summary.success_rate, succeeded(result)));
        }
    }
    if !result.exit_reasons.is_empty() || !result.warnings.is_empty() {
        page.push('\n');
    }
    let reasons = result.exit_reasons.iter().map(|one| format!("- exit code {}: {}\n", one.code, escaped(&one.reason)));
    page.push_str(&bounded(reasons, REASONS, "more reason"));
    let warnings = result.warnings.iter().map(|warning| format!("- warning: {}\n", escaped(warning)));
    page.push_str(&bounded(warnings, WARNINGS, "more warning"));
    page
}

/// The first lines of a list that have room, and how many more there are.
fn bounded(lines: impl Iterator<Item = String>, room: usize, what: &str) -> String {
    let (mut out, mut left_out) = (String::new(), 0);
    for line in lines {
        if left_out > 0 || out.len() + line.len() > room {
            left_out += 1;
        } else {
            out.push_str(&line);
        }
    }
    if left_out > 0 {
        let _ = writeln!(out, "\n*{} in the result file.*", format::count(left_out, what));
    }
    out
}

/// The gate's table; where it is very long, what is met is only counted.
fn gate(result: &RunResult) -> String {
    let Some(gate) = &result.gate else { return String::new() };
    let rows = gate::rows(gate);
    let many = rows.len() > MOST_OBJECTIVES;
    let is_met = |row: &gate::Row| matches!(row.outcome, Outcome::Passed | Outcome::Skipped);
    let mut out = format!("\n### {} Gate {}\n\n", mark(gate.outcome).0, escaped(&gate::headline(gate)));
    out.push_str("| | objective | required | observed | interval | what to do |\n|---|---|---|---|---|---|\n");
    let line = |row: &gate::Row| {
        format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            row.mark,
            escaped(&row.objective),
            escaped(&row.required),
            escaped(&row.observed),
            row.interval,
            row.next.as_deref().map_or_else(|| "–".to_owned(), escaped)
        )
    };
    let shown = rows.iter().filter(|row| !many || !is_met(row)).take(MOST_OBJECTIVES);
    out.push_str(&bounded(shown.map(line), OBJECTIVES, "more objective"));
    if many {
        let _ = writeln!(out, "\n*The result file has all {} objectives.*", rows.len());
    }
    out
}

fn table(result: &RunResult) -> String {
    if result.scenarios.is_empty() {
        return "\nNo scenario was run.\n".to_owned();
    }
    let mut table = "\n| | scenario | expected | trials | detected | recovered | RTO | within RTO | outcome |\n".to_owned();
    table.push_str("|---|---|---|---|---:|---:|---:|---|---|\n");
    // Those that need a look first, where not all have room.
    let mut shown: Vec<&ScenarioResult> = result.scenarios.iter().collect();
    if shown.len() > MOST_IN_ORDER {
        shown.sort_by_key(|scenario| !is_told(scenario));
    }
    table.push_str(&bounded(shown.into_iter().map(row), ROWS, "more scenario"));
    table
}

fn row(scenario: &ScenarioResult) -> String {
    let valid = || scenario.trials.iter().filter(|trial| trial.verdict.is_valid());
    let times = |of: fn(&TrialResult) -> Option<&Measured>| format::range(valid().filter_map(of));
    let expect: Vec<&str> = scenario.expect.iter().map(|verdict| verdict.as_str()).collect();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        mark(scenario.outcome).0,
        escaped(&scenario.name),
        expect.join(" or "),
        format::counts(scenario, " "),
        times(|trial| trial.durations.to_detect.as_ref()),
        times(|trial| trial.durations.to_recover.as_ref()),
        scenario.rto.map_or_else(|| "–".to_owned(), format::seconds),
        scenario
            .within_rto
            .as_ref()
            .filter(|rate| rate.n > 0)
            .map_or_else(|| "–".to_owned(), |rate| format!("{} of {}", rate.successes, rate.n)),
        word(scenario.outcome),
    )
}

fn block(result: &RunResult, scenario: &ScenarioResult) -> String {
    let mut block = format!("\n### {} {}\n\n{}\n", mark(scenario.outcome).0, escaped(&scenario.name), escaped(&scenario.reason));
    let unexpected: Vec<&TrialResult> =
        scenario.trials.iter().filter(|trial| !scenario.expect.contains(&trial.verdict)).collect();
    for trial in unexpected.iter().take(SHOWN_TRIALS) {
        let _ = writeln!(block, "\n**Trial {}: {}.** {}\n", trial.index, trial.verdict, escaped(&trial.reason));
        for finding in trial.findings.iter().filter(|finding| finding.leading) {
            let subject = &finding.subject;
            let evidence = finding.evidence.first().map(|evidence| format!(": {}", evidence.text)).unwrap_or_default();
            let line = format!("found {} on {} {}{evidence}", finding.cause, subject.kind.to_lowercase(), subject.name);
            let _ = writeln!(block, "- {}", escaped(&line));
        }
        for action in &trial.actions {
            let _ = writeln!(block, "- healer: {}", escaped(&format!("{}: {}", action.step, action.reason)));
        }
        if let Some(retries) = format::retries(trial, &scenario.expect) {
            let _ = writeln!(block, "- tried again: {}", escaped(&retries));
        }
        for note in trial.notes.iter().chain(trial.attempts().flat_map(|attempt| &attempt.leftovers)) {
            let _ = writeln!(block, "- {}", escaped(note));
        }
        let _ = writeln!(block, "\n```sh\n{}\n```", again(result, scenario, trial).replace('`', "'"));
    }
    if unexpected.len() > SHOWN_TRIALS {
        let rest = format::count(unexpected.len() - SHOWN_TRIALS, "more trial");
        let _ = writeln!(block, "\n*{rest} in the result file.*");
    }
    block
}

/// Foreign text as Markdown that shows exactly it, cut where it is very long.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in layout::cut(&format::plain(text), LONGEST).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // GitLab and GitHub would notify whoever is called so.
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    // A bare address would become a link.
    out.replace("://", ":&#47;&#47;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn written(result: &RunResult) -> String {
        String::from_utf8(Markdown.serialize(result).unwrap()).unwrap()
    }

    #[test]
    fn a_job_summary() {
        insta::assert_snapshot!("markdown", written(&fixture::run()));
    }

    #[test]
    fn the_table_of_a_gate() {
        let mut result = fixture::run();
        assert!(!written(&result).contains("Gate"));
        result.gate = Some(fixture::gate());
        let page = written(&result);
        let end = page.find("| | scenario |").unwrap();
        insta::assert_snapshot!("markdown_gate", &page[page.find("###").unwrap()..end]);
        let mut many = fixture::gate();
        many.objectives = many.objectives.into_iter().cycle().take(500).collect();
        result.gate = Some(many);
        let page = written(&result);
        assert!(page.contains("The result file has all 500 objectives") && page.len() < 100_000, "{}", page.len());
    }

    #[test]
    fn nothing_foreign_becomes_markup() {
        assert_eq!(
            escaped("<img src=x> [a](http://b) `c` | @all\n# d"),
            r"&lt;img src=x&gt; \[a\](http:&#47;&#47;b) \`c\` \| &#64;all \# d"
        );
    }

    #[test]
    fn it_stays_below_the_limit_and_says_what_it_left_out() {
        let mut result = fixture::run();
        let long = "x|".repeat(3_000);
        let mut failed = result.scenarios[1].clone();
        for trial in &mut failed.trials {
            trial.notes = vec![long.clone(); 5];
        }
        result.scenarios = vec![failed; 300];
        let page = written(&result);
        assert!(page.len() <= LIMIT + 200, "{}", page.len());
        assert!(page.contains("left out here"), "{}", &page[page.len() - 200..]);
        assert!(page.contains('…'));
    }

    #[test]
    fn a_mebibyte_is_enough_for_any_number_of_anything() {
        const MEBIBYTE: usize = 1 << 20;
        let mut result = fixture::run();
        let mut failed = result.scenarios[1].clone();
        failed.name = "n".repeat(200);
        failed.reason = "@".repeat(3_000);
        result.scenarios = vec![result.scenarios[0].clone(); 5_000];
        result.scenarios.extend(vec![failed; 5_000]);
        let reason = crate::measure::result::ExitReason { reason: "&".repeat(3_000), ..result.exit_reasons[0].clone() };
        result.exit_reasons = vec![reason; 5_000];
        result.warnings = vec!["<".repeat(3_000); 5_000];
        let mut gate = fixture::gate();
        gate.objectives = gate.objectives.into_iter().cycle().take(20_000).collect();
        for objective in &mut gate.objectives {
            objective.observed = "*".repeat(3_000);
        }
        result.gate = Some(gate);
        let page = written(&result);
        assert!(page.len() < MEBIBYTE, "{}", page.len());
        for left_out in ["more reasons", "more warnings", "more objectives", "more scenarios", "left out here"] {
            assert!(page.contains(left_out), "{left_out}");
        }
        assert!(!page.contains("| ✓ | crash-after-rollout |"), "what needs a look comes first");
    }

    #[test]
    fn a_run_that_was_cut_off_never_reads_as_passed() {
        let mut result = fixture::run();
        result.complete = false;
        result.outcome = Outcome::Passed;
        assert!(written(&result).starts_with("## ? comeback: incomplete"));
    }
}
