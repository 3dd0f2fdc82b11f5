//! What awk writes: formats, files, the standard output.
//! Which values are written is decided in `statement`.

use super::run::{Interpreter, Leave};
use super::syntax::Output;
use super::value::Value;
use crate::sim::program::command::format::{Part, parse_format};
use crate::sim::program::data::{Data, Text};
use crate::sim::program::descriptor::Mode;

/// The longest line that awk writes out (bytes).
const LONGEST_OUTPUT: u64 = 64 * 1024 * 1024;

impl Interpreter {
    pub(super) async fn emit(&mut self, text: Text, output: Option<&Output>) -> Result<(), Leave> {
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
}
