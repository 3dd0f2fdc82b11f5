//! awk statements: blocks, loops, and the early ways out of them.
//! Expressions are `evaluate`, writing is `output`.

use super::run::{Interpreter, Leave, element_size};
use super::syntax::{Expression, Output, Statement};
use super::value::Value;
use crate::sim::program::data::Text;
use crate::sim::program::process::STEP;
use futures::future::BoxFuture;

impl Interpreter {
    pub(super) fn run_block<'a>(&'a mut self, body: &'a [Statement]) -> BoxFuture<'a, Result<(), Leave>> {
        Box::pin(async move {
            for statement in body {
                self.call.process.processor(STEP / 2).await;
                self.run_statement(statement).await?;
            }
            Ok(())
        })
    }

    /// Runs a statement; what it needed for itself is free afterwards.
    async fn run_statement(&mut self, statement: &Statement) -> Result<(), Leave> {
        let before = self.temporary;
        let flow = self.run_kind(statement).await;
        self.temporary = before;
        self.settle().await;
        flow
    }

    /// A value that is only looked at: what was needed for it is free afterwards.
    pub(super) async fn condition(&mut self, expression: &Expression) -> Result<bool, Leave> {
        let before = self.temporary;
        let holds = self.evaluate(expression).await?.holds();
        self.temporary = before;
        Ok(holds)
    }

    async fn run_kind(&mut self, statement: &Statement) -> Result<(), Leave> {
        match statement {
            Statement::Expression(expression) => {
                self.evaluate(expression).await?;
            }
            Statement::Block(body) => self.run_block(body).await?,
            Statement::Print(values, output) => {
                self.print(values, output.as_ref()).await?;
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
                let body = if self.condition(condition).await? { yes } else { no };
                self.run_block(body).await?;
            }
            Statement::While(condition, body) => {
                while self.condition(condition).await? {
                    self.call.process.processor(STEP / 2).await;
                    if self.run_round(body).await? {
                        break;
                    }
                }
            }
            Statement::DoWhile(body, condition) => loop {
                self.call.process.processor(STEP / 2).await;
                if self.run_round(body).await? || !self.condition(condition).await? {
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
                        && !self.condition(condition).await?
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
        Ok(())
    }

    async fn print(&mut self, values: &[Expression], output: Option<&Output>) -> Result<(), Leave> {
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
        self.emit(text, output).await
    }

    /// One round of a loop; `true`: it ends.
    async fn run_round(&mut self, body: &[Statement]) -> Result<bool, Leave> {
        match self.run_block(body).await {
            Ok(()) | Err(Leave::Continue) => Ok(false),
            Err(Leave::Break) => Ok(true),
            Err(other) => Err(other),
        }
    }
}
