//! Checksums: `md5sum`, `sha1sum`, `sha256sum`, `sha512sum`, `crc32`, with `-c`.
//! Only the sums; copying bytes is `stream`.

mod roots;

use super::Invocation;
use super::lines;
use crate::sim::program::data::Data;
use crate::sim::program::errno::Errno;
use roots::{ROOTS, SQUARES};

/// Read at once.
const BLOCK: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
    Crc32,
}

/// A sum that grows with its input.
#[derive(Clone, Debug)]
struct Digest {
    algorithm: Algorithm,
    state: [u64; 8],
    pending: Vec<u8>,
    length: u64,
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
const fn low(value: u64) -> u32 {
    value as u32
}

impl Digest {
    fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Md5 | Algorithm::Sha1 => [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0, 0, 0, 0],
            Algorithm::Sha256 => SQUARES.map(|root| root >> 32),
            Algorithm::Sha512 => SQUARES,
            Algorithm::Crc32 => [0xffff_ffff, 0, 0, 0, 0, 0, 0, 0],
        };
        Self { algorithm, state, pending: Vec::new(), length: 0 }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.algorithm == Algorithm::Crc32 {
            let mut crc = low(self.state[0]);
            for byte in bytes {
                crc ^= u32::from(*byte);
                for _ in 0..8 {
                    crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
                }
            }
            self.state[0] = u64::from(crc);
            return;
        }
        let size = if self.algorithm == Algorithm::Sha512 { 128 } else { 64 };
        self.pending.extend_from_slice(bytes);
        let pending = std::mem::take(&mut self.pending);
        let mut blocks = pending.chunks_exact(size);
        for block in &mut blocks {
            match self.algorithm {
                Algorithm::Md5 => self.md5(block),
                Algorithm::Sha1 => self.sha1(block),
                Algorithm::Sha256 => self.sha256(block),
                Algorithm::Sha512 | Algorithm::Crc32 => self.sha512(block),
            }
        }
        self.pending = blocks.remainder().to_vec();
    }

    fn md5(&mut self, block: &[u8]) {
        const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
        let words: Vec<u32> = block.chunks_exact(4).map(|four| low(word(four)).swap_bytes()).collect();
        let [mut a, mut b, mut c, mut d] = [0, 1, 2, 3].map(|index: usize| low(self.state[index]));
        let mut step = 0u32;
        for (round, turns) in TURNS.iter().enumerate() {
            for index in 0..16usize {
                let (mixed, place) = match round {
                    0 => (b & c | !b & d, index),
                    1 => (d & b | !d & c, (5 * index + 1) % 16),
                    2 => (b ^ c ^ d, (3 * index + 5) % 16),
                    _ => (c ^ (b | !d), 7 * index % 16),
                };
                step += 1;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the constant is defined so")]
                let constant = (f64::from(step).sin().abs() * 4_294_967_296.0) as u32;
                let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(words[place]);
                (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(turns[index % 4])));
            }
        }
        for (state, value) in self.state.iter_mut().zip([a, b, c, d]) {
            *state = u64::from(low(*state).wrapping_add(value));
        }
    }

    fn sha1(&mut self, block: &[u8]) {
        let mut words: Vec<u32> = block.chunks_exact(4).map(|four| low(word(four))).collect();
        for index in 16..80 {
            let mixed = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16];
            words.push(mixed.rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = [0, 1, 2, 3, 4].map(|index: usize| low(self.state[index]));
        for (index, word) in words.iter().enumerate() {
            let (mixed, constant) = match index / 20 {
                0 => (b & c | !b & d, 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let sum = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
        }
        for (state, value) in self.state.iter_mut().zip([a, b, c, d, e]) {
            *state = u64::from(low(*state).wrapping_add(value));
        }
    }

    fn sha256(&mut self, block: &[u8]) {
        let mut words: Vec<u32> = block.chunks_exact(4).map(|four| low(word(four))).collect();
        for index in 16..64 {
            let (x, y) = (words[index - 15], words[index - 2]);
            let first = x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3;
            let second = y.rotate_right(17) ^ y.rotate_right(19) ^ y >> 10;
            words.push(words[index - 16].wrapping_add(first).wrapping_add(words[index - 7]).wrapping_add(second));
        }
        let mut s = self.state.map(low);
        for (word, root) in words.iter().zip(ROOTS) {
            let upper = s[4].rotate_right(6) ^ s[4].rotate_right(11) ^ s[4].rotate_right(25);
            let choice = s[4] & s[5] ^ !s[4] & s[6];
            let first = s[7].wrapping_add(upper).wrapping_add(choice).wrapping_add(low(root >> 32)).wrapping_add(*word);
            let lower = s[0].rotate_right(2) ^ s[0].rotate_right(13) ^ s[0].rotate_right(22);
            let second = lower.wrapping_add(s[0] & s[1] ^ s[0] & s[2] ^ s[1] & s[2]);
            s = [first.wrapping_add(second), s[0], s[1], s[2], s[3].wrapping_add(first), s[4], s[5], s[6]];
        }
        for (state, value) in self.state.iter_mut().zip(s) {
            *state = u64::from(low(*state).wrapping_add(value));
        }
    }

    fn sha512(&mut self, block: &[u8]) {
        let mut words: Vec<u64> = block.chunks_exact(8).map(word).collect();
        for index in 16..80 {
            let (x, y) = (words[index - 15], words[index - 2]);
            let first = x.rotate_right(1) ^ x.rotate_right(8) ^ x >> 7;
            let second = y.rotate_right(19) ^ y.rotate_right(61) ^ y >> 6;
            words.push(words[index - 16].wrapping_add(first).wrapping_add(words[index - 7]).wrapping_add(second));
        }
        let mut s = self.state;
        for (word, root) in words.iter().zip(ROOTS) {
            let upper = s[4].rotate_right(14) ^ s[4].rotate_right(18) ^ s[4].rotate_right(41);
            let choice = s[4] & s[5] ^ !s[4] & s[6];
            let first = s[7].wrapping_add(upper).wrapping_add(choice).wrapping_add(root).wrapping_add(*word);
            let lower = s[0].rotate_right(28) ^ s[0].rotate_right(34) ^ s[0].rotate_right(39);
            let second = lower.wrapping_add(s[0] & s[1] ^ s[0] & s[2] ^ s[1] & s[2]);
            s = [first.wrapping_add(second), s[0], s[1], s[2], s[3].wrapping_add(first), s[4], s[5], s[6]];
        }
        for (state, value) in self.state.iter_mut().zip(s) {
            *state = state.wrapping_add(value);
        }
    }

    fn finish(mut self) -> String {
        let bits = self.length * 8;
        let (size, tail) = if self.algorithm == Algorithm::Sha512 { (128, 16) } else { (64, 8) };
        if self.algorithm == Algorithm::Crc32 {
            return format!("{:08x}", !low(self.state[0]));
        }
        let mut padding = vec![0x80];
        padding.resize(1 + (2 * size - tail - 1 - self.pending.len()) % size, 0);
        padding.resize(padding.len() + tail - 8, 0);
        padding.extend(if self.algorithm == Algorithm::Md5 { bits.to_le_bytes() } else { bits.to_be_bytes() });
        self.update(&padding);
        let hex = |words: usize| self.state[..words].iter().map(|word| format!("{word:08x}")).collect();
        match self.algorithm {
            Algorithm::Md5 => self.state[..4].iter().map(|word| format!("{:08x}", low(*word).swap_bytes())).collect(),
            Algorithm::Sha1 => hex(5),
            Algorithm::Sha256 => hex(8),
            Algorithm::Sha512 | Algorithm::Crc32 => self.state.iter().map(|word| format!("{word:016x}")).collect(),
        }
    }
}

async fn sum(call: &Invocation, algorithm: Algorithm, file: &str) -> Result<String, Errno> {
    let input = call.open(file)?;
    let mut digest = Digest::new(algorithm);
    loop {
        let data = input.read(BLOCK).await?;
        if data.is_empty() {
            return Ok(digest.finish());
        }
        super::stream::spend(call, data.len() * 4).await;
        match data {
            Data::Bytes(bytes) => digest.update(&bytes),
            fill @ Data::Fill(..) => digest.update(&fill.into_bytes()),
        }
    }
}

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    let algorithm = match call.argv[0].as_str() {
        "md5sum" => Algorithm::Md5,
        "sha1sum" => Algorithm::Sha1,
        "sha256sum" => Algorithm::Sha256,
        "sha512sum" => Algorithm::Sha512,
        _ => Algorithm::Crc32,
    };
    let (options, mut files) = match call.options("csw", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    if has('c') {
        return check(call, algorithm, &files, has('s')).await;
    }
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let mut status = 0;
    let space = if algorithm == Algorithm::Crc32 { " " } else { "  " };
    for file in &files {
        match sum(call, algorithm, file).await {
            Ok(sum) => status = status.max(call.print(format!("{sum}{space}{file}\n")).await),
            Err(error) => {
                call.error(&format!("can't open '{file}': {error}")).await;
                status = 1;
            }
        }
    }
    status
}

async fn check(call: &Invocation, algorithm: Algorithm, lists: &[String], silent: bool) -> i32 {
    let (lines, mut status) = lines::all(call, lists).await;
    let (mut total, mut wrong) = (0, 0);
    for line in lines {
        let Some((expected, rest)) = line.split_once(' ') else { continue };
        let file = rest.trim_start_matches([' ', '*']);
        total += 1;
        let found = sum(call, algorithm, file).await;
        if let Err(error) = &found {
            call.error(&format!("can't open '{file}': {error}")).await;
        }
        let good = found.is_ok_and(|found| found == expected.to_ascii_lowercase());
        wrong += u32::from(!good);
        if !silent {
            call.print(format!("{file}: {}\n", if good { "OK" } else { "FAILED" })).await;
        }
    }
    if wrong > 0 {
        status = 1;
        if !silent {
            call.error(&format!("WARNING: {wrong} of {total} computed checksums did NOT match")).await;
        }
    }
    status
}
