//! The fault `command`: programs of the user's own, for what no other fault does.

use super::timing::fault_body;
use crate::scenario::duration::serde_text_option;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a program may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(30);

fault_body! {
    /// `command`: runs a program where comeback runs, and after `for`, or at the end of the trial, the one that undoes it. Both run
    /// in the folder of the scenario's file, without standard input, with `COMEBACK_NAMESPACE` (the trial's), `COMEBACK_RUN` and a
    /// `KUBECONFIG` for this cluster and namespace in their environment. A program that fails, or has not ended in time, makes the
    /// trial an `error`, and is ended with all that it started. Undone even if the program itself failed. It needs a cluster that
    /// other programs reach: not the embedded one, unless it is served. `cleanup` tells how to undo it, and runs no program.
    /// Effect: the good state is lost, or a container fails.
    ///
    /// ```yaml
    /// command: { run: [kubectl, scale, deployment/pool, "--replicas=0"], undo: [kubectl, scale, deployment/pool, "--replicas=2"] }
    /// ```
    pub struct Command {
        /// Program and arguments; a program with a slash in its name is looked up from the scenario's file.
        run: Vec<String>,
        /// Program and arguments of what undoes it; `[true]` where there is nothing to undo.
        undo: Vec<String>,
        /// How long each may take (default 30s, at most 1m).
        #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        timeout: Option<Duration>,
        /// Further variables of their environment.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, String>,
    }
}

/// The longest that a program may be given: undoing must end before a trial is given up.
pub const LONGEST: Duration = Duration::from_mins(1);

impl Command {
    /// How long each program may take.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT).min(LONGEST)
    }
}
