//! Bytes as text and back: `base64`, `hexdump`, `od`, `xxd`.
//! Formats beyond the usual ones stay limits.

use super::Invocation;
use super::stream::slurp;
use crate::sim::program::data::Data;
use crate::sim::program::errno::Errno;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "base64" => base64(call).await,
        "hexdump" => hexdump(call).await,
        "od" => od(call).await,
        _ => xxd(call).await,
    }
}

async fn input(call: &Invocation, files: &[String]) -> Result<Vec<u8>, i32> {
    let standard = ["-".to_owned()];
    let (mut all, mut failed) = (Vec::new(), false);
    for file in if files.is_empty() { &standard[..] } else { files } {
        match slurp(call, file).await {
            Ok(bytes) => all.extend(bytes),
            Err(Errno::NoSpace) => return Err(1),
            Err(error) => {
                call.error(&format!("{file}: {error}")).await;
                failed = true;
            }
        }
    }
    if failed && all.is_empty() { Err(1) } else { Ok(all) }
}

/// RFC 4648 text without line breaks.
#[must_use]
pub fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0usize, |word, byte| word << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            text.push(if place <= three.len() { char::from(ALPHABET[word >> (18 - 6 * place) & 63]) } else { '=' });
        }
    }
    text
}

/// The bytes of base64 text; letters outside of the alphabet are skipped, as busybox does.
#[must_use]
pub fn from_base64(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0u32, 0);
    for letter in text.iter().take_while(|letter| **letter != b'=') {
        let Some(value) = ALPHABET.iter().position(|known| known == letter) else { continue };
        word = (word << 6 | u32::try_from(value).unwrap_or(0)) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(word >> bits & 0xff).unwrap_or(0));
        }
    }
    bytes
}

async fn base64(call: &Invocation) -> i32 {
    let (options, files) = match call.options("d", "w") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let bytes = match input(call, &files).await {
        Ok(bytes) => bytes,
        Err(code) => return code,
    };
    if options.iter().any(|(letter, _)| *letter == 'd') {
        return call.write(Data::Bytes(from_base64(&bytes))).await;
    }
    let width = options.iter().find(|(letter, _)| *letter == 'w').map_or(Ok(76), |(_, text)| text.parse::<usize>());
    let Ok(width) = width else {
        call.error("invalid number").await;
        return 1;
    };
    let text = to_base64(&bytes);
    if width == 0 {
        return call.print(text).await;
    }
    let lines: String = text.as_bytes().chunks(width).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    call.print(lines).await
}

fn visible(byte: u8) -> char {
    if (b' '..0x7f).contains(&byte) { char::from(byte) } else { '.' }
}

/// Rows of sixteen bytes; equal rows after the first become one `*`.
fn rows(bytes: &[u8], all: bool, offset: impl Fn(usize) -> String, row: impl Fn(&[u8]) -> String) -> String {
    let (mut text, mut previous, mut starred) = (String::new(), None, false);
    for (index, chunk) in bytes.chunks(16).enumerate() {
        if !all && previous == Some(chunk) {
            if !starred {
                text.push_str("*\n");
            }
            starred = true;
            continue;
        }
        (previous, starred) = (Some(chunk), false);
        text.push_str(&format!("{}{}\n", offset(index * 16), row(chunk)));
    }
    text
}

fn words(chunk: &[u8]) -> impl Iterator<Item = u16> + '_ {
    chunk.chunks(2).map(|pair| u16::from(pair[0]) | u16::from(pair.get(1).copied().unwrap_or(0)) << 8)
}

/// The input, or as many bytes of it as option `limit` asks for.
async fn beginning(call: &Invocation, files: &[String], options: &[(char, String)], limit: char) -> Result<Vec<u8>, i32> {
    let mut bytes = input(call, files).await?;
    if let Some((_, count)) = options.iter().find(|(letter, _)| *letter == limit) {
        bytes.truncate(count.parse().unwrap_or(usize::MAX));
    }
    Ok(bytes)
}

