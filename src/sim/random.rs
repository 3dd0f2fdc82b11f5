//! Random numbers as a function of (seed, entity, purpose, n): adding an entity never changes another's draws.
//! No shared stream lives here, and no operating-system randomness.

use siphasher::sip::SipHasher13;
use statrs::distribution::{ContinuousCDF, Normal};
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// The source of every random choice of one simulation.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    seed: u64,
}

impl Random {
    /// A source whose draws depend on `seed` alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 64 random bits for the `n`-th draw that `entity` makes for `purpose`.
    #[must_use]
    pub fn bits(&self, entity: &str, purpose: &str, n: u64) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.seed, 0x636f_6d65_6261_636b);
        (entity, purpose, n).hash(&mut hasher);
        hasher.finish()
    }

    /// Uniform in `[0, 1)`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub fn unit(&self, entity: &str, purpose: &str, n: u64) -> f64 {
        (self.bits(entity, purpose, n) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    #[must_use]
    pub fn between(&self, entity: &str, purpose: &str, n: u64, low: Duration, high: Duration) -> Duration {
        low + high.saturating_sub(low).mul_f64(self.unit(entity, purpose, n))
    }

    /// Lognormal with the given median and the standard deviation `sigma` of its logarithm.
    #[must_use]
    pub fn lognormal(&self, entity: &str, purpose: &str, n: u64, median: Duration, sigma: f64) -> Duration {
        let uniform = self.unit(entity, purpose, n).clamp(1e-9, 1.0 - 1e-9);
        let z = Normal::standard().inverse_cdf(uniform);
        median.mul_f64((z * sigma).exp().clamp(0.05, 20.0))
    }

    /// `length` characters of Kubernetes' name alphabet (no vowels, no 0, 1, 3).
    #[must_use]
    pub fn suffix(&self, entity: &str, purpose: &str, n: u64, length: usize) -> String {
        const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut bits = self.bits(entity, purpose, n);
        (0..length)
            .map(|_| {
                let letter = ALPHABET[usize::try_from(bits % 27).unwrap_or_default()];
                bits /= 27;
                char::from(letter)
            })
            .collect()
    }

    /// An RFC 4122 version 4 UID.
    #[must_use]
    pub fn uid(&self, entity: &str, n: u64) -> String {
        let (high, low) = (self.bits(entity, "uid-high", n), self.bits(entity, "uid-low", n));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            ((low >> 48) & 0x3fff) | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    /// `length` hexadecimal digits, as in container ids and event names.
    #[must_use]
    pub fn hex(&self, entity: &str, purpose: &str, n: u64, length: usize) -> String {
        let mut text = String::with_capacity(length + 16);
        let mut word = 0u64;
        while text.len() < length {
            text.push_str(&format!("{:016x}", self.bits(entity, purpose, n.wrapping_mul(1_000_003).wrapping_add(word))));
            word += 1;
        }
        text.truncate(length);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_every_part_and_on_nothing_else() {
        let random = Random::new(7);
        let draw = random.bits("pod", "jitter", 0);
        assert_eq!(draw, Random::new(7).bits("pod", "jitter", 0));
        assert_ne!(draw, Random::new(8).bits("pod", "jitter", 0));
        assert_ne!(draw, random.bits("pod2", "jitter", 0));
        assert_ne!(draw, random.bits("pod", "start", 0));
        assert_ne!(draw, random.bits("pod", "jitter", 1));
    }

    #[test]
    fn lognormal_has_its_median() {
        let random = Random::new(1);
        let mut draws: Vec<_> = (0..2001).map(|n| random.lognormal("x", "start", n, Duration::from_millis(100), 0.3)).collect();
        draws.sort();
        let median = draws[1000].as_secs_f64();
        assert!((0.095..0.105).contains(&median), "{median}");
    }
}
