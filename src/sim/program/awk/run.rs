//! Running an awk program: rules over lines, statements, output.
//! Expressions are `evaluate`.

use super::syntax::{Expression, Output, Pattern, Program, Statement};
use super::value::Value;
use crate::sim::program::command::Invocation;
use crate::sim::program::command::format::{Part, parse_format};
use crate::sim::program::command::lines::{Lines, text_of};
use crate::sim::program::data::{Data, Text};
use crate::sim::program::descriptor::{Descriptor, Mode};
use crate::sim::program::process::STEP;
use futures::future::BoxFuture;
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
    pub(super) held: u64,
    settled: u64,
    pub(super) random: u64,
    outputs: BTreeMap<String, Descriptor>,
    in_range: Vec<bool>,
    status: i32,
}

/// The longest line that awk writes out (bytes).
const LONGEST_OUTPUT: u64 = 64 * 1024 * 1024;

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
            Ok(()) => self.status,
            Err(Leave::Exit(code)) => code,
            Err(_) => self.status,
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
        for (index, (pattern, body)) in program.rules.iter().enumerate() {
            let applies = match pattern {
                Pattern::Always => true,
                Pattern::When(condition) => self.evaluate(condition).await?.holds(),
                Pattern::Range(first, last) => {
                    let begins = self.in_range[index] || self.evaluate(first).await?.holds();
                    self.in_range[index] = begins && !self.evaluate(last).await?.holds();
                    begins
                }
            };
            if !applies {
                continue;
            }
            match body {
                Some(body) => self.run_block(body).await?,
                None => {
                    let line = format!("{}{}", self.fields[0], self.text_variable("ORS"));
                    self.call.print(line).await;
                }
            }
        }
        Ok(())
    }

    pub(super) fn run_block<'a>(&'a mut self, body: &'a [Statement]) -> BoxFuture<'a, Result<(), Leave>> {
        Box::pin(async move {
            for statement in body {
                self.call.process.processor(STEP / 2).await;
                self.run_statement(statement).await?;
            }
            Ok(())
        })
    }

    async fn run_statement(&mut self, statement: &Statement) -> Result<(), Leave> {
        match statement {
            Statement::Expression(expression) => {
                self.evaluate(expression).await?;
            }
            Statement::Block(body) => self.run_block(body).await?,
            Statement::Print(values, output) => {
                let mut text = Text::default();
                if values.is_empty() {
                    text = self.fields[0].as_str().into();
                }
                let (separator, conversion) = (self.text_variable("OFS"), self.text_variable("OFMT"));
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        text = text.concat(&separator.as_str().into());
                    }
                    text = text.concat(&self.evaluate(value).await?.text(&conversion));
                }
                text = text.concat(&self.text_variable("ORS").into());
                self.emit(text, output.as_ref()).await?;
            }
            Statement::Printf(values, output) => {
                let mut arguments = Vec::new();
                for value in values {
                    arguments.push(self.evaluate(value).await?);
                }
                let text = self.format(&arguments);
                self.emit(text.into(), output.as_ref()).await?;
            }
            Statement::If(condition, yes, no) => {
                let body = if self.evaluate(condition).await?.holds() { yes } else { no };
                self.run_block(body).await?;
            }
            Statement::While(condition, body) => {
                while self.evaluate(condition).await?.holds() {
                    self.call.process.processor(STEP / 2).await;
                    if self.run_round(body).await? {
                        break;
                    }
                }
            }
            Statement::DoWhile(body, condition) => loop {
                self.call.process.processor(STEP / 2).await;
                if self.run_round(body).await? || !self.evaluate(condition).await?.holds() {
                    break;
                }
            },
            Statement::For(first, condition, step, body) => {
                if let Some(first) = first {
                    Box::pin(self.run_statement(first)).await?;
                }
                loop {
                    self.call.process.processor(STEP / 2).await;
                    if let Some(condition) = condition
                        && !self.evaluate(condition).await?.holds()
                    {
                        break;
                    }
                    if self.run_round(body).await? {
                        break;
                    }
                    if let Some(step) = step {
                        Box::pin(self.run_statement(step)).await?;
                    }
                }
            }
            Statement::ForIn(variable, array, body) => {
                let keys: Vec<String> = self.arrays.get(array).map(|array| array.keys().cloned().collect()).unwrap_or_default();
                for key in keys {
                    self.set_variable(variable, Value::input(&key)).await;
                    if self.run_round(body).await? {
                        break;
                    }
                }
            }
            Statement::Delete(array, None) => {
                let gone = self.arrays.remove(array).unwrap_or_default();
                self.held -= gone.iter().map(|(key, value)| element_size(key, value)).sum::<u64>();
            }
            Statement::Delete(array, Some(key)) => {
                let key = self.evaluate_text(key).await?;
                if let Some(value) = self.arrays.get_mut(array).and_then(|array| array.remove(&key)) {
                    self.held -= element_size(&key, &value);
                }
            }
            Statement::Next => return Err(Leave::Next),
            Statement::Break => return Err(Leave::Break),
            Statement::Continue => return Err(Leave::Continue),
            Statement::Exit(code) => {
                if let Some(code) = code {
                    #[expect(clippy::cast_possible_truncation, reason = "exit codes are taken modulo 256")]
                    let code = self.evaluate(code).await?.number() as i64;
                    self.status = i32::try_from(code & 0xff).unwrap_or(0);
                }
                return Err(Leave::Exit(self.status));
            }
            Statement::Return(value) => {
                let value = match value {
                    Some(value) => self.evaluate(value).await?,
                    None => Value::Unset,
                };
                return Err(Leave::Return(value));
            }
        }
        self.settle().await;
        Ok(())
    }

    /// One round of a loop; `true`: it ends.
    async fn run_round(&mut self, body: &[Statement]) -> Result<bool, Leave> {
        match self.run_block(body).await {
            Ok(()) | Err(Leave::Continue) => Ok(false),
            Err(Leave::Break) => Ok(true),
            Err(other) => Err(other),
        }
    }

    /// Counts the memory of all values.
    pub(super) async fn settle(&mut self) {
        if self.held.abs_diff(self.settled) >= 4096 {
            self.settled = self.held;
            self.call.process.hold(self.held).await;
        }
    }

    async fn emit(&mut self, text: Text, output: Option<&Output>) -> Result<(), Leave> {
        if text.len() > LONGEST_OUTPUT {
            self.call.unsupported("awk output of more than 64 MiB at once").await;
            return Err(Leave::Exit(2));
        }
        let data = Data::Bytes(text.to_plain().into_bytes());
        let Some(output) = output else {
            if self.call.write(data).await != 0 {
                return Err(Leave::Exit(1));
            }
            return Ok(());
        };
        let file = self.evaluate_text(&output.file).await?;
        if !self.outputs.contains_key(&file) {
            let mode = if output.append { Mode::Append } else { Mode::Write };
            match self.call.descriptors.open(&self.call.process.machine, &self.call.path(&file), mode) {
                Ok(descriptor) => {
                    self.outputs.insert(file.clone(), descriptor);
                }
                Err(error) => {
                    self.call.error(&format!("can't open '{file}': {error}")).await;
                    return Err(Leave::Exit(1));
                }
            }
        }
        if let Some(descriptor) = self.outputs.get(&file)
            && let Err(error) = descriptor.write(data).await
        {
            self.call.error(&format!("write error: {error}")).await;
            return Err(Leave::Exit(1));
        }
        Ok(())
    }

    /// `printf` and `sprintf`: the first value is the format.
    pub(super) fn format(&self, arguments: &[Value]) -> String {
        let conversion = self.text_variable("CONVFMT");
        let Some(first) = arguments.first() else { return String::new() };
        let parts = parse_format(&first.text(&conversion).to_plain(), false).unwrap_or_default();
        let mut rest = arguments[1..].iter();
        let mut result = Vec::new();
        for part in parts {
            let (mut directive, width, precision) = match part {
                Part::Literal(bytes) => {
                    result.extend(bytes);
                    continue;
                }
                Part::Directive(directive, width, precision) => (directive, width, precision),
            };
            #[expect(clippy::cast_possible_truncation, reason = "awk truncates numbers given for integers")]
            let mut whole = || rest.next().map_or(0, |value| value.number() as i64);
            if width {
                directive.set_width(whole());
            }
            if precision {
                directive.set_precision(whole());
            }
            match directive.conversion {
                's' | 'b' => {
                    let text = rest.next().map(|value| value.text(&conversion).to_plain()).unwrap_or_default();
                    result.extend(directive.string(text.as_bytes()));
                }
                'c' => {
                    let text = match rest.next() {
                        Some(Value::Number(number)) =>
                        {
                            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a character code")]
                            char::from_u32(*number as u32).map(String::from).unwrap_or_default()
                        }
                        Some(value) => value.text(&conversion).to_plain().chars().take(1).collect(),
                        None => String::new(),
                    };
                    result.extend(directive.string(text.as_bytes()));
                }
                'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
                    result.extend(directive.float(rest.next().map_or(0.0, Value::number)));
                }
                _ => result.extend(directive.integer(whole())),
            }
        }
        String::from_utf8_lossy(&result).into_owned()
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
