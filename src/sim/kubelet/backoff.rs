//! Exponential back-off records of containers and image pulls, and how long a pod worker sleeps on them.
//! The law: `kubernetes-behaviour.md` 4.3 and 4.6; what is said about a back-off lives in `start` and `image`.

use crate::sim::profile::Version;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

const INITIAL: Duration = Duration::from_secs(10);
const MAXIMUM: Duration = Duration::from_mins(5);
/// A record is forgotten after twice the maximum.
const EXPIRY: Duration = Duration::from_mins(10);
/// PR 133066: a worker never sleeps longer than this (before jitter) on a back-off.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// The worker's retry after any other error, before jitter.
const ERROR_RETRY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
struct Entry {
    delay: Duration,
    updated: Instant,
}

/// Back-off records by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    entries: BTreeMap<String, Entry>,
}

impl Backoff {
    /// The back-off in force for `key`, if less than it has passed since `event`.
    pub(super) fn in_force(&mut self, key: &str, event: Instant, now: Instant) -> Option<Duration> {
        self.entries.retain(|_, entry| now.saturating_duration_since(entry.updated) <= EXPIRY);
        let entry = self.entries.get(key)?;
        let expired = event.saturating_duration_since(entry.updated) > EXPIRY;
        (!expired && now.saturating_duration_since(event) < entry.delay).then_some(entry.delay)
    }

    /// As [`Self::in_force`], counted from the last [`Self::next`] of the key.
    pub(super) fn in_force_since_update(&mut self, key: &str, now: Instant) -> Option<Duration> {
        let updated = self.entries.get(key)?.updated;
        self.in_force(key, updated, now)
    }

    /// Moves `key` to its next step: 10 s at first or after the expiry, else the double, at most 300 s.
    pub(super) fn next(&mut self, key: &str, event: Instant, now: Instant) {
        let delay = match self.entries.get(key) {
            Some(entry) if event.saturating_duration_since(entry.updated) <= EXPIRY => (entry.delay * 2).min(MAXIMUM),
            _ => INITIAL,
        };
        self.entries.insert(key.to_owned(), Entry { delay, updated: now });
    }
}

/// A duration as Go prints it: `6m40.608s`, `1.5s`, `20ms`.
pub(super) fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return format!("{}ms", duration.as_millis());
    }
    let mut fraction = format!("{:09}", duration.subsec_nanos());
    fraction.truncate(fraction.trim_end_matches('0').len());
    let rest = if fraction.is_empty() { format!("{}s", seconds % 60) } else { format!("{}.{fraction}s", seconds % 60) };
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => rest,
        (0, minutes) => format!("{minutes}m{rest}"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
    }
}

/// How long the worker sleeps when the containers in back-off may start in `remaining` at the earliest; `unit` is uniform in `[0, 1)`.
pub(super) fn crash_loop_sleep(version: Version, remaining: Duration, unit: f64) -> Duration {
    match version {
        Version::V1_34 => error_sleep(unit),
        Version::V1_36 => remaining.min(LONGEST_SLEEP).mul_f64(1.0 + unit / 2.0),
    }
}

/// How long the worker sleeps after any other error.
pub(super) fn error_sleep(unit: f64) -> Duration {
    ERROR_RETRY.mul_f64(1.0 + unit / 2.0)
}

/// A whole number of seconds as Go prints a duration: `10s`, `1m20s`, `5m0s`.
pub(super) fn go_seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(10, "10s")]
    #[case(80, "1m20s")]
    #[case(160, "2m40s")]
    #[case(300, "5m0s")]
    #[case(3_661, "1h1m1s")]
    fn durations_read_as_in_go(#[case] seconds: u64, #[case] text: &str) {
        assert_eq!(go_seconds(Duration::from_secs(seconds)), text);
    }

    #[tokio::test(start_paused = true)]
    async fn ladder_doubles_to_five_minutes() {
        let mut backoff = Backoff::default();
        let mut now = Instant::now();
        assert_eq!(backoff.in_force("k", now, now), None, "the first restart is free");
        for expected in [10, 20, 40, 80, 160, 300, 300] {
            let exit = now;
            backoff.next("k", exit, now);
            assert_eq!(backoff.in_force("k", now, now), Some(Duration::from_secs(expected)));
            now += Duration::from_secs(expected);
            assert_eq!(backoff.in_force("k", exit, now), None, "exactly at its end a back-off is over");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ten_minutes_between_update_and_exit_reset_it() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        backoff.next("k", start, start);
        backoff.next("k", start, start);
        let late = start + Duration::from_secs(586);
        assert!(backoff.in_force("k", late, late).is_some(), "586 s of running are not enough");
        let later = start + Duration::from_secs(601);
        assert_eq!(backoff.in_force("k", later, later), None);
        backoff.next("k", later, later);
        assert_eq!(backoff.in_force("k", later, later), Some(INITIAL));
    }

    proptest! {
        #[test]
        fn sleeps_stay_within_the_law(remaining in 0u64..400, unit in 0.0f64..1.0) {
            let remaining = Duration::from_secs(remaining);
            let new = crash_loop_sleep(Version::V1_36, remaining, unit);
            prop_assert!(new >= remaining.min(LONGEST_SLEEP) && new <= LONGEST_SLEEP.mul_f64(1.5));
            let old = crash_loop_sleep(Version::V1_34, remaining, unit);
            prop_assert!(old >= ERROR_RETRY && old < Duration::from_secs(15));
        }
    }
}
