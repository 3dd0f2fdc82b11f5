//! What must hold from the fault to the end: how long it did not, in all and at its worst.

use crate::observe::evaluate::{Seen, Truth};
use std::time::Duration;

/// Follows continuous conditions from the fault on.
#[derive(Clone, Debug, Default)]
pub struct Throughout {
    missing_since: Option<Duration>,
    total: Duration,
    longest: Duration,
    times: usize,
    text: String,
}

impl Throughout {
    /// The conditions were seen. What is not seen to hold counts as missing: what cannot be measured proves nothing.
    pub fn see(&mut self, at: Duration, seen: &Seen) {
        match (seen.truth == Truth::True, self.missing_since) {
            (true, Some(since)) => self.close(at.saturating_sub(since)),
            (false, None) => {
                self.missing_since = Some(at);
                self.times += 1;
                self.text.clone_from(&seen.text);
            }
            _ => {}
        }
    }

    fn close(&mut self, stretch: Duration) {
        self.missing_since = None;
        self.total += stretch;
        self.longest = self.longest.max(stretch);
    }

    /// The trial has ended.
    pub fn end(&mut self, at: Duration) {
        if let Some(since) = self.missing_since {
            self.close(at.saturating_sub(since));
        }
    }

    /// How long it did not hold in all.
    #[must_use]
    pub const fn total(&self) -> Duration {
        self.total
    }

    /// The longest stretch, how many there were, and what was seen at the last one.
    #[must_use]
    pub fn worst(&self) -> (Duration, usize, &str) {
        (self.longest, self.times, &self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_add_up_and_what_is_unknown_is_missing() {
        let mut throughout = Throughout::default();
        for (at, truth) in [(1, Truth::True), (5, Truth::False), (7, Truth::Unknown), (8, Truth::True), (10, Truth::Unknown)] {
            throughout.see(Duration::from_secs(at), &Seen { truth, text: format!("at {at}"), server: None });
        }
        throughout.end(Duration::from_secs(14));
        assert_eq!(throughout.total(), Duration::from_secs(7));
        assert_eq!(throughout.worst(), (Duration::from_secs(4), 2, "at 10"));
    }
}
