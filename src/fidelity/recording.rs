//! A recording, real or simulated: what was applied, what was done, and what its watchers saw, in order of time.
//! Reading both forms lives here: a folder as recorded, and one packed file.

use super::Error;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// One watch event.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Seconds since the first action.
    pub at: f64,
    /// The plural of the object's resource (`pods`, `events`, `deployments`), or `node_events`.
    pub kind: String,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub change: String,
    /// The object.
    pub object: Arc<Value>,
}

/// Something that was done to the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Seconds since the first action.
    pub at: f64,
    /// The command line, or the words for what no command line does.
    pub command: String,
}

/// A whole recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Its name: the folder's or the packed file's, after `traces/` with the folder before it (`ops/op-drain`).
    pub name: String,
    /// What was applied, by the file's name without its ending; the recording's own is `manifest`.
    pub manifests: BTreeMap<String, Vec<Value>>,
    /// The namespace that was watched.
    pub namespace: String,
    /// What was done, the applies among it.
    pub actions: Vec<Action>,
    /// What was seen.
    pub facts: Vec<Fact>,
    /// Seconds from the first action to the last fact.
    pub length: f64,
}

/// The kinds of a recording, one file each in its folder.
pub const KINDS: [&str; 15] = [
    "pods",
    "events",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
    "services",
    "endpointslices",
    "poddisruptionbudgets",
    "resourcequotas",
    "persistentvolumeclaims",
    "nodes",
    "leases",
    "node_events",
];

/// One line of a folder's files and of a packed one.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    kind: String,
    ts: f64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    action: String,
    #[serde(default, rename = "type")]
    change: String,
    #[serde(default)]
    object: Value,
}

impl Recording {
    /// Reads a folder as it was recorded, or a packed `.jsonl.gz`.
    ///
    /// # Errors
    /// What is missing or malformed, with its file and line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let name = name_of(path);
        if path.is_dir() {
            return Self::assemble(name, folder(path)?);
        }
        let bytes = std::fs::read(path).map_err(|error| {
            let what = "a recording is a folder with manifest.yaml, actions.jsonl and pods.jsonl, or a packed .jsonl.gz";
            Error::new(format!("{} cannot be read: {error}; {what}", path.display()))
        })?;
        Self::unpack(name, &bytes)
    }

    /// Reads a packed recording.
    ///
    /// # Errors
    /// What is malformed, with its line.
    pub fn unpack(name: impl Into<String>, gz: &[u8]) -> Result<Self, Error> {
        let name = name.into();
        let mut text = String::new();
        GzDecoder::new(gz)
            .read_to_string(&mut text)
            .map_err(|error| Error::new(format!("the packed recording {name} is no gzip of text: {error}")))?;
        Self::assemble(name.clone(), lines(&text, &name)?)
    }

    fn assemble(name: String, mut lines: Vec<Line>) -> Result<Self, Error> {
        lines.sort_by(|a, b| a.ts.total_cmp(&b.ts));
        let Some(begin) = lines.iter().find(|line| line.kind == "action").map(|line| line.ts) else {
            return Err(Error::new(format!("{name} has no action: expected at least the `kubectl apply` that began it")));
        };
        let mut recording = Self { name, ..Self::default() };
        for line in lines {
            let at = line.ts - begin;
            match line.kind.as_str() {
                "manifest" => {
                    let file = if line.name.is_empty() { "manifest".to_owned() } else { line.name };
                    recording.manifests.insert(file, items(line.object));
                    continue;
                }
                "action" => recording.actions.push(Action { at, command: line.action }),
                _ => {
                    let object = Arc::new(line.object);
                    recording.facts.push(Fact { at, kind: line.kind, change: line.change, object });
                }
            }
            recording.length = recording.length.max(at);
        }
        recording.namespace = recording.own_namespace()?;
        Ok(recording)
    }

    fn own_namespace(&self) -> Result<String, Error> {
        let of_manifest = self.manifests.get("manifest").into_iter().flatten().find_map(|object| {
            let pointer = if object["kind"] == "Namespace" { "/metadata/name" } else { "/metadata/namespace" };
            object.pointer(pointer)?.as_str()
        });
        let of_facts = || {
            let namespaced = |fact: &&Fact| !["nodes", "leases", "node_events"].contains(&fact.kind.as_str());
            self.facts.iter().filter(namespaced).find_map(|fact| fact.object.pointer("/metadata/namespace")?.as_str())
        };
        of_manifest.or_else(of_facts).map(ToOwned::to_owned).ok_or_else(|| {
            Error::new(format!("{} names no namespace: its manifest has no Namespace and no object of one", self.name))
        })
    }
}

fn items(object: Value) -> Vec<Value> {
    match object {
        Value::Object(mut list) if list.contains_key("items") => match list.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        Value::Array(documents) => documents.into_iter().flat_map(items).collect(),
        Value::Null => Vec::new(),
        object => vec![object],
    }
}

