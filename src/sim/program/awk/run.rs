//! Running an awk program: its state, its input, its rules, its memory.
//! Statements are `statement`, expressions `evaluate`.

use super::syntax::{Expression, Pattern, Program};
use super::value::Value;
use crate::sim::program::command::Invocation;
use crate::sim::program::command::lines::{Lines, text_of};
use crate::sim::program::descriptor::Descriptor;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a statement ends early.
#[derive(Debug)]
pub enum Leave {
    Next,
    Exit(i32),
    Break,
    Continue,
    Return(Value),
}

/// The state of a running program.
pub struct Interpreter {
    pub(super) call: Invocation,
    pub(super) program: Arc<Program>,
    pub(super) variables: BTreeMap<String, Value>,
    pub(super) arrays: BTreeMap<String, BTreeMap<String, Value>>,
    pub(super) fields: Vec<String>,
    /// Local scalars of the running user functions.
    pub(super) frames: Vec<BTreeMap<String, Value>>,
    pub(super) regexes: BTreeMap<String, regex::Regex>,
    /// Bytes of all variables, elements and locals.
    pub(super) held: u64,
    /// Bytes of results that the running statement still needs.
    pub(super) temporary: u64,
    settled: u64,
    pub(super) random: u64,
    pub(super) outputs: BTreeMap<String, Descriptor>,
    in_range: Vec<bool>,
    pub(super) status: i32,
}

impl Interpreter {
    pub fn new(call: Invocation, program: Program, separator: Option<String>, assignments: &[String]) -> Self {
        let in_range = vec![false; program.rules.len()];
        let mut interpreter = Self {
            program: Arc::new(program),
            variables: BTreeMap::new(),
            arrays: BTreeMap::new(),
            fields: vec![String::new()],
            frames: Vec::new(),
            regexes: BTreeMap::new(),
            held: 0,
            temporary: 0,
            settled: 0,
            random: 0,
            outputs: BTreeMap::new(),
            in_range,
            status: 0,
            call,
        };
        for (name, value) in
            [("FS", " "), ("OFS", " "), ("ORS", "\n"), ("RS", "\n"), ("SUBSEP", "\u{1c}"), ("CONVFMT", "%.6g"), ("OFMT", "%.6g")]
        {
            interpreter.variables.insert(name.to_owned(), Value::Text(value.into()));
        }
        if let Some(separator) = separator {
            let separator = if separator == "\\t" { "\t".to_owned() } else { separator };
            interpreter.variables.insert("FS".to_owned(), Value::Text(separator.into()));
        }
        let environment: BTreeMap<String, Value> =
            interpreter.call.environment.iter().map(|(name, value)| (name.clone(), Value::input(value))).collect();
        interpreter.arrays.insert("ENVIRON".to_owned(), environment);
        for assignment in assignments {
            interpreter.assign_operand(assignment);
        }
        interpreter
    }

    fn assign_operand(&mut self, word: &str) -> bool {
        match word.split_once('=') {
            Some((name, value)) if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                let value = String::from_utf8_lossy(&crate::sim::program::command::format::unescape(value).0).into_owned();
                self.variables.insert(name.to_owned(), Value::input(&value));
                true
            }
            _ => false,
        }
    }

    pub async fn run(mut self, operands: Vec<String>) -> i32 {
        let flow = self.run_all(operands).await;
        match flow {
            Err(Leave::Exit(code)) => code,
            Ok(()) | Err(_) => self.status,
        }
    }

    async fn run_all(&mut self, operands: Vec<String>) -> Result<(), Leave> {
        let program = Arc::clone(&self.program);
        let mut exited = None;
        for body in &program.begin {
            if let Err(Leave::Exit(code)) = self.run_block(body).await {
                exited = Some(code);
                break;
            }
        }
        let reads = !program.rules.is_empty() || !program.end.is_empty();
        if exited.is_none() && reads {
            match self.read_input(operands).await {
                Err(Leave::Exit(code)) => exited = Some(code),
                other => other?,
            }
        }
        if exited.is_none() || reads {
            for body in &program.end {
                if let Err(Leave::Exit(code)) = self.run_block(body).await {
                    exited = Some(code);
                    break;
                }
            }
        }
        exited.map_or(Ok(()), |code| Err(Leave::Exit(code)))
    }

    async fn read_input(&mut self, operands: Vec<String>) -> Result<(), Leave> {
        let (mut files, mut number) = (Vec::new(), 0.0);
        for operand in operands {
            if !self.assign_operand(&operand) {
                files.push(operand);
            }
        }
        if files.is_empty() {
            files.push("-".to_owned());
        }
        if self.text_variable("RS") != "\n" {
            self.call.unsupported("awk with another RS").await;
            return Err(Leave::Exit(2));
        }
        for file in files {
            let input = match self.call.open(&file) {
                Ok(input) => input,
                Err(error) => {
                    self.call.error(&format!("{file}: {error}")).await;
                    self.status = 1;
                    continue;
                }
            };
            self.variables.insert("FILENAME".to_owned(), Value::Text(file.as_str().into()));
            let (mut lines, mut own) = (Lines::new(input), 0.0);
            while let Ok(Some(line)) = lines.next(&self.call, self.held).await {
                (number, own) = (number + 1.0, own + 1.0);
                self.variables.insert("NR".to_owned(), Value::Number(number));
                self.variables.insert("FNR".to_owned(), Value::Number(own));
                self.split_record(&text_of(&line));
                match self.run_rules().await {
                    Ok(()) | Err(Leave::Next) => {}
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(())
    }

    async fn run_rules(&mut self) -> Result<(), Leave> {
        let program = Arc::clone(&self.program);
        self.temporary = 0;
        for (index, (pattern, body)) in program.rules.iter().enumerate() {
            let applies = match pattern {
                Pattern::Always => true,
                Pattern::When(condition) => self.condition(condition).await?,
                Pattern::Range(first, last) => {
                    let begins = self.in_range[index] || self.condition(first).await?;
                    self.in_range[index] = begins && !self.condition(last).await?;
                    begins
                }
            };
            if !applies {
                continue;
            }
            if let Some(body) = body {
                self.run_block(body).await?;
            } else {
                let line = format!("{}{}", self.fields[0], self.text_variable("ORS"));
                self.call.print(line).await;
            }
        }
        Ok(())
    }

    /// Counts the memory of all values.
    pub(super) async fn settle(&mut self) {
        let bytes = self.held + self.temporary;
        if bytes.abs_diff(self.settled) >= 4096 {
            self.settled = bytes;
            self.call.process.hold(bytes).await;
        }
    }

    pub(super) fn text_variable(&self, name: &str) -> String {
        self.variables.get(name).map(|value| value.text("%.6g").to_plain()).unwrap_or_default()
    }

    pub(super) async fn evaluate_text(&mut self, expression: &Expression) -> Result<String, Leave> {
        let value = self.evaluate(expression).await?;
        Ok(value.text(&self.text_variable("CONVFMT")).to_plain())
    }
}

/// Bytes that an array element takes beside its value: busybox's hash item.
pub(super) fn element_size(key: &str, value: &Value) -> u64 {
    value.size() + key.len() as u64 + 64
}
