//! The work queue of a controller: keys in order of arrival, each at most once, some of them later, failed ones with back-off.
//! Knows nothing of what a key means.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The first retry of a failed key comes after this; each further one after twice as long (client-go's default limiter).
const RETRY_BASE: Duration = Duration::from_millis(5);
/// No retry waits longer.
const RETRY_MAX: Duration = Duration::from_secs(1_000);

/// Namespace and name of the object to look at.
pub(crate) type Key = (String, String);

/// Why a key waits. A retry that is due later is not lost when news of the object arrives before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// News of the object is on its way.
    News,
    /// The controller asked to look again.
    Delay,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Key>,
    waiting: BTreeSet<(Instant, u64, Cause, Key)>,
    due: BTreeMap<(Cause, Key), (Instant, u64)>,
    failures: BTreeMap<Key, u32>,
    back_off: Option<(Duration, Duration)>,
    sequence: u64,
}

/// A deduplicating, delaying queue for one worker.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `key` out after `delay`; when it waits already, at the earlier of both times.
    pub(crate) fn add_after(&self, key: Key, delay: Duration) {
        self.wait_for(Cause::Delay, key, delay);
    }

    /// Hands `key` out after `delay`, whatever an earlier [`Queue::add_after`] asked for.
    pub(crate) fn postpone(&self, key: Key, delay: Duration) {
        {
            let mut state = self.lock();
            let entry = (Cause::Delay, key.clone());
            if let Some((at, sequence)) = state.due.remove(&entry) {
                state.waiting.remove(&(at, sequence, entry.0, entry.1));
            }
        }
        self.add_after(key, delay);
    }

    /// Hands `key` out when news of it has arrived, `lag` from now; beside whatever [`Queue::add_after`] asked for.
    pub(crate) fn news(&self, key: Key, lag: Duration) {
        self.wait_for(Cause::News, key, lag);
    }

    fn wait_for(&self, cause: Cause, key: Key, delay: Duration) {
        let mut state = self.lock();
        let at = Instant::now() + delay;
        let entry = (cause, key);
        if let Some(&(earlier, sequence)) = state.due.get(&entry) {
            if earlier <= at {
                return;
            }
            state.waiting.remove(&(earlier, sequence, cause, entry.1.clone()));
        }
        state.sequence += 1;
        let sequence = state.sequence;
        state.waiting.insert((at, sequence, cause, entry.1.clone()));
        state.due.insert(entry, (at, sequence));
        drop(state);
        self.changed.notify_one();
    }

    /// Sets the first and the longest back-off of failed keys.
    pub(crate) fn set_back_off(&self, first: Duration, longest: Duration) {
        self.lock().back_off = Some((first, longest));
    }

    /// Hands `key` out again after its back-off: 5 ms (or what was set) doubled with each failure since the last
    /// [`Queue::forget`].
    pub(crate) fn retry(&self, key: Key) {
        let delay = {
            let mut state = self.lock();
            let (first, longest) = state.back_off.unwrap_or((RETRY_BASE, RETRY_MAX));
            let failures = state.failures.entry(key.clone()).or_default();
            let delay = first.saturating_mul(1_u32.checked_shl(*failures).unwrap_or(u32::MAX)).min(longest);
            *failures = (*failures + 1).min(31);
            delay
        };
        self.add_after(key, delay);
    }

    /// Ends the back-off of a key that succeeded.
    pub(crate) fn forget(&self, key: &Key) {
        self.lock().failures.remove(key);
    }

    /// The next key that is due by now.
    pub(crate) fn next_due(&self) -> Option<Key> {
        let mut state = self.lock();
        let now = Instant::now();
        while let Some(first) = state.waiting.first().filter(|(at, ..)| *at <= now).cloned() {
            state.waiting.remove(&first);
            let entry = (first.2, first.3);
            state.due.remove(&entry);
            if !state.ready.contains(&entry.1) {
                state.ready.push_back(entry.1);
            }
        }
        state.ready.pop_front()
    }

    /// The next key; waits until one is due.
    pub(crate) async fn next(&self) -> Key {
        loop {
            if let Some(key) = self.next_due() {
                return key;
            }
            let wake = self.lock().waiting.first().map(|(at, ..)| *at);
            match wake {
                None => self.changed.notified().await,
                Some(at) => tokio::select! {
                    biased;
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("ns".to_owned(), name.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn hands_each_key_out_once_at_its_earliest_time() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after(key("a"), Duration::from_secs(5));
        queue.add_after(key("b"), Duration::from_secs(2));
        queue.add_after(key("a"), Duration::from_secs(1));
        queue.add_after(key("a"), Duration::from_secs(9));
        assert_eq!((queue.next().await, start.elapsed()), (key("a"), Duration::from_secs(1)));
        assert_eq!((queue.next().await, start.elapsed()), (key("b"), Duration::from_secs(2)));
        assert!(tokio::time::timeout(Duration::from_mins(1), queue.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_postponed_comes_once_and_later() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after(key("a"), Duration::from_secs(5));
        queue.postpone(key("a"), Duration::from_secs(8));
        assert_eq!((queue.next().await, start.elapsed()), (key("a"), Duration::from_secs(8)));
        assert!(tokio::time::timeout(Duration::from_mins(1), queue.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn news_does_not_take_the_place_of_a_later_look() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after(key("a"), Duration::from_secs(5));
        queue.news(key("a"), Duration::from_secs(1));
        queue.news(key("a"), Duration::from_secs(2));
        for seconds in [1, 5] {
            assert_eq!((queue.next().await, start.elapsed()), (key("a"), Duration::from_secs(seconds)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retries_double_until_the_key_succeeds() {
        let queue = Queue::default();
        let mut waits = Vec::new();
        for _ in 0..4 {
            let start = Instant::now();
            queue.retry(key("a"));
            queue.next().await;
            waits.push(start.elapsed().as_millis());
        }
        assert_eq!(waits, [5, 10, 20, 40]);
        queue.forget(&key("a"));
        let start = Instant::now();
        queue.retry(key("a"));
        queue.next().await;
        assert_eq!(start.elapsed().as_millis(), 5);
    }
}
