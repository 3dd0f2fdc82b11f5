//! When nothing was seen: the stretches in which a watch failed or the server gave no answers, and what they make of a moment.
//! Who notices a stretch is the engine's; what an uncertain moment means for a verdict is `verdict`'s.

use super::hold::Moment;
use crate::scenario::duration::format;
use std::time::Duration;

/// So long after sight has returned, what was missed may still be arriving.
pub const CATCHING_UP: Duration = Duration::from_secs(2);

/// The stretches of one trial.
#[derive(Clone, Debug, Default)]
pub struct Blindness {
    stretches: Vec<Stretch>,
}

#[derive(Clone, Debug)]
struct Stretch {
    since: Duration,
    until: Duration,
    what: String,
}

impl Blindness {
    /// Nothing was seen of `what` from `since` until `until`.
    pub fn note(&mut self, since: Duration, until: Duration, what: &str) {
        if since < until {
            self.stretches.push(Stretch { since, until, what: what.to_owned() });
        }
    }

    /// What a moment is when stretches are known: what was seen right after one may have been so from its beginning on, and not
    /// before, for until then it would have been seen.
    #[must_use]
    pub fn widened(&self, moment: Moment) -> Moment {
        // The beginning of one stretch may lie in another.
        let mut reached = moment.at;
        while let Some(before) = self.stretches.iter().filter(|one| one.hides(reached)).map(|one| one.since).min() {
            reached = before;
        }
        if reached == moment.at { moment } else { Moment { earliest: reached, ..moment } }
    }

    /// The stretches, a line each, for readers.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.stretches
            .iter()
            .map(|one| format!("from {} to {} nothing was seen of {}", format(one.since), format(one.until), one.what))
    }

    /// The stretch that hides a moment, in words.
    #[must_use]
    pub fn hiding(&self, at: Duration) -> Option<&str> {
        self.stretches.iter().find(|one| one.hides(at)).map(|one| one.what.as_str())
    }
}

impl Stretch {
    fn hides(&self, at: Duration) -> bool {
        self.since < at && at <= self.until + CATCHING_UP
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::before(10, 10)]
    #[case::inside(15, 10)]
    #[case::right_after(31, 10)]
    #[case::in_the_second_which_began_in_the_first(44, 10)]
    #[case::long_after(50, 50)]
    fn moments_become_intervals(#[case] at: u64, #[case] earliest: u64) {
        let mut blind = Blindness::default();
        blind.note(Duration::from_secs(10), Duration::from_secs(30), "pods");
        blind.note(Duration::from_secs(28), Duration::from_secs(45), "everything");
        blind.note(Duration::from_secs(50), Duration::from_secs(50), "nothing");
        let widened = blind.widened(Moment::exact(Duration::from_secs(at)));
        assert_eq!((widened.at.as_secs(), widened.earliest.as_secs()), (at, earliest));
        assert_eq!(blind.hiding(widened.at).is_some(), earliest != at);
    }
}
