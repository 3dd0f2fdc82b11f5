//! How long a Job waits before it makes a pod again: 10 s, doubled with each failure since the last success, up to 10 min.
//! Kept in memory per Job, as the real controller does.

use super::super::queue::Key;
use super::pod::finished_at;
use crate::sim::store::Object;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(10);

/// Failures of a Job since its last success.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    failures: u32,
    last: Option<Timestamp>,
}

/// The records of all Jobs.
#[derive(Debug, Default)]
pub(super) struct BackOffs(Mutex<BTreeMap<Key, Record>>);

impl BackOffs {
    /// A Job's record with what has ended since it was kept.
    pub(super) fn with(&self, key: &Key, succeeded: &[Object], failed: &[Object]) -> Record {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or_default();
        let mut failures: Vec<_> = failed.iter().map(|pod| finished_at(pod)).collect();
        failures.sort();
        match succeeded.iter().map(|pod| finished_at(pod)).max() {
            None if failures.is_empty() => kept,
            None => Record { failures: kept.failures + u32::try_from(failures.len()).unwrap_or(u32::MAX), last: failures.pop() },
            Some(success) => {
                failures.retain(|failure| *failure > success);
                Record { failures: u32::try_from(failures.len()).unwrap_or(u32::MAX), last: failures.pop() }
            }
        }
    }

    /// Keeps a record.
    pub(super) fn keep(&self, key: &Key, record: Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), record);
    }

    /// Forgets a Job.
    pub(super) fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Record {
    /// How long the next pod has to wait.
    pub(super) fn remaining(self, now: Timestamp) -> Duration {
        remaining(self.failures, self.last, now)
    }
}

/// How long a pod has to wait after `failures` failures, the last at `last`.
pub(super) fn remaining(failures: u32, last: Option<Timestamp>, now: Timestamp) -> Duration {
    let Some(last) = last.filter(|_| failures > 0) else { return Duration::ZERO };
    let doubled = 1_u32.checked_shl(failures - 1).and_then(|factor| FIRST.checked_mul(factor));
    let wait = doubled.map_or(LONGEST, |wait| wait.min(LONGEST));
    let left = SignedDuration::try_from(wait).unwrap_or_default() - now.duration_since(last);
    if left.is_negative() { Duration::ZERO } else { left.unsigned_abs() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, 0)]
    #[case(1, 10)]
    #[case(2, 20)]
    #[case(6, 320)]
    #[case(7, 600)]
    #[case(60, 600)]
    fn the_wait_doubles_up_to_ten_minutes(#[case] failures: u32, #[case] seconds: u64) {
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(remaining(failures, Some(at), at), Duration::from_secs(seconds));
        assert_eq!(remaining(failures, Some(at), at + SignedDuration::from_secs(601)), Duration::ZERO);
    }
}
