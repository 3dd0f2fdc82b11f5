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

    /// The times without an answer since a number of them was read; with `and_now` also one that lasts.
    #[must_use]
    pub fn outages(&self, read: usize, and_now: bool) -> Vec<(Instant, Instant)> {
        let now = Instant::now();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = state.last_answer.filter(|last| and_now && now.duration_since(*last) > LONGEST).map(|last| (last, now));
        state.outages.iter().skip(read).copied().chain(lasting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_far_apart_leave_an_outage() {
        let sight = Sight::default();
        let begun = Instant::now();
        let shown = |read, and_now| {
            let seconds = |at: Instant| at.duration_since(begun).as_secs();
            sight.outages(read, and_now).into_iter().map(|(from, to)| (seconds(from), seconds(to))).collect::<Vec<_>>()
        };
        for pause in [0, 5, 7, 60, 5] {
            tokio::time::advance(Duration::from_secs(pause)).await;
            sight.answered();
        }
        assert_eq!(shown(0, true), [(12, 72)]);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!((shown(1, false), shown(1, true)), (vec![], vec![(77, 97)]));
    }
}
