//! What the simulation could not do faithfully: each limit makes the trial `error` or the scenario `skipped`.
//! Reports only; deciding what a limit means for a verdict is the harness' business.

use crate::sim::latest;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// What kind of thing could not be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitKind {
    /// The interpreter met a construct or command that it cannot run: the trial is an `error`.
    Program,
    /// An image whose program is unknown and that was given no command: the scenario is `skipped`.
    Image,
    /// An object kind whose controller is not simulated: the scenario is `skipped`.
    Kind,
}

/// One thing that the simulation could not do faithfully.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// What kind of limit was met.
    pub kind: LimitKind,
    /// The pod (or object) that met it.
    pub uid: String,
    /// `namespace/pod/container` or `kind namespace/name`.
    pub subject: String,
    /// The construct, command, image or kind.
    pub construct: String,
    /// Where in the program it stands (`line 3, column 7`), if it has a position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// What the user can do about it.
    pub help: String,
}

/// The append-only list of limits met so far, with a way to wait for the next.
#[derive(Clone, Debug)]
pub struct Limits {
    met: Arc<Mutex<Vec<Limit>>>,
    count: latest::Sender<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { met: Arc::default(), count: latest::Sender::new(0) }
    }
}

impl Limits {
    /// Appends a limit, once per equal limit.
    pub fn report(&self, limit: Limit) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if !met.contains(&limit) {
            met.push(limit);
            self.count.send_replace(met.len());
        }
    }

    /// All limits from the `from`-th on.
    #[must_use]
    pub fn since(&self, from: usize) -> Vec<Limit> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.get(from..).unwrap_or_default().to_vec()
    }

    /// A receiver that changes whenever a limit is appended.
    #[must_use]
    pub fn subscribe(&self) -> latest::Receiver<usize> {
        self.count.subscribe()
    }
}
