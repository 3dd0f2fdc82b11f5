//! `comeback help`: the help of commands, and the reference of the language by topic. The texts are made in `reference`.

mod reference;

use super::arguments;
use crate::exit_code::ExitCode;
use crate::scenario::diagnostic::allowed;
use clap::Args;
use reference::Topic;
use std::io::{Result, Write};

/// `comeback help [COMMAND... | TOPIC [NAME]]`
#[derive(Clone, Debug, Args)]
pub struct Help {
    /// A command, or faults, conditions, causes, detectors, strategies, and one of them by name (`help faults setConfig`)
    #[arg(value_name = "COMMAND|TOPIC")]
    pub words: Vec<String>,
}

/// Prints help.
///
/// # Errors
/// When nothing can be written.
pub fn run(help: &Help, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitCode> {
    let words: Vec<&str> = help.words.iter().map(String::as_str).collect();
    if let Some(topic) = Topic::ALL.into_iter().find(|topic| words.first() == Some(&topic.name())) {
        return of_topic(topic, words.get(1..).unwrap_or_default(), out, err);
    }
    let mut command = arguments::command();
    command.build();
    for word in &words {
        let names: Vec<String> =
            command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(|sub| sub.get_name().to_owned()).collect();
        let Some(found) = command.find_subcommand(word) else {
            let topics = Topic::ALL.map(Topic::name);
            let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
            known.extend(topics);
            writeln!(err, "error: there is no help on `{word}`. {}", allowed("There is help on", word, &known))?;
            return Ok(ExitCode::Usage);
        };
        command = found.clone();
    }
    write!(out, "{}", command.render_long_help())?;
    Ok(ExitCode::Passed)
}

fn of_topic(topic: Topic, names: &[&str], out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitCode> {
    let known = topic.entries();
    if let Some(unknown) = names.iter().find(|name| !known.iter().any(|known| known == *name)) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        writeln!(err, "error: there is no `{unknown}` among {}. {}", topic.name(), allowed("There are", unknown, &known))?;
        return Ok(ExitCode::Usage);
    }
    if names.is_empty() {
        write!(out, "{}", topic.text(None))?;
    }
    for name in names {
        write!(out, "{}", topic.text(Some(name)).trim_start())?;
    }
    Ok(ExitCode::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn asked(words: &[&str]) -> (ExitCode, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let help = Help { words: words.iter().map(|word| (*word).to_owned()).collect() };
        let code = run(&help, &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[rstest]
    #[case(&[], "Breaks Kubernetes workloads")]
    #[case(&["run"], "--trials")]
    #[case(&["cluster", "serve"], "--speed")]
    #[case(&["causes"], "config.bad-value")]
    #[case(&["faults", "setConfig"], "setConfig: { configMap: pool, key: workers, value: many }")]
    fn there_is_help_on(#[case] words: &[&str], #[case] text: &str) {
        let (code, out, err) = asked(words);
        assert!(code == ExitCode::Passed && out.contains(text) && err.is_empty(), "{out}{err}");
    }

    #[rstest]
    #[case(&["fault"], "Did you mean `faults`?")]
    #[case(&["faults", "setConfg"], "Did you mean `setConfig`?")]
    #[case(&["cluster", "srve"], "Did you mean `serve`?")]
    fn an_unknown_word_is_answered_with_the_nearest(#[case] words: &[&str], #[case] text: &str) {
        let (code, out, err) = asked(words);
        assert!(code == ExitCode::Usage && out.is_empty() && err.contains(text), "{out}{err}");
    }
}
