//! Objects as rows of a table (`kubectl get` asks for that), and objects cut down to their metadata.
//! What stands in the cells of each kind is in the files of `table`.

mod age;
mod cluster;
mod columns;
mod json_path;
mod network;
mod pods;
mod storage;
mod workloads;

use super::custom::CustomVersion;
use super::resource::Resource;
use jiff::Timestamp;
use serde_json::{Value, json};

/// What stands for nothing.
const NONE: &str = "<none>";

/// How much of each object goes with its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum IncludeObject {
    /// The metadata.
    #[default]
    Metadata,
    /// Nothing.
    None,
    /// All of it.
    Object,
}

/// How a resource is shown as a table at one moment.
#[derive(Clone, Debug)]
pub(super) struct Tabled<'a> {
    /// The stored resource.
    pub(super) resource: Resource,
    /// The version asked for, of a custom kind.
    pub(super) custom: Option<&'a CustomVersion>,
    /// The moment to which ages are counted.
    pub(super) now: Timestamp,
}

impl Tabled<'_> {
    /// The definitions of the columns.
    pub(super) fn columns(&self) -> Vec<Value> {
        match self.custom {
            Some(version) => columns::custom(&version.columns),
            None => columns::built_in(self.resource),
        }
    }

    /// A stored object's row; `shown` is the object as the path shows it.
    pub(super) fn row(&self, object: &Value, shown: &Value, include: IncludeObject) -> Value {
        let cells = match self.custom {
            Some(version) => columns::custom_cells(&version.columns, shown, self.now),
            None => self.cells(object),
        };
        let mut row = json!({"cells": cells});
        if self.resource == super::resource::PODS
            && let Some(condition) = pods::completed(object)
        {
            row["conditions"] = json!([condition]);
        }
        match include {
            IncludeObject::None => {}
            IncludeObject::Metadata => row["object"] = metadata_only(object),
            IncludeObject::Object => row["object"] = shown.clone(),
        }
        row
    }

    fn cells(&self, object: &Value) -> Vec<Value> {
        let cell = Cell { object, now: self.now };
        let found = if self.resource.is_built_in() { cells(self.resource, &cell) } else { None };
        found.unwrap_or_else(|| vec![cell.name(), cell.created()])
    }
}

fn cells(resource: Resource, cell: &Cell<'_>) -> Option<Vec<Value>> {
    if resource == super::resource::PODS {
        return Some(pods::cells(cell));
    }
    workloads::cells(resource, cell)
        .or_else(|| network::cells(resource, cell))
        .or_else(|| storage::cells(resource, cell))
        .or_else(|| cluster::cells(resource, cell))
}

/// A whole table.
pub(super) fn table(columns: Vec<Value>, rows: Vec<Value>, metadata: Value) -> Value {
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows})
}

/// An object's metadata alone.
pub(super) fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata")})
}

/// An object whose cells are wanted, with what the files of `table` read of it.
#[derive(Clone, Copy, Debug)]
struct Cell<'a> {
    object: &'a Value,
    now: Timestamp,
}

impl<'a> Cell<'a> {
    /// Its name.
    fn name(&self) -> Value {
        json!(self.text("/metadata/name"))
    }

    /// Its age.
    fn age(&self) -> Value {
        self.since("/metadata/creationTimestamp")
    }

    /// When it was created, for kinds whose table shows the moment.
    fn created(&self) -> Value {
        json!(self.text("/metadata/creationTimestamp"))
    }

    /// How long ago a moment was.
    fn since(&self, pointer: &str) -> Value {
        json!(age::since(self.text(pointer), self.now))
    }

    /// A text, empty when it is absent.
    fn text(&self, pointer: &str) -> &'a str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A text, or what stands for none.
    fn text_or(&self, pointer: &str, absent: &'static str) -> Value {
        let text = self.text(pointer);
        json!(if text.is_empty() { absent } else { text })
    }

    /// A number, 0 when it is absent.
    fn number(&self, pointer: &str) -> i64 {
        self.object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
    }

    /// A flag, with its default.
    fn flag(&self, pointer: &str, default: bool) -> Value {
        json!(self.object.pointer(pointer).and_then(Value::as_bool).unwrap_or(default))
    }

    /// The entries of a list, none when it is absent.
    fn list(&self, pointer: &str) -> &'a [Value] {
        self.object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of entries of a list.
    fn count(&self, pointer: &str) -> Value {
        json!(self.list(pointer).len())
    }

    /// A map of labels as `a=b,c=d`.
    fn labels(&self, pointer: &str) -> Value {
        let pairs = pairs(self.object.pointer(pointer));
        json!(if pairs.is_empty() { NONE.to_owned() } else { pairs.join(",") })
    }

    /// A label selector in kubectl's form.
    fn selector(&self, pointer: &str) -> Value {
        json!(self.object.pointer(pointer).map_or_else(|| NONE.to_owned(), selector))
    }

    /// The names and the images of the containers of a pod's spec.
    fn containers(&self, pointer: &str) -> [Value; 2] {
        let of = |field: &str| {
            let all: Vec<&str> = self.list(pointer).iter().map(|one| one[field].as_str().unwrap_or_default()).collect();
            json!(all.join(","))
        };
        [of("name"), of("image")]
    }

    /// Whether a status condition is True.
    fn is(&self, condition: &str) -> bool {
        self.list("/status/conditions").iter().any(|one| one["type"] == condition && one["status"] == "True")
    }

    /// Whether it is being deleted.
    fn is_deleted(&self) -> bool {
        !self.text("/metadata/deletionTimestamp").is_empty()
    }
}

fn pairs(labels: Option<&Value>) -> Vec<String> {
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect()
}

/// A label selector in kubectl's form, `<none>` when it selects everything.
fn selector(selector: &Value) -> String {
    let text = selector_text(selector);
    if text.is_empty() { NONE.to_owned() } else { text }
}

/// A label selector in kubectl's form; empty when it selects everything.
pub(super) fn selector_text(selector: &Value) -> String {
    let mut parts = pairs(selector.get("matchLabels"));
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        parts.push(match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

/// The first `most` of a list, and how many more there are.
fn shortened(list: &[String], most: usize) -> String {
    if list.len() > most { format!("{} + {} more...", list[..most].join(","), list.len() - most) } else { list.join(",") }
}

/// An int-or-string as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests;
