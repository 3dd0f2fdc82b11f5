//! `comeback completions SHELL` and `comeback man [COMMAND]`: what shells and `man` read of the command line.

use super::arguments;
use crate::exit_code::ExitCode;
use clap::Args;
use clap_complete::Shell;
use std::io::{Result, Write};

/// `comeback completions SHELL`
#[derive(Clone, Copy, Debug, Args)]
pub struct Completions {
    /// Whose
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// `comeback man [COMMAND...]`
#[derive(Clone, Debug, Args)]
pub struct Man {
    /// The page of a command (`run`, `cluster serve`) instead of comeback's
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Prints the completions of a shell.
///
/// # Errors
/// When nothing can be written.
pub fn completions(arguments: Completions, out: &mut dyn Write) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut arguments::command(), "comeback", &mut text);
    out.write_all(&text)?;
    Ok(ExitCode::Passed)
}

/// Prints a page for `man -l -`.
///
/// # Errors
/// When nothing can be written.
pub fn man(arguments: &Man, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitCode> {
    let mut command = arguments::command();
    command.build();
    let mut name = "comeback".to_owned();
    for word in &arguments.command {
        let Some(found) = command.find_subcommand(word) else {
            writeln!(err, "error: there is no command `{name} {word}`; `comeback --help` lists them")?;
            return Ok(ExitCode::Usage);
        };
        name = format!("{name}-{}", found.get_name());
        command = found.clone();
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).title(name).render(&mut page)?;
    out.write_all(&page)?;
    Ok(ExitCode::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_knows_every_command() {
        for shell in Shell::value_variants() {
            let mut out = Vec::new();
            completions(Completions { shell: *shell }, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(
                ["judge", "doctor", "explain", "--until-confident"]
                    .iter()
                    .all(|word| text.contains(word.trim_start_matches('-'))),
                "{shell}"
            );
        }
    }

    #[test]
    fn there_is_a_page_of_all_and_one_of_each_command() {
        let page = |words: &[&str]| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let man_page = Man { command: words.iter().map(|word| (*word).to_owned()).collect() };
            let code = man(&man_page, &mut out, &mut err).unwrap();
            (code, String::from_utf8(out).unwrap() + &String::from_utf8(err).unwrap())
        };
        let (code, text) = page(&[]);
        assert!(code == ExitCode::Passed && text.contains(".TH comeback 1") && text.contains("Exit codes"), "{text}");
        let (code, text) = page(&["cluster", "serve"]);
        assert!(code == ExitCode::Passed && text.contains("comeback\\-cluster\\-serve") && text.contains("speed"), "{text}");
        let (code, text) = page(&["nonsense"]);
        assert!(code == ExitCode::Usage && text.contains("no command `comeback nonsense`"), "{text}");
    }
}
