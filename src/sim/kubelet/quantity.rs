//! Resource quantities as far as a kubelet needs them: limits in bytes or millicores, sums over containers, divisors.
//! Validation of what users write is the API server's business.

/// A quantity in thousandths of its base unit, and whether it was written with a binary suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    milli: i128,
    binary: bool,
}

const BINARY: [(&str, i128); 6] =
    [("Ei", 1 << 60), ("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
const DECIMAL: [(&str, i128); 6] = [
    ("E", 1_000_000_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

impl Amount {
    /// Nothing at all.
    pub(super) const ZERO: Self = Self { milli: 0, binary: false };

    /// Reads `128Mi`, `0.5`, `250m`, `1e3`. `None` when it is no quantity.
    pub(super) fn parse(text: &str) -> Option<Self> {
        for (suffix, factor) in BINARY {
            if let Some(number) = text.strip_suffix(suffix) {
                return Some(Self { milli: decimal(number, factor * 1_000)?, binary: true });
            }
        }
        for (suffix, factor) in DECIMAL {
            if let Some(number) = text.strip_suffix(suffix) {
                return Some(Self { milli: decimal(number, factor * 1_000)?, binary: false });
            }
        }
        if let Some(number) = text.strip_suffix('m') {
            return Some(Self { milli: decimal(number, 1)?, binary: false });
        }
        if let Some((number, exponent)) = text.split_once(['e', 'E']) {
            let exponent: u32 = exponent.trim_start_matches('+').parse().ok()?;
            return Some(Self { milli: decimal(number, 10i128.checked_pow(exponent)?.checked_mul(1_000)?)?, binary: false });
        }
        Some(Self { milli: decimal(text, 1_000)?, binary: false })
    }

    /// Whole units (bytes, cores), rounded up.
    pub(super) fn units(self) -> u64 {
        u64::try_from(self.milli.div_euclid(1_000) + i128::from(self.milli.rem_euclid(1_000) != 0)).unwrap_or(0)
    }

    /// Thousandths of a unit (millicores).
    pub(super) fn thousandths(self) -> u64 {
        u64::try_from(self.milli).unwrap_or(0)
    }

    /// The sum.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { milli: self.milli.saturating_add(other.milli), binary: self.binary || other.binary }
    }

    /// How many `divisor`s it takes, rounded up; 1 stands in for a divisor of zero.
    pub(super) fn divided_by(self, divisor: Self) -> i128 {
        let divisor = if divisor.milli == 0 { 1_000 } else { divisor.milli };
        self.milli.div_euclid(divisor) + i128::from(self.milli.rem_euclid(divisor) != 0)
    }

    /// The canonical text: the largest suffix that needs no fraction.
    pub(super) fn text(self) -> String {
        if self.milli % 1_000 != 0 {
            return format!("{}m", self.milli);
        }
        let units = self.milli / 1_000;
        let suffixes = if self.binary { BINARY } else { DECIMAL };
        for (suffix, factor) in suffixes {
            if units != 0 && units % factor == 0 {
                return format!("{}{suffix}", units / factor);
            }
        }
        units.to_string()
    }
}

fn decimal(number: &str, factor: i128) -> Option<i128> {
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut value = whole.checked_mul(factor)?;
    if !fraction.is_empty() {
        let digits: i128 = fraction.parse().ok()?;
        let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let scaled = digits.checked_mul(factor)?;
        value += scaled / scale + i128::from(scaled % scale != 0);
    }
    Some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("32Mi", 32 << 20, "32Mi")]
    #[case("1024Mi", 1 << 30, "1Gi")]
    #[case("0.5Gi", 512 << 20, "512Mi")]
    #[case("64M", 64_000_000, "64M")]
    #[case("1e3", 1_000, "1k")]
    #[case("250m", 1, "250m")]
    #[case("0.5", 1, "500m")]
    #[case("2", 2, "2")]
    fn reads_and_writes(#[case] text: &str, #[case] units: u64, #[case] canonical: &str) {
        let amount = Amount::parse(text).unwrap();
        assert_eq!(amount.units(), units);
        assert_eq!(amount.text(), canonical);
    }

    #[rstest]
    #[case("")]
    #[case("Mi")]
    #[case("12Q")]
    #[case("a")]
    fn refuses_nonsense(#[case] text: &str) {
        assert_eq!(Amount::parse(text), None);
    }

    #[test]
    fn sums_and_divides() {
        let sum = Amount::parse("512Mi").unwrap().plus(Amount::parse("512Mi").unwrap());
        assert_eq!(sum.text(), "1Gi");
        assert_eq!(Amount::parse("250m").unwrap().divided_by(Amount::parse("1").unwrap()), 1);
        assert_eq!(Amount::parse("250m").unwrap().divided_by(Amount::parse("1m").unwrap()), 250);
        assert_eq!(Amount::ZERO.text(), "0");
    }
}
