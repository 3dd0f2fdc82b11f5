//! Packing: values as compressed JSON, in parts that fit into one object of the API. What the parts hold is `submit`'s and `store`'s.

use super::Submission;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Write as _};
use std::path::Path;

/// The most bytes in one object: 1 MiB is the limit of a `ConfigMap` and of a Secret.
pub const PART_BYTES: usize = 512 * 1024;
const MIB: usize = 1 << 20;
/// The most parts of a suite. 16 MiB of compressed plans are some hundred thousand scenarios: more is a mistake.
const MOST_PARTS: usize = 32;

/// Compresses a value; at least one part.
///
/// # Errors
/// It cannot be written as JSON.
pub fn pack<T: Serialize>(value: &T) -> Result<Vec<Vec<u8>>, String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut encoder, value).map_err(|error| error.to_string())?;
    encoder.flush().map_err(|error| error.to_string())?;
    let packed = encoder.finish().map_err(|error| error.to_string())?;
    Ok(packed.chunks(PART_BYTES).map(<[u8]>::to_vec).collect())
}

/// Reads what [`pack`] wrote, its parts put together.
///
/// # Errors
/// It is cut off, or holds something else.
pub fn unpack<T: for<'de> Deserialize<'de>>(packed: &[u8]) -> Result<T, String> {
    let mut text = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut text).map_err(|error| format!("it cannot be unpacked: {error}"))?;
    serde_json::from_slice(&text).map_err(|error| format!("it is not what comeback writes: {error}"))
}

/// The parts of what is shipped.
///
/// # Errors
/// It is too large, or cannot be written.
pub fn ship(submission: &Submission) -> Result<Vec<Vec<u8>>, String> {
    let parts = pack(submission)?;
    if parts.len() > MOST_PARTS {
        let (is, most) = (parts.len() * PART_BYTES / MIB, MOST_PARTS * PART_BYTES / MIB);
        return Err(format!(
            "the scenarios are {is} MiB, compressed: more than the {most} MiB that can be shipped into a cluster"
        ));
    }
    Ok(parts)
}

/// Reads what was shipped from the files of a folder, in the order of their names.
///
/// # Errors
/// Nothing is there, or something else.
pub fn read(folder: &Path) -> Result<Submission, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // The kubelet keeps its own folders (`..data`) beside the files.
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let mut packed = Vec::new();
    for file in files {
        packed.extend(std::fs::read(file).map_err(failed)?);
    }
    unpack(&packed).map_err(|error| format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::saved::SavedPlans;
    use crate::report::fixture;

    #[test]
    fn what_is_shipped_arrives_whole_whatever_its_size() {
        let noise = |n: u32| {
            format!(
                "{:x}",
                siphasher::sip::SipHasher13::new_with_keys(u64::from(n), 7).keys().0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            )
        };
        let plans = vec![fixture::plan("a", 3), fixture::plan("b", 2)];
        let submission = Submission {
            id: "r".to_owned(),
            seed: 7,
            shards: 2,
            plans: SavedPlans { plans, ..SavedPlans::default() },
            // Does not shrink: several parts.
            command: (0..120_000).map(noise).collect(),
            ..Submission::default()
        };
        let parts = ship(&submission).unwrap();
        assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= PART_BYTES), "{}", parts.len());
        let folder = tempfile::tempdir().unwrap();
        for (n, part) in parts.iter().enumerate() {
            std::fs::write(folder.path().join(format!("suite-{n:03}")), part).unwrap();
        }
        std::fs::create_dir(folder.path().join("..data")).unwrap();
        let read = read(folder.path()).unwrap();
        assert_eq!((read.plans.plans, read.command), (submission.plans.plans, submission.command));
        std::fs::remove_file(folder.path().join("suite-001")).unwrap();
        assert!(super::read(folder.path()).unwrap_err().contains("cannot be unpacked"));
    }
}
