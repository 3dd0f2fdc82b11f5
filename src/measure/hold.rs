//! A condition that must last: stretches of being good, what ended them, and whether one lasted for a whole hold.

use crate::observe::evaluate::{Seen, Truth};
use std::time::Duration;

/// When something changed, as an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// First seen so.
    pub at: Duration,
    /// Last seen otherwise.
    pub earliest: Duration,
    /// The server's own stamp, where the object carries one.
    pub server: Option<jiff::Timestamp>,
}

impl Moment {
    /// A moment that is known exactly: something that the harness did itself.
    #[must_use]
    pub const fn exact(at: Duration) -> Self {
        Self { at, earliest: at, server: None }
    }
}

/// Follows one condition from a beginning on.
#[derive(Clone, Debug)]
pub struct Hold {
    begins: Duration,
    good_from: Option<Moment>,
    last_bad: Duration,
    was_bad: bool,
    /// Every stretch of being good, with its end once it ended.
    stretches: Vec<(Moment, Option<Duration>)>,
    good_after_bad: bool,
    done: Option<Moment>,
    last_state: String,
    last_break: Option<(Duration, String)>,
}

impl Hold {
    /// Nothing before `begins` counts.
    #[must_use]
    pub const fn beginning(begins: Duration) -> Self {
        Self {
            begins,
            good_from: None,
            last_bad: begins,
            was_bad: false,
            stretches: Vec::new(),
            good_after_bad: false,
            done: None,
            last_state: String::new(),
            last_break: None,
        }
    }

    /// Time passes without anything being seen: a stretch may have lasted for the whole hold by now.
    /// Only what lies at or after `floor` counts; of a stretch that began before, the part after it.
    pub fn advance(&mut self, now: Duration, hold: Duration, floor: Duration) {
        if let Some(from) = self.stretch_after(floor)
            && self.done.is_none()
            && now >= from.at + hold
        {
            self.done = Some(from);
        }
    }

    /// The start of the stretch that is going on, as far as it lies at or after `floor`.
    #[must_use]
    pub fn stretch_after(&self, floor: Duration) -> Option<Moment> {
        self.good_from.map(|from| if from.at < floor { Moment::exact(floor) } else { from })
    }

    /// The condition was seen, and something may have broken the hold at the same moment.
    pub fn see(&mut self, at: Duration, seen: &Seen, broken: Option<&str>) {
        if at < self.begins || self.done.is_some() {
            return;
        }
        self.last_state.clone_from(&seen.text);
        if let Some(what) = broken {
            self.end_stretch(at, what);
        }
        if seen.truth != Truth::True {
            self.end_stretch(at, &seen.text);
            return;
        }
        if self.good_from.is_none() {
            let earliest = if self.was_bad { self.last_bad } else { at };
            // The server's stamp is used only where it can be: between the two sightings, whatever the clocks say.
            let moment = Moment { at, earliest, server: seen.server };
            self.good_from = Some(moment);
            self.stretches.push((moment, None));
            self.good_after_bad |= self.was_bad;
        }
    }

    fn end_stretch(&mut self, at: Duration, what: &str) {
        if self.good_from.take().is_some()
            && let Some((_, end)) = self.stretches.last_mut()
        {
            *end = Some(at);
        }
        self.was_bad = true;
        self.last_bad = at;
        self.last_break = Some((at, what.to_owned()));
    }

    /// The start of the first stretch that lasted for the whole hold.
    #[must_use]
    pub const fn stable_from(&self) -> Option<Moment> {
        self.done
    }

    /// The first moment at or after `floor` at which it was good, however shortly.
    #[must_use]
    pub fn first_good_after(&self, floor: Duration) -> Option<Moment> {
        let (from, _) = self.stretches.iter().find(|(_, end)| end.is_none_or(|end| end > floor))?;
        Some(if from.at < floor { Moment::exact(floor) } else { *from })
    }

    /// Whether it was ever seen bad.
    #[must_use]
    pub const fn was_bad(&self) -> bool {
        self.was_bad
    }

    /// Whether it was good at least once after having been bad.
    #[must_use]
    pub const fn was_good_after_bad(&self) -> bool {
        self.good_after_bad
    }

    /// The condition's last observed state in words.
    #[must_use]
    pub fn last_state(&self) -> &str {
        &self.last_state
    }

    /// When and by what the last stretch was ended.
    #[must_use]
    pub const fn last_break(&self) -> Option<&(Duration, String)> {
        self.last_break.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(good: bool) -> Seen {
        Seen { truth: good.into(), text: String::new(), server: None }
    }

    const HOLD: Duration = Duration::from_secs(30);

    fn follow(states: &[(u64, bool, bool)], end: u64) -> Hold {
        let mut hold = Hold::beginning(Duration::ZERO);
        for (at, good, broken) in states {
            let at = Duration::from_secs(*at);
            hold.advance(at, HOLD, Duration::ZERO);
            hold.see(at, &seen(*good), broken.then_some("restart"));
        }
        hold.advance(Duration::from_secs(end), HOLD, Duration::ZERO);
        hold
    }

    #[test]
    fn the_recovery_time_is_the_start_of_the_stable_stretch() {
        let hold = follow(&[(5, false, false), (10, true, false), (20, false, false), (25, true, false)], 55);
        assert_eq!(hold.stable_from().map(|m| (m.at.as_secs(), m.earliest.as_secs())), Some((25, 20)));
        assert_eq!(hold.first_good_after(Duration::ZERO).map(|m| m.at.as_secs()), Some(10));
    }

    #[test]
    fn a_restart_breaks_a_hold_although_the_condition_never_failed() {
        let hold = follow(&[(0, true, false), (29, true, true), (58, true, true)], 80);
        assert_eq!(hold.stable_from(), None);
        assert!(hold.was_good_after_bad());
    }

    #[test]
    fn unknown_is_not_good() {
        let mut hold = Hold::beginning(Duration::ZERO);
        hold.see(Duration::from_secs(1), &Seen { truth: Truth::Unknown, text: String::new(), server: None }, None);
        hold.advance(Duration::from_secs(100), HOLD, Duration::ZERO);
        assert_eq!(hold.stable_from(), None);
        assert!(!hold.was_good_after_bad());
    }

    proptest! {
        #[test]
        fn what_flaps_within_the_hold_is_never_stable(gaps in prop::collection::vec(1u64..30, 1..60)) {
            let mut at = 0;
            let states: Vec<_> = gaps.iter().enumerate().map(|(n, gap)| { at += gap; (at, n % 2 == 0, false) }).collect();
            let hold = follow(&states, at);
            prop_assert_eq!(hold.stable_from(), None);
        }

        #[test]
        fn a_stable_stretch_has_no_break_in_it(states in prop::collection::vec((1u64..50, any::<bool>(), prop::bool::weighted(0.1)), 1..60)) {
            let mut at = 0;
            let states: Vec<_> = states.into_iter().map(|(gap, good, broken)| { at += gap; (at, good, broken) }).collect();
            let hold = follow(&states, at + 100);
            if let Some(from) = hold.stable_from() {
                let inside = states.iter().filter(|(t, _, _)| *t > from.at.as_secs() && *t < from.at.as_secs() + 30);
                prop_assert!(inside.into_iter().all(|(_, good, broken)| *good && !broken));
            }
        }
    }
}
