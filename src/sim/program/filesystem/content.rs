//! The bytes of one file, kept small: runs of equal bytes, random stretches and holes take no memory of ours.
//! Where a file lies, and whether it may be written, is `filesystem`'s business.

use crate::sim::program::data::{Data, to_usize};

/// What a file's blocks are rounded up to (bytes).
pub(super) const BLOCK: u64 = 4_096;
/// A longer stretch of several pieces is not read in one go (bytes).
const LONGEST_READ: u64 = 16 * 1024 * 1024;

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// What was written.
    Data(Data),
    /// So many bytes that were never written: they read as zeros and take no blocks.
    Hole(u64),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len(),
            Self::Hole(length) => *length,
        }
    }

    /// The first `count` bytes; the rest stays.
    fn take(&mut self, count: u64) -> Self {
        match self {
            Self::Data(data) => Self::Data(data.take(count)),
            Self::Hole(length) => {
                let taken = count.min(*length);
                *length -= taken;
                Self::Hole(taken)
            }
        }
    }

    fn into_data(self) -> Data {
        match self {
            Self::Data(data) => data,
            Self::Hole(length) => Data::Fill(0, length),
        }
    }

    /// A part of it.
    fn part(&self, from: u64, length: u64) -> Data {
        match self {
            Self::Data(data) => data.part(from, length),
            Self::Hole(all) => Data::Fill(0, length.min(all.saturating_sub(from))),
        }
    }
}

/// The bytes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pieces: Vec<Piece>,
    length: u64,
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        let mut content = Self::default();
        content.append(Data::Bytes(bytes));
        content
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl Content {
    /// Number of bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes of the blocks that it takes on a disk.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        let written: u64 = self.pieces.iter().filter(|piece| matches!(piece, Piece::Data(_))).map(Piece::len).sum();
        written.div_ceil(BLOCK) * BLOCK
    }

    /// Bytes that the simulation itself holds for it.
    #[must_use]
    pub fn held(&self) -> u64 {
        let held = |piece: &Piece| if let Piece::Data(Data::Bytes(bytes)) = piece { bytes.len() as u64 } else { 0 };
        self.pieces.iter().map(held).sum()
    }

    /// All of it, written out. Callers look at the length first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(to_usize(self.length));
        for piece in &self.pieces {
            bytes.extend(piece.clone().into_data().into_bytes());
        }
        bytes
    }

    /// Up to `limit` bytes from an offset on; fewer at the end, and where a long read spans several pieces.
    #[must_use]
    pub fn slice(&self, from: u64, limit: u64) -> Data {
        let mut start = 0;
        let mut found: Option<Data> = None;
        for piece in &self.pieces {
            let end = start + piece.len();
            if end > from {
                let taken = found.as_ref().map_or(0, Data::len);
                let part = piece.part((from + taken).saturating_sub(start), limit - taken);
                found = Some(match found {
                    None => part,
                    Some(before) => before.followed_by(part),
                });
            }
            start = end;
            let taken = found.as_ref().map_or(0, Data::len);
            if taken >= limit || (taken > 0 && limit > LONGEST_READ) {
                break;
            }
        }
        found.unwrap_or_else(|| Data::Bytes(Vec::new()))
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, data: Data) {
        if data.is_empty() {
            return;
        }
        self.length += data.len();
        let data = match self.pieces.last_mut() {
            Some(Piece::Data(last)) => match last.extend(data) {
                Ok(()) => return,
                Err(data) => data,
            },
            _ => data,
        };
        self.pieces.push(Piece::Data(data));
    }

    /// Writes bytes at an offset; what lies between the end and a later offset is a hole.
    pub fn write(&mut self, from: u64, data: Data) {
        if data.is_empty() {
            return;
        }
        self.set_length(self.length.max(from));
        let rest = self.split(from);
        let mut covered = data.len();
        self.append(data);
        for mut piece in rest {
            covered -= piece.take(covered).len();
            if piece.len() > 0 {
                self.length += piece.len();
                self.pieces.push(piece);
            }
        }
    }

    /// Cuts it off, or lengthens it by a hole.
    pub fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.split(length);
        } else if length > self.length {
            self.pieces.push(Piece::Hole(length - self.length));
            self.length = length;
        }
    }

    /// Takes away everything from an offset on.
    fn split(&mut self, from: u64) -> Vec<Piece> {
        let mut start = 0;
        let at = self.pieces.iter().position(|piece| {
            start += piece.len();
            start > from
        });
        let Some(at) = at else { return Vec::new() };
        let mut rest = self.pieces.split_off(at);
        let before = start - rest[0].len();
        let head = rest[0].take(from - before);
        if head.len() > 0 {
            self.pieces.push(head);
        }
        self.length = from;
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn large_files_take_no_memory() {
        let mut content = Content::default();
        for _ in 0..300_000 {
            content.append(Data::Fill(0, 1 << 20));
        }
        assert_eq!((content.len(), content.pieces.len(), content.held()), (300_000 << 20, 1, 0));
        assert_eq!(content.slice(1 << 30, 5), Data::Fill(0, 5));
        content.set_length(3);
        assert_eq!(content.to_bytes(), [0, 0, 0]);
    }

    #[test]
    fn holes_take_no_blocks() {
        let mut content = Content::default();
        content.set_length(1 << 30);
        assert_eq!((content.len(), content.blocks()), (1 << 30, 0));
        content.write(5_000, Data::Bytes(b"x".to_vec()));
        assert_eq!((content.len(), content.blocks()), (1 << 30, BLOCK));
        assert_eq!(content.slice(4_999, 3).into_bytes(), [0, b'x', 0]);
    }

    proptest! {
        /// Whatever is written where: it reads as a plain array of bytes would.
        #[test]
        fn reads_as_an_array(writes in proptest::collection::vec((0_u64..200, 0_u64..60, 0_u8..4), 0..12)) {
            let (mut content, mut plain) = (Content::default(), Vec::new());
            for (from, length, kind) in writes {
                let data = match kind {
                    0 => Data::Fill(7, length),
                    1 => Data::Noise { seed: 3, from, length },
                    2 => {
                        content.set_length(from);
                        plain.resize(to_usize(from), 0);
                        continue;
                    }
                    _ => Data::Bytes((0..length).map(|n| u8::try_from(n).unwrap_or_default()).collect()),
                };
                let bytes = data.clone().into_bytes();
                if !bytes.is_empty() {
                    let end = to_usize(from) + bytes.len();
                    plain.resize(plain.len().max(end), 0);
                    plain[to_usize(from)..end].copy_from_slice(&bytes);
                }
                content.write(from, data);
            }
            prop_assert_eq!(content.len(), plain.len() as u64);
            prop_assert_eq!(content.to_bytes(), plain.clone());
            for from in [0, 1, 30, 100] {
                let tail = plain.get(from..).unwrap_or_default();
                prop_assert_eq!(content.slice(from as u64, 50).into_bytes(), &tail[..tail.len().min(50)]);
            }
        }
    }
}
