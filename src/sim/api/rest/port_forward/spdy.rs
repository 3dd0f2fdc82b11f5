//! Frames of SPDY/3.1, as far as port forwarding needs them: reading a client's, writing a server's.
//! What is forwarded where is the parent's.

use super::inflate::{DICTIONARY, Inflater, Malformed};
use std::collections::BTreeMap;

/// The largest frame that is accepted, in bytes.
pub(super) const LARGEST: usize = 256 * 1024;
/// The flag of a stream's last frame.
const FIN: u8 = 1;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A new stream with its headers, names in lower case.
    Open {
        /// The stream.
        stream: u32,
        /// Its headers.
        headers: BTreeMap<String, String>,
        /// Nothing will be sent on it.
        finished: bool,
    },
    /// Bytes of a stream.
    Data {
        /// The stream.
        stream: u32,
        /// The bytes.
        bytes: Vec<u8>,
        /// They are the last.
        finished: bool,
    },
    /// The end of a stream in both directions.
    Reset(u32),
    /// A question whether we are there.
    Ping(u32),
    /// The end of the connection.
    GoAway,
    /// What needs no answer here.
    Other,
}

/// The reading end: bytes in, frames out.
#[derive(Debug, Default)]
pub(super) struct Reader {
    waiting: Vec<u8>,
    headers: Inflater,
}

impl Reader {
    /// Takes bytes as they come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` when more bytes must come.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Malformed> {
        let Some((head, rest)) = self.waiting.split_at_checked(8) else { return Ok(None) };
        let head: [u8; 8] = head.try_into().map_err(|_| Malformed)?;
        let first = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let length = u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize;
        if length > LARGEST {
            return Err(Malformed);
        }
        let Some((content, _)) = rest.split_at_checked(length) else { return Ok(None) };
        let content = content.to_vec();
        self.waiting.drain(..8 + length);
        let finished = head[4] & FIN != 0;
        if first >> 31 == 0 {
            return Ok(Some(Frame::Data { stream: first, bytes: content, finished }));
        }
        let number = |at: usize| -> Result<u32, Malformed> {
            let bytes: [u8; 4] = content.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or(Malformed)?;
            Ok(u32::from_be_bytes(bytes) & 0x7fff_ffff)
        };
        Ok(Some(match first & 0xffff {
            1 => {
                let block = self.headers.block(content.get(10..).ok_or(Malformed)?)?;
                Frame::Open { stream: number(0)?, headers: headers(&block)?, finished }
            }
            3 => Frame::Reset(number(0)?),
            6 => Frame::Ping(number(0)?),
            7 => Frame::GoAway,
            8 => {
                // Its headers do not matter, but the compression goes on from them.
                self.headers.block(content.get(4..).ok_or(Malformed)?)?;
                Frame::Other
            }
            _ => Frame::Other,
        }))
    }
}

fn headers(block: &[u8]) -> Result<BTreeMap<String, String>, Malformed> {
    let mut rest = block;
    let mut text = |length: Option<usize>| -> Result<(usize, String), Malformed> {
        let length = length.unwrap_or(4);
        let (taken, left) = rest.split_at_checked(length).ok_or(Malformed)?;
        rest = left;
        let number = <[u8; 4]>::try_from(taken).map_or(0, u32::from_be_bytes);
        Ok((number as usize, String::from_utf8_lossy(taken).into_owned()))
    };
    let count = text(None)?.0;
    let mut headers = BTreeMap::new();
    for _ in 0..count.min(100) {
        let length = text(None)?.0;
        let name = text(Some(length))?.1;
        let length = text(None)?.0;
        headers.insert(name.to_ascii_lowercase(), text(Some(length))?.1);
    }
    Ok(headers)
}

/// The writing end.
#[derive(Debug, Default)]
pub(super) struct Writer {
    begun: bool,
}

impl Writer {
    /// The answer to a new stream, without headers.
    pub(super) fn reply(&mut self, stream: u32) -> Vec<u8> {
        let mut block = Vec::new();
        if !self.begun {
            self.begun = true;
            block.extend([0x78, 0x20]);
            block.extend(adler32(DICTIONARY).to_be_bytes());
        }
        // A stored part of four bytes: no headers. Then an empty one, as a flush ends: without it Go's reader looks for the
        // next part, meets the end of the frame and refuses every later reply.
        block.extend([0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0]);
        block.extend([0, 0, 0, 0xff, 0xff]);
        control(2, &[&stream.to_be_bytes(), block.as_slice()].concat())
    }
}

/// Bytes of a stream.
pub(super) fn data(stream: u32, bytes: &[u8], finished: bool) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    let flags = u32::from(if finished { FIN } else { 0 }) << 24;
    [&stream.to_be_bytes(), (flags | length).to_be_bytes().as_slice(), bytes].concat()
}

/// The end of a stream in both directions, with the protocol's code for its reason.
pub(super) fn reset(stream: u32, reason: u32) -> Vec<u8> {
    control(3, &[stream.to_be_bytes(), reason.to_be_bytes()].concat())
}

/// The answer to a ping.
pub(super) fn pong(id: u32) -> Vec<u8> {
    control(6, &id.to_be_bytes())
}

fn control(kind: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(0);
    [&(0x8003_0000 | kind).to_be_bytes(), length.to_be_bytes().as_slice(), content].concat()
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}
