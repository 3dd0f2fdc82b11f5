//! From the text of a `sed` script to its commands: `s`, `p`, `d`, `q`, `=`, with addresses.
//! What else sed can do is named in the error and becomes a limit.

use crate::sim::program::command::text::from_basic;
use regex::{Regex, RegexBuilder};
use std::iter::Peekable;
use std::str::Chars;

/// One command.
pub(super) struct Command {
    /// The only or first address.
    pub from: Option<Address>,
    /// The end of a range.
    pub to: Option<Address>,
    /// Whether it applies to all other lines.
    pub negated: bool,
    /// What it does.
    pub action: Action,
    /// Whether the range has begun.
    pub in_range: bool,
}

/// Which line.
pub(super) enum Address {
    /// By number, from 1.
    Line(u64),
    /// The last.
    Last,
    /// Each that matches.
    Match(Regex),
}

/// What a command does.
pub(super) enum Action {
    /// `p`
    Print,
    /// `=`
    Number,
    /// `d`
    Delete,
    /// `q`
    Quit,
    /// `s`
    Substitute(Substitution),
}

/// `s/regex/replacement/flags`
pub(super) struct Substitution {
    /// What is looked for.
    pub regex: Regex,
    /// What takes its place.
    pub replacement: Vec<Piece>,
    /// The first match that is replaced, from 1.
    pub first: usize,
    /// Whether all further matches are replaced, too.
    pub global: bool,
    /// Whether a changed line is printed.
    pub print: bool,
}

/// A part of a replacement.
pub(super) enum Piece {
    /// As it stands.
    Text(String),
    /// What a group matched; 0 is the whole match.
    Group(usize),
}

/// Parses a script; `extended` chooses the syntax of its regular expressions.
///
/// # Errors
/// The construct that is not simulated (or wrong).
pub(super) fn parse(text: &str, extended: bool) -> Result<Vec<Command>, String> {
    let mut parser = Parser { letters: text.chars().peekable(), extended };
    let mut commands = Vec::new();
    loop {
        while parser.letters.next_if(|c| c.is_whitespace() || *c == ';').is_some() {}
        if parser.letters.peek().is_none() {
            return Ok(commands);
        }
        commands.push(parser.command()?);
    }
}

struct Parser<'a> {
    letters: Peekable<Chars<'a>>,
    extended: bool,
}

