//! Quantities (`100m`, `1Gi`): parsing, comparison, and the canonical form in which the server writes them.
//! Amounts are counted in thousandths (1 = `1m`), rounded up as the server rounds below that.

use serde_json::{Map, Value, json};

/// The server's answer to a text that is no quantity.
pub const MALFORMED: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const BINARY: &[(&str, u32)] = &[("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];
const DECIMAL: &[(&str, i32)] =
    &[("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// Thousandths of a quantity; `None` when it is malformed or beyond the range of 64 bits.
#[must_use]
pub fn parse(text: &str) -> Option<i128> {
    let (number, suffix) = split(text)?;
    let (digits, places) = number;
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return round_up(digits.checked_mul(1000)?.checked_mul(1024i128.checked_pow(*power)?)?, places);
    }
    let exponent = match DECIMAL.iter().find(|(name, _)| *name == suffix) {
        Some((_, exponent)) => *exponent,
        None => suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|exponent| (-30..=30).contains(exponent))?,
    };
    let shift = exponent + 3;
    if shift >= 0 {
        round_up(digits.checked_mul(10i128.checked_pow(shift.unsigned_abs())?)?, places)
    } else {
        round_up(digits, places + shift.unsigned_abs())
    }
}

fn split(text: &str) -> Option<((i128, u32), &str)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 24 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = u32::try_from(fraction.len()).ok()?;
    Some(((if text.starts_with('-') { -digits } else { digits }, places), suffix))
}

fn round_up(amount: i128, places: u32) -> Option<i128> {
    let divisor = 10i128.checked_pow(places)?;
    let whole = amount.div_euclid(divisor);
    Some(if amount.rem_euclid(divisor) == 0 { whole } else { whole + 1 })
}

/// The form in which the server writes a quantity: `1024Mi` becomes `1Gi`, `0.5` becomes `500m`.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    let amount = parse(text)?;
    let (_, suffix) = split(text)?;
    if BINARY.iter().any(|(name, _)| *name == suffix) {
        return Some(format_binary(amount));
    }
    if suffix.starts_with(['e', 'E']) && suffix.len() > 1 {
        return Some(format_decimal(amount, &[("e18", 21), ("e15", 18), ("e12", 15), ("e9", 12), ("e6", 9), ("e3", 6), ("", 3)]));
    }
    Some(format_in_thousands(amount))
}

/// A decimal amount in its canonical form.
#[must_use]
pub fn format_in_thousands(amount: i128) -> String {
    format_decimal(amount, &[("E", 21), ("P", 18), ("T", 15), ("G", 12), ("M", 9), ("k", 6), ("", 3)])
}

/// An amount with the largest binary suffix that divides it; with decimal suffixes when it is no whole number.
#[must_use]
pub fn format_binary(amount: i128) -> String {
    if amount % 1000 != 0 {
        return format_in_thousands(amount);
    }
    let whole = amount / 1000;
    if whole == 0 || whole.abs() < 1024 {
        return whole.to_string();
    }
    let found = BINARY.iter().rev().find(|(_, power)| whole % 1024i128.pow(*power) == 0);
    found.map_or_else(|| whole.to_string(), |(suffix, power)| format!("{}{suffix}", whole / 1024i128.pow(*power)))
}

fn format_decimal(amount: i128, suffixes: &[(&str, u32)]) -> String {
    if amount == 0 {
        return "0".to_owned();
    }
    let found = suffixes.iter().find(|(_, power)| amount % 10i128.pow(*power) == 0);
    found.map_or_else(|| format!("{amount}m"), |(suffix, power)| format!("{}{suffix}", amount / 10i128.pow(*power)))
}

/// Rewrites every quantity of a resource list in canonical form; malformed ones stay for validation.
pub(super) fn canonical_map(quantities: &mut Map<String, Value>) {
    for quantity in quantities.values_mut() {
        let written = match &*quantity {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        if let Some(text) = canonical(&written) {
            *quantity = json!(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[rstest::rstest]
    #[case("1", "1", 1000)]
    #[case("0.5", "500m", 500)]
    #[case("1024Mi", "1Gi", 1024 * 1024 * 1024 * 1000)]
    #[case("1.5Gi", "1536Mi", 1536 * 1024 * 1024 * 1000)]
    #[case("100M", "100M", 100_000_000_000)]
    #[case("1000m", "1", 1000)]
    #[case("1e3", "1e3", 1_000_000)]
    #[case("-1", "-1", -1000)]
    #[case("100u", "1m", 1)]
    #[case("64Ki", "64Ki", 65_536_000)]
    #[case("2000", "2k", 2_000_000)]
    fn reads_and_writes_as_the_server_does(#[case] text: &str, #[case] written: &str, #[case] amount: i128) {
        assert_eq!(parse(text), Some(amount));
        assert_eq!(canonical(text).as_deref(), Some(written));
    }

    #[rstest::rstest]
    #[case("")]
    #[case("lots")]
    #[case("1.2.3")]
    #[case("1GiB")]
    #[case("Mi")]
    #[case("1e")]
    fn refuses(#[case] text: &str) {
        assert_eq!(parse(text), None);
    }

    proptest! {
        #[test]
        fn canonical_form_keeps_the_amount(number in 0i64..1_000_000_000, suffix in "(m|k|M|G|Ki|Mi|Gi|)") {
            let text = format!("{number}{suffix}");
            let written = canonical(&text).unwrap();
            prop_assert_eq!(parse(&written), parse(&text));
            prop_assert_eq!(canonical(&written).unwrap(), written.clone());
        }

        #[test]
        fn nothing_panics(text in ".{0,40}") {
            let _ = canonical(&text);
        }
    }
}
