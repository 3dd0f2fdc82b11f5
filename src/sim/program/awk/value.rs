//! awk values: numbers, strings, input that looks like a number.
//! Long strings share their parts.

use crate::sim::program::command::format;
use crate::sim::program::data::Text;

/// A value.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Never assigned: both `""` and 0.
    #[default]
    Unset,
    /// A number.
    Number(f64),
    /// A string.
    Text(Text),
    /// Input that looks like a number.
    Numeric(Text, f64),
}

impl Value {
    /// Input: a number if it looks like one.
    pub fn input(text: &str) -> Self {
        let trimmed = text.trim();
        let numeric = trimmed.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
        match trimmed.parse::<f64>() {
            Ok(number) if numeric => Self::Numeric(Text::from(text), number),
            _ => Self::Text(Text::from(text)),
        }
    }

    /// As a number: the longest numeric prefix.
    pub fn number(&self) -> f64 {
        match self {
            Self::Unset => 0.0,
            Self::Number(number) | Self::Numeric(_, number) => *number,
            Self::Text(text) => text.as_str().map_or(0.0, prefix_number),
        }
    }

    /// As a string, numbers by `conversion` (`CONVFMT` or `OFMT`).
    pub fn text(&self, conversion: &str) -> Text {
        match self {
            Self::Unset => Text::default(),
            Self::Text(text) | Self::Numeric(text, _) => text.clone(),
            Self::Number(number) => Text::from(number_text(*number, conversion)),
        }
    }

    /// As a condition.
    pub fn holds(&self) -> bool {
        match self {
            Self::Unset => false,
            Self::Number(number) | Self::Numeric(_, number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
        }
    }

    /// Bytes that the value takes in a real awk.
    pub fn size(&self) -> u64 {
        match self {
            Self::Unset | Self::Number(_) => 0,
            Self::Text(text) | Self::Numeric(text, _) => text.len(),
        }
    }
}

fn prefix_number(text: &str) -> f64 {
    let text = text.trim_start();
    let mut end = 0;
    let (mut digits, mut point, mut exponent) = (false, false, false);
    for (index, c) in text.char_indices() {
        match c {
            '+' | '-' if index == 0 || (exponent && text[..index].ends_with(['e', 'E'])) => {}
            '0'..='9' => {
                digits = true;
                end = index + 1;
            }
            '.' if !point && !exponent => {
                point = true;
                if digits {
                    end = index + 1;
                }
            }
            'e' | 'E' if digits && !exponent => exponent = true,
            _ => break,
        }
    }
    text[..end].parse().unwrap_or(0.0)
}

/// A number as awk writes it: whole ones without a fraction.
pub fn number_text(number: f64, conversion: &str) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and below 2^53")]
    if number.fract() == 0.0 && number.abs() < 9.0e15 {
        return (number as i64).to_string();
    }
    match format::parse_format(conversion, false).unwrap_or_default().first() {
        Some(format::Part::Directive(directive, ..)) => String::from_utf8_lossy(&directive.float(number)).into_owned(),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("3x", 3.0)]
    #[case("-1.5e2z", -150.0)]
    #[case(".5", 0.5)]
    #[case("1e", 1.0)]
    #[case("abc", 0.0)]
    fn prefixes(#[case] text: &str, #[case] expected: f64) {
        assert!((Value::Text(text.into()).number() - expected).abs() < 1e-9);
    }

    #[test]
    fn numbers_as_text() {
        assert_eq!(number_text(3.0, "%.6g"), "3");
        assert_eq!(number_text(0.1 + 0.2, "%.6g"), "0.3");
        assert_eq!(number_text(1e20, "%.6g"), "1e+20");
    }
}
