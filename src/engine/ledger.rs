//! The ledger: an append-only file of what comeback made outside of labelled namespaces, so that `cleanup` finds it after a crash.
//! What is labelled on a cluster needs no entry; the undo records of faults lie in the run directory.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The ledger's usual place, relative to the working directory.
pub const DEFAULT_PATH: &str = ".comeback/ledger.jsonl";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// A kind cluster is about to be created.
    KindCreated {
        /// Its name.
        name: String,
        /// The run that creates it; absent in ledgers of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
    },
    /// It is removed.
    KindRemoved {
        /// Its name.
        name: String,
    },
}

/// A ledger file; it need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// The ledger at a path.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends an entry and waits until it is on the disk.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn append(&self, entry: &Entry) -> std::io::Result<()> {
        append_line(&self.path, entry)
    }

    /// All entries, oldest first; none where there is no file. A last line that a crash cut off is left out.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(&self) -> std::io::Result<Vec<Entry>> {
        read_lines(&self.path)
    }
}

/// Kind clusters that were created and not removed, by name, with the run that created each, where that is known.
#[must_use]
pub fn outstanding_kind_clusters(entries: &[Entry]) -> BTreeMap<String, Option<String>> {
    let mut clusters = BTreeMap::new();
    for entry in entries {
        match entry {
            Entry::KindCreated { name, run } => clusters.insert(name.clone(), run.clone()),
            Entry::KindRemoved { name } => clusters.remove(name),
        };
    }
    clusters
}

/// Appends one JSON line to a file, making it and its folder, and waits until it is on the disk.
pub(crate) fn append_line<T: Serialize>(path: &Path, entry: &T) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        super::private::create_dir_all(folder)?;
    }
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    let mut file = super::private::options().create(true).read(true).append(true).open(path)?;
    let mut present = Vec::new();
    file.read_to_end(&mut present)?;
    if let Some(last) = present.last()
        && *last != b'\n'
    {
        // The rest of a line that a crash cut off would spoil this one.
        let whole = present.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1);
        file.set_len(u64::try_from(whole).unwrap_or_default())?;
    }
    file.write_all(&line)?;
    file.sync_all()
}

/// Reads JSON lines; a last line without a newline is one that a crash cut off.
pub(crate) fn read_lines<T: for<'de> Deserialize<'de>>(path: &Path) -> std::io::Result<Vec<T>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str(line) {
            Ok(entry) => entries.push(entry),
            Err(_) if !line.ends_with('\n') => {}
            Err(error) => {
                let message = format!("line {} of {} cannot be read: {error}", index + 1, path.display());
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn what_was_created_and_not_removed_is_outstanding_even_after_a_cut_line() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(folder.path().join("deep/ledger.jsonl"));
        assert_eq!(ledger.read().unwrap(), []);
        for name in ["b", "a", "c"] {
            ledger.append(&Entry::KindCreated { name: name.to_owned(), run: Some(format!("run-{name}")) }).unwrap();
        }
        ledger.append(&Entry::KindRemoved { name: "a".to_owned() }).unwrap();
        let mut file = OpenOptions::new().append(true).open(ledger.path()).unwrap();
        file.write_all(b"{\"kindRemoved\":{\"na").unwrap();
        let outstanding = || outstanding_kind_clusters(&ledger.read().unwrap()).into_iter().collect::<Vec<_>>();
        let of = |name: &str| (name.to_owned(), Some(format!("run-{name}")));
        assert_eq!(outstanding(), [of("b"), of("c")]);
        ledger.append(&Entry::KindRemoved { name: "c".to_owned() }).unwrap();
        assert_eq!(outstanding(), [of("b")]);
        // As earlier versions wrote it.
        file.write_all(b"{\"kindCreated\":{\"name\":\"b\"}}\n").unwrap();
        assert_eq!(outstanding(), [("b".to_owned(), None)]);
        file.write_all(b"nonsense\n").unwrap();
        assert!(ledger.read().unwrap_err().to_string().contains("line 7"));
    }
}