async fn hexdump(call: &Invocation) -> i32 {
    let (options, files) = match call.options("Cvx", "ne") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    let bytes = match beginning(call, &files, &options, 'n').await {
        Ok(bytes) => bytes,
        Err(code) => return code,
    };
    if let Some((_, format)) = options.iter().find(|(letter, _)| *letter == 'e') {
        if !matches!(format.replace(' ', "").as_str(), "1/1\"%02x\"" | "\"%02x\"") {
            return call.bad_option(&format!("-e {format}")).await;
        }
        return call.print(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).await;
    }
    if bytes.is_empty() {
        return 0;
    }
    let text = if has('C') {
        let row = |chunk: &[u8]| {
            let mut hex = String::new();
            for place in 0..16 {
                hex.push_str(if place == 8 { "  " } else { " " });
                hex.push_str(&chunk.get(place).map_or_else(|| "  ".to_owned(), |byte| format!("{byte:02x}")));
            }
            format!(" {hex}  |{}|", chunk.iter().map(|byte| visible(*byte)).collect::<String>())
        };
        rows(&bytes, has('v'), |offset| format!("{offset:08x}"), row) + &format!("{:08x}\n", bytes.len())
    } else {
        let gap = if has('x') { "   " } else { " " };
        let row = |chunk: &[u8]| {
            let text: String = words(chunk).map(|word| format!("{gap}{word:04x}")).collect();
            format!("{text:<width$}", width = 8 * (4 + gap.len()))
        };
        rows(&bytes, has('v'), |offset| format!("{offset:07x}"), row) + &format!("{:07x}\n", bytes.len())
    };
    call.print(text).await
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// One row of `od` in a format that it knows.
fn od_row(format: &str, chunk: &[u8]) -> Option<String> {
    let sized = |width: usize, text: fn(u64) -> String, pad: usize| {
        chunk.chunks(width).map(|part| format!(" {:>pad$}", text(little_endian(part)))).collect::<String>()
    };
    Some(match format {
        "o2" => sized(2, |word| format!("{word:06o}"), 6),
        "x2" => sized(2, |word| format!("{word:04x}"), 4),
        "x1" => sized(1, |word| format!("{word:02x}"), 2),
        "o1" | "b" => sized(1, |word| format!("{word:03o}"), 3),
        "x4" => sized(4, |word| format!("{word:08x}"), 8),
        "x8" => sized(8, |word| format!("{word:016x}"), 16),
        "u1" => sized(1, |word| word.to_string(), 3),
        "u2" => sized(2, |word| word.to_string(), 5),
        "u4" | "u" => sized(4, |word| word.to_string(), 10),
        "u8" => sized(8, |word| word.to_string(), 20),
        "d1" => chunk.iter().map(|byte| format!(" {:>4}", i8::from_le_bytes([*byte]))).collect(),
        "c" => chunk
            .iter()
            .map(|byte| match byte {
                b'\n' => "  \\n".to_owned(),
                b'\t' => "  \\t".to_owned(),
                b'\r' => "  \\r".to_owned(),
                0 => "  \\0".to_owned(),
                b' '..=b'~' => format!("   {}", char::from(*byte)),
                other => format!(" {other:03o}"),
            })
            .collect(),
        _ => return None,
    })
}

async fn od(call: &Invocation) -> i32 {
    let (options, files) = match call.options("cxobv", "AtNj") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let value = |wanted: char| options.iter().rev().find(|(letter, _)| *letter == wanted).map(|(_, text)| text.as_str());
    let format = match options.iter().rev().find(|(letter, _)| "cxobt".contains(*letter)) {
        Some(('c', _)) => "c",
        Some(('x', _)) => "x2",
        Some(('b', _)) => "o1",
        Some(('t', text)) => match text.as_str() {
            "x" => "x4",
            other => other,
        },
        _ => "o2",
    };
    if od_row(format, b"x").is_none() {
        return call.bad_option(&format!("-t {format}")).await;
    }
    let limit = value('N').map(|text| super::stream::count(text).unwrap_or(0));
    let bytes = if let (Some(limit), [] | [_]) = (limit, files.as_slice()) {
        let file = files.first().map_or("-", String::as_str);
        match super::stream::slurp_first(call, file, limit).await {
            Ok(bytes) => bytes,
            Err(error) => {
                call.error(&format!("{file}: {error}")).await;
                return 1;
            }
        }
    } else {
        match input(call, &files).await {
            Ok(bytes) => bytes,
            Err(code) => return code,
        }
    };
    let skip = value('j').and_then(super::stream::count).map_or(0, crate::sim::program::data::to_usize);
    let bytes = bytes.get(skip..).unwrap_or_default();
    let address = |offset: usize| match value('A') {
        Some("n") => String::new(),
        Some("d") => format!("{:07}", offset + skip),
        Some("x") => format!("{:06x}", offset + skip),
        _ => format!("{:07o}", offset + skip),
    };
    let all = options.iter().any(|(letter, _)| *letter == 'v');
    let mut text = rows(bytes, all, address, |chunk| od_row(format, chunk).unwrap_or_default());
    if value('A') != Some("n") {
        text.push_str(&format!("{}\n", address(bytes.len())));
    }
    call.print(text).await
}

async fn xxd(call: &Invocation) -> i32 {
    let (options, files) = match call.options("pr", "l") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    let bytes = match beginning(call, &files, &options, 'l').await {
        Ok(bytes) => bytes,
        Err(code) => return code,
    };
    if has('r') {
        if !has('p') {
            return call.bad_option("-r without -p").await;
        }
        let digits: Vec<u8> =
            bytes.iter().filter_map(|byte| char::from(*byte).to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
        return call.write(Data::Bytes(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())).await;
    }
    if has('p') {
        let lines: String =
            bytes.chunks(30).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n").collect();
        return call.print(lines).await;
    }
    let row = |chunk: &[u8]| {
        let hex: String =
            chunk.chunks(2).map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + " ").collect();
        format!(" {hex:<40} {}", chunk.iter().map(|byte| visible(*byte)).collect::<String>())
    };
    call.print(rows(&bytes, true, |offset| format!("{offset:08x}:"), row)).await
}
