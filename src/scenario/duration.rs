//! Durations as Kubernetes writes them (`500ms`, `1m30s`): parsing, printing, and the serde adapters for fields.
//! Quantities and selectors are not here.

use std::fmt::Write as _;
use std::time::Duration;

/// Parses a Go duration without a sign: one or more of `<number><unit>`, units `h m s ms us µs ns`; `0` alone is zero.
///
/// # Errors
/// A sentence saying what was expected.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || format!("`{text}` is not a duration; write it as Kubernetes does: `500ms`, `30s`, `1m30s`, `2h`");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest.get(..digits).unwrap_or_default().parse().map_err(|_| wrong())?;
        rest = rest.get(digits..).unwrap_or_default();
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match rest.get(..unit_end).unwrap_or_default() {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(wrong()),
        };
        rest = rest.get(unit_end..).unwrap_or_default();
        let part = Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
    }
    if text.is_empty() || total > Duration::from_hours(8784) {
        return Err(wrong());
    }
    Ok(total)
}

/// Prints a duration as Kubernetes does: `1m30s`, `500ms`, `0s`; rounded to a millisecond.
#[must_use]
pub fn format(duration: Duration) -> String {
    let micros = (duration.as_micros() + 500) / 1000;
    let millis = u64::try_from(micros).unwrap_or(u64::MAX);
    let (hours, minutes, seconds, rest) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60, millis % 1000);
    let mut text = String::new();
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    if rest > 0 && seconds == 0 && text.is_empty() {
        let _ = write!(text, "{rest}ms");
    } else if rest > 0 {
        let decimals = format!("{rest:03}");
        let _ = write!(text, "{seconds}.{}s", decimals.trim_end_matches('0'));
    } else if seconds > 0 || text.is_empty() {
        let _ = write!(text, "{seconds}s");
    }
    text
}

/// `#[serde(with = "serde_text")]` for `Duration` fields: `1m30s`.
pub mod serde_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    /// Reads `1m30s`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// Writes `1m30s`.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format(*duration))
    }
}

/// `#[serde(with = "serde_text_option")]` for `Option<Duration>` fields: `1m30s`.
pub mod serde_text_option {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    /// Reads `1m30s`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| super::parse(&text).map_err(D::Error::custom)).transpose()
    }

    /// Writes `1m30s`.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_some(&super::format(*duration)),
            None => serializer.serialize_none(),
        }
    }
}

/// `#[serde(with = "serde_seconds")]`: seconds as a number with microseconds, for timelines and results.
pub mod serde_seconds {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    /// Reads seconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let micros = (f64::deserialize(deserializer)? * 1e6).round();
        if !(0.0..=1e15).contains(&micros) {
            return Err(D::Error::custom("a time in seconds since the trial began is not negative"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked range")]
        Ok(Duration::from_micros(micros as u64))
    }

    /// Writes seconds, rounded to microseconds.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e6)
    }

    /// The same for what may be missing.
    pub mod option {
        use serde::{Deserialize, Deserializer, Serializer};
        use std::time::Duration;

        #[derive(Deserialize)]
        struct Seconds(#[serde(with = "super")] Duration);

        /// Reads seconds, or nothing.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<Seconds>::deserialize(deserializer)?.map(|Seconds(duration)| duration))
        }

        /// Writes seconds, or nothing.
        pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
            match duration {
                Some(duration) => super::serialize(duration, serializer),
                None => serializer.serialize_none(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("500ms", 500)]
    #[case("1m30s", 90_000)]
    #[case("2h", 7_200_000)]
    #[case("1.5s", 1500)]
    #[case("0", 0)]
    #[case("1h0m1.25s", 3_601_250)]
    fn parses(#[case] text: &str, #[case] millis: u64) {
        assert_eq!(parse(text), Ok(Duration::from_millis(millis)));
    }

    #[rstest]
    #[case("")]
    #[case("5")]
    #[case("5 s")]
    #[case("-5s")]
    #[case("1d")]
    #[case("s")]
    #[case("1e9h")]
    #[case("9999999h")]
    fn refuses(#[case] text: &str) {
        assert!(parse(text).is_err());
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(millis in 0u64..100_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
