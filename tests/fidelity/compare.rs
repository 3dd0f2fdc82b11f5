//! The comparison of one recording with many seeds of the simulation, within the written tolerances.

use crate::projection::{Events, Life};
use comeback::scenario::duration::serde_text;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// `fixtures/traces/tolerances.yaml`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tolerances {
    /// How many seeds are simulated.
    pub seeds: u64,
    optional_states: Vec<OptionalState>,
    chance: Vec<Chance>,
    gaps: Vec<Gap>,
    end: End,
    events: EventTolerance,
    optional_events: Vec<OptionalEvent>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionalState {
    contains: String,
    phase: String,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Chance {
    recording: String,
    least_matching_seeds: usize,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gap {
    after: Option<String>,
    #[serde(with = "serde_text")]
    slack: Duration,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    #[serde(with = "serde_text")]
    slack: Duration,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventTolerance {
    slack: u32,
    share: f64,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionalEvent {
    contains: String,
    #[serde(rename = "reason")]
    _reason: String,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Report {
    /// How many recorded pod states were compared.
    pub states: usize,
    /// How many recorded kinds of events were compared.
    pub events: usize,
    /// Every difference beyond the tolerances.
    pub divergences: Vec<String>,
}

impl Tolerances {
    fn without_optional(&self, life: &Life) -> Vec<(f64, String)> {
        let optional = |state: &str| {
            self.optional_states
                .iter()
                .any(|o| state.starts_with(&o.phase) && state.contains(&o.contains) && !state.contains("deleting"))
        };
        let mut states: Vec<(f64, String)> = life.states.iter().filter(|(_, state)| !optional(state)).cloned().collect();
        states.dedup_by(|b, a| a.1 == b.1);
        states
    }

    fn slack(&self, state: &str) -> f64 {
        let special = self.gaps.iter().find(|gap| gap.after.as_ref().is_some_and(|after| state.contains(after.as_str())));
        special.or(self.gaps.iter().find(|gap| gap.after.is_none())).map_or(0.0, |gap| gap.slack.as_secs_f64())
    }
}

/// Compares the lives of all pods: sequences against every seed, times against the range over all seeds.
pub fn lives(name: &str, length: f64, tolerances: &Tolerances, recorded: &[Life], simulated: &[Vec<Life>], report: &mut Report) {
    let end = length - tolerances.end.slack.as_secs_f64();
    let recorded: Vec<_> = recorded.iter().map(|life| (life.born, tolerances.without_optional(life))).collect();
    report.states += recorded.iter().map(|(_, states)| states.len()).sum::<usize>();
    // Per recorded pod and step: the gaps of its counterparts.
    let mut unmatched: Vec<Vec<String>> = vec![Vec::new(); recorded.len()];
    let mut gaps: Vec<Vec<Vec<f64>>> = recorded.iter().map(|(_, states)| vec![Vec::new(); states.len()]).collect();
    for (seed, lives) in simulated.iter().enumerate() {
        if lives.len() != recorded.len() {
            report.divergences.push(format!("seed {seed}: {} pods instead of {}", lives.len(), recorded.len()));
        }
        let mut free: Vec<_> = lives.iter().map(|life| Some((life.born, tolerances.without_optional(life)))).collect();
        for (pod, (born, states)) in recorded.iter().enumerate() {
            // Which of several pods of the same age meets which fate is chance: any counterpart of that age will do.
            let near = |candidate: &Option<(f64, Vec<(f64, String)>)>| {
                candidate.as_ref().is_some_and(|(other, _)| (other - born).abs() < 3.0)
            };
            let found = free.iter().position(|candidate| {
                near(candidate) && candidate.as_ref().is_some_and(|(_, other)| first_difference(states, other, end).is_none())
            });
            if let Some((_, other)) = found.and_then(|position| free[position].take()) {
                for (step, pair) in other.windows(2).enumerate().take(states.len().saturating_sub(1)) {
                    gaps[pod][step + 1].push(pair[1].0 - pair[0].0);
                }
            } else {
                let best = free
                    .iter()
                    .filter(|candidate| near(candidate))
                    .flatten()
                    .filter_map(|(_, other)| first_difference(states, other, end))
                    .max_by_key(|(step, _)| *step);
                let text = best.map_or_else(|| "no simulated pod of its age is left".to_owned(), |(_, text)| text);
                unmatched[pod].push(format!("seed {seed}, pod {pod} (born {born:.1}s): {text}"));
            }
        }
    }
    let chance = tolerances.chance.iter().find(|chance| chance.recording == name);
    let least = chance.map_or(simulated.len(), |chance| chance.least_matching_seeds);
    for unmatched in unmatched {
        if simulated.len() - unmatched.len() < least {
            report.divergences.push(format!("{} of {} seeds differ, first {}", unmatched.len(), simulated.len(), unmatched[0]));
        }
    }
    for (pod, (born, states)) in recorded.iter().enumerate() {
        for step in 1..states.len() {
            let gap = states[step].0 - states[step - 1].0;
            let slack = tolerances.slack(&states[step - 1].1);
            let (low, high) = gaps[pod][step]
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), gap| (low.min(*gap), high.max(*gap)));
            if !gaps[pod][step].is_empty() && !(low - slack..=high + slack).contains(&gap) {
                report.divergences.push(format!(
                    "pod {pod} (born {born:.1}s), step {step}: {gap:.2}s recorded, {low:.2} to {high:.2}s simulated\n      from {}\n      to   {}",
                    states[step - 1].1, states[step].1
                ));
            }
        }
    }
}

/// Where two sequences part. One may be the beginning of the other only if what it lacks came after `end`.
fn first_difference(recorded: &[(f64, String)], simulated: &[(f64, String)], end: f64) -> Option<(usize, String)> {
    let step = recorded.iter().zip(simulated).take_while(|(a, b)| a.1 == b.1).count();
    let show = |states: &[(f64, String)]| {
        states.get(step).map_or_else(|| "nothing more".to_owned(), |(at, state)| format!("{state} (at {at:.2}s)"))
    };
    let differs = match (recorded.get(step), simulated.get(step)) {
        (None, None) => false,
        (Some(_), Some(_)) => true,
        (Some((at, _)), None) | (None, Some((at, _))) => *at < end,
    };
    differs.then(|| (step, format!("step {step}\n      recorded  {}\n      simulated {}", show(recorded), show(simulated))))
}

/// Compares the totals of events with the range over all seeds.
pub fn events(tolerances: &Tolerances, recorded: &Events, simulated: &[Events], report: &mut Report) {
    report.events += recorded.len();
    let keys: BTreeSet<_> = recorded.keys().chain(simulated.iter().flat_map(|events| events.keys())).collect();
    for key in keys {
        if tolerances.optional_events.iter().any(|optional| key.contains(&optional.contains)) && !recorded.contains_key(key) {
            continue;
        }
        let count = recorded.get(key).copied().unwrap_or(0);
        let counts = simulated.iter().map(|events| events.get(key).copied().unwrap_or(0));
        let (low, high) = counts.fold((u32::MAX, 0), |(low, high), count| (low.min(count), high.max(count)));
        let slack = f64::from(tolerances.events.slack) + tolerances.events.share * f64::from(count);
        let missing =
            (count == 0) != (high == 0) && !tolerances.optional_events.iter().any(|optional| key.contains(&optional.contains));
        let outside = f64::from(count) < f64::from(low) - slack || f64::from(count) > f64::from(high) + slack;
        if missing || outside {
            report.divergences.push(format!("event x{count} recorded, x{low} to x{high} simulated: {key}"));
        }
    }
}
