//! A recording, real or simulated: facts in order of time. Reading the packed files.

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// One watch event.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Seconds since the first action.
    pub at: f64,
    /// `pods`, `events`, `deployments`, `replicasets`.
    pub kind: String,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub change: String,
    /// The object.
    pub object: Value,
}

/// Something that was done to the cluster.
#[derive(Clone, Debug)]
pub struct Action {
    /// Seconds since the first action.
    pub at: f64,
    /// The command line.
    pub command: String,
}

/// A whole recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What was applied: a List.
    pub manifest: Value,
    /// What was done after that.
    pub actions: Vec<Action>,
    /// What was seen.
    pub facts: Vec<Fact>,
    /// Seconds from the first action to the last fact.
    pub length: f64,
}

#[derive(Deserialize)]
struct Line {
    kind: String,
    ts: f64,
    #[serde(default)]
    action: String,
    #[serde(default, rename = "type")]
    change: String,
    #[serde(default)]
    object: Value,
}

/// Reads `fixtures/traces/NAME.jsonl.gz`.
pub fn read(name: &str) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/traces").join(format!("{name}.jsonl.gz"));
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let begin = lines.iter().find(|line| line.kind == "action").unwrap().ts;
    let mut recording = Recording { manifest: Value::Null, actions: Vec::new(), facts: Vec::new(), length: 0.0 };
    for line in lines {
        let at = line.ts - begin;
        match line.kind.as_str() {
            "manifest" => recording.manifest = line.object,
            "action" if line.action.contains("apply -f") => {}
            "action" => recording.actions.push(Action { at, command: line.action }),
            _ => recording.facts.push(Fact { at, kind: line.kind, change: line.change, object: line.object }),
        }
        recording.length = at;
    }
    recording
}
