//! `comeback cluster replay`: one recording beside what the embedded cluster shows.
//! Reading, replaying and comparing are `fidelity`'s.

use crate::cli::console::Console;
use crate::exit_code::ExitCode;
use crate::fidelity::recording::Recording;
use crate::fidelity::report::Report;
use crate::fidelity::tolerances::Tolerances;
use crate::fidelity::{self, Error, replay};
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
}

/// Replays and compares; exit 1 beyond the tolerances.
#[must_use]
pub fn run(arguments: &Replay, console: Console) -> ExitCode {
    let report = match compare(arguments) {
        Ok(report) => report,
        Err(error) => {
            console.error(&error.0);
            return ExitCode::Inconclusive;
        }
    };
    let mut text = String::new();
    for divergence in &report.divergences {
        let _ = writeln!(text, "- {divergence}");
    }
    let _ = writeln!(text, "{}", report.summary());
    if let Err(error) = console.print(text.as_bytes()) {
        console.error(&error);
        return ExitCode::Environment;
    }
    if report.divergences.is_empty() { ExitCode::Passed } else { ExitCode::ObjectiveMissed }
}

fn compare(arguments: &Replay) -> Result<Report, Error> {
    let tolerances = Tolerances::shipped()?;
    let recording = Recording::read(&arguments.path)?;
    let seeds = arguments.seeds.unwrap_or(tolerances.seeds);
    let simulated: Vec<_> = (0..seeds)
        .map(|offset| replay::replay(&recording, arguments.seed.wrapping_add(offset), &tolerances))
        .collect::<Result<_, _>>()?;
    Ok(fidelity::compare(&recording, &simulated, &tolerances))
}
