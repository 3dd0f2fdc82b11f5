//! `test` and `[`.
//! `[[ ]]` is the shell's, but uses the operators here.

use super::Invocation;
use crate::sim::program::filesystem::{FileSystem, Kind, normalize};

/// Runs `test` or `[`.
pub async fn run(call: &Invocation) -> i32 {
    let mut words = call.arguments();
    if call.argv[0] != "test" {
        let closing = if call.argv[0] == "[" { "]" } else { "]]" };
        match words.split_last() {
            Some((last, rest)) if last == closing => words = rest,
            _ => {
                call.error(&format!("missing {closing}")).await;
                return 2;
            }
        }
    }
    match evaluate(words, &call.process.machine.spec.filesystem, &call.directory) {
        Ok(holds) => i32::from(!holds),
        Err(message) => {
            call.error(&message).await;
            2
        }
    }
}

struct Parser<'a> {
    words: &'a [String],
    filesystem: &'a FileSystem,
    directory: &'a str,
    depth: usize,
}

/// Evaluates the words of a `test`.
///
/// # Errors
/// busybox's message.
pub fn evaluate(words: &[String], filesystem: &FileSystem, directory: &str) -> Result<bool, String> {
    let mut parser = Parser { words, filesystem, directory, depth: 0 };
    // POSIX decides short forms by their number of words, so that operands may look like operators.
    match words {
        [] => return Ok(false),
        [only] => return Ok(!only.is_empty()),
        [not, word] if not == "!" => return Ok(word.is_empty()),
        [left, operator, right] if is_binary(operator) => return parser.binary(left, operator, right),
        [not, left, operator, right] if not == "!" && is_binary(operator) => {
            return parser.binary(left, operator, right).map(|holds| !holds);
        }
        _ => {}
    }
    let result = parser.or()?;
    match parser.words.first() {
        None => Ok(result),
        Some(word) => Err(format!("{word}: unknown operand")),
    }
}

fn is_binary(word: &str) -> bool {
    matches!(
        word,
        "=" | "==" | "!=" | "<" | ">" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-nt" | "-ot" | "-ef" | "\\<" | "\\>"
    )
}

fn number(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| format!("{text}: bad number"))
}

impl Parser<'_> {
    fn next(&mut self) -> Option<String> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first.clone())
    }

    fn eat(&mut self, words: &[&str]) -> bool {
        let found = self.words.first().is_some_and(|word| words.contains(&word.as_str()));
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut result = self.and()?;
        while self.eat(&["-o", "||"]) {
            let other = self.and()?;
            result = result || other;
        }
        Ok(result)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut result = self.primary()?;
        while self.eat(&["-a", "&&"]) {
            let other = self.primary()?;
            result = result && other;
        }
        Ok(result)
    }

    fn primary(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > 200 {
            return Err("too many operands".to_owned());
        }
        if self.words.len() > 1 && self.eat(&["!"]) {
            return self.primary().map(|holds| !holds);
        }
        if self.words.len() > 2 && is_binary(&self.words[1]) {
            let (left, operator, right) = (self.words[0].clone(), self.words[1].clone(), self.words[2].clone());
            self.words = &self.words[3..];
            return self.binary(&left, &operator, &right);
        }
        if self.words.len() > 1 && self.eat(&["("]) {
            let result = self.or()?;
            return if self.eat(&[")"]) { Ok(result) } else { Err("closing paren expected".to_owned()) };
        }
        let Some(word) = self.next() else { return Err("argument expected".to_owned()) };
        let unary = word.len() == 2 && word.starts_with('-') && "bcdefghknprstuvwxzLOGS".contains(&word[1..]);
        if unary && !self.words.is_empty() {
            let operand = self.next().unwrap_or_default();
            return self.unary(&word, &operand);
        }
        Ok(!word.is_empty())
    }

    fn unary(&self, operator: &str, operand: &str) -> Result<bool, String> {
        let path = if operand.starts_with('/') { operand.to_owned() } else { format!("{}/{operand}", self.directory) };
        let found = if operand.is_empty() { None } else { self.filesystem.metadata(&path).ok() };
        let link =
            || self.filesystem.link_metadata(&normalize(&path)).is_ok_and(|metadata| matches!(metadata.kind, Kind::Link(_)));
        Ok(match operator {
            "-n" => !operand.is_empty(),
            "-z" => operand.is_empty(),
            "-e" | "-r" | "-O" | "-G" => found.is_some(),
            "-f" => found.is_some_and(|metadata| metadata.kind == Kind::File),
            "-d" => found.is_some_and(|metadata| metadata.kind == Kind::Directory),
            "-s" => found.is_some_and(|metadata| metadata.size > 0 || metadata.kind == Kind::Directory),
            "-c" => found.is_some_and(|metadata| metadata.kind == Kind::Device),
            "-w" => found.is_some() && self.filesystem.writable(&path).is_ok(),
            "-x" => {
                found.is_some_and(|metadata| metadata.executable || metadata.kind == Kind::Directory)
                    || path.rsplit_once('/').is_some_and(|(above, name)| {
                        super::PROGRAM_DIRECTORIES.contains(&above) && super::applets::SIMULATED.contains(&name)
                    })
            }
            "-L" | "-h" => link(),
            // No sockets, pipes or block devices with names, no set-id bits, no terminals here.
            "-b" | "-p" | "-S" | "-u" | "-g" | "-k" | "-t" => false,
            other => return Err(format!("{other}: unknown operand")),
        })
    }

    fn binary(&self, left: &str, operator: &str, right: &str) -> Result<bool, String> {
        let path = |text: &str| if text.starts_with('/') { text.to_owned() } else { format!("{}/{text}", self.directory) };
        let modified = |text: &str| self.filesystem.metadata(&path(text)).ok().map(|metadata| metadata.modified);
        Ok(match operator {
            "=" | "==" => left == right,
            "!=" => left != right,
            "<" | "\\<" => left < right,
            ">" | "\\>" => left > right,
            "-eq" => number(left)? == number(right)?,
            "-ne" => number(left)? != number(right)?,
            "-lt" => number(left)? < number(right)?,
            "-le" => number(left)? <= number(right)?,
            "-gt" => number(left)? > number(right)?,
            "-ge" => number(left)? >= number(right)?,
            "-nt" => modified(left) > modified(right),
            "-ot" => modified(right) > modified(left),
            _ => self.filesystem.resolve(&path(left)) == self.filesystem.resolve(&path(right)),
        })
    }
}
