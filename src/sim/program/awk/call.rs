//! awk's functions, and those that a program defines.
//! Operators are `evaluate`.

use super::run::{Interpreter, Leave};
use super::syntax::{Expression, Place};
use super::value::Value;
use crate::sim::program::command::process_control::run_child;
use std::collections::BTreeMap;
use std::sync::Arc;

#[expect(clippy::cast_precision_loss, reason = "lengths and codes are far below 2^53")]
fn count(number: usize) -> Value {
    Value::Number(number as f64)
}

impl Interpreter {
    pub(super) async fn call(&mut self, name: &str, arguments: &[Expression]) -> Result<Value, Leave> {
        if self.program.functions.contains_key(name) {
            return self.call_user(name, arguments).await;
        }
        match (name, arguments) {
            ("length", [Expression::Place(Place::Variable(array))]) if self.arrays.contains_key(array) => {
                return Ok(count(self.arrays.get(array).map_or(0, BTreeMap::len)));
            }
            ("split", [text, Expression::Place(Place::Variable(array)), separator @ ..]) => {
                return self.split_into(text, array, separator.first()).await;
            }
            ("sub" | "gsub", [pattern, replacement, place @ ..]) => {
                return self.substitute(name == "gsub", pattern, replacement, place.first()).await;
            }
            ("match", [text, pattern]) => {
                let text = self.evaluate_text(text).await?;
                let pattern = self.pattern(pattern).await?;
                let found = self.regex(&pattern).await?.find(&text).map(|found| (found.start(), found.as_str().chars().count()));
                let (start, length) = match found {
                    Some((start, length)) => (text[..start].chars().count() + 1, count(length)),
                    None => (0, Value::Number(-1.0)),
                };
                self.set_variable("RSTART", count(start)).await;
                self.set_variable("RLENGTH", length).await;
                return Ok(count(start));
            }
            _ => {}
        }
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.evaluate(argument).await?);
        }
        let conversion = self.text_variable("CONVFMT");
        let number = |index: usize| values.get(index).map_or(0.0, Value::number);
        let text = |index: usize| values.get(index).map(|value| value.text(&conversion)).unwrap_or_default();
        Ok(match name {
            "length" if values.is_empty() => count(self.fields[0].chars().count()),
            "length" => count(text(0).characters()),
            "substr" => {
                let letters: Vec<char> = text(0).to_plain().chars().collect();
                let from = number(1).round();
                let to = if values.len() > 2 { from + number(2).round() } else { f64::INFINITY };
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the length")]
                let place = |at: f64| (at - 1.0).clamp(0.0, f64::from(u32::try_from(letters.len()).unwrap_or(u32::MAX))) as usize;
                Value::Text(letters.get(place(from)..place(to)).unwrap_or_default().iter().collect::<String>().into())
            }
            "index" => {
                let (whole, part) = (text(0).to_plain(), text(1).to_plain());
                count(whole.find(&part).map_or(0, |at| whole[..at].chars().count() + 1))
            }
            "toupper" => Value::Text(text(0).to_plain().to_uppercase().into()),
            "tolower" => Value::Text(text(0).to_plain().to_lowercase().into()),
            "sprintf" => Value::Text(self.format(&values).into()),
            "int" => Value::Number(number(0).trunc()),
            "sqrt" => Value::Number(number(0).sqrt()),
            "exp" => Value::Number(number(0).exp()),
            "log" => Value::Number(number(0).ln()),
            "sin" => Value::Number(number(0).sin()),
            "cos" => Value::Number(number(0).cos()),
            "atan2" => Value::Number(number(0).atan2(number(1))),
            "rand" => {
                self.random += 1;
                let machine = &self.call.process.machine;
                Value::Number(machine.spec.random.unit(&machine.spec.uid, "awk", self.random))
            }
            "srand" => {
                let old = self.random;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any seed will do")]
                let seed = number(0) as u64;
                self.random = seed.wrapping_mul(1_000_003);
                #[expect(clippy::cast_precision_loss, reason = "an opaque seed")]
                Value::Number(old as f64)
            }
            "systime" => {
                let now = self.call.process.machine.spec.clock.now().as_second();
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
                Value::Number(now as f64)
            }
            // Nothing is buffered here.
            "fflush" | "close" => Value::Number(0.0),
            "system" => {
                let argv = vec!["sh".to_owned(), "-c".to_owned(), text(0).to_plain()];
                let code = run_child(&self.call, argv).await.wait().await.code();
                Value::Number(f64::from(code))
            }
            other => {
                self.call.unsupported(&format!("awk function {other}")).await;
                return Err(Leave::Exit(2));
            }
        })
    }

    /// `split`: the parts become the array's only elements.
    async fn split_into(&mut self, text: &Expression, array: &str, separator: Option<&Expression>) -> Result<Value, Leave> {
        let text = self.evaluate_text(text).await?;
        let separator = match separator {
            Some(separator) => self.pattern(separator).await?,
            None => self.text_variable("FS"),
        };
        let parts = Self::split(&text, &separator);
        let total = parts.len();
        let elements = parts.iter().enumerate().map(|(index, part)| ((index + 1).to_string(), Value::input(part))).collect();
        let old = self.arrays.insert(array.to_owned(), elements).unwrap_or_default();
        let size =
            |array: &BTreeMap<String, Value>| array.iter().map(|(key, value)| super::run::element_size(key, value)).sum::<u64>();
        let new = self.arrays.get(array).map_or(0, size);
        self.held = (self.held + new).saturating_sub(size(&old));
        Ok(count(total))
    }

    async fn substitute(
        &mut self,
        all: bool,
        pattern: &Expression,
        replacement: &Expression,
        place: Option<&Expression>,
    ) -> Result<Value, Leave> {
        let pattern = self.pattern(pattern).await?;
        let regex = self.regex(&pattern).await?;
        let replacement = self.evaluate_text(replacement).await?;
        let line = Place::Field(Box::new(Expression::Number(0.0)));
        let place = match place {
            Some(Expression::Place(place)) => place,
            Some(_) => return Ok(Value::Number(0.0)),
            None => &line,
        };
        let text = self.read(place).await?.text(&self.text_variable("CONVFMT")).to_plain();
        let (mut result, mut end, mut times) = (String::new(), 0, 0usize);
        for found in regex.find_iter(&text).take(if all { usize::MAX } else { 1 }) {
            result.push_str(&text[end..found.start()]);
            let mut letters = replacement.chars().peekable();
            while let Some(c) = letters.next() {
                match c {
                    '&' => result.push_str(found.as_str()),
                    '\\' if matches!(letters.peek(), Some('&' | '\\')) => result.extend(letters.next()),
                    other => result.push(other),
                }
            }
            end = found.end();
            times += 1;
        }
        if times > 0 {
            result.push_str(&text[end..]);
            self.write(place, Value::Text(result.into())).await?;
        }
        Ok(count(times))
    }

    async fn call_user(&mut self, name: &str, arguments: &[Expression]) -> Result<Value, Leave> {
        if self.frames.len() > 100 {
            self.call.unsupported("awk functions nested deeper than 100").await;
            return Err(Leave::Exit(2));
        }
        let program = Arc::clone(&self.program);
        let Some((parameters, body)) = program.functions.get(name) else { return Ok(Value::Unset) };
        let mut frame = BTreeMap::new();
        for (index, parameter) in parameters.iter().enumerate() {
            let value = match arguments.get(index) {
                Some(Expression::Place(Place::Variable(array))) if self.arrays.contains_key(array) => {
                    self.call.unsupported("awk arrays as arguments").await;
                    return Err(Leave::Exit(2));
                }
                Some(argument) => self.evaluate(argument).await?,
                None => Value::Unset,
            };
            self.held += value.size();
            frame.insert(parameter.clone(), value);
        }
        self.frames.push(frame);
        let flow = self.run_block(body).await;
        let gone = self.frames.pop().unwrap_or_default();
        self.held = self.held.saturating_sub(gone.values().map(Value::size).sum());
        match flow {
            Ok(()) => Ok(Value::Unset),
            Err(Leave::Return(value)) => Ok(value),
            Err(other) => Err(other),
        }
    }
}
