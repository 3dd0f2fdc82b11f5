//! The log of one container run: lines with their times, readable while they are written.
//! Tail, since and timestamps are the API's business.

use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// One line that a program wrote to standard output or error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When its newline was written.
    pub at: Timestamp,
    /// The text without its newline.
    pub text: String,
}

/// The shared, append-only log of one container run.
#[derive(Clone, Debug)]
pub struct ContainerLog {
    lines: Arc<Mutex<Vec<LogLine>>>,
    length: watch::Sender<(usize, bool)>,
}

impl Default for ContainerLog {
    fn default() -> Self {
        Self { lines: Arc::default(), length: watch::Sender::new((0, false)) }
    }
}

impl ContainerLog {
    /// Appends a line.
    pub fn push(&self, line: LogLine) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
        self.length.send_modify(|(length, _)| *length = lines.len());
    }

    /// Marks the end: the container is dead, no line follows.
    pub fn close(&self) {
        self.length.send_modify(|(_, closed)| *closed = true);
    }

    /// All lines from the `from`-th on.
    #[must_use]
    pub fn since(&self, from: usize) -> Vec<LogLine> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(from..).unwrap_or_default().to_vec()
    }

    /// Changes with every line (number of lines, whether the log is closed).
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<(usize, bool)> {
        self.length.subscribe()
    }
}
