//! The results of a submitted run while it goes on: `ConfigMap`s in its home, one for each finished trial and one for the end of each
//! shard. Written by the pods, read by their successors and by the submitter; what they mean together is `submit`'s.
//!
//! A piece counts when its first object is there, which is written last and bears the trial's name: a trial is there once or not at all.

use super::bundle::{pack, unpack};
use crate::cluster::pages;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::engine::labels::{self, FIELD_MANAGER};
use crate::engine::private;
use crate::measure::result::{ClusterInfo, TrialResult};
use k8s_openapi::ByteString;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// The first object of a piece.
pub const PIECE: &str = "piece";
/// A further object of a long piece.
const PART: &str = "part";
/// Says that an attempt has begun.
const ATTEMPT: &str = "attempt";
/// How many objects are listed at once: a megabyte each at most.
const PAGE: u32 = 20;

/// Something that a shard has finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// Which shard, from 1 on.
    pub shard: u32,
    /// The run that wrote it.
    pub attempt: String,
    /// Where it ran.
    pub cluster: ClusterInfo,
    /// The trial; absent: the end of the shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// Its files, by their path in the run directory.
    pub files: BTreeMap<String, Content>,
}

/// A finished trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// The scenario's name.
    pub scenario: String,
    /// Its position in the whole run.
    pub position: usize,
    /// What came of it.
    pub result: TrialResult,
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Content {
    /// Text, as nearly all of it is.
    Text(String),
    /// Anything else.
    Bytes(ByteString),
}

impl Content {
    /// What a file holds.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|other| Self::Bytes(ByteString(other.into_bytes())), Self::Text)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => &bytes.0,
        }
    }
}

impl Piece {
    /// `comeback-piece-SHARD-POSITION-TRIAL`, or `comeback-piece-SHARD-end`.
    fn name(&self) -> String {
        let what = self.trial.as_ref().map_or("end".to_owned(), |trial| format!("{}-{}", trial.position, trial.result.index));
        format!("comeback-piece-{}-{what}", self.shard)
    }

    /// Takes in a file or folder of a run directory; one that is not there is left out.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn add(&mut self, directory: &Path, relative: &Path) -> Result<(), String> {
        let path = directory.join(relative);
        let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(known) if known.is_dir() => {
                for entry in std::fs::read_dir(&path).map_err(failed)? {
                    self.add(directory, &relative.join(entry.map_err(failed)?.file_name()))?;
                }
            }
            Ok(_) => {
                let content = Content::of(std::fs::read(&path).map_err(failed)?);
                self.files.insert(relative.to_string_lossy().into_owned(), content);
            }
        }
        Ok(())
    }

    /// Writes its files below a run directory.
    ///
    /// # Errors
    /// One cannot be written, or names a place elsewhere.
    pub fn restore(&self, directory: &Path) -> Result<(), String> {
        for (name, content) in &self.files {
            let relative = Path::new(name);
            if !relative.components().all(|component| matches!(component, Component::Normal(_))) {
                return Err(format!("shard {}: {name} is no file of a run directory", self.shard));
            }
            let path = directory.join(relative);
            let parent = path.parent().unwrap_or(directory);
            let written = private::create_dir_all(parent).and_then(|()| private::write(&path, content.bytes()));
            written.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        }
        Ok(())
    }
}

