//! `read`, `getopts` and `let`: commands that put what they find into variables.
//! The other commands of the shell are `builtin`.

use super::super::{Flow, Shell, Unwind, arithmetic};
use crate::sim::program::data::Text;
use std::time::Duration;

impl Shell {
    pub(super) async fn read(&mut self, arguments: &[String]) -> Flow {
        let (mut raw, mut names, mut timeout, mut number) = (false, Vec::new(), None, 0);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "-r" => raw = true,
                "-s" => {}
                "-rs" | "-sr" => raw = true,
                "-p" => {
                    // A prompt is shown at a terminal only.
                    rest.next();
                }
                "-t" => {
                    let seconds = rest.next().and_then(|text| text.parse::<f64>().ok()).filter(|seconds| *seconds >= 0.0);
                    timeout = Some(Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or(Duration::ZERO));
                }
                "-u" => number = rest.next().and_then(|text| text.parse().ok()).unwrap_or(0),
                flag if flag.starts_with('-') => {
                    self.unsupported(&format!("read {flag}")).await;
                    return Ok(2);
                }
                name => names.push(name.to_owned()),
            }
        }
        if names.is_empty() {
            names.push("REPLY".to_owned());
        }
        let line = match timeout {
            Some(limit) => match tokio::time::timeout(limit, self.read_line(number, raw)).await {
                Ok(line) => line,
                Err(_) => return Ok(142),
            },
            None => self.read_line(number, raw).await,
        };
        let (text, complete) = line;
        let ifs = self.variables.plain("IFS");
        let mut remaining = trim_start(&text, &ifs).to_owned();
        for (index, name) in names.iter().enumerate() {
            let value = if index + 1 == names.len() {
                trim_end(&remaining, &ifs).to_owned()
            } else {
                let (field, after) = split_first(&remaining, &ifs);
                remaining = after;
                field
            };
            self.assign(name, Text::from(value.replace('\u{0}', ""))).await?;
        }
        Ok(i32::from(!complete))
    }

    /// A line without its newline, and whether it had one. Bytes are read one by one: the rest stays for others.
    async fn read_line(&self, number: i32, raw: bool) -> (String, bool) {
        let mut bytes = Vec::new();
        let Ok(input) = self.descriptors.get(number) else { return (String::new(), false) };
        let mut escaped = false;
        while let Ok(data) = input.read(1).await {
            let Some(byte) = data.into_bytes().first().copied() else { break };
            if escaped {
                escaped = false;
                if byte != b'\n' {
                    bytes.push(byte);
                }
            } else if byte == b'\\' && !raw {
                escaped = true;
            } else if byte == b'\n' {
                return (String::from_utf8_lossy(&bytes).into_owned(), true);
            } else if byte != 0 {
                bytes.push(byte);
                if bytes.len() % 65_536 == 0 {
                    self.process.hold(bytes.len() as u64).await;
                }
            }
        }
        (String::from_utf8_lossy(&bytes).into_owned(), false)
    }

    pub(super) async fn getopts(&mut self, arguments: &[String]) -> Flow {
        let [specification, variable, given @ ..] = arguments else {
            self.complain_as("getopts", "usage: getopts optstring var [arg...]").await;
            return Err(Unwind::Exit(2));
        };
        let words = if given.is_empty() { self.positional.clone() } else { given.to_vec() };
        let silent = specification.starts_with(':');
        let index: usize = self.variables.plain("OPTIND").parse().unwrap_or(1).max(1);
        let place: usize = self.variables.plain("_OPTPLACE").parse().unwrap_or(1).max(1);
        let word = words.get(index - 1).cloned().unwrap_or_default();
        if !word.starts_with('-') || word == "-" || word == "--" {
            if word == "--" {
                self.assign("OPTIND", Text::from((index + 1).to_string())).await?;
            }
            self.assign(variable, "?".into()).await?;
            return Ok(1);
        }
        let letters: Vec<char> = word.chars().collect();
        let letter = letters.get(place).copied().unwrap_or('?');
        let at_end = place + 1 >= letters.len();
        let mut next = if at_end { (index + 1, 1) } else { (index, place + 1) };
        let known = specification.find(letter).filter(|_| letter != ':');
        let takes_value = known.is_some_and(|at| specification[at + letter.len_utf8()..].starts_with(':'));
        let mut shown = letter.to_string();
        self.variables.unset("OPTARG");
        if known.is_none() {
            if silent {
                self.assign("OPTARG", Text::from(shown.as_str())).await?;
            } else {
                self.complain(&format!("illegal option -{letter}")).await;
            }
            "?".clone_into(&mut shown);
        } else if takes_value {
            let attached: String = letters[place + 1..].iter().collect();
            let value = if at_end { words.get(index).cloned() } else { Some(attached) };
            next = (if at_end { index + 2 } else { index + 1 }, 1);
            if let Some(value) = value {
                self.assign("OPTARG", value.into()).await?;
            } else if silent {
                self.assign("OPTARG", Text::from(shown.as_str())).await?;
                ":".clone_into(&mut shown);
            } else {
                self.complain(&format!("no arg for -{letter} option")).await;
                "?".clone_into(&mut shown);
            }
        }
        self.assign("OPTIND", Text::from(next.0.to_string())).await?;
        self.assign("_OPTPLACE", Text::from(next.1.to_string())).await?;
        self.assign(variable, shown.into()).await?;
        Ok(0)
    }

    pub(super) async fn evaluate_let(&mut self, arguments: &[String]) -> Flow {
        let mut last = 0;
        for argument in arguments {
            match arithmetic::evaluate_text(argument, &mut self.variables) {
                Ok(number) => last = number,
                Err(message) => {
                    self.complain(&message).await;
                    return Err(Unwind::Exit(2));
                }
            }
        }
        Ok(i32::from(last == 0))
    }
}

fn is_space(ifs: &str, c: char) -> bool {
    c.is_ascii_whitespace() && ifs.contains(c)
}

fn trim_start<'a>(text: &'a str, ifs: &str) -> &'a str {
    text.trim_start_matches(|c| is_space(ifs, c))
}

fn trim_end<'a>(text: &'a str, ifs: &str) -> &'a str {
    text.trim_end_matches(|c| is_space(ifs, c))
}

/// The first field and what follows its separator.
fn split_first(text: &str, ifs: &str) -> (String, String) {
    let Some(end) = text.find(|c| ifs.contains(c)) else { return (text.to_owned(), String::new()) };
    let (field, rest) = text.split_at(end);
    let rest = trim_start(rest, ifs);
    let rest = match rest.chars().next() {
        Some(c) if ifs.contains(c) && !is_space(ifs, c) => trim_start(&rest[c.len_utf8()..], ifs),
        _ => rest,
    };
    (field.to_owned(), rest.to_owned())
}
