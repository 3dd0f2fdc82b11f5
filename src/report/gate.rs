//! The gate's table as every report shows it: the same rows and the same words. Layout is each report's own.

use super::format;
use super::style::{Tone, mark};
use crate::measure::result::{GateResult, Interval, Objective, ObjectiveKind, Outcome};

/// The headings.
pub const HEADERS: [&str; 4] = ["OBJECTIVE", "REQUIRED", "OBSERVED", "INTERVAL"];

/// One objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its outcome.
    pub outcome: Outcome,
    /// The outcome's mark.
    pub mark: &'static str,
    /// The outcome's colour.
    pub tone: Tone,
    /// What it is, and of what.
    pub objective: String,
    /// What is required.
    pub required: String,
    /// What was seen.
    pub observed: String,
    /// Between what the true value lies.
    pub interval: String,
    /// What to do.
    pub next: Option<String>,
}

/// All objectives, in order.
#[must_use]
pub fn rows(gate: &GateResult) -> Vec<Row> {
    gate.objectives.iter().map(row).collect()
}

fn row(objective: &Objective) -> Row {
    let (mark, tone) = mark(objective.outcome);
    let what = words(objective.objective);
    let of = match (&objective.scenario, &objective.class) {
        (Some(name), _) => format!("{}: {what}", format::plain(name)),
        (None, Some(class)) => format!("class {}: {what}", format::plain(class)),
        (None, None) => what.to_owned(),
    };
    Row {
        outcome: objective.outcome,
        mark,
        tone,
        objective: of,
        required: format::plain(&objective.required),
        observed: format::plain(&objective.observed),
        interval: objective.interval.as_ref().map_or_else(|| "–".to_owned(), |interval| text(objective.objective, interval)),
        next: objective.next.as_deref().map(format::plain),
    }
}

/// What came of the objectives of one scenario together; `None` where it has none.
#[must_use]
pub fn of_scenario(gate: &GateResult, scenario: &str) -> Option<Outcome> {
    let own = || gate.objectives.iter().filter(|one| one.scenario.as_deref() == Some(scenario)).map(|one| one.outcome);
    let worst_first = [Outcome::Failed, Outcome::Inconclusive, Outcome::Passed, Outcome::Skipped];
    worst_first.into_iter().find(|outcome| own().any(|own| own == *outcome))
}

const fn words(kind: ObjectiveKind) -> &'static str {
    match kind {
        ObjectiveKind::Complete => "all trials",
        ObjectiveKind::NotSkipped => "run",
        ObjectiveKind::SuccessRate => "success rate",
        ObjectiveKind::Invalid => "invalid trials",
        ObjectiveKind::WithinRto => "RTO",
        ObjectiveKind::FalseAlarms => "false alarms",
        ObjectiveKind::Baseline => "baseline",
        ObjectiveKind::SuccessRateRegression => "success rate, before",
        ObjectiveKind::RecoveryRegression => "recovery, before",
    }
}

/// `57 % to 100 %` for a rate, `+2s to +5s` for a shift.
fn text(kind: ObjectiveKind, interval: &Interval) -> String {
    let bound = |bound: Option<f64>| match (bound, kind) {
        (None, _) => "?".to_owned(),
        (Some(seconds), ObjectiveKind::RecoveryRegression) => {
            format!("{}{}", if seconds >= 0.0 { "+" } else { "" }, format::seconds(seconds))
        }
        (Some(share), _) => format::percent(share),
    };
    format!("{} to {}", bound(interval.lower), bound(interval.upper)).replace(" %", "\u{a0}%")
}

/// `failed; compared with main (run 20261121-080639-x7k2p)`.
#[must_use]
pub fn headline(gate: &GateResult) -> String {
    let word = super::style::word(gate.outcome);
    let counted = |outcome| gate.objectives.iter().filter(|objective| objective.outcome == outcome).count();
    let of = format!("{word}: {} of {} met", counted(Outcome::Passed), format::count(gate.objectives.len(), "objective"));
    match &gate.baseline {
        Some(baseline) => {
            format!("{of}; compared with {} (run {})", format::plain(&baseline.reference), format::plain(&baseline.run))
        }
        None => of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn rates_are_shares_and_shifts_are_seconds() {
        let rows = rows(&fixture::gate());
        let texts: Vec<&str> = rows.iter().map(|row| row.interval.as_str()).collect();
        assert!(texts.contains(&"57\u{a0}% to 100\u{a0}%") && texts.contains(&"+8s to +12.5s"), "{texts:?}");
        assert_eq!(headline(&fixture::gate()), "failed: 2 of 5 objectives met; compared with main (run 20261120-080639-abcde)");
    }
}
