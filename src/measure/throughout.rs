//! What must hold from the fault to the end: how long it did not, in all and at its worst, and how long nobody can say that it did.

use crate::observe::evaluate::{Seen, Truth};
use std::time::Duration;

/// Follows continuous conditions from the fault on.
#[derive(Clone, Debug, Default)]
pub struct Throughout {
    broken: Stretches,
    unproven: Stretches,
}

/// Stretches of time in which something was so.
#[derive(Clone, Debug, Default)]
pub struct Stretches {
    since: Option<Duration>,
    total: Duration,
    longest: Duration,
    times: usize,
    text: String,
}

impl Throughout {
    /// The conditions were seen.
    pub fn see(&mut self, at: Duration, seen: &Seen) {
        self.broken.see(at, seen.truth == Truth::False, &seen.text);
        self.unproven.see(at, seen.truth != Truth::True, &seen.text);
    }

    /// The trial has ended.
    pub fn end(&mut self, at: Duration) {
        self.broken.see(at, false, "");
        self.unproven.see(at, false, "");
    }

    /// When it was seen not to hold.
    #[must_use]
    pub const fn broken(&self) -> &Stretches {
        &self.broken
    }

    /// When it was not seen to hold: what cannot be measured proves nothing, neither way.
    #[must_use]
    pub const fn unproven(&self) -> &Stretches {
        &self.unproven
    }
}

impl Stretches {
    fn see(&mut self, at: Duration, is_so: bool, text: &str) {
        match (is_so, self.since) {
            (false, Some(since)) => {
                let stretch = at.saturating_sub(since);
                self.since = None;
                self.total += stretch;
                self.longest = self.longest.max(stretch);
            }
            (true, None) => {
                self.since = Some(at);
                self.times += 1;
                text.clone_into(&mut self.text);
            }
            _ => {}
        }
    }

    /// How long in all.
    #[must_use]
    pub const fn total(&self) -> Duration {
        self.total
    }

    /// The longest stretch, how many there were, and what was seen at the beginning of the last one.
    #[must_use]
    pub fn worst(&self) -> (Duration, usize, &str) {
        (self.longest, self.times, &self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_add_up_and_what_is_unknown_is_neither_broken_nor_proven() {
        let mut throughout = Throughout::default();
        for (at, truth) in [(1, Truth::True), (5, Truth::False), (7, Truth::Unknown), (8, Truth::True), (10, Truth::Unknown)] {
            throughout.see(Duration::from_secs(at), &Seen { truth, text: format!("at {at}"), server: None });
        }
        throughout.end(Duration::from_secs(14));
        let (broken, unproven) = (throughout.broken(), throughout.unproven());
        assert_eq!((broken.total(), unproven.total()), (Duration::from_secs(2), Duration::from_secs(7)));
        assert_eq!(broken.worst(), (Duration::from_secs(2), 1, "at 5"));
        assert_eq!(unproven.worst(), (Duration::from_secs(4), 2, "at 10"));
    }
}
