//! Times of a history: microseconds since 1970, weeks that begin on Monday, and windows such as `90d`.
//! No clock: what "now" is, the caller says.

use jiff::Timestamp;
use std::time::Duration;

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;

/// The moment that RFC 3339 text names, in microseconds since 1970; `None` for what is no time.
#[must_use]
pub fn micros(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

/// RFC 3339 with microseconds, as result files have it.
#[must_use]
pub fn rfc3339(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| "–".to_owned(), |time| format!("{time:.6}"))
}

/// The day as `2026-11-21`, in UTC.
#[must_use]
pub fn date(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| "–".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// The minute as `2026-11-21 08:06`, in UTC.
#[must_use]
pub fn minute(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| "–".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

/// The day since 1970.
#[must_use]
pub const fn day(micros: i64) -> i64 {
    micros.div_euclid(DAY)
}

/// The week since the one of 1 January 1970; weeks begin on Monday, in UTC.
#[must_use]
pub const fn week(micros: i64) -> i64 {
    // 1 January 1970 was a Thursday.
    (day(micros) + 3).div_euclid(7)
}

/// The Monday on which a week begins, in microseconds since 1970.
#[must_use]
pub const fn monday(week: i64) -> i64 {
    (week * 7 - 3) * DAY
}

/// A span such as `90d`, `12w`, `36h`: days and weeks, which Kubernetes' durations lack, or one of those.
///
/// # Errors
/// What is wrong with it.
pub fn span(text: &str) -> Result<Duration, String> {
    let whole = |digits: &str, days: u64| digits.parse::<u64>().ok().filter(|n| *n <= 36_500).map(|n| n * days);
    let days = match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(digits), _) => whole(digits, 1),
        (_, Some(digits)) => whole(digits, 7),
        _ => return crate::scenario::duration::parse(text),
    };
    let days = days.ok_or_else(|| format!("`{text}` is not a span of time: write 90d, 12w or 36h"))?;
    Ok(Duration::from_secs(days * 86_400))
}

/// `span` before `now`, in microseconds since 1970.
#[must_use]
pub fn before(now: i64, span: Duration) -> i64 {
    now.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weeks_begin_on_monday() {
        let at = |text| micros(text).unwrap();
        let sunday = at("2026-11-22T23:59:59.999999Z");
        assert_eq!(week(sunday) + 1, week(at("2026-11-23T00:00:00Z")));
        assert_eq!(date(monday(week(sunday))), "2026-11-16");
        assert_eq!(week(at("1969-12-28T12:00:00Z")), -1);
        assert_eq!(rfc3339(at("2026-11-21T08:06:39.5Z")), "2026-11-21T08:06:39.500000Z");
        assert_eq!(micros("yesterday"), None);
    }

    #[test]
    fn spans_have_days_and_weeks() {
        assert_eq!(span("90d"), Ok(Duration::from_hours(2160)));
        assert_eq!(span("2w"), Ok(Duration::from_hours(336)));
        assert_eq!(span("36h"), Ok(Duration::from_hours(36)));
        assert!(span("d").is_err() && span("-1d").is_err() && span("99999999999w").is_err() && span("5").is_err());
    }

    proptest! {
        #[test]
        fn a_moment_lies_in_its_week(at in -4_000_000_000_000_000i64..4_000_000_000_000_000) {
            let begins = monday(week(at));
            prop_assert!(begins <= at && at < begins + 7 * DAY);
        }
    }
}
