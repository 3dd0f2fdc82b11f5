//! A program that is run in a container with live streams, as `kubectl exec` does it, on a terminal or without one.
//! What a terminal does with typed characters is the API's business.

use super::container::{Container, StartFailure, Watchdog, launch};
use super::data::Data;
use super::descriptor::{Descriptor, Descriptors};
use super::errno::Errno;
use super::machine::Machine;
use super::pipe::{self, Reader, Writer};
use super::process::Child;
use super::signals;
use std::sync::Arc;
use std::time::Duration;

/// The container's side of a terminal.
#[derive(Debug)]
pub struct Terminal {
    /// What was typed, a line at a time.
    pub(super) input: Reader,
    /// Where it is shown.
    pub(super) output: Screen,
}

/// What a terminal is looked at through.
#[derive(Debug)]
pub enum Screen {
    /// The client of an exec session.
    Session(Writer),
    /// The log of a container whose first process has a terminal, and the clients that are attached to it.
    Log(Arc<super::log::Stream>),
}

impl Screen {
    /// Shows bytes.
    pub(super) async fn write(&self, data: Data) -> Result<(), Errno> {
        match self {
            Self::Session(writer) => writer.write(data).await,
            Self::Log(stream) if super::log::is_reasonable(&data) => {
                stream.accept(data).await;
                Ok(())
            }
            Self::Log(_) => Err(Errno::NoSpace),
        }
    }
}

/// The streams that a session has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Pipes; standard input only when asked for.
    Pipes {
        /// Whether there is a standard input.
        stdin: bool,
    },
    /// One terminal for all three.
    Terminal,
}

/// A running program with live streams. Dropping it kills the program and what it started.
#[derive(Debug)]
pub struct ExecSession {
    stdin: Option<Writer>,
    /// Standard output, or all that the terminal shows.
    pub stdout: Reader,
    /// Standard error; ended from the beginning on a terminal.
    pub stderr: Reader,
    echo: Option<Arc<Terminal>>,
    child: Child,
    machine: Arc<Machine>,
    _watchdog: Watchdog,
}

impl ExecSession {
    pub(super) fn start(machine: &Arc<Machine>, argv: &[String], streams: Streams) -> Result<Self, StartFailure> {
        let (input, stdin) = pipe::pipe();
        let (stdout, output) = pipe::pipe();
        let (stderr, error) = pipe::pipe();
        let (stdin, echo, descriptors) = match streams {
            Streams::Terminal => {
                let terminal = Arc::new(Terminal { input, output: Screen::Session(output) });
                let one = || Descriptor::Terminal(Arc::clone(&terminal));
                (Some(stdin), Some(Arc::clone(&terminal)), Descriptors::standard(one(), one(), one()))
            }
            Streams::Pipes { stdin: open } => {
                let input = if open { Descriptor::Reader(Arc::new(input)) } else { Descriptor::Null };
                let writer = |writer| Descriptor::Writer(Arc::new(writer));
                (open.then_some(stdin), None, Descriptors::standard(input, writer(output), writer(error)))
            }
        };
        let child = launch(machine, argv, descriptors, Duration::ZERO)?;
        let watchdog = Watchdog::new(machine, child.pid);
        Ok(Self { stdin, stdout, stderr, echo, child, machine: Arc::clone(machine), _watchdog: watchdog })
    }

    /// Standard input, once.
    pub fn take_stdin(&mut self) -> Option<Writer> {
        self.stdin.take()
    }

    /// What shows characters on the terminal and interrupts its program.
    #[must_use]
    pub fn keyboard(&self) -> Keyboard {
        Keyboard::of(&self.machine, self.echo.clone(), self.child.pid)
    }

    /// Standard output, standard error, and the program itself, to be waited for.
    pub const fn parts(&mut self) -> (&Reader, &Reader, &mut Child) {
        (&self.stdout, &self.stderr, &mut self.child)
    }
}

/// The typing side of a terminal.
#[derive(Debug)]
pub struct Keyboard {
    terminal: Option<Arc<Terminal>>,
    machine: Arc<Machine>,
    session: u32,
}

impl Keyboard {
    /// The keyboard of a session, identified by its first process.
    pub(super) fn of(machine: &Arc<Machine>, terminal: Option<Arc<Terminal>>, session: u32) -> Self {
        Self { terminal, machine: Arc::clone(machine), session }
    }

    /// Shows what was typed.
    pub async fn echo(&self, bytes: &[u8]) {
        if let Some(terminal) = &self.terminal {
            // A terminal that nobody looks at any more shows nothing.
            let _ = terminal.output.write(Data::Bytes(bytes.to_vec())).await;
        }
    }

    /// Ctrl-C: interrupts what runs in the foreground. A shell that waits for a command goes on.
    pub fn interrupt(&self) {
        let processes: Vec<_> = self.machine.processes().into_iter().filter(|process| process.session == self.session).collect();
        let alone = processes.len() == 1;
        for process in processes {
            let argv = process.argv();
            let name = argv.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
            let is_shell = ["sh", "ash", "bash"].contains(&name);
            if process.pid != self.session || (alone && !is_shell) {
                process.deliver(signals::INT);
            }
        }
    }
}

impl Container {
    /// Starts a program in the container.
    ///
    /// # Errors
    /// [`StartFailure`] when the program does not exist in the image.
    pub fn open(&self, argv: &[String], streams: Streams) -> Result<ExecSession, StartFailure> {
        ExecSession::start(self.machine(), argv, streams)
    }
}
