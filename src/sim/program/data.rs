//! Byte streams and long strings, kept small: a run of equal bytes is a count, a doubled string shares its parts.
//! How much memory a program *would* take is counted by `process`, not here.

use std::sync::Arc;

/// A chunk of a byte stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Plain bytes.
    Bytes(Vec<u8>),
    /// One byte, many times.
    Fill(u8, u64),
    /// Random bytes: a stretch of the endless stream of a seed.
    Noise {
        /// Which stream.
        seed: u64,
        /// The offset of the first byte in it.
        from: u64,
        /// How many bytes.
        length: u64,
    },
}

/// The byte at an offset of the random stream of a seed.
fn noise(seed: u64, at: u64) -> u8 {
    // SplitMix64, eight bytes a step.
    let mut word = seed.wrapping_add((at / 8 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ (word >> 31)).to_le_bytes()[to_usize(at % 8)]
}

impl Data {
    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Fill(_, count) => *count,
            Self::Noise { length, .. } => *length,
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the first `count` bytes (or all) and leaves the rest.
    #[must_use]
    pub fn take(&mut self, count: u64) -> Self {
        match self {
            Self::Bytes(bytes) => {
                let rest = bytes.split_off(to_usize(count).min(bytes.len()));
                Self::Bytes(std::mem::replace(bytes, rest))
            }
            Self::Fill(byte, total) => {
                let taken = count.min(*total);
                *total -= taken;
                Self::Fill(*byte, taken)
            }
            Self::Noise { seed, from, length } => {
                let taken = Self::Noise { seed: *seed, from: *from, length: count.min(*length) };
                *from += taken.len();
                *length -= taken.len();
                taken
            }
        }
    }

    /// A part of the bytes: up to `count` from an offset on.
    #[must_use]
    pub fn part(&self, from: u64, count: u64) -> Self {
        let count = count.min(self.len().saturating_sub(from));
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.get(to_usize(from)..to_usize(from + count)).unwrap_or_default().to_vec()),
            Self::Fill(byte, _) => Self::Fill(*byte, count),
            Self::Noise { seed, from: start, .. } => Self::Noise { seed: *seed, from: start + from, length: count },
        }
    }

    /// These bytes and then others.
    #[must_use]
    pub fn followed_by(mut self, next: Self) -> Self {
        match self.extend(next) {
            Ok(()) => self,
            Err(next) => {
                let mut bytes = self.into_bytes();
                bytes.extend(next.into_bytes());
                Self::Bytes(bytes)
            }
        }
    }

    /// Adds bytes that continue these in kind.
    ///
    /// # Errors
    /// Gives back bytes of another kind.
    pub fn extend(&mut self, next: Self) -> Result<(), Self> {
        match (self, next) {
            (Self::Bytes(bytes), Self::Bytes(more)) => bytes.extend(more),
            (Self::Fill(byte, count), Self::Fill(same, more)) if *byte == same => *count += more,
            (Self::Noise { seed, from, length }, Self::Noise { seed: same, from: then, length: more })
                if *seed == same && *from + *length == then =>
            {
                *length += more;
            }
            (_, next) => return Err(next),
        }
        Ok(())
    }

    /// The bytes, written out. Callers bound the length first.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Fill(byte, count) => vec![byte; to_usize(count)],
            Self::Noise { seed, from, length } => (from..from + length).map(|at| noise(seed, at)).collect(),
        }
    }
}

/// A length as a `usize`, saturating.
#[must_use]
pub fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

const CHUNK: usize = 64 * 1024;

/// An immutable string whose copies and doublings share memory.
#[derive(Clone, Debug, Default)]
pub struct Text {
    chunks: Vec<Arc<str>>,
    length: u64,
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        Self { length: text.len() as u64, chunks: vec![Arc::from(text)] }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl Text {
    /// Bytes in the string.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it is the empty string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Characters in the string.
    #[must_use]
    pub fn characters(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.chars().count()).sum()
    }

    /// `self` followed by `other`.
    #[must_use]
    pub fn concat(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        for chunk in &other.chunks {
            match joined.chunks.last_mut() {
                Some(last) if last.len() + chunk.len() <= CHUNK => {
                    *last = Arc::from([&**last, &**chunk].concat());
                }
                _ => joined.chunks.push(Arc::clone(chunk)),
            }
        }
        joined.length += other.length;
        joined
    }

    /// The whole string, written out.
    #[must_use]
    pub fn to_plain(&self) -> String {
        self.chunks.concat()
    }

    /// The string if it is in one piece (every string up to 64 KiB that was never joined to a longer one).
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self.chunks.as_slice() {
            [] => Some(""),
            [only] => Some(only),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_to_four_gibibytes_stays_small() {
        let mut text = Text::from("x");
        for _ in 0..32 {
            text = text.concat(&text);
        }
        assert_eq!(text.len(), 1 << 32);
        assert_eq!(text.chunks.len(), 1 << 16);
    }

    #[test]
    fn joins_keep_order() {
        let text = Text::from("ab").concat(&Text::from("cd")).concat(&Text::default());
        assert_eq!(text.as_str(), Some("abcd"));
        let long = "y".repeat(CHUNK);
        assert_eq!(text.concat(&Text::from(long.as_str())).to_plain(), format!("abcd{long}"));
    }

    #[test]
    fn data_is_taken_from_the_front() {
        let mut data = Data::Bytes(b"hello".to_vec());
        assert_eq!(data.take(2), Data::Bytes(b"he".to_vec()));
        assert_eq!(data, Data::Bytes(b"llo".to_vec()));
        let mut zeros = Data::Fill(0, 10);
        assert_eq!(zeros.take(20).len(), 10);
        assert!(zeros.is_empty());
    }
}
