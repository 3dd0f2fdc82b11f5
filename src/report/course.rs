//! The course of each trial as text: what happened when, a line each, in seconds since the trial began. For whoever writes a scenario.
//! The picture of the same is in `html`.

use super::exporter::{ExportError, Exporter};
use super::format;
use super::style::{Palette, trial_mark};
use crate::measure::result::{RunResult, ScenarioResult, Stamp, TrialResult};
use std::fmt::Write as _;

/// `--report timeline`.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// Colours.
    pub palette: Palette,
}

impl Exporter for Course {
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError> {
        let mut out = String::new();
        for scenario in &result.scenarios {
            if scenario.trials.is_empty() {
                let _ = writeln!(out, "{}: {}", format::plain(&scenario.name), format::plain(&scenario.reason));
            }
            for trial in &scenario.trials {
                self.trial(&mut out, scenario, trial);
            }
        }
        for reason in &result.exit_reasons {
            let _ = writeln!(out, "{}", format::plain(&reason.reason));
        }
        Ok(out.into_bytes())
    }
}

impl Course {
    fn trial(self, out: &mut String, scenario: &ScenarioResult, trial: &TrialResult) {
        let (mark, tone) = trial_mark(trial.verdict, &scenario.expect);
        let head = format!("{mark} {} trial {}: {}", format::plain(&scenario.name), trial.index, trial.verdict);
        let _ = writeln!(out, "{}: {}", self.palette.paint(tone, &head), format::plain(&trial.reason));
        let mut last = 0.0;
        for (at, text) in moments(scenario, trial) {
            let _ = writeln!(out, "  {at:>9.3}s  {:>9}  {}", format!("+{:.3}s", at - last), format::plain(&text));
            last = at;
        }
        for note in &trial.notes {
            let _ = writeln!(out, "  {:>10}  {:>9}  {}", "", "", format::plain(note));
        }
    }
}

/// Everything that happened, in order.
fn moments(scenario: &ScenarioResult, trial: &TrialResult) -> Vec<(f64, String)> {
    let stamps = &trial.stamps;
    let rto = scenario.rto.map_or_else(String::new, |rto| format!(" (RTO {})", format::seconds(rto)));
    let took = trial
        .durations
        .to_recover
        .as_ref()
        .map_or_else(String::new, |took| format!(", {} after the effect{rto}", format::measured(took)));
    let stamped: [(&Option<Stamp>, String); 9] = [
        (&stamps.requested, "the fault is requested, or what is born broken is applied".to_owned()),
        (&stamps.accepted, "accepted".to_owned()),
        (&stamps.effective, "its effect is seen: the clocks start".to_owned()),
        (&stamps.detected, "the right cause is found".to_owned()),
        (&stamps.alert_pending, "the alert is pending".to_owned()),
        (&stamps.alert_firing, "the alert is firing".to_owned()),
        (&stamps.first_good, "good for the first time".to_owned()),
        (&stamps.stable_from, format!("good for a whole hold from here on: recovered{took}")),
        (&stamps.restored, "restored".to_owned()),
    ];
    let mut all: Vec<(f64, String)> = stamped.into_iter().filter_map(|(stamp, text)| Some((stamp.as_ref()?.at, text))).collect();
    for finding in &trial.findings {
        let lead = if finding.leading { "found" } else { "considered" };
        let evidence = finding.evidence.first().map(|evidence| format!(": {}", evidence.text)).unwrap_or_default();
        all.push((finding.at.as_secs_f64(), format!("{lead}: {} on {}{evidence}", finding.cause, finding.group)));
    }
    for action in &trial.actions {
        let how = format::outcome(action.outcome);
        let on = format!("{} {}", action.subject.kind.to_lowercase(), action.subject.name);
        all.push((action.at.as_secs_f64(), format!("healer: {} on {}: {how}; {}", action.step, on.trim(), action.reason)));
    }
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn what_happened_when() {
        let mut result = fixture::run();
        let stamp = |at: f64| Some(Stamp { at, earliest: at, server: None });
        let late = &mut result.scenarios[1].trials[1];
        late.stamps.requested = stamp(18.5);
        late.stamps.effective = stamp(19.0);
        late.stamps.detected = stamp(21.25);
        late.stamps.stable_from = stamp(99.0);
        late.stamps.restored = stamp(146.0);
        let text = String::from_utf8(Course { palette: Palette { colors: false } }.serialize(&result).unwrap()).unwrap();
        assert!(!text.contains('\u{1b}'));
        insta::assert_snapshot!("course", text);
    }
}