impl Parser<'_> {
    fn blanks(&mut self) {
        while self.letters.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
    }

    fn command(&mut self) -> Result<Command, String> {
        let from = self.address()?;
        self.blanks();
        let to = if from.is_some() && self.letters.next_if_eq(&',').is_some() {
            self.blanks();
            Some(self.address()?.ok_or("address range without an end")?)
        } else {
            None
        };
        self.blanks();
        let negated = self.letters.next_if_eq(&'!').is_some();
        self.blanks();
        let action = match self.letters.next() {
            Some('p') => Action::Print,
            Some('=') => Action::Number,
            Some('d') => Action::Delete,
            Some('q') => Action::Quit,
            Some('s') => Action::Substitute(self.substitution()?),
            Some(other) => return Err(format!("command {other}")),
            None => return Err("address without a command".to_owned()),
        };
        self.blanks();
        match self.letters.next() {
            None | Some(';' | '\n') => Ok(Command { from, to, negated, action, in_range: false }),
            Some(other) => Err(format!("command followed by {other}")),
        }
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        match self.letters.peek().copied() {
            Some('$') => {
                self.letters.next();
                Ok(Some(Address::Last))
            }
            Some('/') => {
                self.letters.next();
                let pattern = self.until('/', true)?;
                let any_case = self.letters.next_if_eq(&'I').is_some();
                Ok(Some(Address::Match(self.regex(&pattern, any_case)?)))
            }
            Some('\\') => Err("address with another delimiter".to_owned()),
            Some(digit) if digit.is_ascii_digit() => {
                let number = self.number()?;
                match self.letters.peek() {
                    Some('~') => Err("address with a step".to_owned()),
                    _ if number == 0 => Err("address 0".to_owned()),
                    _ => Ok(Some(Address::Line(number))),
                }
            }
            Some('+') => Err("address with an offset".to_owned()),
            _ => Ok(None),
        }
    }

    fn number(&mut self) -> Result<u64, String> {
        let mut digits = String::new();
        while let Some(digit) = self.letters.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        digits.parse().map_err(|_| format!("number {digits}"))
    }

    fn regex(&self, pattern: &str, any_case: bool) -> Result<Regex, String> {
        if pattern.is_empty() {
            return Err("the empty regular expression".to_owned());
        }
        let source = if self.extended { pattern.to_owned() } else { from_basic(pattern) };
        RegexBuilder::new(&source)
            .case_insensitive(any_case)
            .build()
            .map_err(|_| format!("with the regular expression {pattern}"))
    }

    /// The text up to the delimiter; in a pattern, one in brackets does not count.
    fn until(&mut self, delimiter: char, pattern: bool) -> Result<String, String> {
        let (mut text, mut in_bracket) = (String::new(), false);
        loop {
            match self.letters.next() {
                None => return Err(format!("script without its {delimiter}")),
                Some('\\') if !in_bracket => match self.letters.next() {
                    Some(c) if c == delimiter && c != '&' => text.push(c),
                    Some('\n') if !pattern => text.push('\n'),
                    Some(c) => text.extend(['\\', c]),
                    None => return Err("script that ends with a backslash".to_owned()),
                },
                Some(c) if c == delimiter && !in_bracket => return Ok(text),
                Some(c) => {
                    in_bracket = match c {
                        '[' if pattern && !in_bracket => {
                            text.push(c);
                            text.extend(self.letters.next_if_eq(&'^'));
                            text.extend(self.letters.next_if_eq(&']'));
                            in_bracket = true;
                            continue;
                        }
                        ']' => false,
                        _ => in_bracket,
                    };
                    text.push(c);
                }
            }
        }
    }

    fn substitution(&mut self) -> Result<Substitution, String> {
        let delimiter = self.letters.next().filter(|c| *c != '\n' && *c != '\\').ok_or("s without a delimiter")?;
        let pattern = self.until(delimiter, true)?;
        let replacement = pieces(&self.until(delimiter, false)?)?;
        let (mut first, mut global, mut print, mut any_case) = (1, false, false, false);
        while let Some(flag) = self.letters.peek().copied() {
            match flag {
                'g' => global = true,
                'p' => print = true,
                'i' | 'I' => any_case = true,
                digit if digit.is_ascii_digit() => {
                    first = usize::try_from(self.number()?).ok().filter(|first| *first > 0).ok_or("s with the number 0")?;
                    continue;
                }
                ' ' | '\t' | ';' | '\n' => break,
                other => return Err(format!("s with the flag {other}")),
            }
            self.letters.next();
        }
        let regex = self.regex(&pattern, any_case)?;
        let groups = regex.captures_len();
        match replacement.iter().find(|piece| matches!(piece, Piece::Group(group) if *group >= groups)) {
            Some(_) => Err(format!("reference to a missing group in {pattern}")),
            None => Ok(Substitution { regex, replacement, first, global, print }),
        }
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut literal, mut letters) = (Vec::new(), String::new(), text.chars());
    while let Some(c) = letters.next() {
        let group = match c {
            '&' => 0,
            '\\' => match letters.next() {
                Some(digit @ '0'..='9') => digit.to_digit(10).map_or(0, |digit| digit as usize),
                Some('n') => {
                    literal.push('\n');
                    continue;
                }
                Some('t') => {
                    literal.push('\t');
                    continue;
                }
                Some(other) if other.is_ascii_alphabetic() => return Err(format!("replacement with \\{other}")),
                Some(other) => {
                    literal.push(other);
                    continue;
                }
                None => return Err("replacement that ends with a backslash".to_owned()),
            },
            other => {
                literal.push(other);
                continue;
            }
        };
        pieces.push(Piece::Text(std::mem::take(&mut literal)));
        pieces.push(Piece::Group(group));
    }
    pieces.push(Piece::Text(literal));
    Ok(pieces)
}