/// `traces/crash-loop` is `crash-loop`, `traces/ops/op-drain` is `ops/op-drain`, `ops--op-drain.jsonl.gz` too.
fn name_of(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let own = text(&path).trim_end_matches(".jsonl.gz").replace("--", "/");
    let groups = ["multinode", "partition", "ops", "runtime"];
    match path.parent().map(text) {
        Some(group) if groups.contains(&group.as_str()) => format!("{group}/{own}"),
        _ => own,
    }
}

fn folder(path: &Path) -> Result<Vec<Line>, Error> {
    let mut all = Vec::new();
    for kind in KINDS.iter().copied().chain(["actions"]) {
        let file = path.join(format!("{kind}.jsonl"));
        // A kind without a file had no event.
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let mut read = lines(&text, &file.display().to_string())?;
        let kind = if kind == "actions" { "action" } else { kind };
        read.iter_mut().for_each(|line| kind.clone_into(&mut line.kind));
        all.append(&mut read);
    }
    let begin = all.iter().map(|line| line.ts).fold(f64::INFINITY, f64::min);
    let mut manifest = |name: &str, file: &Path| -> Result<(), Error> {
        let object = manifest(file)?;
        let (kind, name) = ("manifest".to_owned(), name.to_owned());
        all.push(Line { kind, ts: begin, name, action: String::new(), change: String::new(), object });
        Ok(())
    };
    manifest("manifest", &path.join("manifest.yaml"))?;
    // What was applied beside it on the same cluster, where that was recorded, too.
    for sibling in path.parent().into_iter().filter_map(|parent| std::fs::read_dir(parent).ok()).flatten().flatten() {
        let file = sibling.path().join("manifest.yaml");
        let name = sibling.file_name().to_string_lossy().into_owned();
        if (name.starts_with("mn-") || name.starts_with("op-")) && file.exists() {
            manifest(&name, &file)?;
        }
    }
    Ok(all)
}

fn manifest(file: &Path) -> Result<Value, Error> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::new(format!("{} cannot be read: {error}; it holds what was applied", file.display())))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
        .map_err(|error| Error::new(format!("{} is neither YAML nor JSON: {error}", file.display())))?;
    Ok(Value::Array(documents))
}

fn lines(text: &str, place: &str) -> Result<Vec<Line>, Error> {
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line)
            .map_err(|error| Error::new(format!("{place}, line {}: expected one watch event as JSON: {error}", number + 1)))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_folders_and_files() {
        assert_eq!(name_of(Path::new("/t/traces/crash-loop")), "crash-loop");
        assert_eq!(name_of(Path::new("/t/traces/ops/op-drain/")), "ops/op-drain");
        assert_eq!(name_of(Path::new("fixtures/traces/ops--op-drain.jsonl.gz")), "ops/op-drain");
    }

    #[test]
    fn what_is_missing_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let error = Recording::read(&folder.path().join("nothing")).unwrap_err().0;
        assert!(error.contains("a recording is a folder with manifest.yaml"), "{error}");
        let error = Recording::read(folder.path()).unwrap_err().0;
        assert!(error.contains("manifest.yaml cannot be read"), "{error}");
        std::fs::write(folder.path().join("manifest.yaml"), "kind: Pod\nmetadata: {name: p, namespace: n}\n").unwrap();
        let error = Recording::read(folder.path()).unwrap_err().0;
        assert!(error.contains("has no action"), "{error}");
        std::fs::write(folder.path().join("actions.jsonl"), "{\"ts\": 1, \"action\": \"kubectl apply -f x\"}\nnonsense\n")
            .unwrap();
        let error = Recording::read(folder.path()).unwrap_err().0;
        assert!(error.contains("actions.jsonl, line 2: expected one watch event as JSON"), "{error}");
    }

    #[test]
    fn a_folder_and_its_packed_form_are_one_recording() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("manifest.yaml"),
            "kind: Pod\nmetadata: {name: p, namespace: shop}\n---\nkind: Namespace\nmetadata: {name: shop}\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("actions.jsonl"), "{\"ts\": 10, \"action\": \"kubectl apply -f manifest.yaml\"}\n")
            .unwrap();
        std::fs::write(
            folder.path().join("pods.jsonl"),
            "{\"ts\": 12.5, \"type\": \"ADDED\", \"object\": {\"kind\": \"Pod\"}}\n",
        )
        .unwrap();
        let recording = Recording::read(folder.path()).unwrap();
        assert_eq!((recording.namespace.as_str(), recording.manifests["manifest"].len()), ("shop", 2));
        assert_eq!((recording.facts.len(), recording.length), (1, 2.5));
        assert_eq!(recording.facts[0].kind, "pods");
    }
}
