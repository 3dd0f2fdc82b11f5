//! One container's present state and history: exits, restarts, waiting reasons, whether seen live or told by lastState.
//! Why it ended is a detector's question.

use super::text;
use crate::json::At as _;
use serde_json::Value;
use std::time::Duration;

/// One end of a container instance, from `state.terminated` or `lastState.terminated`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitSeen {
    /// When it was first seen.
    pub at: Duration,
    /// The exit code.
    pub exit_code: i64,
    /// The reason (`Error`, `Completed`, `OOMKilled`, `StartError`, ...).
    pub reason: String,
    /// The termination message.
    pub message: String,
    /// The server's stamp of its start.
    pub started_at: Option<jiff::Timestamp>,
    /// The server's stamp of its end.
    pub finished_at: Option<jiff::Timestamp>,
    /// The instance.
    pub container_id: String,
}

/// What is known of one container of a pod.
#[derive(Clone, Debug)]
pub struct ContainerRecord {
    /// Its name.
    pub name: String,
    /// Whether it is an init container that is meant to end.
    pub is_init: bool,
    /// The present restart count.
    pub restart_count: u32,
    /// Every rise of the restart count that was seen: when, and to what. The first entry is the count first seen.
    pub restarts: Vec<(Duration, u32)>,
    /// Whether the container is ready.
    pub ready: bool,
    /// Whether it has started (startup probe passed).
    pub started: bool,
    /// The present state.
    pub state: State,
    /// Since when it is in that state.
    pub since: Duration,
    /// Ends of instances, oldest first, each once.
    pub exits: Vec<ExitSeen>,
    /// Waiting reasons in the order seen, with the time at which each stretch began and its message.
    pub waits: Vec<(Duration, String, String)>,
    /// When a running instance was first seen, and the server's stamp of its start; oldest first, each once.
    pub runs: Vec<(Duration, Option<jiff::Timestamp>)>,
}

/// A container's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// Waiting, with reason and message.
    Waiting(String, String),
    /// Running, with the server's stamp of the start.
    Running(Option<jiff::Timestamp>),
    /// Ended.
    Terminated(ExitSeen),
}

impl ContainerRecord {
    /// A container of which nothing is known but its name.
    #[must_use]
    pub fn new(name: &str, is_init: bool) -> Self {
        Self {
            name: name.to_owned(),
            is_init,
            restart_count: 0,
            restarts: Vec::new(),
            ready: false,
            started: false,
            state: State::Unknown,
            since: Duration::ZERO,
            exits: Vec::new(),
            waits: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Folds the next containerStatus in.
    pub fn update(&mut self, status: &Value, at: Duration) {
        let count = status.get("restartCount").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        if self.restarts.last().is_none_or(|(_, last)| count > *last) {
            self.restarts.push((at, count));
        }
        self.restart_count = self.restart_count.max(count);
        self.ready = status.get("ready").and_then(Value::as_bool).unwrap_or(false);
        self.started = status.get("started").and_then(Value::as_bool).unwrap_or(false);
        if let Some(last) = status.at("/lastState/terminated") {
            self.note_exit(exit_from(last, at));
        }
        let state = if let Some(waiting) = status.at("/state/waiting") {
            State::Waiting(text(waiting, "/reason").to_owned(), text(waiting, "/message").to_owned())
        } else if let Some(running) = status.at("/state/running") {
            State::Running(text(running, "/startedAt").parse().ok())
        } else if let Some(terminated) = status.at("/state/terminated") {
            let exit = exit_from(terminated, at);
            self.note_exit(exit.clone());
            State::Terminated(exit)
        } else {
            State::Unknown
        };
        match &state {
            State::Waiting(reason, message)
                if (self.waits.last().is_none_or(|(_, last, _)| last != reason) || !matches!(self.state, State::Waiting(..))) =>
            {
                self.waits.push((at, reason.clone(), message.clone()));
            }
            State::Running(started) => {
                let again = self.runs.last().is_none_or(|(_, last)| last != started) || !matches!(self.state, State::Running(_));
                if again {
                    self.runs.push((at, *started));
                }
            }
            _ => {}
        }
        let same = match (&state, &self.state) {
            (State::Waiting(a, _), State::Waiting(b, _)) => a == b,
            (State::Terminated(a), State::Terminated(b)) => same_exit(a, b),
            (a, b) => a == b,
        };
        if !same {
            self.since = at;
        }
        self.state = state;
    }

    fn note_exit(&mut self, exit: ExitSeen) {
        if !self.exits.iter().any(|known| same_exit(known, &exit)) {
            self.exits.push(exit);
        }
    }

    /// By how much the restart count rose after `since`, as far as rises were seen.
    #[must_use]
    pub fn risen_since(&self, since: Duration) -> u32 {
        let before = self.restarts.iter().take_while(|(at, _)| *at <= since).last().or(self.restarts.first());
        self.restart_count.saturating_sub(before.map_or(0, |(at, count)| if *at <= since { *count } else { 0 }))
    }

    /// The newest end.
    #[must_use]
    pub fn last_exit(&self) -> Option<&ExitSeen> {
        self.exits.last()
    }

    /// The waiting reason now, or nothing.
    #[must_use]
    pub fn waiting_reason(&self) -> Option<&str> {
        match &self.state {
            State::Waiting(reason, _) => Some(reason),
            _ => None,
        }
    }
}

/// How long an instance ran, by the server's stamps (1 s resolution).
#[must_use]
pub fn run_length(exit: &ExitSeen) -> Option<Duration> {
    let (start, end) = (exit.started_at?, exit.finished_at?);
    // A container that never started has its start at the epoch of Unix.
    if start.as_second() <= 0 {
        return None;
    }
    Duration::try_from(end.duration_since(start)).ok()
}

fn exit_from(terminated: &Value, at: Duration) -> ExitSeen {
    ExitSeen {
        at,
        exit_code: terminated.get("exitCode").and_then(Value::as_i64).unwrap_or_default(),
        reason: text(terminated, "/reason").to_owned(),
        message: text(terminated, "/message").to_owned(),
        started_at: text(terminated, "/startedAt").parse().ok(),
        finished_at: text(terminated, "/finishedAt").parse().ok(),
        container_id: text(terminated, "/containerID").to_owned(),
    }
}

fn same_exit(a: &ExitSeen, b: &ExitSeen) -> bool {
    if a.container_id.is_empty() || b.container_id.is_empty() {
        a.finished_at == b.finished_at && a.exit_code == b.exit_code
    } else {
        a.container_id == b.container_id
    }
}
