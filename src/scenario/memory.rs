//! Memory quantities as Kubernetes writes them, as far as raising a limit needs: reading to bytes, writing in whole Mi.
//! Other quantities are not here.

const MI: u64 = 1 << 20;

/// Bytes of a memory quantity (`64Mi`, `1.5Gi`, `128M`, `1e9`, `1000`); fractions of a byte are rounded up.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let units: [(&str, f64); 14] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
        ("", 1.0),
    ];
    let (number, unit) =
        units.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?.parse::<f64>().ok()?, *unit)))?;
    to_bytes(number * unit)
}

/// A quantity times a factor, rounded up to whole Mi.
#[must_use]
pub fn scale(bytes: u64, factor: f64) -> Option<u64> {
    #[expect(clippy::cast_precision_loss, reason = "memory limits are far below 2^53 bytes")]
    let scaled = to_bytes(bytes as f64 * factor)?;
    Some(scaled.div_ceil(MI) * MI)
}

/// Writes bytes; in Mi where they are whole Mi.
#[must_use]
pub fn format(bytes: u64) -> String {
    if bytes.is_multiple_of(MI) { format!("{}Mi", bytes / MI) } else { bytes.to_string() }
}

fn to_bytes(number: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked range")]
    (0.0..9e15).contains(&number).then(|| number.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("64Mi", Some(67_108_864))]
    #[case("1.5Gi", Some(1_610_612_736))]
    #[case("128M", Some(128_000_000))]
    #[case("1e9", Some(1_000_000_000))]
    #[case("1000", Some(1000))]
    #[case("100m", Some(1))]
    #[case("", None)]
    #[case("-1Mi", None)]
    #[case("lots", None)]
    fn reads(#[case] text: &str, #[case] bytes: Option<u64>) {
        assert_eq!(parse(text), bytes);
    }

    #[test]
    fn scales_to_whole_mi() {
        assert_eq!(scale(parse("32Mi").unwrap(), 1.5).map(format), Some("48Mi".to_owned()));
        assert_eq!(scale(parse("33M").unwrap(), 1.5).map(format), Some("48Mi".to_owned()));
    }
}
