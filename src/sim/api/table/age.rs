//! Spans of time as `kubectl get` writes them: `42s`, `5m12s`, `3h`, `2d4h`.
//! Nothing else lives here.

use jiff::Timestamp;

/// How long ago a moment was; `<unknown>` for none.
pub(super) fn since(moment: &str, now: Timestamp) -> String {
    if moment.is_empty() {
        return "<unknown>".to_owned();
    }
    moment.parse::<Timestamp>().map_or_else(|_| "<invalid>".to_owned(), |moment| span(now.duration_since(moment).as_secs()))
}

/// A span of whole seconds.
pub(super) fn span(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |large: i64, unit: &str, small: i64, lesser: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{lesser}") }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(days, "d", hours % 24, "h"),
        _ if years < 2 => format!("{days}d"),
        _ if years < 8 => two(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(-2, "<invalid>")]
    #[case(-1, "0s")]
    #[case(119, "119s")]
    #[case(120, "2m")]
    #[case(312, "5m12s")]
    #[case(600, "10m")]
    #[case(3 * 3_600, "3h")]
    #[case(3 * 3_600 + 60, "3h1m")]
    #[case(9 * 3_600 + 60, "9h")]
    #[case(50 * 3_600, "2d2h")]
    #[case(8 * 86_400, "8d")]
    #[case(800 * 86_400, "2y70d")]
    fn spans(#[case] seconds: i64, #[case] text: &str) {
        assert_eq!(span(seconds), text);
    }
}
