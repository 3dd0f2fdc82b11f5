//! `sed`: lines through a script, with one line read ahead as busybox does.
//! Reading the script is `script`.

mod script;

use super::Invocation;
use super::lines::{Lines, text_of};
use crate::sim::program::data::Data;
use script::{Action, Address, Command, Piece, Substitution};

/// Runs `sed`.
pub async fn run(call: &Invocation) -> i32 {
    let (options, mut operands) = match call.options("nirE", "e") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |letters: &str| options.iter().any(|(letter, _)| letters.contains(*letter));
    let mut texts: Vec<String> = options.iter().filter(|(letter, _)| *letter == 'e').map(|(_, text)| text.clone()).collect();
    if texts.is_empty() {
        if operands.is_empty() {
            call.error("no script given").await;
            return 1;
        }
        texts.push(operands.remove(0));
    }
    let text = texts.join("\n");
    let commands = match script::parse(&text, has("rE")) {
        Ok(commands) => commands,
        Err(construct) => return call.unsupported(&format!("sed {construct}")).await,
    };
    let silent = has("n");
    if !has("i") {
        if operands.is_empty() {
            operands.push("-".to_owned());
        }
        return Editor::new(call, commands, silent).edit(&operands, None).await;
    }
    let mut status = 0;
    for file in &operands {
        let Ok(commands) = script::parse(&text, has("rE")) else { return 1 };
        let mut result = Vec::new();
        let ended = Editor::new(call, commands, silent).edit(std::slice::from_ref(file), Some(&mut result)).await;
        status = status.max(ended);
        if ended != 0 {
            continue;
        }
        if let Err(error) = call.process.machine.spec.filesystem.store(&call.path(file), result) {
            call.error(&format!("can't create '{file}': {error}")).await;
            return 4;
        }
    }
    status
}

/// What follows for a line.
#[derive(PartialEq, Eq)]
enum Fate {
    Printed,
    Deleted,
    Last,
}

struct Editor<'a> {
    call: &'a Invocation,
    commands: Vec<Command>,
    silent: bool,
    number: u64,
}

impl<'a> Editor<'a> {
    fn new(call: &'a Invocation, commands: Vec<Command>, silent: bool) -> Self {
        Self { call, commands, silent, number: 0 }
    }

    /// Edits the lines of all files as one text; writes it to `kept` or to standard output.
    async fn edit(mut self, files: &[String], mut kept: Option<&mut Vec<u8>>) -> i32 {
        let (mut status, mut ahead): (i32, Option<Vec<u8>>) = (0, None);
        for file in files {
            let mut lines = match self.call.open(file) {
                Ok(input) => Lines::new(input),
                Err(error) => {
                    self.call.error(&format!("{file}: {error}")).await;
                    status = 1;
                    continue;
                }
            };
            loop {
                match lines.next(self.call, 0).await {
                    Ok(Some(line)) => {
                        let Some(line) = ahead.replace(line) else { continue };
                        match self.line(&line, false, &mut kept).await {
                            Ok(true) => {}
                            Ok(false) => return status,
                            Err(code) => return code,
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        self.call.error(&format!("{file}: {error}")).await;
                        status = 1;
                        break;
                    }
                }
            }
        }
        match ahead {
            Some(line) => self.line(&line, true, &mut kept).await.map_or_else(|code| code, |_| status),
            None => status,
        }
    }

    /// One line through the script. `false`: the script has quit; an error is the status of a failed write.
    async fn line(&mut self, line: &[u8], last: bool, kept: &mut Option<&mut Vec<u8>>) -> Result<bool, i32> {
        self.number += 1;
        // A last line of a file without an end gets one if another file follows.
        let end = if line.ends_with(b"\n") || !last { "\n" } else { "" };
        let (mut text, mut fate, mut output) = (text_of(line), Fate::Printed, String::new());
        for command in &mut self.commands {
            if !command.applies(self.number, last, &text) {
                continue;
            }
            match &command.action {
                Action::Print => output.extend([text.as_str(), "\n"]),
                Action::Number => output.extend([self.number.to_string(), "\n".to_owned()]),
                Action::Delete => fate = Fate::Deleted,
                Action::Quit => fate = Fate::Last,
                Action::Substitute(substitution) => {
                    if let Some(changed) = substitution.change(&text) {
                        text = changed;
                        if substitution.print {
                            output.extend([text.as_str(), "\n"]);
                        }
                    }
                }
            }
            if fate != Fate::Printed {
                break;
            }
        }
        if fate != Fate::Deleted && !self.silent {
            output.push_str(&text);
            output.push_str(end);
        }
        let code = write(self.call, output.into_bytes(), kept).await;
        if code == 0 { Ok(fate != Fate::Last) } else { Err(code) }
    }
}

async fn write(call: &Invocation, bytes: Vec<u8>, kept: &mut Option<&mut Vec<u8>>) -> i32 {
    match kept {
        Some(kept) => {
            kept.extend(bytes);
            0
        }
        None => call.write(Data::Bytes(bytes)).await,
    }
}

impl Address {
    fn matches(&self, number: u64, last: bool, text: &str) -> bool {
        match self {
            Self::Line(wanted) => number == *wanted,
            Self::Last => last,
            Self::Match(regex) => regex.is_match(text),
        }
    }
}

impl Command {
    fn applies(&mut self, number: u64, last: bool, text: &str) -> bool {
        let chosen = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(only), None) => only.matches(number, last, text),
            (Some(from), Some(to)) => {
                if self.in_range {
                    self.in_range = match to {
                        Address::Line(end) => number < *end,
                        other => !other.matches(number, last, text),
                    };
                    // A range whose end lies behind is over before this line.
                    !matches!(to, Address::Line(end) if number > *end)
                } else {
                    let begins = from.matches(number, last, text);
                    self.in_range = begins && !matches!(to, Address::Line(end) if number >= *end);
                    begins
                }
            }
        };
        chosen != self.negated
    }
}

