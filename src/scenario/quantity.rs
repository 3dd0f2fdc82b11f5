//! Quantities as Kubernetes writes them (`128Mi`, `250m`, `1e3`): whether a text is one, and how much it is.
//! Calculating with them is the business of those who know the resource.

use serde_json::Value;

/// Checks a quantity that is not negative.
///
/// # Errors
/// A sentence saying what was expected.
pub fn check(text: &str) -> Result<(), String> {
    let wrong = || format!("`{text}` is not a quantity; write it as Kubernetes does: `128Mi`, `1Gi`, `250m`, `0.5`, `2`");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let has_digit = number.chars().any(|c| c.is_ascii_digit());
    if !has_digit || number.matches('.').count() > 1 {
        return Err(wrong());
    }
    let plain = matches!(suffix, "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E");
    let binary = matches!(suffix, "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei");
    let exponent = suffix.strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
    let exponent = exponent.is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()));
    if plain || binary || exponent { Ok(()) } else { Err(wrong()) }
}

/// A quantity as a number of its unit (bytes, cores), for comparison only.
#[must_use]
pub fn value(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent => return format!("{number}{exponent}").parse().ok(),
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("128Mi", true)]
    #[case("0.5", true)]
    #[case(".5", true)]
    #[case("250m", true)]
    #[case("1e3", true)]
    #[case("1E-3", true)]
    #[case("2E", true)]
    #[case("", false)]
    #[case("Mi", false)]
    #[case("128MB", false)]
    #[case("128 Mi", false)]
    #[case("-1", false)]
    #[case("1.2.3", false)]
    #[case("1e", false)]
    #[case("1K", false)]
    fn as_kubernetes_reads_them(#[case] text: &str, #[case] is_quantity: bool) {
        assert_eq!(check(text).is_ok(), is_quantity);
    }
}
