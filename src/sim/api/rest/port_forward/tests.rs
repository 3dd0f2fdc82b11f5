//! Header blocks as Go compresses them, and frames that nobody should send.
//! What a tunnel does with its streams is tried in `streams`.

mod streams;

use super::inflate::{DICTIONARY, Inflater};
use super::spdy::{Frame, Reader, Writer, data, pong};
use proptest::prelude::*;

/// Two header blocks of one connection, compressed by zlib with the dictionary and flushed: dynamic and fixed parts.
fn blocks() -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = include_str!("blocks.txt");
    let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(plain, packed)| (bytes(plain), bytes(packed))).collect()
}

#[test]
fn blocks_of_one_connection_are_read_one_after_the_other() {
    let mut inflater = Inflater::default();
    for (plain, packed) in blocks() {
        assert_eq!(inflater.block(&packed).unwrap(), plain);
    }
    assert_eq!(DICTIONARY.len(), 1_423);
}

#[test]
fn frames_come_out_however_the_bytes_are_cut() {
    let (_, packed) = blocks().remove(0);
    let content = [&5_u32.to_be_bytes()[..], &[0; 6], &packed].concat();
    let length = u32::try_from(content.len()).unwrap();
    let open = [&0x8003_0001_u32.to_be_bytes()[..], &length.to_be_bytes(), &content].concat();
    let all = [open, data(5, b"hello", true), pong(3)].concat();
    for size in [1, 7, all.len()] {
        let mut reader = Reader::default();
        let mut frames = Vec::new();
        for piece in all.chunks(size) {
            reader.push(piece);
            while let Some(frame) = reader.next().unwrap() {
                frames.push(frame);
            }
        }
        let [Frame::Open { stream: 5, headers, finished: false }, second, Frame::Ping(3)] = &frames[..] else {
            unreachable!("{frames:?}")
        };
        assert_eq!(
            (headers["streamtype"].as_str(), headers["port"].as_str(), headers["requestid"].as_str()),
            ("error", "8080", "0")
        );
        assert_eq!(second, &Frame::Data { stream: 5, bytes: b"hello".to_vec(), finished: true });
    }
}

#[test]
fn replies_begin_the_compressed_stream_once() {
    let mut writer = Writer::default();
    let mut inflater = Inflater::default();
    for stream in [1, 3] {
        let frame = writer.reply(stream);
        assert_eq!(inflater.block(&frame[12..]).unwrap(), [0; 4]);
        assert!(frame.ends_with(&[0, 0, 0, 0xff, 0xff]), "not flushed: {frame:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), control in any::<bool>()) {
        let mut reader = Reader::default();
        if control {
            reader.push(&[0x80, 3, 0, 1, 0, 0, 0, 100]);
        }
        reader.push(&bytes);
        while let Ok(Some(_)) = reader.next() {}
        let _ = Inflater::default().block(&[&[0x78, 0x20, 0, 0, 0, 0], bytes.as_slice()].concat());
    }
}
