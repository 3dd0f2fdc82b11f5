//! Checksums: `md5sum`, `sha1sum`, `sha256sum`, `sha512sum`, `crc32`, with `-c`.
//! Only the sums; copying bytes is `stream`.

use super::Invocation;
use super::lines;
use crate::sim::program::data::Data;
use crate::sim::program::errno::Errno;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

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
enum Digest {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    Crc32(crc32fast::Hasher),
}

impl Digest {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
            Algorithm::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(sum) => sum.update(bytes),
            Self::Sha1(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
            Self::Sha512(sum) => sum.update(bytes),
            Self::Crc32(sum) => sum.update(bytes),
        }
    }

    /// In lower-case hexadecimal digits.
    fn finish(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Md5(sum) => hex(&sum.finalize()),
            Self::Sha1(sum) => hex(&sum.finalize()),
            Self::Sha256(sum) => hex(&sum.finalize()),
            Self::Sha512(sum) => hex(&sum.finalize()),
            Self::Crc32(sum) => hex(&sum.finalize().to_be_bytes()),
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
            other => digest.update(&other.into_bytes()),
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
