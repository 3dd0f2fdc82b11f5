//! `find`: an expression of tests and actions over a tree.
//! The tree's walk is that of `listing`.

use super::Invocation;
use super::listing::walk;
use super::process_control::run_child;
use crate::sim::program::filesystem::{FileSystem, Kind, normalize};
use crate::sim::program::shell::pattern;
use std::iter::Peekable;
use std::slice::Iter;
use tokio::time::Instant;

/// A part of the expression.
#[derive(Debug)]
enum Test {
    Name(String, bool),
    Path(String),
    Kind(char),
    /// Age in units: more than (+), less than (-), exactly; the unit in seconds.
    Age(char, u64, u64),
    Newer(Instant),
    Empty,
    /// Size in units, rounded up.
    Size(char, u64, u64),
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
    Constant(bool),
    Print(&'static str),
    Delete,
    /// The command, and whether it gets all names at once.
    Execute(Vec<String>, bool),
}

impl Test {
    fn acts(&self) -> bool {
        match self {
            Self::Print(_) | Self::Delete | Self::Execute(..) => true,
            Self::Not(test) => test.acts(),
            Self::And(tests) | Self::Or(tests) => tests.iter().any(Self::acts),
            _ => false,
        }
    }
}

#[derive(Debug)]
struct Depth {
    deepest: usize,
    shallowest: usize,
    children_first: bool,
}

/// What is wrong with an expression: an option that is not simulated, or a message.
enum Wrong {
    Option(String),
    Message(String),
}

struct Parser<'a> {
    call: &'a Invocation,
    words: Peekable<Iter<'a, String>>,
    depth: Depth,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Test, Wrong> {
        let mut tests = vec![self.all()?];
        while self.words.next_if(|word| matches!(word.as_str(), "-o" | "-or")).is_some() {
            tests.push(self.all()?);
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Test::Or(tests) })
    }

    fn all(&mut self) -> Result<Test, Wrong> {
        let mut tests = Vec::new();
        while let Some(word) = self.words.next_if(|word| !matches!(word.as_str(), "-o" | "-or" | ")")) {
            if !matches!(word.as_str(), "-a" | "-and") {
                tests.push(self.one(word)?);
            }
        }
        Ok(Test::And(tests))
    }

    fn one(&mut self, word: &str) -> Result<Test, Wrong> {
        if matches!(word, "!" | "-not") {
            let Some(next) = self.words.next() else { return Err(Wrong::Message("unrecognized: !".to_owned())) };
            return Ok(Test::Not(Box::new(self.one(next)?)));
        }
        if word == "(" {
            let inner = self.any()?;
            return match self.words.next() {
                Some(_) => Ok(inner),
                None => Err(Wrong::Message("unrecognized: (".to_owned())),
            };
        }
        match word {
            "-print" => return Ok(Test::Print("\n")),
            "-print0" => return Ok(Test::Print("\0")),
            "-delete" => {
                self.depth.children_first = true;
                return Ok(Test::Delete);
            }
            "-depth" => {
                self.depth.children_first = true;
                return Ok(Test::Constant(true));
            }
            "-empty" => return Ok(Test::Empty),
            "-true" => return Ok(Test::Constant(true)),
            "-false" => return Ok(Test::Constant(false)),
            "-xdev" | "-mount" => return Ok(Test::Constant(true)),
            _ => {}
        }
        let known = matches!(
            word,
            "-name"
                | "-iname"
                | "-path"
                | "-type"
                | "-mmin"
                | "-mtime"
                | "-size"
                | "-newer"
                | "-maxdepth"
                | "-mindepth"
                | "-exec"
        );
        if !known {
            return Err(Wrong::Option(word.to_owned()));
        }
        let Some(value) = self.words.next() else { return Err(Wrong::Message(format!("{word}: requires an argument"))) };
        self.with_value(word, value)
    }

    fn with_value(&mut self, word: &str, value: &str) -> Result<Test, Wrong> {
        let sign = value.chars().next().filter(|c| matches!(c, '+' | '-')).unwrap_or('=');
        let plain = value.trim_start_matches(['+', '-']);
        let number = || plain.parse::<u64>().map_err(|_| Wrong::Message(format!("invalid number '{value}'")));
        Ok(match word {
            "-name" => Test::Name(value.to_owned(), false),
            "-iname" => Test::Name(value.to_lowercase(), true),
            "-path" => Test::Path(value.to_owned()),
            "-type" => Test::Kind(value.chars().next().unwrap_or('f')),
            "-mmin" => Test::Age(sign, number()?, 60),
            "-mtime" => Test::Age(sign, number()?, 86_400),
            "-size" => {
                let digits = plain.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let unit = match &plain[digits.len()..] {
                    "c" => 1,
                    "k" => 1024,
                    "M" => 1024 * 1024,
                    "" | "b" => 512,
                    _ => return Err(Wrong::Option(format!("-size {value}"))),
                };
                let number = digits.parse().map_err(|_| Wrong::Message(format!("invalid number '{value}'")))?;
                Test::Size(sign, number, unit)
            }
            "-newer" => {
                let files = &self.call.process.machine.spec.filesystem;
                match files.metadata(&self.call.path(value)) {
                    Ok(metadata) => Test::Newer(metadata.modified),
                    Err(error) => return Err(Wrong::Message(format!("{value}: {error}"))),
                }
            }
            "-maxdepth" => {
                self.depth.deepest = crate::sim::program::data::to_usize(number()?);
                Test::Constant(true)
            }
            "-mindepth" => {
                self.depth.shallowest = crate::sim::program::data::to_usize(number()?);
                Test::Constant(true)
            }
            _ => {
                let mut command = vec![value.to_owned()];
                loop {
                    match self.words.next().map(String::as_str) {
                        Some(";") => return Ok(Test::Execute(command, false)),
                        Some("+") if command.last().is_some_and(|last| last == "{}") => {
                            command.pop();
                            return Ok(Test::Execute(command, true));
                        }
                        Some(word) => command.push(word.to_owned()),
                        None => return Err(Wrong::Message("-exec: requires an argument".to_owned())),
                    }
                }
            }
        })
    }
}