impl Substitution {
    /// The changed text, if anything matched.
    fn change(&self, text: &str) -> Option<String> {
        let (mut result, mut end, mut changed) = (String::new(), 0, false);
        for (index, found) in self.regex.captures_iter(text).enumerate() {
            let Some(whole) = found.get(0) else { continue };
            if index + 1 < self.first {
                continue;
            }
            result.push_str(&text[end..whole.start()]);
            for piece in &self.replacement {
                match piece {
                    Piece::Text(literal) => result.push_str(literal),
                    Piece::Group(group) => result.push_str(found.get(*group).map_or("", |part| part.as_str())),
                }
            }
            (end, changed) = (whole.end(), true);
            if !self.global {
                break;
            }
        }
        result.push_str(&text[end..]);
        changed.then_some(result)
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::program::trial::{finish, sh, spec};
    use rstest::rstest;

    #[rstest]
    #[case::first_only("echo aaa | sed s/a/b/", "baa")]
    #[case::global("echo aaa | sed 's/a/[&]/g'", "[a][a][a]")]
    #[case::nth("echo aaa | sed s/a/b/2", "aba")]
    #[case::nth_and_on("echo aaaa | sed s/a/b/2g", "abbb")]
    #[case::any_case("echo AbA | sed s/a/x/gI", "xbx")]
    #[case::groups("echo 'key = value' | sed 's/\\([a-z]*\\) = \\(.*\\)/\\2=\\1/'", "value=key")]
    #[case::extended("echo ab12 | sed -E 's/([a-z]+)([0-9]+)/\\2-\\1/'", "12-ab")]
    #[case::other_delimiter("echo /a/b | sed 's|/a/|/c/|; s,b,\\,,'", "/c/,")]
    #[case::bracket("echo a/b | sed 's/[/]/:/'", "a:b")]
    #[case::silent("seq 4 | sed -n '2p;/3/p'", "2\n3")]
    #[case::print_twice("seq 2 | sed 2p", "1\n2\n2")]
    #[case::substituted("printf 'a\\nb\\n' | sed -n s/a/x/p", "x")]
    #[case::delete_range("seq 5 | sed '2,4d'", "1\n5")]
    #[case::range_to_match("seq 6 | sed -n '/2/,/4/p'", "2\n3\n4")]
    #[case::range_behind("seq 4 | sed -n '/3/,1p'", "3")]
    #[case::to_the_end("seq 4 | sed -n '3,$p'", "3\n4")]
    #[case::last("seq 3 | sed -n '$p;$='", "3\n3")]
    #[case::negated("seq 3 | sed '2!d'", "2")]
    #[case::quit("seq 9 | sed 2q", "1\n2")]
    #[case::several("echo ab | sed -e s/a/1/ -e s/b/2/", "12")]
    #[case::last_line_without_end("printf 'a\\nb' | sed s/b/c/; echo .", "a\nc.")]
    #[case::in_place("seq 3 > /tmp/f; sed -i -e 's/2/two/' -e 1d /tmp/f; cat /tmp/f", "two\n3")]
    #[case::in_place_quit("seq 3 > /tmp/f; sed -i 's/1/one/;1q' /tmp/f; cat /tmp/f", "one")]
    #[case::files("echo a > /tmp/1; echo b > /tmp/2; sed -n '2p' /tmp/1 /tmp/2", "b")]
    #[case::empty_matches("echo abc | sed 's/x*/-/g'", "-a-b-c-")]
    #[tokio::test(start_paused = true)]
    async fn edits(#[case] script: &str, #[case] output: &str) {
        assert_eq!(sh(script).await, (output.to_owned(), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_file_is_an_error() {
        assert_eq!(sh("sed s/a/b/ /nope").await, ("sed: /nope: No such file or directory".to_owned(), 1));
    }

    #[rstest]
    #[case("sed y/a/b/")]
    #[case("sed '1a text'")]
    #[case("sed '/a/{p;d}'")]
    #[case("sed 's/a/b/w out'")]
    #[case("sed 's/\\(a\\)\\1/b/'")]
    #[case("sed s/a/\\\\U/")]
    #[case("sed s/a/\\\\1/")]
    #[case("sed 's/a'")]
    #[case("sed -i.bak s/a/b/ /tmp/f")]
    #[tokio::test(start_paused = true)]
    async fn the_rest_is_a_limit(#[case] command: &str) {
        let (.., limits) = finish(spec(&["sh", "-c", &format!("echo a | {command}")], Vec::new())).await;
        assert_eq!(limits.len(), 1, "{limits:?}");
        assert!(limits[0].starts_with("sed "), "{limits:?}");
    }
}