/// A digest over all files of pieces, whatever their order.
#[must_use]
pub fn digest<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> String {
    let files: BTreeMap<&str, &[u8]> =
        pieces.into_iter().flat_map(|piece| &piece.files).map(|(name, content)| (name.as_str(), content.bytes())).collect();
    let mut all = Sha256::new();
    for (name, content) in files {
        all.update(Sha256::digest(name.as_bytes()));
        all.update(Sha256::digest(content));
    }
    let hex: String = all.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The store of a submitted run.
#[derive(Clone)]
pub struct Store {
    client: kube::Client,
    namespace: String,
    submission: String,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Store {
    /// The store in the home of the run with this label value.
    #[must_use]
    pub const fn new(client: kube::Client, namespace: String, submission: String) -> Self {
        Self { client, namespace, submission }
    }

    fn api(&self) -> Result<Api<DynamicObject>, RequestError> {
        Ok(crate::engine::namespace::own_kind("ConfigMap")?.api(&self.client, &self.namespace))
    }

    /// Says that an attempt at a shard begins, before it does anything: whoever follows finds it.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn begin(&self, shard: u32, attempt: &str) -> Result<(), RequestError> {
        let name = format!("comeback-attempt-{attempt}");
        self.create(&name, shard, ATTEMPT, attempt, json!({}), &[]).await.map(|_| ())
    }

    /// The attempts at a shard that have begun.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn attempts(&self, shard: u32) -> Result<Vec<String>, RequestError> {
        let found = self.list(&format!("{}={ATTEMPT},{}={shard}", labels::HOLDS, labels::SHARD)).await?;
        Ok(found.into_iter().filter_map(|object| object.metadata.annotations?.remove(labels::ATTEMPT)).collect())
    }

    /// Stores a piece; it is there when this returns. False: it was there already, from another attempt.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn put(&self, piece: &Piece) -> Result<bool, RequestError> {
        let name = piece.name();
        let what = format!("storing {}/{name}", self.namespace);
        let parts = pack(piece).map_err(|error| RequestError::of(&what, error))?;
        let Some((first, rest)) = parts.split_first() else { return Err(RequestError::of(&what, "it is empty")) };
        let mut names = Vec::new();
        for (n, part) in rest.iter().enumerate() {
            // Those of an attempt that was killed meanwhile have other names.
            let name = format!("{name}.{}.{n}", piece.attempt);
            self.create(&name, piece.shard, PART, &piece.attempt, json!({}), part).await?;
            names.push(name);
        }
        let annotations = json!({ labels::PART: names.join(",") });
        self.create(&name, piece.shard, PIECE, &piece.attempt, annotations, first).await
    }

    /// True where the object is this attempt's.
    async fn create(
        &self,
        name: &str,
        shard: u32,
        holds: &str,
        attempt: &str,
        mut annotations: serde_json::Value,
        bytes: &[u8],
    ) -> Result<bool, RequestError> {
        let what = format!("storing {}/{name}", self.namespace);
        annotations[labels::ATTEMPT] = json!(attempt);
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "labels": { labels::RUN: self.submission, labels::SHARD: shard.to_string(), labels::HOLDS: holds },
                "annotations": annotations,
            },
            "binaryData": { PIECE: ByteString(bytes.to_vec()) },
        });
        let object: DynamicObject = serde_json::from_value(object).map_err(|error| RequestError::of(&what, error.to_string()))?;
        let api = self.api()?;
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match retried(&what, REQUEST_BUDGET, || api.create(&parameters, &object)).await {
            Ok(_) => Ok(true),
            // An earlier attempt of this very request may have been carried out without its answer reaching us.
            Err(error) if error.is_already_there() => {
                let of = |object: &DynamicObject| object.metadata.annotations.as_ref()?.get(labels::ATTEMPT).cloned();
                let name_selector = ListParams::default().fields(&format!("metadata.name={name}"));
                let present = retried(&what, REQUEST_BUDGET, || api.list(&name_selector)).await?;
                Ok(present.items.iter().any(|object| of(object).as_deref() == Some(attempt)))
            }
            Err(error) => Err(error),
        }
    }

    /// What is stored of a shard, or of all.
    ///
    /// # Errors
    /// The server's refusal, or something that comeback does not write.
    pub async fn pieces(&self, shard: Option<u32>) -> Result<Vec<Piece>, RequestError> {
        let of = shard.map_or_else(String::new, |shard| format!(",{}={shard}", labels::SHARD));
        let (mut firsts, mut rest) = (Vec::new(), BTreeMap::new());
        for object in self.list(&format!("{} in ({PIECE},{PART}){of}", labels::HOLDS)).await? {
            let name = object.metadata.name.clone().unwrap_or_default();
            let bytes = object.data.pointer(&format!("/binaryData/{PIECE}")).cloned();
            let bytes = bytes.and_then(|value| serde_json::from_value::<ByteString>(value).ok()).unwrap_or_default().0;
            if object.metadata.labels.as_ref().and_then(|labels| labels.get(labels::HOLDS)).is_some_and(|holds| holds == PIECE) {
                let parts = object.metadata.annotations.and_then(|mut annotations| annotations.remove(labels::PART));
                firsts.push((name, bytes, parts.unwrap_or_default()));
            } else {
                rest.insert(name, bytes);
            }
        }
        let whole = |(name, mut bytes, parts): (String, Vec<u8>, String)| {
            let what = format!("reading {}/{name}", self.namespace);
            for part in parts.split(',').filter(|part| !part.is_empty()) {
                bytes.extend(rest.get(part).ok_or_else(|| RequestError::of(&what, format!("its part {part} is missing")))?);
            }
            unpack(&bytes).map_err(|error| RequestError::of(&what, error))
        };
        firsts.into_iter().map(whole).collect()
    }

    async fn list(&self, selector: &str) -> Result<Vec<DynamicObject>, RequestError> {
        let what = format!("listing results in {}", self.namespace);
        let parameters = ListParams::default().labels(&format!("{}={},{selector}", labels::RUN, self.submission)).limit(PAGE);
        let (_, found) = pages::list(&self.api()?, &parameters, (&what, REQUEST_BUDGET), |object| object).await?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::embedded::Embedded;
    use crate::cluster::{Cluster, TrialContext};
    use crate::report::fixture;

    fn piece(attempt: &str, index: u32, text: &str) -> Piece {
        let mut result = fixture::run().scenarios[0].trials[0].clone();
        result.index = index;
        let files = BTreeMap::from([(format!("timelines/a-{index}.jsonl"), Content::Text(text.to_owned()))]);
        let trial = Some(Trial { scenario: "a".to_owned(), position: 0, result });
        Piece { shard: 1, attempt: attempt.to_owned(), cluster: ClusterInfo::default(), trial, files }
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_is_there_once_whoever_stores_it_and_however_long_it_is() {
        let trial = TrialContext { seed: 3, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
        let session = Embedded::default().open(&trial).await.unwrap();
        let store = Store::new(session.client.clone(), "default".to_owned(), "r".to_owned());
        assert!(store.pieces(None).await.unwrap().is_empty());
        for attempt in ["r-s1-a", "r-s1-b"] {
            store.begin(1, attempt).await.unwrap();
        }
        assert_eq!(store.attempts(1).await.unwrap(), ["r-s1-a", "r-s1-b"]);
        assert!(store.attempts(2).await.unwrap().is_empty());
        let noise = |n: u64| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n.wrapping_mul(n).rotate_left(17));
        let long: String = (0..100_000).map(noise).collect();
        let (short, long) = (piece("r-s1-a", 0, "short"), piece("r-s1-a", 1, &long));
        for stored in [&short, &long] {
            assert!(store.put(stored).await.unwrap());
            // Its own request, answered late, is no other's.
            assert!(store.put(stored).await.unwrap());
        }
        assert!(!store.put(&piece("r-s1-b", 0, "another")).await.unwrap());
        let found = store.pieces(Some(1)).await.unwrap();
        assert_eq!(found, [short.clone(), long.clone()]);
        assert_eq!(digest(&found), digest([&long, &short]));
        assert_ne!(digest(&found), digest([&long, &piece("r-s1-a", 0, "Short")]));
        assert!(store.pieces(Some(2)).await.unwrap().is_empty());
    }

    #[test]
    fn files_go_back_to_where_they_were_and_nowhere_else() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir_all(from.path().join("evidence/a-0/logs")).unwrap();
        std::fs::write(from.path().join("evidence/a-0/logs/app"), [0xff, 0x00, 0x10]).unwrap();
        std::fs::write(from.path().join("evidence/a-0/describe.txt"), "text").unwrap();
        let mut piece = Piece { files: BTreeMap::new(), ..piece("r-s1-a", 0, "") };
        piece.add(from.path(), Path::new("evidence/a-0")).unwrap();
        piece.add(from.path(), Path::new("evidence/a-1")).unwrap();
        let read: Piece = unpack(&pack(&piece).unwrap().concat()).unwrap();
        read.restore(to.path()).unwrap();
        assert_eq!(std::fs::read(to.path().join("evidence/a-0/logs/app")).unwrap(), [0xff, 0x00, 0x10]);
        assert_eq!(std::fs::read_to_string(to.path().join("evidence/a-0/describe.txt")).unwrap(), "text");
        piece.files.insert("../elsewhere".to_owned(), Content::Text(String::new()));
        assert!(piece.restore(to.path()).unwrap_err().contains("no file of a run directory"));
    }
}
