//! The trials that wait for a worker. More may be added while others run, so workers wait until none will come.
//! Which trials are added, and when, is `course`'s.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A trial: the scenario's position and the trial's index.
pub(super) type Job = (usize, u32);

/// The waiting trials.
#[derive(Debug)]
pub(super) struct Jobs {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Job>,
    closed: bool,
}

impl Jobs {
    /// These wait; more may come.
    pub(super) fn new(waiting: VecDeque<Job>) -> Self {
        Self { state: Mutex::new(State { waiting, closed: false }), changed: Condvar::new() }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Adds trials behind the others.
    pub(super) fn extend(&self, more: impl IntoIterator<Item = Job>) {
        self.lock().waiting.extend(more);
        self.changed.notify_all();
    }

    /// No more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The next trial, as soon as there is one; `None` when there will be none.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the jobs when its thread panics: the trial of that thread will never finish, and nobody must wait for what would have
/// followed.
pub(super) struct CloseOnPanic<'a>(pub(super) &'a Jobs);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_wait_for_what_is_added_and_leave_when_nothing_will_come() {
        let jobs = Jobs::new(VecDeque::from([(0, 0)]));
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| std::iter::from_fn(|| jobs.next()).collect::<Vec<_>>());
            jobs.extend([(0, 1), (0, 2)]);
            jobs.close();
            assert_eq!(worker.join().unwrap(), [(0, 0), (0, 1), (0, 2)]);
        });
        assert_eq!((jobs.len(), jobs.next()), (0, None));
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let jobs = Jobs::new(VecDeque::new());
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| jobs.next());
            let panicking = scope.spawn(|| {
                let _close = CloseOnPanic(&jobs);
                std::panic::resume_unwind(Box::new("a trial's thread"));
            });
            assert!(panicking.join().is_err());
            assert_eq!(worker.join().unwrap(), None);
        });
    }
}
