//! Expansion of words: parameters, command and arithmetic substitution, splitting, file names.
//! The rules of splitting are `fields`, of patterns `pattern`.

use super::fields::Fields;
use super::syntax::{List, Operation, Parameter, Piece, Word};
use super::{Shell, Unwind, arithmetic, pattern};
use crate::sim::program::data::Text;
use crate::sim::program::descriptor::Descriptor;
use crate::sim::program::{pipe, process};
use futures::future::BoxFuture;
use std::sync::Arc;

/// The longest value that is written out for anything but an assignment (bytes).
const LONGEST_VALUE: u64 = 64 * 1024 * 1024;

impl Shell {
    /// The words of a command: split, file names expanded.
    pub(super) async fn expand_words(&mut self, words: &[Word]) -> Result<Vec<String>, Unwind> {
        let mut result = Vec::with_capacity(words.len());
        let mut declares = false;
        for (index, word) in words.iter().enumerate() {
            if let [Piece::Text(text)] = word.as_slice()
                && !text.contains(['*', '?', '['])
            {
                declares |= index == 0 && matches!(text.as_str(), "export" | "local" | "readonly");
                result.push(text.clone());
                continue;
            }
            if declares && assigns(word) {
                result.push(self.expand_text(word).await?);
                continue;
            }
            let mut fields = Fields::new(Some(self.variables.plain("IFS")));
            self.expand_pieces(word, false, &mut fields).await?;
            for field in fields.finish() {
                let mut names = Vec::new();
                if field.globs && !self.options.noglob {
                    names = pattern::files(&self.process.machine.spec.filesystem, &self.directory, &field.pattern);
                }
                if names.is_empty() {
                    result.push(field.plain);
                } else {
                    result.append(&mut names);
                }
            }
        }
        Ok(result)
    }

    /// A word that stays one: the target of a redirection, the subject of `case`.
    pub(super) async fn expand_text(&mut self, word: &Word) -> Result<String, Unwind> {
        let mut fields = Fields::new(None);
        self.expand_pieces(word, false, &mut fields).await?;
        Ok(fields.finish().into_iter().map(|field| field.plain).collect::<Vec<_>>().join(" "))
    }

    /// A word used as a pattern.
    pub(super) async fn expand_pattern(&mut self, word: &Word) -> Result<String, Unwind> {
        let mut fields = Fields::new(None);
        self.expand_pieces(word, false, &mut fields).await?;
        Ok(fields.finish().into_iter().map(|field| field.pattern).collect())
    }

    /// The value of an assignment. Long values share their parts.
    pub(super) fn expand_value<'a>(&'a mut self, pieces: &'a [Piece]) -> BoxFuture<'a, Result<Text, Unwind>> {
        Box::pin(async move {
            let mut value = Text::default();
            for (index, piece) in pieces.iter().enumerate() {
                let part = match piece {
                    Piece::Parameter(Parameter::Variable(name), Operation::Plain) => {
                        if let Some(text) = self.variables.get(name) {
                            text.clone()
                        } else {
                            self.check_unset(name).await?;
                            Text::default()
                        }
                    }
                    Piece::Double(inner) if !inner.iter().any(is_all) => self.expand_value(inner).await?,
                    Piece::Tilde(user) if index == 0 => Text::from(self.home(user)),
                    other => {
                        let mut fields = Fields::new(None);
                        self.expand_pieces(std::slice::from_ref(other), false, &mut fields).await?;
                        Text::from(fields.finish().into_iter().map(|field| field.plain).collect::<Vec<_>>().join(" "))
                    }
                };
                value = if value.is_empty() { part } else { value.concat(&part) };
            }
            Ok(value)
        })
    }

    fn home(&self, user: &str) -> String {
        match user {
            "" => self.variables.get("HOME").map_or_else(|| "~".to_owned(), Text::to_plain),
            "root" => "/root".to_owned(),
            other => format!("~{other}"),
        }
    }

    async fn check_unset(&mut self, name: &str) -> Result<(), Unwind> {
        if self.options.nounset {
            self.complain(&format!("{name}: parameter not set")).await;
            return Err(Unwind::Exit(2));
        }
        Ok(())
    }

