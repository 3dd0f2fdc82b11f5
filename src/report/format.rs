//! How reports write numbers: durations, percentages, counted nouns, plain text from untrusted lines.
//! The same words in every report; layout is each report's own.

use crate::heal::ActionOutcome;
use crate::measure::result::{Measured, Rate, ScenarioResult, TrialResult, Who};
use crate::scenario::Verdict;

/// Seconds as people read them: `250ms`, `1.2s`, `45s`, `5m0s`, `1h2m0s`; negative ones with a sign.
#[must_use]
pub fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let value = value.abs();
    if value < 0.9995 {
        let millis = (value * 1000.0).round();
        return if millis == 0.0 { "0s".to_owned() } else { format!("{sign}{millis:.0}ms") };
    }
    if value < 59.95 {
        let text = format!("{value:.1}");
        return format!("{sign}{}s", text.strip_suffix(".0").unwrap_or(&text));
    }
    let whole = value.round();
    let (hours, minutes) = ((whole / 3600.0).floor(), (whole / 60.0).floor() % 60.0);
    let rest = whole % 60.0;
    if hours > 0.0 { format!("{sign}{hours:.0}h{minutes:.0}m{rest:.0}s") } else { format!("{sign}{minutes:.0}m{rest:.0}s") }
}

/// A measured duration; `> 5m0s` where only a lower bound is known.
#[must_use]
pub fn measured(measured: &Measured) -> String {
    let text = seconds(measured.value);
    if measured.censored { format!("> {text}") } else { text }
}

/// The range of several measured durations: `12s`, `9s–15.1s`, `-2s to 1s`, `9s–> 5m0s`, `> 5m0s`; `–` for none.
#[must_use]
pub fn range<'a>(values: impl IntoIterator<Item = &'a Measured>) -> String {
    let mut exact: Vec<f64> = Vec::new();
    let mut bounds: Vec<f64> = Vec::new();
    for value in values {
        if value.censored { bounds.push(value.value) } else { exact.push(value.value) }
    }
    let least = exact.iter().copied().reduce(f64::min);
    let most = exact.iter().copied().reduce(f64::max);
    // The least of several lower bounds is the only one that holds for all of them.
    let censored = bounds.iter().copied().reduce(f64::min).map(|bound| format!("> {}", seconds(bound)));
    match (least.map(seconds), most.map(seconds), censored) {
        (Some(least), _, Some(censored)) => format!("{least}–{censored}"),
        (None, _, Some(censored)) => censored,
        // A dash before a minus is hard to read.
        (Some(least), Some(most), None) if least.starts_with('-') && least != most => format!("{least} to {most}"),
        (Some(least), Some(most), None) if least != most => format!("{least}–{most}"),
        (Some(least), _, None) => least,
        (None, _, None) => "–".to_owned(),
    }
}

/// A share as a whole percentage that never rounds to certainty: `86 %`, `> 99 %`, `< 1 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let rounded = (share * 100.0).round();
    if rounded >= 100.0 && share < 1.0 {
        "> 99 %".to_owned()
    } else if rounded <= 0.0 && share > 0.0 {
        "< 1 %".to_owned()
    } else {
        format!("{rounded:.0} %")
    }
}

/// `4 recovered, 1 late`, in the contract's order of verdicts, with `space` between number and word; then how many of them were flaky
/// and how many were not run.
#[must_use]
pub fn counts(scenario: &ScenarioResult, space: &str) -> String {
    let parts: Vec<String> = Verdict::ALL
        .iter()
        .filter_map(|verdict| scenario.counts.get(verdict).filter(|n| **n > 0).map(|n| format!("{n}{space}{verdict}")))
        .collect();
    if parts.is_empty() {
        return "–".to_owned();
    }
    let aborted = scenario.counts.get(&Verdict::Aborted).copied().unwrap_or_default();
    let beside = |n: usize, what: &str| if n > 0 { format!(" ({n}{space}{what})") } else { String::new() };
    let not_run = beside(scenario.untried().saturating_sub(aborted), &format!("not{space}run"));
    format!("{}{}{not_run}", parts.join(", "), beside(scenario.flaky(), "flaky"))
}

