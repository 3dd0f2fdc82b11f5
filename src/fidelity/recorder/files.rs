//! The files of a recording's folder: one a kind, a line a fact.

use crate::fidelity::Error;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The open files of one folder.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    open: BTreeMap<String, File>,
}

impl Files {
    /// Makes the folder, which must not hold a recording yet.
    pub(super) fn create(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(|error| Error::new(format!("{} cannot be made: {error}", folder.display())))?;
        if folder.join("manifest.yaml").exists() || folder.join("pods.jsonl").exists() {
            return Err(Error::new(format!("{} holds a recording already: choose another folder", folder.display())));
        }
        Ok(Self { folder: folder.to_owned(), open: BTreeMap::new() })
    }

    pub(super) fn fact(&mut self, kind: &str, at: f64, change: &str, object: &Value) -> Result<(), Error> {
        self.line(kind, &json!({"ts": at, "iso": iso(at), "type": change, "object": object}))
    }

    pub(super) fn action(&mut self, at: f64, command: &str) -> Result<(), Error> {
        self.line("actions", &json!({"ts": at, "iso": iso(at), "action": command, "out": ""}))
    }

    pub(super) fn manifest(&self, items: &[Value]) -> Result<(), Error> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let path = self.folder.join("manifest.yaml");
        // JSON is YAML, and keeps every string what it was.
        std::fs::write(&path, format!("{list:#}\n")).map_err(|error| failed(&path, &error))
    }

    fn line(&mut self, name: &str, line: &Value) -> Result<(), Error> {
        let path = self.folder.join(format!("{name}.jsonl"));
        let file = match self.open.entry(name.to_owned()) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(File::create(&path).map_err(|error| failed(&path, &error))?)
            }
        };
        writeln!(file, "{line}").map_err(|error| failed(&path, &error))
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("{} cannot be written: {error}", path.display()))
}

#[expect(clippy::cast_possible_truncation, reason = "microseconds of our time fit 64 bits")]
fn iso(at: f64) -> String {
    jiff::Timestamp::from_microsecond((at * 1e6) as i64).map(|at| at.to_string()).unwrap_or_default()
}
