//! Whether the simulated API server answers: while it is paused, requests wait and watches are silent, and the parts of the control
//! plane that live by it stand still. What kubelets do without it is their own link's business.

use crate::sim::latest;
use crate::sim::tasks::Tasks;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long the controller manager goes on without renewing its lease.
const LEASE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    closed: Option<Instant>,
    restarted: Option<Instant>,
}

/// The switch of one API server.
#[derive(Debug)]
pub struct Gate {
    open: latest::Sender<bool>,
    moments: Mutex<Moments>,
    /// Controllers and scheduler.
    pub control_plane: Tasks,
}

impl Default for Gate {
    fn default() -> Self {
        Self { open: latest::Sender::new(true), moments: Mutex::default(), control_plane: Tasks::default() }
    }
}

impl Gate {
    /// Whether the server answers.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.get()
    }

    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the server where it is; false if it was stopped already.
    pub fn close(&self) -> bool {
        let closed = self.open.send_if_modified(|open| std::mem::replace(open, false));
        if closed {
            self.moments().closed = Some(Instant::now());
            self.control_plane.freeze();
        }
        closed
    }

    /// Lets it go on; false if it did.
    pub fn reopen(&self) -> bool {
        let opened = self.open.send_if_modified(|open| !std::mem::replace(open, true));
        if opened {
            {
                let mut moments = self.moments();
                if moments.closed.take().is_some_and(|closed| closed.elapsed() > LEASE) {
                    moments.restarted = Some(Instant::now());
                }
            }
            self.control_plane.thaw();
        }
        opened
    }

    /// When the controllers last began anew: after a pause in which the controller manager lost its lease, ended and was started
    /// again. What they had measured before, as the silence of nodes, is forgotten.
    #[must_use]
    pub fn restarted(&self) -> Option<Instant> {
        self.moments().restarted
    }

    /// Waits until the server answers.
    pub async fn passed(&self) {
        if !self.is_open() {
            // Nobody is left to open it where this fails.
            let _ = self.open.subscribe().wait_for(|open| *open).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_of_a_closed_gate_waits() {
        let gate = Arc::new(Gate::default());
        gate.passed().await;
        assert!(gate.close() && !gate.close());
        let opener = Arc::clone(&gate);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(11)).await;
            assert!(opener.reopen() && !opener.reopen());
        });
        let begun = Instant::now();
        gate.passed().await;
        assert_eq!((begun.elapsed().as_secs(), gate.restarted()), (11, Some(Instant::now())));
    }
}
