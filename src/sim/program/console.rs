//! What clients that are attached to a container share with its first process: its input, where it has one, and its output as
//! it comes. Lines and their times are the log's.

use super::container::Container;
use super::pipe::Writer;
use super::session::{Keyboard, Terminal};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;

/// Bytes that may wait for one client that does not read; then it is cut off.
const LARGEST: usize = 1024 * 1024;

/// What the first process of a container has instead of a closed standard input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// A standard input that clients write to.
    pub stdin: bool,
    /// It is closed when the first client that wrote to it has gone.
    pub stdin_once: bool,
    /// One terminal for all three streams.
    pub tty: bool,
}

/// Where output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard output, or the terminal.
    Output,
    /// Standard error.
    Error,
}

/// Where a container's output is shown beside its log.
#[derive(Clone, Debug, Default)]
pub(super) struct Taps(Arc<Mutex<Vec<Weak<Shared>>>>);

impl Taps {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows bytes to everybody who is attached.
    pub(super) fn show(&self, source: Source, bytes: &[u8]) {
        self.lock().retain(|tap| tap.upgrade().is_some_and(|tap| tap.push(source, bytes)));
    }

    /// The end of all output.
    pub(super) fn close(&self) {
        for tap in self.lock().drain(..).filter_map(|tap| tap.upgrade()) {
            tap.lock().ended = true;
            tap.changed.notify_one();
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Source, Vec<u8>)>,
    size: usize,
    ended: bool,
    cut_off: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps bytes. False when there are too many: its reader is cut off.
    fn push(&self, source: Source, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        if state.size + bytes.len() > LARGEST {
            (state.ended, state.cut_off) = (true, true);
        } else {
            state.size += bytes.len();
            state.waiting.push_back((source, bytes.to_vec()));
        }
        let goes_on = !state.ended;
        drop(state);
        self.changed.notify_one();
        goes_on
    }
}

/// The output of a container from the moment of attaching.
#[derive(Debug)]
pub struct Tap(Arc<Shared>);

impl Tap {
    /// The next bytes; `None` at the end of the container, or when this reader was too slow.
    pub async fn next(&self) -> Option<(Source, Vec<u8>)> {
        loop {
            {
                let mut state = self.0.lock();
                if let Some((source, bytes)) = state.waiting.pop_front() {
                    state.size -= bytes.len();
                    return Some((source, bytes));
                }
                if state.ended {
                    return None;
                }
            }
            self.0.changed.notified().await;
        }
    }

    /// Whether bytes were dropped because they were not read.
    #[must_use]
    pub fn was_cut_off(&self) -> bool {
        self.0.lock().cut_off
    }
}

/// A client at a running container.
#[derive(Debug)]
pub struct Attached {
    /// What the container writes from now on.
    pub output: Tap,
    /// Its standard input, while it has one that is open.
    pub stdin: Weak<Writer>,
    /// What shows typed characters, where there is a terminal.
    pub keyboard: Keyboard,
    /// What the container was given.
    pub console: Console,
}

/// The input side of a container's console.
#[derive(Debug, Default)]
pub(super) struct Input {
    writer: Mutex<Option<Arc<Writer>>>,
    terminal: Mutex<Option<Arc<Terminal>>>,
}

impl Input {
    /// Opens it.
    pub(super) fn open(&self, writer: Writer, terminal: Option<Arc<Terminal>>) {
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(writer));
        *self.terminal.lock().unwrap_or_else(PoisonError::into_inner) = terminal;
    }

    /// The process reads to the end of what was written.
    pub(super) fn close(&self) {
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Container {
    /// Joins the container's first process.
    #[must_use]
    pub fn attach(&self) -> Attached {
        let machine = self.machine();
        let shared = Arc::new(Shared::default());
        shared.lock().ended = machine.is_over();
        let mut taps = machine.taps.lock();
        taps.retain(|tap| tap.strong_count() > 0);
        taps.push(Arc::downgrade(&shared));
        drop(taps);
        let writer = machine.input.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let stdin = writer.as_ref().map(Arc::downgrade).unwrap_or_default();
        drop(writer);
        let terminal = machine.input.terminal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Attached { output: Tap(shared), stdin, keyboard: Keyboard::of(machine, terminal, 1), console: machine.spec.console }
    }

    /// Closes the input of the first process: it reads to the end of what was written.
    pub fn end_input(&self) {
        self.machine().input.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::program::ContainerSpec;
    use crate::sim::program::data::Data;

    fn started(console: Console, script: &str) -> Container {
        Container::start(ContainerSpec { console, ..ContainerSpec::alone(&["sh", "-c", script]) }).unwrap()
    }

    async fn text(tap: &Tap) -> String {
        let mut text = Vec::new();
        while let Some((_, bytes)) = tap.next().await {
            text.extend(bytes);
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn input_reaches_the_process_until_it_is_ended() {
        let console = Console { stdin: true, ..Console::default() };
        let container = started(console, "while read -r line; do echo got $line; done; echo end");
        for word in ["a\n", "b\n"] {
            let attached = container.attach();
            attached.stdin.upgrade().unwrap().write(Data::Bytes(word.as_bytes().to_vec())).await.unwrap();
            let expected = format!("got {word}").into_bytes();
            assert_eq!(attached.output.next().await, Some((Source::Output, expected)));
        }
        assert_eq!(container.exit().get(), None);
        let attached = container.attach();
        container.end_input();
        assert_eq!(text(&attached.output).await, "end\n");
        assert!(attached.stdin.upgrade().is_none() && !attached.output.was_cut_off());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_is_too_slow_is_cut_off_and_the_container_goes_on() {
        let container = started(Console::default(), "yes | head -c 3000000; echo done; sleep 100");
        let attached = container.attach();
        tokio::time::sleep(std::time::Duration::from_mins(1)).await;
        assert!(attached.output.was_cut_off());
        let waiting = text(&attached.output).await.len();
        assert!((LARGEST / 2..=LARGEST).contains(&waiting), "{waiting}");
        assert_eq!(container.log().since(0).last().unwrap().text, "done");
    }

    #[tokio::test(start_paused = true)]
    async fn a_terminal_shows_prompts_and_ends_lines_as_terminals_do() {
        let console = Console { stdin: true, stdin_once: true, tty: true };
        let container = Container::start(ContainerSpec { console, ..ContainerSpec::alone(&["sh"]) }).unwrap();
        let attached = container.attach();
        attached.stdin.upgrade().unwrap().write(Data::Bytes(b"echo hi\nexit 3\n".to_vec())).await.unwrap();
        assert_eq!(text(&attached.output).await, "/ # hi\n/ # ");
        assert_eq!(container.exit().get().unwrap().code, 3);
        assert_eq!(container.log().since(0)[0].text, "/ # hi\r");
    }
}
