//! Groups of tasks that freeze, thaw and end together: everything that runs on one simulated node.
//! Who freezes them, and why, lives in `kubelet::control`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::task::AbortHandle;

#[derive(Debug, Default)]
struct Inner {
    frozen: bool,
    ended: bool,
    next: u64,
    running: BTreeMap<u64, AbortHandle>,
    /// Who was woken while frozen, in that order.
    parked: Vec<(u64, Waker)>,
}

/// A group of tasks. Clones are the same group.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    inner: Arc<Mutex<Inner>>,
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns a task of the group; in a group that has ended it is dropped unstarted.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        let member = Member { id, group: self.clone(), parked: false, future: Box::pin(future) };
        let handle = tokio::spawn(member).abort_handle();
        if inner.ended {
            handle.abort();
        } else {
            inner.running.insert(id, handle.clone());
        }
        handle
    }

    /// Stops polling: time goes on, and what falls due meanwhile happens at the thaw.
    pub fn freeze(&self) {
        self.lock().frozen = true;
    }

    /// Lets the tasks run again; those that were woken meanwhile go on in the order in which they were woken.
    pub fn thaw(&self) {
        let parked = {
            let mut inner = self.lock();
            inner.frozen = false;
            std::mem::take(&mut inner.parked)
        };
        for (_, waker) in parked {
            waker.wake();
        }
    }

    /// Ends every task of the group, oldest first, and every later one.
    pub fn end(&self) {
        let running = {
            let mut inner = self.lock();
            inner.ended = true;
            inner.parked.clear();
            std::mem::take(&mut inner.running)
        };
        for task in running.into_values() {
            task.abort();
        }
    }
}

struct Member {
    id: u64,
    group: Tasks,
    parked: bool,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Member {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        {
            let mut inner = this.group.lock();
            if inner.frozen {
                if !this.parked || !inner.parked.iter().any(|(id, _)| *id == this.id) {
                    inner.parked.push((this.id, context.waker().clone()));
                    this.parked = true;
                }
                return Poll::Pending;
            }
        }
        this.parked = false;
        this.future.as_mut().poll(context)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.group.lock().running.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn what_fell_due_in_the_frost_happens_at_the_thaw() {
        let (tasks, done) = (Tasks::default(), Arc::new(Mutex::new(Vec::new())));
        let start = Instant::now();
        for seconds in [3, 1, 9] {
            let done = Arc::clone(&done);
            tasks.spawn(async move {
                sleep(Duration::from_secs(seconds)).await;
                done.lock().unwrap().push((seconds, start.elapsed().as_secs()));
            });
        }
        tasks.freeze();
        sleep(Duration::from_secs(5)).await;
        assert!(done.lock().unwrap().is_empty());
        tasks.thaw();
        sleep(Duration::from_secs(5)).await;
        // Tasks that never ran before the frost begin their sleep at the thaw.
        assert_eq!(*done.lock().unwrap(), [(1, 6), (3, 8)]);
        tasks.freeze();
        sleep(Duration::from_secs(10)).await;
        tasks.thaw();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(done.lock().unwrap().last(), Some(&(9, 20)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_group_drops_its_tasks_and_takes_no_more() {
        let (tasks, alive) = (Tasks::default(), Arc::new(()));
        for _ in 0..2 {
            let held = Arc::clone(&alive);
            tasks.spawn(async move {
                sleep(Duration::from_mins(1)).await;
                drop(held);
            });
            tokio::task::yield_now().await;
            tasks.end();
            sleep(Duration::from_millis(1)).await;
            assert_eq!(Arc::strong_count(&alive), 1);
        }
    }
}
