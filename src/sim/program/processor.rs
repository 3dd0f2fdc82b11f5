//! The processor time of one container: how much it used, and how its limit throttles it.
//! What costs processor time is decided by the interpreter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// The kernel's scheduler hands a container its share anew in each such period.
const PERIOD: Duration = Duration::from_millis(100);
/// No share is smaller.
const LEAST: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Share {
    begun: Instant,
    spent: Duration,
    total: Duration,
}

/// The processor as one container's processes see it.
#[derive(Debug)]
pub struct Processor {
    /// In millicores; 0 for none.
    limit: AtomicU64,
    share: Mutex<Share>,
    /// Who waits for a share: one after the other, in the order of asking, so that what spins starves nobody.
    turn: tokio::sync::Mutex<()>,
}

impl Processor {
    /// A processor with a limit in millicores.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Self {
        let share = Share { begun: Instant::now(), spent: Duration::ZERO, total: Duration::ZERO };
        Self { limit: AtomicU64::new(limit.unwrap_or(0)), share: Mutex::new(share), turn: tokio::sync::Mutex::new(()) }
    }

    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets another limit (millicores), or none.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(0), Ordering::Relaxed);
    }

    /// All the time that was used.
    #[must_use]
    pub fn used(&self) -> Duration {
        self.share().total
    }

    /// Whether others wait for a share of the limit: what starts now starts late.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.turn.try_lock().is_err()
    }

    /// Computes for `time`, for which longer passes where the limit throttles.
    pub async fn spend(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let part = self.next_share(left).await;
            sleep(part).await;
            left -= part;
        }
    }

    /// Waits until some of `time` may be used, and takes it.
    async fn next_share(&self, time: Duration) -> Duration {
        let _turn = self.turn.lock().await;
        loop {
            let (part, next) = self.take(time);
            if !part.is_zero() {
                return part;
            }
            sleep_until(next).await;
        }
    }

    /// How much of `time` may be used in this period, and when the next one begins.
    fn take(&self, time: Duration) -> (Duration, Instant) {
        let now = Instant::now();
        let mut share = self.share();
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            share.total += time;
            return (time, now);
        }
        let past = now.saturating_duration_since(share.begun).as_millis() / PERIOD.as_millis();
        if past > 0 {
            share.begun += PERIOD * u32::try_from(past).unwrap_or(u32::MAX);
            share.spent = Duration::ZERO;
        }
        let quota = Duration::from_micros(limit * 100).max(LEAST);
        let part = time.min(quota.saturating_sub(share.spent));
        share.spent += part;
        share.total += part;
        (part, share.begun + PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(None, 1_000)]
    #[case(Some(2_000), 1_000)]
    #[case(Some(500), 1_950)]
    #[case(Some(100), 9_910)]
    #[tokio::test(start_paused = true)]
    async fn a_limit_stretches_a_second_of_work(#[case] limit: Option<u64>, #[case] milliseconds: u128) {
        let processor = Processor::new(limit);
        let begun = Instant::now();
        processor.spend(Duration::from_secs(1)).await;
        assert_eq!((begun.elapsed().as_millis(), processor.used()), (milliseconds, Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_spins_leaves_others_their_share() {
        let processor = std::sync::Arc::new(Processor::new(Some(100)));
        for _ in 0..4 {
            let processor = std::sync::Arc::clone(&processor);
            tokio::spawn(async move { processor.spend(Duration::from_hours(1)).await });
        }
        sleep(Duration::from_secs(1)).await;
        assert!(processor.is_throttled());
        // Every fifth share of 10 ms.
        let begun = Instant::now();
        processor.spend(Duration::from_millis(20)).await;
        assert!((900..=1_100).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_idles_is_not_throttled() {
        let processor = Processor::new(Some(100));
        let begun = Instant::now();
        for _ in 0..10 {
            processor.spend(Duration::from_millis(5)).await;
            sleep(Duration::from_millis(195)).await;
        }
        assert_eq!(begun.elapsed().as_millis(), 2_000);
    }
}
