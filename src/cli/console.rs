//! stdout and stderr: colours, width, messages, and what a closed pipe means (nothing).

use super::arguments::{Color, Display};
use crate::report::format;
use crate::report::progress::Sink;
use crate::report::style::{Palette, Tone};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::render::{self, Look};
use std::io::{ErrorKind, IsTerminal, Write};
use tracing_subscriber::EnvFilter;

/// Where a command speaks.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    /// Failures and the headline only.
    pub quiet: bool,
    /// How much more is told.
    pub verbose: u8,
    color: Color,
}

/// Without a terminal, lines are as wide as this.
const WIDTH: usize = 100;

impl Console {
    /// As the options say.
    #[must_use]
    pub fn new(display: &Display) -> Self {
        Self { quiet: display.quiet, verbose: display.verbose, color: display.color.unwrap_or_default() }
    }

    /// The same with defaults for what the options left open.
    #[must_use]
    pub fn with_defaults(self, display: &Display, verbose: Option<u8>, quiet: Option<bool>, color: Option<Color>) -> Self {
        let silent = display.verbose == 0 && !display.quiet;
        Self {
            quiet: if silent { quiet.unwrap_or(false) } else { display.quiet },
            verbose: if silent { verbose.unwrap_or(0) } else { display.verbose },
            color: display.color.or(color).unwrap_or_default(),
        }
    }

    /// Colours of stdout.
    #[must_use]
    pub fn stdout_palette(self) -> Palette {
        self.palette(std::io::stdout().is_terminal())
    }

    /// Colours of stderr.
    #[must_use]
    pub fn stderr_palette(self) -> Palette {
        self.palette(std::io::stderr().is_terminal())
    }

    fn palette(self, terminal: bool) -> Palette {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Palette {
            colors: match self.color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => terminal && !set("NO_COLOR") && !dumb,
            },
        }
    }

    /// Columns of the terminal behind stdout; COLUMNS where there is none.
    #[must_use]
    pub fn width(self) -> usize {
        columns(terminal_size::terminal_size_of(std::io::stdout()))
    }

    /// How diagnostics look on stderr.
    #[must_use]
    pub fn look(self) -> Look {
        let width = columns(terminal_size::terminal_size_of(std::io::stderr()));
        Look { color: self.stderr_palette().colors, width }
    }

    /// How progress is shown.
    #[must_use]
    pub fn progress(self, no_progress: bool) -> Sink {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        if self.quiet || no_progress {
            Sink::Hidden
        } else if terminal && self.verbose == 0 {
            Sink::Bars
        } else {
            Sink::Lines { out: Box::new(std::io::stderr()), phases: self.verbose > 0 }
        }
    }

    /// Sends logs to stderr: warnings, with `-vv` more; `COMEBACK_LOG` takes filters as `RUST_LOG` does.
    pub fn log(self) {
        let level = match (self.quiet, self.verbose) {
            // kube's client logs every refused connection; what matters of it is in our own messages.
            (true, _) => "error,kube_client=off",
            (false, 0 | 1) => "comeback=warn,error,kube_client=off",
            (false, 2) => "comeback=info,warn",
            (false, _) => "comeback=debug,info",
        };
        let filter = EnvFilter::try_from_env("COMEBACK_LOG").unwrap_or_else(|_| EnvFilter::new(level));
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // A second call, in a test, changes nothing.
        let _ = subscriber.with_ansi(self.stderr_palette().colors).without_time().with_target(false).try_init();
    }

    /// `error: …` on stderr.
    pub fn error(self, message: &str) {
        self.say(Tone::Bad, "error:", message);
    }

    /// `warning: …` on stderr.
    pub fn warning(self, message: &str) {
        if !self.quiet {
            self.say(Tone::Doubt, "warning:", message);
        }
    }

    /// Everything that is wrong with files, on stderr; with `-q` errors only.
    pub fn diagnostics(self, found: &[Diagnostic]) {
        let shown: Vec<Diagnostic> = found.iter().filter(|one| one.is_error() || !self.quiet).cloned().collect();
        self.tell(render::render(&shown, self.look()).as_bytes());
    }

    /// Writes to stderr. There is nobody to tell where that fails.
    pub fn tell(self, bytes: &[u8]) {
        let _ = std::io::stderr().write_all(bytes);
    }

    fn say(self, tone: Tone, label: &str, message: &str) {
        let lines: Vec<String> = message.lines().map(format::plain).collect();
        let _ = writeln!(std::io::stderr(), "{} {}", self.stderr_palette().paint(tone, label), lines.join("\n"));
    }

    /// Writes to stdout. A reader that has gone (`| head`) is no error.
    ///
    /// # Errors
    /// What else went wrong, a full disk for one.
    pub fn print(self, bytes: &[u8]) -> Result<(), String> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("stdout cannot be written: {error}")),
            _ => Ok(()),
        }
    }
}

/// The columns of a terminal; COLUMNS where there is none.
fn columns(terminal: Option<(terminal_size::Width, terminal_size::Height)>) -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    terminal.map(|(width, _)| usize::from(width.0)).or(columns).unwrap_or(WIDTH).clamp(60, 200)
}
