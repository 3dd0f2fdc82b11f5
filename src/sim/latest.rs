//! A channel that holds the latest value, like tokio's `watch`, but wakes its receivers in the order in which they wait.
//! tokio's picks a random order, and a simulation must do the same for the same seed.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Debug)]
struct Shared<T> {
    /// How often the value was changed, and the value.
    state: Mutex<(u64, T)>,
    changed: Notify,
    senders: AtomicUsize,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, (u64, T)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every sender is gone: the value will not change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody can change the value any more")]
pub struct Closed;

/// The side that changes the value.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The side that waits for changes.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// A value and both sides.
#[must_use]
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    /// A sender without receivers.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::new((0, value)), changed: Notify::new(), senders: AtomicUsize::new(1) }) }
    }

    /// Whether there is a receiver.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        Arc::strong_count(&self.shared) > self.shared.senders.load(Ordering::Acquire)
    }

    /// A receiver that has seen the present value.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver { seen: self.shared.lock().0, shared: Arc::clone(&self.shared) }
    }

    /// Puts another value in its place.
    pub fn send_replace(&self, value: T) {
        self.send_modify(|present| *present = value);
    }

    /// Changes the value and tells every receiver.
    pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Changes the value and tells every receiver, if `change` says that it did.
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let modified = {
            let mut state = self.shared.lock();
            let modified = change(&mut state.1);
            state.0 += u64::from(modified);
            modified
        };
        if modified {
            self.shared.changed.notify_waiters();
        }
        modified
    }
}

impl<T: Clone> Sender<T> {
    /// The present value.
    #[must_use]
    pub fn get(&self) -> T {
        self.shared.lock().1.clone()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.changed.notify_waiters();
        }
    }
}

impl<T> Receiver<T> {
    /// Takes the present value as seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.lock().0;
    }

    /// Waits until the value was changed since it was last seen, and takes that as seen.
    ///
    /// # Errors
    /// [`Closed`] when every sender is gone and no change is unseen.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        let shared = Arc::clone(&self.shared);
        loop {
            let mut changed = pin!(shared.changed.notified());
            // Registered before looking, so that no change falls between.
            changed.as_mut().enable();
            let version = shared.lock().0;
            if version != self.seen {
                self.seen = version;
                return Ok(());
            }
            if shared.senders.load(Ordering::Acquire) == 0 {
                return Err(Closed);
            }
            changed.await;
        }
    }
}

impl<T: Clone> Receiver<T> {
    /// The present value, without taking it as seen.
    #[must_use]
    pub fn get(&self) -> T {
        self.shared.lock().1.clone()
    }

    /// The present value, taken as seen.
    pub fn get_and_mark(&mut self) -> T {
        let state = self.shared.lock();
        self.seen = state.0;
        state.1.clone()
    }

    /// Waits for a value that `wanted` accepts; the present one counts.
    ///
    /// # Errors
    /// [`Closed`] when every sender is gone before that.
    pub async fn wait_for(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Result<T, Closed> {
        loop {
            let value = self.get_and_mark();
            if wanted(&value) {
                return Ok(value);
            }
            self.changed().await?;
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn receivers_wake_in_the_order_in_which_they_wait() {
        let (sender, receiver) = channel(0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiting: Vec<_> = (0..20)
            .map(|n| {
                let (mut receiver, order) = (receiver.clone(), Arc::clone(&order));
                tokio::spawn(async move {
                    receiver.changed().await.unwrap();
                    order.lock().unwrap().push(n);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        sender.send_replace(1);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_dropped_sender_ends_the_wait() {
        let (sender, mut receiver) = channel(Some(1));
        sender.send_replace(None);
        drop(sender);
        assert_eq!(receiver.changed().await, Ok(()));
        assert_eq!(receiver.changed().await, Err(Closed));
        assert_eq!(receiver.wait_for(Option::is_some).await, Err(Closed));
    }
}
