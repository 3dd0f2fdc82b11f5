//! The simulation's clock: tokio's monotonic time plus a fixed epoch. The wall clock is never read here.

use jiff::{SignedDuration, Timestamp, Unit};
use std::time::Duration;
use tokio::time::Instant;

/// Maps tokio's (paused or running) monotonic clock to timestamps that begin at a fixed epoch.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that shows `epoch` now. Needs a tokio runtime when its clock is paused.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, started: Instant::now() }
    }

    /// Time since the clock was started, to the nanosecond.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The present, to the nanosecond.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.timestamp_of(Instant::now())
    }

    /// What this clock shows at a tokio instant; the epoch for anything before its start.
    #[must_use]
    pub fn timestamp_of(&self, at: Instant) -> Timestamp {
        let elapsed = SignedDuration::try_from(at.saturating_duration_since(self.started)).unwrap_or(SignedDuration::MAX);
        self.epoch.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// The present as `metav1.Time` writes it: RFC 3339 with whole seconds, truncated.
    #[must_use]
    pub fn seconds(&self) -> String {
        format_seconds(self.now())
    }

    /// The present as `metav1.MicroTime` writes it: RFC 3339 with six digits.
    #[must_use]
    pub fn micros(&self) -> String {
        format_micros(self.now())
    }

    /// The tokio instant at which this clock shows `at`; the start of the clock for anything earlier.
    #[must_use]
    pub fn instant_of(&self, at: Timestamp) -> Instant {
        let since = at.duration_since(self.epoch);
        self.started + Duration::try_from(since).unwrap_or(Duration::ZERO)
    }
}

/// `metav1.Time`'s form of a timestamp: RFC 3339, whole seconds, truncated.
#[must_use]
pub fn format_seconds(at: Timestamp) -> String {
    format!("{:.0}", truncated(at, Unit::Second))
}

/// `metav1.MicroTime`'s form of a timestamp: RFC 3339, six digits, truncated.
#[must_use]
pub fn format_micros(at: Timestamp) -> String {
    format!("{:.6}", truncated(at, Unit::Microsecond))
}

fn truncated(at: Timestamp, unit: Unit) -> Timestamp {
    let rounding = jiff::TimestampRound::new().smallest(unit).mode(jiff::RoundMode::Trunc);
    at.round(rounding).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn shows_the_epoch_and_moves_with_tokio() {
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(clock.seconds(), "2026-01-01T00:00:00Z");
        tokio::time::sleep(Duration::from_millis(1_999)).await;
        assert_eq!(clock.seconds(), "2026-01-01T00:00:01Z");
        assert_eq!(clock.micros(), "2026-01-01T00:00:01.999000Z");
        assert_eq!(clock.instant_of(clock.now()), Instant::now());
    }
}
