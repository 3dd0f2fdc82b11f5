//! Undo records on the cluster: in the run's home, so that any later `cleanup`, from any machine, can undo what the run did
//! outside of its own namespaces. What lies in those needs no record: their label is one, and their removal undoes it.
//!
//! A record is a ConfigMap; about a Secret it is a Secret, in the run's own home (which nobody but a cluster's administrators can
//! read) or else beside the Secret itself: nobody can read it there who could not read the Secret. Long records have parts.

use super::{Confirmation, UndoRecord};
use crate::cluster::kinds::Kind;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::engine::home::Home;
use crate::engine::labels::{self, FIELD_MANAGER};
use k8s_openapi::ByteString;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The most bytes of a record in one object; 1 MiB is the limit of a ConfigMap.
const PART_BYTES: usize = 512 * 1024;
/// The key under which an object holds its part.
const RECORD: &str = "record";
/// The same for what became of the fault.
const CONFIRMED: &str = "confirmed";

/// Writes records. Clones share their numbers.
#[derive(Clone)]
pub struct Journal {
    client: kube::Client,
    home: Home,
    next: Arc<AtomicU32>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("home", &self.home).finish_non_exhaustive()
    }
}

/// The objects that hold one record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The record's number in its run.
    pub number: u32,
    /// Where they lie.
    pub namespace: String,
    /// ConfigMap or Secret.
    pub kind: String,
    /// Their names.
    pub names: Vec<String>,
}

/// A record as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The run's label value.
    pub run: String,
    /// The record, with what is known of its fault.
    pub record: UndoRecord,
    /// What holds it.
    pub held: Held,
}

impl Journal {
    /// The journal of a run. `next` counts its records, over all trials.
    #[must_use]
    pub const fn new(client: kube::Client, home: Home, next: Arc<AtomicU32>) -> Self {
        Self { client, home, next }
    }

    /// The objects that will hold a record: known before they are written, so that they are found even if the answer is lost.
    #[must_use]
    pub fn place(&self, record: &UndoRecord) -> Held {
        let secret = record.target.kind == "Secret";
        let beside = secret && self.home.own.is_none() && !record.target.namespace.is_empty();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let count = parts(&serde_json::to_string(record).unwrap_or_default(), PART_BYTES).len();
        Held {
            number,
            namespace: if beside { record.target.namespace.clone() } else { self.home.namespace.clone() },
            kind: if secret { "Secret" } else { "ConfigMap" }.to_owned(),
            names: (0..count).map(|n| self.name(number, RECORD, n)).collect(),
        }
    }

    fn name(&self, number: u32, what: &str, part: usize) -> String {
        format!("comeback-undo-{}-{number:06}-{what}-{part}", self.home.run)
    }

    /// Writes a record; it is on the cluster when this returns.
    ///
    /// # Errors
    /// The server's refusal: then the fault must not act.
    pub async fn write(&self, held: &mut Held, record: &UndoRecord) -> Result<(), RequestError> {
        self.put(held, RECORD, record).await
    }