/// Runs `find`.
pub async fn run(call: &Invocation) -> i32 {
    let mut starts = Vec::new();
    let mut words = call.arguments().iter().peekable();
    while let Some(word) = words.next_if(|word| !word.starts_with('-') && *word != "!" && *word != "(") {
        starts.push(word.clone());
    }
    if starts.is_empty() {
        starts.push(".".to_owned());
    }
    let mut parser = Parser { call, words, depth: Depth { deepest: usize::MAX, shallowest: 0, children_first: false } };
    let mut test = match parser.any() {
        Ok(test) => test,
        Err(Wrong::Option(option)) => return call.bad_option(&option).await,
        Err(Wrong::Message(message)) => {
            call.error(&message).await;
            return 1;
        }
    };
    let depth = parser.depth;
    if !test.acts() {
        test = Test::And(vec![test, Test::Print("\n")]);
    }
    let files = &call.process.machine.spec.filesystem;
    let mut state = State { call, files, output: String::new(), together: Vec::new(), status: 0 };
    for start in &starts {
        if let Err(error) = files.link_metadata(&call.path(start)) {
            call.error(&format!("{start}: {error}")).await;
            state.status = 1;
            continue;
        }
        let mut found = Vec::new();
        walk(files, start, &call.path(start), 0, depth.deepest, &mut |name, path, at| {
            if at >= depth.shallowest {
                found.push((name.to_owned(), path.to_owned()));
            }
        });
        if depth.children_first {
            found.reverse();
        }
        for (name, path) in found {
            state.holds(&test, &name, &path).await;
        }
    }
    state.flush().await;
    for (command, names) in std::mem::take(&mut state.together) {
        let argv = command.into_iter().chain(names).collect();
        if run_child(call, argv).await.wait().await.code() != 0 {
            state.status = 1;
        }
    }
    state.status
}

struct State<'a> {
    call: &'a Invocation,
    files: &'a FileSystem,
    output: String,
    together: Vec<(Vec<String>, Vec<String>)>,
    status: i32,
}

impl State<'_> {
    async fn flush(&mut self) {
        let text = std::mem::take(&mut self.output);
        self.call.print(text).await;
    }

    async fn holds(&mut self, test: &Test, name: &str, path: &str) -> bool {
        match test {
            Test::Not(inner) => !Box::pin(self.holds(inner, name, path)).await,
            Test::And(tests) => {
                for test in tests {
                    if !Box::pin(self.holds(test, name, path)).await {
                        return false;
                    }
                }
                true
            }
            Test::Or(tests) => {
                for test in tests {
                    if Box::pin(self.holds(test, name, path)).await {
                        return true;
                    }
                }
                false
            }
            Test::Print(end) => {
                self.output.push_str(&format!("{name}{end}"));
                true
            }
            Test::Delete => {
                let gone = self.files.remove_file(path).or_else(|_| self.files.remove_directory(path));
                if let Err(error) = gone {
                    self.call.error(&format!("{name}: {error}")).await;
                    self.status = 1;
                }
                true
            }
            Test::Execute(command, true) => {
                match self.together.iter_mut().find(|(known, _)| known == command) {
                    Some((_, names)) => names.push(name.to_owned()),
                    None => self.together.push((command.clone(), vec![name.to_owned()])),
                }
                true
            }
            Test::Execute(command, false) => {
                self.flush().await;
                let argv = command.iter().map(|word| word.replace("{}", name)).collect();
                run_child(self.call, argv).await.wait().await.code() == 0
            }
            plain => is(self.files, plain, name, path),
        }
    }
}

/// Whether a test without actions holds.
fn is(files: &FileSystem, test: &Test, name: &str, path: &str) -> bool {
    let Ok(metadata) = files.link_metadata(&normalize(path)) else { return false };
    let compare = |sign: char, value: u64, wanted: u64| match sign {
        '+' => value > wanted,
        '-' => value < wanted,
        _ => value == wanted,
    };
    let base = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
    match test {
        Test::Name(wanted, true) => pattern::matches(wanted, &base.to_lowercase()),
        Test::Name(wanted, false) => pattern::matches(wanted, base),
        Test::Path(wanted) => pattern::matches(wanted, name),
        Test::Kind(letter) => matches!(
            (letter, &metadata.kind),
            ('f', Kind::File) | ('d', Kind::Directory) | ('l', Kind::Link(_)) | ('c', Kind::Device)
        ),
        Test::Age(sign, number, unit) => compare(*sign, metadata.modified.elapsed().as_secs() / unit, *number),
        Test::Newer(than) => metadata.modified > *than,
        Test::Empty => match metadata.kind {
            Kind::Directory => files.list(path).is_ok_and(|names| names.is_empty()),
            _ => metadata.size == 0,
        },
        Test::Size(sign, number, unit) => compare(*sign, metadata.size.div_ceil(*unit), *number),
        Test::Constant(value) => *value,
        _ => true,
    }
}