    fn expand_pieces<'a>(
        &'a mut self,
        pieces: &'a [Piece],
        quoted: bool,
        fields: &'a mut Fields,
    ) -> BoxFuture<'a, Result<(), Unwind>> {
        Box::pin(async move {
            for (index, piece) in pieces.iter().enumerate() {
                match piece {
                    Piece::Text(text) => fields.literal(text),
                    Piece::Quoted(text) => fields.quoted(text),
                    Piece::Double(inner) => {
                        let nothing = matches!(inner.as_slice(), [only] if is_all(only)) && self.positional.is_empty();
                        if !nothing {
                            fields.open();
                        }
                        self.expand_pieces(inner, true, fields).await?;
                    }
                    Piece::Tilde(user) if index == 0 => fields.quoted(&self.home(user)),
                    Piece::Tilde(user) => fields.literal(&format!("~{user}")),
                    Piece::Command(list) => {
                        let output = self.substitute(list).await?;
                        put(&output, quoted, fields);
                    }
                    Piece::Arithmetic(tree) => {
                        let result = arithmetic::evaluate(tree, &mut self.variables);
                        put(&self.number(result).await?, quoted, fields);
                    }
                    Piece::ExpandedArithmetic(word) => {
                        let text = self.expand_text(word).await?;
                        let result = arithmetic::evaluate_text(&text, &mut self.variables);
                        put(&self.number(result).await?, quoted, fields);
                    }
                    Piece::BadSubstitution => {
                        self.complain("syntax error: bad substitution").await;
                        return Err(Unwind::Exit(2));
                    }
                    Piece::Parameter(name, operation) => self.expand_parameter(name, operation, quoted, fields).await?,
                }
            }
            Ok(())
        })
    }

    async fn number(&mut self, result: Result<i64, String>) -> Result<String, Unwind> {
        match result {
            Ok(number) => Ok(number.to_string()),
            Err(message) => {
                self.complain(&message).await;
                Err(Unwind::Exit(2))
            }
        }
    }

    async fn plain(&mut self, text: &Text) -> Result<String, Unwind> {
        if text.len() > LONGEST_VALUE {
            self.unsupported("use of a variable of more than 64 MiB other than in an assignment").await;
            return Err(Unwind::Exit(2));
        }
        Ok(text.to_plain())
    }

    /// The value of a parameter; `None` if it is unset.
    fn value(&mut self, name: &Parameter) -> Option<Text> {
        match name {
            Parameter::Variable(name) if name == "RANDOM" => Some(Text::from((self.process.machine.draw() & 0x7fff).to_string())),
            Parameter::Variable(name) if name == "LINENO" => Some(Text::from(self.position.line.to_string())),
            Parameter::Variable(name) => self.variables.get(name).cloned(),
            Parameter::Positional(0) | Parameter::Zero => Some(Text::from(self.name.as_str())),
            Parameter::Positional(number) => self.positional.get(number - 1).map(|text| Text::from(text.as_str())),
            Parameter::All(_) => (!self.positional.is_empty()).then(|| Text::from(self.positional.join(" "))),
            Parameter::Count => Some(Text::from(self.positional.len().to_string())),
            Parameter::Status => Some(Text::from(self.status.to_string())),
            Parameter::Flags => Some(Text::from(self.flags())),
            Parameter::Pid => Some(Text::from(self.main_pid.to_string())),
            Parameter::LastBackground => Some(Text::from(self.last_background.map(|pid| pid.to_string()).unwrap_or_default())),
        }
    }

    fn expand_all(&self, star: bool, quoted: bool, fields: &mut Fields) {
        if quoted && star {
            let joint = self.variables.get("IFS").map_or_else(|| " ".to_owned(), |ifs| ifs.to_plain().chars().take(1).collect());
            fields.quoted(&self.positional.join(&joint));
            return;
        }
        for (index, text) in self.positional.iter().enumerate() {
            if index > 0 {
                fields.end();
            }
            if quoted {
                fields.quoted(text);
            } else {
                fields.expanded(text);
            }
        }
    }

    async fn expand_parameter(
        &mut self,
        name: &Parameter,
        operation: &Operation,
        quoted: bool,
        fields: &mut Fields,
    ) -> Result<(), Unwind> {
        let value = self.value(name);
        let present = |empty_counts: bool| value.as_ref().is_some_and(|text| !(empty_counts && text.is_empty()));
        match operation {
            Operation::Default(empty_counts, word) if !present(*empty_counts) => {
                return self.expand_pieces(word, quoted, fields).await;
            }
            Operation::Alternative(empty_counts, word) => {
                if present(*empty_counts) {
                    self.expand_pieces(word, quoted, fields).await?;
                }
                return Ok(());
            }
            Operation::Assign(empty_counts, word) if !present(*empty_counts) => {
                let text = self.expand_value(word).await?;
                let Parameter::Variable(variable) = name else {
                    self.complain("syntax error: bad substitution").await;
                    return Err(Unwind::Exit(2));
                };
                self.assign(variable, text.clone()).await?;
                put(&self.plain(&text).await?, quoted, fields);
                return Ok(());
            }
            Operation::Error(empty_counts, word) if !present(*empty_counts) => {
                let message = match word {
                    Some(word) => self.expand_text(word).await?,
                    None if *empty_counts => "parameter not set or null".to_owned(),
                    None => "parameter not set".to_owned(),
                };
                self.complain(&format!("{}: {message}", describe(name))).await;
                return Err(Unwind::Exit(2));
            }
            _ => {}
        }
        if let (Parameter::All(star), true) = (name, plain_use(operation)) {
            self.expand_all(*star, quoted, fields);
            return Ok(());
        }
        if value.is_none() && !matches!(name, Parameter::All(_)) && !matches!(operation, Operation::Default(..)) {
            self.check_unset(&describe(name)).await?;
        }
        let value = value.unwrap_or_default();
        let result = match operation {
            Operation::Length => match name {
                Parameter::All(_) => self.positional.len().to_string(),
                _ => value.characters().to_string(),
            },
            Operation::RemovePrefix(longest, word) => {
                let text = self.plain(&value).await?;
                pattern::without_prefix(&text, &self.expand_pattern(word).await?, *longest)
            }
            Operation::RemoveSuffix(longest, word) => {
                let text = self.plain(&value).await?;
                pattern::without_suffix(&text, &self.expand_pattern(word).await?, *longest)
            }
            Operation::Substring(offset, length) => {
                let text: Vec<char> = self.plain(&value).await?.chars().collect();
                let offset = self.evaluate_number(offset).await?;
                let length = match length {
                    Some(length) => Some(self.evaluate_number(length).await?),
                    None => None,
                };
                substring(&text, offset, length)
            }
            Operation::Replace(all, search, replacement) => {
                let text = self.plain(&value).await?;
                let search = self.expand_pattern(search).await?;
                pattern::replaced(&text, &search, &self.expand_text(replacement).await?, *all)
            }
            _ => self.plain(&value).await?,
        };
        put(&result, quoted, fields);
        Ok(())
    }

    async fn evaluate_number(&mut self, word: &Word) -> Result<i64, Unwind> {
        let text = self.expand_text(word).await?;
        let result = arithmetic::evaluate_text(&text, &mut self.variables);
        Ok(self.number(result).await?.parse().unwrap_or(0))
    }

    /// The output of a command substitution, without its last newlines.
    async fn substitute(&mut self, list: &List) -> Result<String, Unwind> {
        let (reader, writer) = pipe::pipe();
        let list = Arc::clone(list);
        let mut child = self.spawn_shell(Descriptor::Writer(Arc::new(writer)), None, move |mut shell| {
            Box::pin(async move {
                let flow = shell.run_list(&list, true).await;
                shell.leave(flow).await
            })
        });
        let mut bytes = Vec::new();
        let before = self.process.memory().saturating_sub(process::BASE_MEMORY);
        loop {
            let data = reader.read(65_536).await;
            if data.is_empty() {
                break;
            }
            if let crate::sim::program::data::Data::Bytes(part) = data {
                bytes.extend(part.into_iter().filter(|byte| *byte != 0));
            }
            if bytes.len() > 65_536 {
                self.process.hold(before + bytes.len() as u64).await;
            }
            if bytes.len() as u64 > LONGEST_VALUE * 4 {
                self.unsupported("a command substitution of more than 256 MiB").await;
                return Err(Unwind::Exit(2));
            }
        }
        self.status = child.wait().await.code();
        self.process.hold(before).await;
        let mut text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        text.truncate(text.trim_end_matches('\n').len());
        Ok(text)
    }

    /// Sets a variable; a read-only one ends the shell, as in ash.
    pub(super) async fn assign(&mut self, name: &str, value: Text) -> Result<(), Unwind> {
        if !self.variables.set(name, value) {
            self.complain(&format!("{name}: is read only")).await;
            return Err(Unwind::Exit(2));
        }
        if self.options.allexport {
            self.variables.export(name, true);
        }
        self.settle().await;
        Ok(())
    }
}

