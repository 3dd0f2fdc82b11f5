//! `fixtures/traces/tolerances.yaml`: within which limits simulation and recording must agree, each with its reason.
//! Applying them is the comparison's.

use super::Error;
use super::projection::Track;
use serde::{Deserialize, Deserializer};

/// All tolerances.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tolerances {
    /// How many seeds are simulated.
    pub seeds: u64,
    /// Recordings that need more, or fewer.
    pub other_seeds: Vec<OtherSeeds>,
    /// States that one side may lack.
    pub optional_states: Vec<OptionalState>,
    /// Where chance decides between several sequences.
    pub chance: Vec<Chance>,
    /// How far times between states may differ.
    pub gaps: Vec<Gap>,
    /// How much wider than the seeds' range the law's is.
    pub range: Range,
    /// How long a state may last that one side lacks, by kind.
    pub passing: Vec<Passing>,
    /// Kinds whose states follow from many other objects.
    pub aggregates: Aggregates,
    /// How far apart counterparts may be born.
    pub age: Age,
    /// The recording's end.
    pub end: End,
    /// Counts of events.
    pub events: EventTolerance,
    /// Events that one side may lack.
    pub optional_events: Vec<OptionalEvent>,
    /// Actions that belong to another recording.
    pub left_out: Vec<LeftOut>,
}

/// A recording whose sequence few seeds show, or whose replay takes long.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherSeeds {
    /// The recording's name.
    pub recording: String,
    /// How many seeds are simulated for it.
    pub seeds: u64,
    /// Why.
    pub reason: String,
}

/// A state that the real system shows or skips by chance.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionalState {
    /// A part of the state's text.
    pub contains: String,
    /// Its beginning.
    pub phase: String,
    /// Seconds that it may have lasted; absent: any time.
    #[serde(default, rename = "atMost", deserialize_with = "optional_seconds")]
    pub at_most: Option<f64>,
    /// The recording that it applies to; absent: all.
    #[serde(default)]
    pub recording: Option<String>,
    /// Why it is optional.
    pub reason: String,
}

/// A recording whose sequence not every seed shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Chance {
    /// The recording's name.
    pub recording: String,
    /// The share of seeds (0 to 1) that must show it.
    pub least_share: f64,
    /// What chance decides there.
    pub reason: String,
}

/// How far the recorded time between two states may lie outside of all seeds' range.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// A part of the first state's text; absent: every other.
    #[serde(default)]
    pub after: Option<String>,
    /// Seconds.
    #[serde(deserialize_with = "seconds")]
    pub slack: f64,
    /// Why.
    pub reason: String,
}

/// The ends of a range are seldom drawn: it is widened on both sides by a share of its length.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The share.
    pub widen: f64,
    /// Why.
    pub reason: String,
}

/// Kinds whose order of states is chance wherever the seeds differ among themselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregates {
    /// The kinds.
    pub kinds: Vec<String>,
    /// Why.
    pub reason: String,
}

/// How far apart a recorded object and its counterpart may be born.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Age {
    /// Seconds.
    #[serde(deserialize_with = "seconds")]
    pub slack: f64,
    /// Why.
    pub reason: String,
}

/// How long a state may last that the other side skips.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passing {
    /// The kinds that this applies to.
    pub kinds: Vec<String>,
    /// Seconds.
    #[serde(rename = "atMost", deserialize_with = "seconds")]
    pub at_most: f64,
    /// Why.
    pub reason: String,
}

/// The stretch at the recording's end in which one side may be further than the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Seconds.
    #[serde(deserialize_with = "seconds")]
    pub slack: f64,
    /// Why.
    pub reason: String,
}

/// How far the total of an event may lie outside of all seeds' range.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTolerance {
    /// So many.
    pub slack: u32,
    /// And this share of the recorded count.
    pub share: f64,
    /// Why.
    pub reason: String,
}

/// An event that one side may lack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionalEvent {
    /// A part of `kind type reason: message`.
    pub contains: String,
    /// The recording that it applies to; absent: all.
    #[serde(default)]
    pub recording: Option<String>,
    /// Why.
    pub reason: String,
}

/// An action that is not replayed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// A part of the action's text.
    pub action: String,
    /// Why.
    pub reason: String,
}

fn optional_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    seconds(deserializer).map(Some)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span: jiff::SignedDuration = text.parse().map_err(serde::de::Error::custom)?;
    Ok(span.as_secs_f64())
}

