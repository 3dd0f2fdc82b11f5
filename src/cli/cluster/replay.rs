//! `comeback cluster replay`: one recording beside what the embedded cluster shows.
//! Reading, replaying and comparing are `fidelity`'s.

use crate::cli::console::Console;
use crate::exit_code::ExitCode;
use crate::fidelity::known::{self, Known};
use crate::fidelity::recording::Recording;
use crate::fidelity::render::{html, terminal};
use crate::fidelity::report::Report;
use crate::fidelity::tolerances::Tolerances;
use crate::fidelity::{self, Error};
use crate::report::style::Tone;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;

/// `comeback cluster replay PATH`
#[derive(Debug, Args)]
pub struct Replay {
    /// A recording: the folder that `cluster record` wrote, or a packed .jsonl.gz
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// The first seed
    #[arg(long, env = "COMEBACK_REPLAY_SEED", value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many seeds are compared; default: as many as the tolerances say
    #[arg(long, env = "COMEBACK_REPLAY_SEEDS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
    /// Write both timelines as one HTML file as well
    #[arg(long, env = "COMEBACK_REPLAY_HTML", value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Replays and compares; exit 1 beyond the tolerances.
#[must_use]
pub fn run(arguments: &Replay, console: Console) -> ExitCode {
    let compared = match compare(arguments) {
        Ok(found) => found,
        Err(error) => {
            console.error(&error.0);
            return ExitCode::Usage;
        }
    };
    let sorted = known::sort(&compared.report, &compared.known);
    let report = &compared.report;
    let palette = console.stdout_palette();
    let paint = |tone, text: &str| {
        let tone = match tone {
            terminal::Tone::Heading => Tone::Strong,
            terminal::Tone::Same => Tone::Plain,
            terminal::Tone::Passing => Tone::Faint,
            terminal::Tone::Bad => Tone::Bad,
        };
        palette.paint(tone, text)
    };
    let (recording, tolerances) = (&compared.recording, &compared.tolerances);
    let mut text = if console.quiet {
        String::new()
    } else {
        terminal::render(report, &sorted, recording, tolerances, console.width(), &paint)
    };
    if let Some(path) = &arguments.html
        && let Err(error) = std::fs::write(path, html::render(report, &sorted, recording, tolerances))
    {
        console.error(&format!("{} cannot be written: {error}", path.display()));
        return ExitCode::Environment;
    }
    let _ = writeln!(text, "{}", report.summary());
    if let Err(error) = console.print(text.as_bytes()) {
        console.error(&error);
        return ExitCode::Environment;
    }
    if report.divergences.is_empty() { ExitCode::Passed } else { ExitCode::ObjectiveMissed }
}

/// A comparison and what it was made from.
struct Compared {
    report: Report,
    known: Vec<Known>,
    recording: Recording,
    tolerances: Tolerances,
}

fn compare(arguments: &Replay) -> Result<Compared, Error> {
    let tolerances = Tolerances::shipped()?;
    let recording = Recording::read(&arguments.path)?;
    let seeds = arguments.seeds.unwrap_or_else(|| tolerances.seeds_for(&recording.name));
    let report = fidelity::check(&recording, arguments.seed, seeds, &tolerances);
    Ok(Compared { report, known: known::shipped()?, recording, tolerances })
}