/// What came of trying a trial again: `retry 1 late, retry 2 recovered: flaky, the first attempt counts`; `None` where it was not.
#[must_use]
pub fn retries(trial: &TrialResult, expect: &[Verdict]) -> Option<String> {
    if trial.retries.is_empty() {
        return None;
    }
    let tried: Vec<String> = trial.retries.iter().zip(1..).map(|(retry, n)| format!("retry {n} {}", retry.verdict)).collect();
    let so = if trial.is_flaky(expect) { "flaky; the first attempt counts" } else { "it did not pass then either" };
    Some(format!("{}: {so}", tried.join(", ")))
}

/// What came of an action, as reports write it.
#[must_use]
pub const fn outcome(outcome: ActionOutcome) -> &'static str {
    match outcome {
        ActionOutcome::Acted => "acted",
        ActionOutcome::Refused => "refused",
        ActionOutcome::NoOp => "nothing to change",
        ActionOutcome::Failed => "failed",
        ActionOutcome::NoRemedy => "no remedy",
    }
}

/// A healer as reports write it.
#[must_use]
pub const fn who(who: Who) -> &'static str {
    match who {
        Who::Kubernetes => "kubernetes",
        Who::Comeback => "comeback",
        Who::Webhook => "webhook",
        Who::External => "external",
        Who::Unknown => "unknown",
    }
}

/// `1 trial`, `2 trials`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// `11 of 12 trials <did> (92 %); 95 % interval 65 % to 99 % (Wilson)`.
#[must_use]
pub fn rate(rate: &Rate, did: &str) -> String {
    let Some(observed) = rate.observed.filter(|_| rate.n > 0) else {
        return format!("no valid trial: nothing is known of how many {did}");
    };
    format!("{} of {} {did} ({}); {}", rate.successes, count(rate.n, "trial"), percent(observed), interval(rate))
}

/// `95 % interval 65 % to 99 % (Wilson)`.
#[must_use]
pub fn interval(rate: &Rate) -> String {
    let mut method = rate.method.clone();
    if let Some(first) = method.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    format!("{} interval {} to {} ({method})", percent(rate.confidence), percent(rate.lower), percent(rate.upper))
}

/// A line from a log, a server or a user without what would move the cursor, break the line or be invalid in XML.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.trim_end().chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            // A terminal's control sequence: ESC [ parameters letter.
            '\u{1b}' if characters.peek() == Some(&'[') => {
                characters.next();
                while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}') => {}
            // Reordering marks let a log line show something other than it says.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.0, "0s")]
    #[case(0.25, "250ms")]
    #[case(0.9996, "1s")]
    #[case(1.234, "1.2s")]
    #[case(45.0, "45s")]
    #[case(59.96, "1m0s")]
    #[case(300.0, "5m0s")]
    #[case(3725.4, "1h2m5s")]
    #[case(-2.5, "-2.5s")]
    fn writes_durations(#[case] value: f64, #[case] text: &str) {
        assert_eq!(seconds(value), text);
    }

    #[rstest]
    #[case(1.0, "100 %")]
    #[case(0.999, "> 99 %")]
    #[case(0.001, "< 1 %")]
    #[case(0.0, "0 %")]
    #[case(0.857, "86 %")]
    fn never_rounds_to_certainty(#[case] share: f64, #[case] text: &str) {
        assert_eq!(percent(share), text);
    }

    #[test]
    fn ranges_keep_censored_samples_apart() {
        let exact = |value| Measured { value, uncertainty: 0.0, censored: false };
        let bound = |value| Measured { value, uncertainty: 0.0, censored: true };
        assert_eq!(range(&[exact(12.0)]), "12s");
        assert_eq!(range(&[exact(12.0), exact(9.0)]), "9s–12s");
        assert_eq!(range(&[exact(-2.0), exact(9.0)]), "-2s to 9s");
        assert_eq!(range(&[bound(300.0), exact(9.0)]), "9s–> 5m0s");
        assert_eq!(range(&[bound(300.0), bound(200.0)]), "> 3m20s");
        assert_eq!(range([]), "–");
    }

    #[test]
    fn strips_what_moves_a_cursor() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m\tx\r\u{7}\u{0}\u{202e}y\nz\n"), "red xy z");
    }

    proptest! {
        #[test]
        fn plain_text_is_one_line_without_controls(text in any::<String>()) {
            prop_assert!(plain(&text).chars().all(|c| !c.is_control()));
        }
    }
}