impl Tolerances {
    /// Those that are shipped.
    ///
    /// # Errors
    /// Never for the shipped file, which a test reads.
    pub fn shipped() -> Result<Self, Error> {
        serde_saphyr::from_str(include_str!("../../fixtures/traces/tolerances.yaml"))
            .map_err(|error| Error::new(format!("fixtures/traces/tolerances.yaml: {error}")))
    }

    /// How many seeds are simulated for a recording.
    #[must_use]
    pub fn seeds_for(&self, recording: &str) -> u64 {
        self.other_seeds.iter().find(|other| other.recording == recording).map_or(self.seeds, |other| other.seeds)
    }

    /// The track without the states that one side may lack.
    pub(super) fn without_optional(&self, recording: &str, track: &Track) -> Track {
        let applies = |o: &OptionalState| o.recording.as_ref().is_none_or(|name| name == recording);
        let optional = |state: &str, lasted: f64| {
            track.kind == "pods"
                && !state.contains("deleting")
                && self.optional_states.iter().any(|o| {
                    let short = o.at_most.is_none_or(|at_most| lasted <= at_most);
                    applies(o) && short && state.starts_with(&o.phase) && state.contains(&o.contains)
                })
        };
        let ends = track.states.iter().skip(1).map(|(at, _)| *at).chain([f64::INFINITY]);
        let kept = track.states.iter().zip(ends).filter(|((at, state), end)| !optional(state, end - at));
        let states = kept.map(|(state, _)| state.clone()).collect();
        let mut track = Track { states, ..track.clone() };
        track.states.dedup_by(|b, a| a.1 == b.1);
        track
    }

    /// How far the time after a state may differ, in seconds.
    pub(super) fn slack(&self, state: &str) -> f64 {
        let special = self.gaps.iter().find(|gap| gap.after.as_ref().is_some_and(|after| state.contains(after.as_str())));
        special.or(self.gaps.iter().find(|gap| gap.after.is_none())).map_or(0.0, |gap| gap.slack)
    }

    /// How long a state of this kind may last that one side lacks, in seconds.
    pub(super) fn passing(&self, kind: &str) -> f64 {
        self.passing.iter().find(|passing| passing.kinds.iter().any(|one| one == kind)).map_or(0.0, |passing| passing.at_most)
    }

    pub(super) fn is_aggregate(&self, kind: &str) -> bool {
        self.aggregates.kinds.iter().any(|one| one == kind)
    }

    /// The range in which a recorded time must lie, given what the seeds showed and what came before.
    pub(super) fn range(&self, times: &[f64], kind: &str, before: &str) -> std::ops::RangeInclusive<f64> {
        let (low, high) =
            times.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), time| (low.min(*time), high.max(*time)));
        let slack = self.slack(before).max(self.passing(kind)) + (high - low) * self.range.widen;
        low - slack..=high + slack
    }

    /// How many of so many seeds must show the sequence of a recording.
    pub(super) fn least_matching(&self, recording: &str, seeds: usize) -> usize {
        let Some(chance) = self.chance.iter().find(|chance| chance.recording == recording) else { return seeds };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a few hundred"
        )]
        let least = (seeds as f64 * chance.least_share).floor() as usize;
        least.max(1)
    }

    /// Why an action is not replayed, if it is not.
    pub(super) fn left_out(&self, action: &str) -> Option<&str> {
        self.left_out.iter().find(|left_out| action.contains(&left_out.action)).map(|left_out| left_out.reason.as_str())
    }

    pub(super) fn is_optional_event(&self, recording: &str, event: &str) -> bool {
        self.optional_events.iter().any(|optional| {
            event.contains(&optional.contains) && optional.recording.as_ref().is_none_or(|name| name == recording)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_read_and_every_tolerance_has_its_reason() {
        let shipped = Tolerances::shipped().unwrap();
        let reasons = (shipped.optional_states.iter().map(|one| &one.reason))
            .chain(shipped.other_seeds.iter().map(|one| &one.reason))
            .chain(shipped.chance.iter().map(|one| &one.reason))
            .chain(shipped.gaps.iter().map(|one| &one.reason))
            .chain(shipped.passing.iter().map(|one| &one.reason))
            .chain([&shipped.range.reason, &shipped.aggregates.reason, &shipped.age.reason])
            .chain([&shipped.end.reason, &shipped.events.reason])
            .chain(shipped.optional_events.iter().map(|one| &one.reason))
            .chain(shipped.left_out.iter().map(|one| &one.reason));
        for reason in reasons {
            assert!(reason.len() > 20, "{reason:?} is no reason");
        }
        assert!((shipped.slack("anything") - 1.5).abs() < 1e-9);
    }
}
