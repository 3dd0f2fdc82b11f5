//! Whether the server answers at all, as the renewals of a run's lease show it: a paused server leaves watches open and silent.
//! What a time without answers means for a trial is `measure::blind`'s.

use super::lease::RENEWED_EVERY;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Answers further apart than this leave a time in which nothing is known to have been seen: a renewal is late by three seconds.
const LONGEST: Duration = RENEWED_EVERY.saturating_add(Duration::from_secs(3));

/// When the server answered, shared by the run's lease and all trials.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    last_answer: Option<Instant>,
    outages: Vec<(Instant, Instant)>,
}

impl Sight {
    /// The server has answered now.
    pub fn answered(&self) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = state.last_answer.replace(now)
            && now.duration_since(last) > LONGEST
        {
            state.outages.push((last, now));
        }
    }

    /// The times without an answer that ended after a moment; with `and_now` also one that lasts.
    #[must_use]
    pub fn outages(&self, after: Instant, and_now: bool) -> Vec<(Instant, Instant)> {
        let now = Instant::now();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = state.last_answer.filter(|last| and_now && now.duration_since(*last) > LONGEST).map(|last| (last, now));
        state.outages.iter().copied().chain(lasting).filter(|(_, ended)| *ended > after).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_far_apart_leave_an_outage() {
        let sight = Sight::default();
        let begun = Instant::now();
        let seconds = |at: Instant| at.duration_since(begun).as_secs();
        let shown = |after, and_now| {
            let outages = sight.outages(begun + Duration::from_secs(after), and_now);
            outages.into_iter().map(|(from, to)| (seconds(from), seconds(to))).collect::<Vec<_>>()
        };
        for pause in [0, 5, 7, 60, 5] {
            tokio::time::advance(Duration::from_secs(pause)).await;
            sight.answered();
        }
        assert_eq!((shown(0, true), shown(72, true)), (vec![(12, 72)], vec![]));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!((shown(72, false), shown(72, true)), (vec![], vec![(77, 97)]));
    }
}
