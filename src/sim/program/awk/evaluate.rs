//! awk expressions: places, operators, fields.
//! Functions are `call`.

use super::run::{Interpreter, Leave, element_size};
use super::syntax::{Expression, Place};
use super::value::Value;
use futures::future::BoxFuture;

impl Interpreter {
    /// A value. A joined string or a function's result is memory of its own until it is used: `s = s s` holds the old string
    /// and the new one at once. An assignment keeps such a result and does not copy it.
    pub(super) fn evaluate<'a>(&'a mut self, expression: &'a Expression) -> BoxFuture<'a, Result<Value, Leave>> {
        Box::pin(async move {
            let before = self.temporary;
            let value = self.evaluate_kind(expression).await?;
            self.temporary = before;
            if matches!(expression, Expression::Concat(..) | Expression::Call(..) | Expression::Conditional(..)) {
                self.temporary += value.size();
            }
            Ok(value)
        })
    }

    fn evaluate_kind<'a>(&'a mut self, expression: &'a Expression) -> BoxFuture<'a, Result<Value, Leave>> {
        Box::pin(async move {
            let truth = |holds: bool| Value::Number(f64::from(u8::from(holds)));
            Ok(match expression {
                Expression::Number(number) => Value::Number(*number),
                Expression::Text(text) => Value::Text(text.as_str().into()),
                Expression::Regex(pattern) => {
                    let line = self.fields[0].clone();
                    truth(self.matches(pattern, &line).await?)
                }
                Expression::Place(place) => self.read(place).await?,
                Expression::Assign(place, value) => {
                    let before = self.temporary;
                    let value = self.evaluate(value).await?;
                    self.temporary = before;
                    self.write(place, value.clone()).await?;
                    value
                }
                Expression::Update(place, operator, value) => {
                    let right = self.evaluate(value).await?.number();
                    let left = self.read(place).await?.number();
                    let value = Value::Number(self.arithmetic(*operator, left, right).await?);
                    self.write(place, value.clone()).await?;
                    value
                }
                Expression::Step(place, before, step) => {
                    let old = self.read(place).await?.number();
                    self.write(place, Value::Number(old + step)).await?;
                    Value::Number(if *before { old + step } else { old })
                }
                Expression::Not(inner) => truth(!self.evaluate(inner).await?.holds()),
                Expression::Negate(inner) => Value::Number(-self.evaluate(inner).await?.number()),
                Expression::Plus(inner) => Value::Number(self.evaluate(inner).await?.number()),
                Expression::Arithmetic(operator, left, right) => {
                    let left = self.evaluate(left).await?.number();
                    let right = self.evaluate(right).await?.number();
                    Value::Number(self.arithmetic(*operator, left, right).await?)
                }
                Expression::Compare(operator, left, right) => {
                    let left = self.evaluate(left).await?;
                    let right = self.evaluate(right).await?;
                    let order = if matches!(left, Value::Text(_)) || matches!(right, Value::Text(_)) {
                        let conversion = self.text_variable("CONVFMT");
                        Some(left.text(&conversion).to_plain().cmp(&right.text(&conversion).to_plain()))
                    } else {
                        left.number().partial_cmp(&right.number())
                    };
                    truth(order.is_some_and(|order| match *operator {
                        "<" => order.is_lt(),
                        "<=" => order.is_le(),
                        "==" => order.is_eq(),
                        "!=" => order.is_ne(),
                        ">" => order.is_gt(),
                        _ => order.is_ge(),
                    }))
                }
                Expression::Match(wanted, text, pattern) => {
                    let text = self.evaluate_text(text).await?;
                    let pattern = self.pattern(pattern).await?;
                    truth(self.matches(&pattern, &text).await? == *wanted)
                }
                Expression::And(left, right) => truth(self.evaluate(left).await?.holds() && self.evaluate(right).await?.holds()),
                Expression::Or(left, right) => truth(self.evaluate(left).await?.holds() || self.evaluate(right).await?.holds()),
                Expression::Conditional(condition, yes, no) => {
                    let chosen = if self.evaluate(condition).await?.holds() { yes } else { no };
                    self.evaluate(chosen).await?
                }
                Expression::Concat(left, right) => {
                    let conversion = self.text_variable("CONVFMT");
                    let left = self.evaluate(left).await?.text(&conversion);
                    let right = self.evaluate(right).await?.text(&conversion);
                    let joined = left.concat(&right);
                    self.temporary += joined.len();
                    self.settle().await;
                    Value::Text(joined)
                }
                Expression::In(key, array) => {
                    let key = self.evaluate_text(key).await?;
                    truth(self.arrays.get(array).is_some_and(|array| array.contains_key(&key)))
                }
                Expression::Subscript(keys) => {
                    let mut parts = Vec::new();
                    for key in keys {
                        parts.push(self.evaluate_text(key).await?);
                    }
                    Value::Text(parts.join(&self.text_variable("SUBSEP")).into())
                }
                Expression::Call(name, arguments) => self.call(name, arguments).await?,
            })
        })
    }

    /// The text of a regular expression given as an operand.
    pub(super) async fn pattern(&mut self, expression: &Expression) -> Result<String, Leave> {
        match expression {
            Expression::Regex(pattern) => Ok(pattern.clone()),
            other => self.evaluate_text(other).await,
        }
    }