    /// Writes what a fault changed.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn confirm(&self, held: &mut Held, confirmation: &Confirmation) -> Result<(), RequestError> {
        self.put(held, CONFIRMED, confirmation).await
    }

    async fn put<T: Serialize>(&self, held: &mut Held, what: &str, content: &T) -> Result<(), RequestError> {
        let telling = format!("writing undo record {} of run {}", held.number, self.home.run);
        let text = serde_json::to_string(content).map_err(|error| RequestError::of(&telling, error.to_string()))?;
        let api = api(&self.client, &held.kind, &held.namespace)?;
        let parts = parts(&text, PART_BYTES);
        for (n, part) in parts.iter().enumerate() {
            let name = self.name(held.number, what, n);
            let field = if held.kind == "Secret" { "stringData" } else { "data" };
            let object = json!({
                "apiVersion": "v1",
                "kind": held.kind,
                "metadata": {
                    "name": name,
                    "labels": { labels::RUN: self.home.run, labels::UNDO: held.number.to_string() },
                    "annotations": { labels::PART: format!("{}/{}", n + 1, parts.len()) },
                },
                field: { what: part },
            });
            let object: DynamicObject =
                serde_json::from_value(object).map_err(|error| RequestError::of(&telling, error.to_string()))?;
            if !held.names.contains(&name) {
                held.names.push(name);
            }
            let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
            match retried(&telling, REQUEST_BUDGET, || api.create(&parameters, &object)).await {
                Ok(_) => {}
                // An earlier attempt was carried out: nobody else writes these names.
                Err(error) if error.is_already_there() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes a record whose fault is undone.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn forget(&self, held: &Held) -> Result<(), RequestError> {
        forget(&self.client, held).await
    }
}

/// Removes a record whose fault is undone.
///
/// # Errors
/// The server's refusal.
pub async fn forget(client: &kube::Client, held: &Held) -> Result<(), RequestError> {
    let api = api(client, &held.kind, &held.namespace)?;
    let parameters = DeleteParams::default();
    for name in &held.names {
        let what = format!("removing undo record {}/{name}", held.namespace);
        match retried(&what, REQUEST_BUDGET, || api.delete(name, &parameters)).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Every whole record in a namespace, of one run or of all, oldest first within a run. A record of which a part is missing was
/// never complete: its fault has not acted.
///
/// # Errors
/// The records may not be listed.
pub async fn read(client: &kube::Client, namespace: &str, run: Option<&str>) -> Result<Vec<Written>, RequestError> {
    let selector = run.map_or_else(|| labels::UNDO.to_owned(), |run| format!("{},{}={run}", labels::UNDO, labels::RUN));
    let mut found: BTreeMap<(String, u32, String), Collected> = BTreeMap::new();
    for kind in ["ConfigMap", "Secret"] {
        let api = api(client, kind, namespace)?;
        let parameters = ListParams::default().labels(&selector);
        let what = format!("listing undo records in {namespace}");
        match retried(&what, REQUEST_BUDGET, || api.list(&parameters)).await {
            Ok(listed) => listed.items.into_iter().for_each(|object| collect(kind, namespace, object, &mut found)),
            Err(error) if error.code == 403 && kind == "Secret" => {
                tracing::warn!("undo records about Secrets in namespace {namespace}, if there are any, cannot be read: {error}");
            }
            Err(error) => return Err(error),
        }
    }
    let mut written = Vec::new();
    for ((run, _, _), collected) in found {
        let Some(text) = joined(&collected.record) else { continue };
        let mut record: UndoRecord = serde_json::from_str(&text).map_err(|error| {
            let what = format!("reading undo record {} of run {run} in {namespace}", collected.held.number);
            RequestError::of(&what, format!("it is not what comeback writes: {error}"))
        })?;
        if let Some(confirmation) = joined(&collected.confirmed).and_then(|text| serde_json::from_str::<Confirmation>(&text).ok())
        {
            record.confirm(&confirmation);
        }
        written.push(Written { run, record, held: collected.held });
    }
    Ok(written)
}

/// Parts by their position, with how many there are.
type Parts = BTreeMap<usize, (usize, String)>;

#[derive(Default)]
struct Collected {
    held: Held,
    record: Parts,
    confirmed: Parts,
}

fn collect(kind: &str, namespace: &str, object: DynamicObject, found: &mut BTreeMap<(String, u32, String), Collected>) {
    let labels = object.metadata.labels.unwrap_or_default();
    let annotations = object.metadata.annotations.unwrap_or_default();
    // A server's answer is not trusted to have honoured the selector: only what carries our labels is read.
    let number = labels.get(labels::UNDO).and_then(|number| number.parse::<u32>().ok());
    let part = annotations.get(labels::PART).and_then(|part| part.split_once('/'));
    let part = part.and_then(|(n, of)| Some((n.parse::<usize>().ok()?, of.parse::<usize>().ok()?)));
    let (Some(run), Some(number), Some((n, of)), Some(name)) = (labels.get(labels::RUN), number, part, object.metadata.name)
    else {
        return;
    };
    let entry = found.entry((run.clone(), number, kind.to_owned())).or_default();
    entry.held.number = number;
    kind.clone_into(&mut entry.held.kind);
    namespace.clone_into(&mut entry.held.namespace);
    entry.held.names.push(name);
    for (key, parts) in [(RECORD, &mut entry.record), (CONFIRMED, &mut entry.confirmed)] {
        let Some(value) = object.data.pointer(&format!("/data/{key}")) else { continue };
        if let Some(text) = decoded(kind, value) {
            parts.insert(n, (of, text));
        }
    }
}

fn decoded(kind: &str, value: &Value) -> Option<String> {
    if kind == "Secret" {
        let bytes: ByteString = serde_json::from_value(value.clone()).ok()?;
        return String::from_utf8(bytes.0).ok();
    }
    value.as_str().map(ToOwned::to_owned)
}

/// The whole text, if every part is there.
fn joined(parts: &Parts) -> Option<String> {
    let (of, _) = parts.values().next()?;
    (parts.len() == *of).then(|| parts.values().map(|(_, text)| text.as_str()).collect())
}

/// A text in parts of at most `longest` bytes.
fn parts(text: &str, longest: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > longest {
        let (part, more) = rest.split_at(rest.floor_char_boundary(longest));
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts
}

fn api(client: &kube::Client, kind: &str, namespace: &str) -> Result<Api<DynamicObject>, RequestError> {
    let known = Kind::known(None, kind).ok_or_else(|| RequestError::of("looking up a kind", kind))?;
    Ok(known.api(client, namespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_are_short_and_make_the_whole(text in ".{0,40}", longest in 4usize..9) {
            let parts = parts(&text, longest);
            prop_assert!(parts.iter().all(|part| part.len() <= longest));
            prop_assert_eq!(parts.concat(), text);
        }
    }

    #[test]
    fn a_record_without_one_of_its_parts_is_none() {
        let part = |n: usize| (n, (2, format!("{n}")));
        assert_eq!(joined(&Parts::from([part(1), part(2)])), Some("12".to_owned()));
        assert_eq!(joined(&Parts::from([part(2)])), None);
        assert_eq!(joined(&Parts::new()), None);
    }
}