fn put(text: &str, quoted: bool, fields: &mut Fields) {
    if quoted {
        fields.quoted(text);
    } else if fields.splits() {
        fields.expanded(text);
    } else {
        fields.literal(text);
    }
}

fn is_all(piece: &Piece) -> bool {
    matches!(piece, Piece::Parameter(Parameter::All(false), Operation::Plain))
}

fn plain_use(operation: &Operation) -> bool {
    matches!(operation, Operation::Plain | Operation::Default(..) | Operation::Assign(..) | Operation::Error(..))
}

fn describe(name: &Parameter) -> String {
    match name {
        Parameter::Variable(name) => name.clone(),
        Parameter::Positional(number) => number.to_string(),
        Parameter::All(star) => if *star { "*" } else { "@" }.to_owned(),
        Parameter::Count => "#".to_owned(),
        Parameter::Status => "?".to_owned(),
        Parameter::Flags => "-".to_owned(),
        Parameter::Pid => "$".to_owned(),
        Parameter::LastBackground => "!".to_owned(),
        Parameter::Zero => "0".to_owned(),
    }
}

fn assigns(word: &Word) -> bool {
    matches!(word.first(), Some(Piece::Text(text)) if text.split_once('=').is_some_and(|(name, _)| super::variables::is_name(name)))
}

fn substring(text: &[char], offset: i64, length: Option<i64>) -> String {
    let total = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let from = if offset < 0 { total.saturating_add(offset).max(0) } else { offset.min(total) };
    let to = match length {
        None => total,
        Some(length) if length < 0 => total.saturating_add(length).max(from),
        Some(length) => from.saturating_add(length).min(total),
    };
    let (from, to) = (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0));
    text.get(from..to).unwrap_or_default().iter().collect()
}