    /// The compiled regular expression; a bad one ends the program.
    pub(super) async fn regex(&mut self, pattern: &str) -> Result<regex::Regex, Leave> {
        if let Some(regex) = self.regexes.get(pattern) {
            return Ok(regex.clone());
        }
        let Ok(regex) = regex::Regex::new(pattern) else {
            self.call.unsupported(&format!("awk regular expression /{pattern}/")).await;
            return Err(Leave::Exit(2));
        };
        self.regexes.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }

    async fn matches(&mut self, pattern: &str, text: &str) -> Result<bool, Leave> {
        Ok(self.regex(pattern).await?.is_match(text))
    }

    async fn arithmetic(&mut self, operator: char, left: f64, right: f64) -> Result<f64, Leave> {
        Ok(match operator {
            '+' => left + right,
            '-' => left - right,
            '*' => left * right,
            '^' => left.powf(right),
            _ if right == 0.0 => {
                self.call.error("cmd. line:1: Division by zero").await;
                return Err(Leave::Exit(1));
            }
            '/' => left / right,
            _ => left % right,
        })
    }

    async fn field_index(&mut self, expression: &Expression) -> Result<usize, Leave> {
        let number = self.evaluate(expression).await?.number();
        if !(0.0..32_768.0).contains(&number) {
            self.call.error("cmd. line:1: Access to negative field").await;
            return Err(Leave::Exit(1));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked")]
        Ok(number as usize)
    }

    pub(super) async fn read(&mut self, place: &Place) -> Result<Value, Leave> {
        Ok(match place {
            Place::Variable(name) => {
                if name == "NF" {
                    #[expect(clippy::cast_precision_loss, reason = "a number of fields")]
                    return Ok(Value::Number((self.fields.len() - 1) as f64));
                }
                match self.frames.last().and_then(|frame| frame.get(name)) {
                    Some(value) => value.clone(),
                    None => self.variables.get(name).cloned().unwrap_or_default(),
                }
            }
            Place::Field(index) => {
                let index = self.field_index(index).await?;
                self.fields.get(index).map_or(Value::Unset, |text| Value::input(text))
            }
            Place::Element(array, key) => {
                let key = self.evaluate_text(key).await?;
                let array = self.arrays.entry(array.clone()).or_default();
                if !array.contains_key(&key) {
                    self.held += element_size(&key, &Value::Unset);
                }
                array.entry(key).or_default().clone()
            }
        })
    }

    pub(super) async fn set_variable(&mut self, name: &str, value: Value) {
        let new = value.size();
        let local = self.frames.last_mut().filter(|frame| frame.contains_key(name));
        let old = match local {
            Some(frame) => frame.insert(name.to_owned(), value),
            None => self.variables.insert(name.to_owned(), value),
        };
        self.held = (self.held + new).saturating_sub(old.map_or(0, |old| old.size()));
        self.settle().await;
    }

    pub(super) async fn write(&mut self, place: &Place, value: Value) -> Result<(), Leave> {
        match place {
            Place::Variable(name) => {
                if name == "NF" {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "clamped to the number of fields"
                    )]
                    let count = value.number().clamp(0.0, 32_768.0) as usize;
                    self.fields.resize(count + 1, String::new());
                    self.join_record();
                }
                self.set_variable(name, value).await;
            }
            Place::Field(index) => {
                let index = self.field_index(index).await?;
                let text = value.text(&self.text_variable("CONVFMT")).to_plain();
                if index == 0 {
                    self.split_record(&text);
                } else {
                    if self.fields.len() <= index {
                        self.fields.resize(index + 1, String::new());
                    }
                    self.fields[index] = text;
                    self.join_record();
                }
            }
            Place::Element(array, key) => {
                let key = self.evaluate_text(key).await?;
                let new = element_size(&key, &value);
                let old = self.arrays.entry(array.clone()).or_default().insert(key.clone(), value);
                self.held = (self.held + new).saturating_sub(old.map_or(0, |old| element_size(&key, &old)));
                self.settle().await;
            }
        }
        Ok(())
    }

    pub(super) fn split_record(&mut self, line: &str) {
        let separator = self.text_variable("FS");
        let mut fields = vec![line.to_owned()];
        fields.extend(Self::split(line, &separator));
        self.fields = fields;
    }

    fn join_record(&mut self) {
        self.fields[0] = self.fields[1..].join(&self.text_variable("OFS"));
    }

    /// Splits text as fields are split: at blanks, at one character, or at a regular expression.
    pub(super) fn split(text: &str, separator: &str) -> Vec<String> {
        if text.is_empty() {
            return Vec::new();
        }
        if separator == " " {
            return text.split_whitespace().map(str::to_owned).collect();
        }
        let mut letters = separator.chars();
        match (letters.next(), letters.next()) {
            (None, _) => text.chars().map(String::from).collect(),
            (Some(one), None) => text.split(one).map(str::to_owned).collect(),
            _ => match regex::Regex::new(separator) {
                Ok(regex) => regex.split(text).map(str::to_owned).collect(),
                Err(_) => text.split(separator).map(str::to_owned).collect(),
            },
        }
    }
}
