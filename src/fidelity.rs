//! Recordings of clusters, their replay on the embedded cluster, and the comparison of both within written tolerances.
//! May use `sim` and nothing else of the harness; how a comparison is shown on a terminal's width is the CLI's choice.

pub mod action;
pub mod align;
pub mod compare;
mod counterpart;
pub mod events;
pub mod known;
pub mod kubectl;
pub mod normal;
pub mod projection;
pub mod recorder;
pub mod recording;
pub mod registry;
pub mod render;
pub mod replay;
pub mod report;
pub mod timeline;
pub mod tolerances;
mod unlisted;
mod vocabulary;

use recording::{Fact, Recording};
use report::Report;
use tolerances::Tolerances;

/// What failed, where, and what to do about it; made for the user's eyes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

impl Error {
    /// An error.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Replays a recording with seeds from `first` on, and compares. What cannot be replayed is a divergence of the subject `replay`.
#[must_use]
pub fn check(recorded: &Recording, first: u64, seeds: u64, tolerances: &Tolerances) -> Report {
    let simulated: Result<Vec<_>, Error> =
        (0..seeds).map(|offset| replay::replay(recorded, first.wrapping_add(offset), tolerances)).collect();
    match simulated {
        Ok(simulated) => compare(recorded, &simulated, tolerances),
        Err(error) => {
            let mut report = Report { name: recorded.name.clone(), ..Report::default() };
            report.diverges("replay", None, error.0);
            report
        }
    }
}

/// Compares a recording with what the simulation showed, one list of facts a seed.
#[must_use]
pub fn compare(recorded: &Recording, simulated: &[Vec<Fact>], tolerances: &Tolerances) -> Report {
    let mut report = Report { name: recorded.name.clone(), seeds: simulated.len(), ..Report::default() };
    let real = projection::tracks(&recorded.facts);
    let mut tracks: Vec<_> = simulated.iter().map(|facts| projection::tracks(facts)).collect();
    tracks.iter_mut().for_each(|tracks| unlisted::begin_alike(&recorded.facts, &real, tracks));
    compare::tracks(recorded, tolerances, &real, &tracks, &mut report);
    let totals: Vec<_> = simulated.iter().map(|facts| events::totals(facts)).collect();
    events::compare(tolerances, &recorded.name, &events::totals(&recorded.facts), &totals, &mut report);
    report
}
