//! What holds the healer back although a ladder would go on: too many actions in a time, too many workloads that fail or were not
//! healed, and too little rest for one workload. Pure, from the audited actions alone.

use super::action::{ActionOutcome, ActionRecord};
use super::decide::counts;
use super::id::ActionId;
use crate::detect::Finding;
use crate::observe::Index;
use std::collections::BTreeSet;
use std::time::Duration;

/// A token bucket: so many actions at once, and another one after each `refill`.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    burst: u32,
    refill: Duration,
}

/// For one workload or node.
const TARGET: Bucket = Bucket { burst: 5, refill: Duration::from_mins(1) };
/// For everything that one healer does in a run.
const RUN: Bucket = Bucket { burst: 20, refill: Duration::from_secs(30) };
/// So many workloads whose ladders came to their end without success trip the breaker.
const MOST_LOST: usize = 3;
/// So many workloads at least must fail at once, and more than this share of all, to trip the breaker: then the trouble is none of
/// theirs, and acting on each would make it worse.
const MANY: usize = 4;
const SHARE: f64 = 0.5;
/// The rest of a workload before another ladder acts on it; doubled with each change of the ladder.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// Until when nothing more may be done to a group, or at all, because too much was done lately.
pub(super) fn tokens_due(history: &[ActionRecord], group: &str) -> Option<Duration> {
    let counted = || history.iter().filter(|record| counts(record));
    let of_group = |record: &&ActionRecord| ActionId::parse(&record.id).is_some_and(|id| id.group == group);
    let target = TARGET.next(counted().filter(of_group).map(|record| record.at));
    let run = RUN.next(counted().map(|record| record.at));
    target.max(run)
}

impl Bucket {
    /// When the next token is there, if none is left after actions at these times; they ascend.
    fn next(self, times: impl Iterator<Item = Duration>) -> Option<Duration> {
        let (mut tokens, mut last) = (f64::from(self.burst), Duration::ZERO);
        for at in times {
            let grown = at.saturating_sub(last).as_secs_f64() / self.refill.as_secs_f64();
            tokens = (tokens + grown).min(f64::from(self.burst)) - 1.0;
            last = at;
        }
        (tokens < 1.0).then(|| last + self.refill.mul_f64((1.0 - tokens).max(0.0)))
    }
}

/// Why the healer acts on nothing more, if so.
pub(super) fn tripped(findings: &[Finding], index: &Index, history: &[ActionRecord]) -> Option<String> {
    let given_up = |record: &&ActionRecord| {
        record.outcome == ActionOutcome::NoRemedy && ActionId::parse(&record.id).is_some_and(|id| id.rung > 0)
    };
    let lost: BTreeSet<String> =
        history.iter().filter(given_up).filter_map(|record| Some(ActionId::parse(&record.id)?.group)).collect();
    if lost.len() >= MOST_LOST {
        let names: Vec<_> = lost.into_iter().collect();
        return Some(format!("the circuit breaker is open: {} were not healed", names.join(", ")));
    }
    let workloads: usize = ["Deployment", "StatefulSet", "DaemonSet"].iter().map(|kind| index.objects(kind).count()).sum();
    let failing: BTreeSet<&str> = findings
        .iter()
        .filter(|finding| finding.leading && !finding.group.starts_with("node/"))
        .map(|finding| finding.group.as_str())
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let share = failing.len() as f64 / workloads.max(1) as f64;
    (failing.len() >= MANY && share > SHARE)
        .then(|| format!("the circuit breaker is open: {} of {workloads} workloads fail at once", failing.len()))
}

/// Until when a group rests before another ladder than the last one acts on it. `keys` are the ladders of its earlier actions.
pub(super) fn rests_until<K: PartialEq>(past: &[(K, Duration)], key: &K) -> Option<Duration> {
    let (last, at) = past.last()?;
    if last == key {
        return None;
    }
    let changes = past.windows(2).filter(|pair| matches!(pair, [(a, _), (b, _)] if a != b)).count();
    Some(*at + COOL_DOWN.saturating_mul(2_u32.saturating_pow(u32::try_from(changes.min(8)).unwrap_or(8))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[rstest]
    #[case(&[], None)]
    #[case(&[0, 1, 2, 3], None)]
    #[case(&[0, 0, 0, 0, 0], Some(60))]
    #[case(&[100, 100, 100, 100, 100], Some(160))]
    // After a minute one is there again.
    #[case(&[0, 0, 0, 0, 0, 60], Some(120))]
    #[case(&[0, 0, 0, 0, 0, 90], Some(120))]
    #[case(&[0, 0, 0, 0, 600], None)]
    fn five_at_once_and_then_one_a_minute(#[case] times: &[u64], #[case] due: Option<u64>) {
        assert_eq!(TARGET.next(times.iter().copied().map(seconds)), due.map(seconds));
    }

    #[test]
    fn another_ladder_waits_and_the_same_does_not() {
        assert_eq!(rests_until::<&str>(&[], &"oom"), None);
        assert_eq!(rests_until(&[("oom", seconds(5))], &"oom"), None);
        assert_eq!(rests_until(&[("oom", seconds(5))], &"probe"), Some(seconds(15)));
        assert_eq!(rests_until(&[("probe", seconds(1)), ("oom", seconds(5))], &"probe"), Some(seconds(25)));
    }
}
