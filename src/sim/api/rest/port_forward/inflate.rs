//! Decompression of header blocks: one zlib stream over all blocks of a connection, with a preset dictionary, flushed after
//! each block. RFC 1950 and 1951, no more than header blocks need.

/// The dictionary that both ends know (SPDY/3, section 2.6.10.1).
pub(super) const DICTIONARY: &[u8] = include_bytes!("dictionary.bin");
/// How far back a copy may reach.
const WINDOW: usize = 32 * 1024;
/// The largest block, decompressed.
const LARGEST: usize = 64 * 1024;

/// The compressed bytes make no sense, or become too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The decompressing end of a connection.
#[derive(Debug)]
pub(super) struct Inflater {
    /// What was decompressed before, the dictionary first.
    window: Vec<u8>,
    begun: bool,
}

/// Bits of a block, lowest first.
struct Bits<'a> {
    bytes: &'a [u8],
    held: u32,
    count: u32,
}

impl Bits<'_> {
    fn take(&mut self, wanted: u32) -> Result<u32, Malformed> {
        while self.count < wanted {
            let (first, rest) = self.bytes.split_first().ok_or(Malformed)?;
            self.held |= u32::from(*first) << self.count;
            self.bytes = rest;
            self.count += 8;
        }
        let value = self.held & ((1 << wanted) - 1);
        self.held >>= wanted;
        self.count -= wanted;
        Ok(value)
    }

    fn align(&mut self) {
        (self.held, self.count) = (0, 0);
    }
}

/// A canonical Huffman code: how many codes of each length, and their symbols in order.
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        let mut symbols: Vec<u16> = (0..u16::try_from(lengths.len()).unwrap_or(u16::MAX)).collect();
        for length in lengths.iter().filter(|length| **length > 0) {
            counts[usize::from(*length)] += 1;
        }
        symbols.retain(|symbol| lengths[usize::from(*symbol)] > 0);
        symbols.sort_by_key(|symbol| lengths[usize::from(*symbol)]);
        Self { counts, symbols }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<usize, Malformed> {
        let (mut code, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for count in self.counts.iter().skip(1).map(|count| u32::from(*count)) {
            code |= bits.take(1)?;
            if code < first + count {
                let place = usize::try_from(index + code - first).map_err(|_| Malformed)?;
                return self.symbols.get(place).map(|symbol| usize::from(*symbol)).ok_or(Malformed);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Malformed)
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self { window: DICTIONARY.to_vec(), begun: false }
    }
}

impl Inflater {
    /// Decompresses the next block.
    pub(super) fn block(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
        if !self.begun {
            // Two bytes of zlib's header, four that name the dictionary.
            let (head, rest) = bytes.split_at_checked(6).ok_or(Malformed)?;
            if head[0] & 0x0f != 8 || head[1] & 0x20 == 0 {
                return Err(Malformed);
            }
            bytes = rest;
            self.begun = true;
        }
        let begin = self.window.len();
        let mut bits = Bits { bytes, held: 0, count: 0 };
        // A flush ends with an empty stored part, after which nothing is left.
        while !(bits.bytes.is_empty() && bits.held == 0) {
            let last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => self.stored(&mut bits)?,
                1 => self.compressed(&mut bits, &fixed_literals(), &Code::new(&[5; 30]), begin)?,
                2 => {
                    let (literals, distances) = codes(&mut bits)?;
                    self.compressed(&mut bits, &literals, &distances, begin)?;
                }
                _ => return Err(Malformed),
            }
            if last || self.window.len() - begin > LARGEST {
                return Err(Malformed);
            }
        }
        let block = self.window[begin..].to_vec();
        let superfluous = self.window.len().saturating_sub(WINDOW);
        self.window.drain(..superfluous);
        Ok(block)
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<(), Malformed> {
        bits.align();
        let (head, rest) = bits.bytes.split_at_checked(4).ok_or(Malformed)?;
        let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let (content, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.window.extend_from_slice(content);
        bits.bytes = rest;
        Ok(())
    }

    fn compressed(&mut self, bits: &mut Bits<'_>, literals: &Code, distances: &Code, begin: usize) -> Result<(), Malformed> {
        const LENGTHS: [usize; 29] =
            [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
        const LENGTH_BITS: [u32; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
        const DISTANCES: [usize; 30] = [
            1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
            8193, 12289, 16385, 24577,
        ];
        const DISTANCE_BITS: [u32; 30] =
            [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
        loop {
            let symbol = literals.read(bits)?;
            match symbol {
                0..256 => self.window.push(u8::try_from(symbol).map_err(|_| Malformed)?),
                256 => return Ok(()),
                _ => {
                    let place = symbol - 257;
                    let extra = bits.take(*LENGTH_BITS.get(place).ok_or(Malformed)?)?;
                    let length = LENGTHS[place] + extra as usize;
                    let place = distances.read(bits)?;
                    let extra = bits.take(*DISTANCE_BITS.get(place).ok_or(Malformed)?)?;
                    let from = self.window.len().checked_sub(DISTANCES[place] + extra as usize).ok_or(Malformed)?;
                    for at in from..from + length {
                        self.window.push(self.window[at]);
                    }
                }
            }
            if self.window.len() - begin > LARGEST {
                return Err(Malformed);
            }
        }
    }
}

fn fixed_literals() -> Code {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    Code::new(&lengths)
}

/// The two codes of a dynamic part.
fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), Malformed> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, own) = (bits.take(5)? as usize + 257, bits.take(5)? as usize + 1, bits.take(4)? as usize + 4);
    let mut lengths = [0; 19];
    for place in ORDER.iter().take(own) {
        lengths[*place] = u8::try_from(bits.take(3)?).map_err(|_| Malformed)?;
    }
    let code = Code::new(&lengths);
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (value, times) = match code.read(bits)? {
            16 => (*lengths.last().ok_or(Malformed)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            symbol => (u8::try_from(symbol).map_err(|_| Malformed)?, 1),
        };
        lengths.extend(std::iter::repeat_n(value, times as usize));
    }
    if lengths.len() != literals + distances {
        return Err(Malformed);
    }
    Ok((Code::new(&lengths[..literals]), Code::new(&lengths[literals..])))
}
