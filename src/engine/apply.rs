//! Applies a workload's manifests into the trial's namespace, in order, with the run's label on each object.
//! Pod templates stay as they are written: a label there would change the workload under test.

use super::labels::{FIELD_MANAGER, RUN, dns_label};
use crate::cluster::kinds;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::json::At as _;
use crate::observe::timeline::Reference;
use crate::scenario::plan::Manifest;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// A manifest that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {object} was not accepted: {message}")]
pub struct ApplyError {
    /// The file.
    pub file: String,
    /// The line where the object begins, from 1.
    pub line: usize,
    /// The object, as `kind/name`.
    pub object: String,
    /// The server's message, or what else failed.
    pub message: String,
}

/// Applies every manifest in order; the objects as the server stored them.
///
/// # Errors
/// The first object that is refused, with file, line and the server's own message. Those before it stay applied.
pub async fn apply(
    client: &kube::Client,
    namespace: &str,
    run: &str,
    manifests: &[Manifest],
) -> Result<Vec<Reference>, ApplyError> {
    let mut applied = Vec::new();
    for manifest in manifests {
        let stored = apply_object(client, namespace, run, &manifest.object, false).await.map_err(|error| ApplyError {
            file: manifest.file.clone(),
            line: manifest.line,
            object: title(&manifest.object),
            message: error.message,
        })?;
        applied.push(crate::observe::index::reference_to(&stored));
    }
    Ok(applied)
}

/// Applies one object server-side under our field manager (creates it, if it has only a `generateName`); what the server stored,
/// or in a dry run would store.
///
/// # Errors
/// The server's refusal; a cluster-scoped object, which no trial may touch.
pub async fn apply_object(
    client: &kube::Client,
    namespace: &str,
    run: &str,
    object: &Value,
    dry_run: bool,
) -> Result<Value, RequestError> {
    let what = format!("applying {}", title(object));
    let kind = kinds::of_object(client, object).await?;
    if !kind.namespaced {
        return Err(RequestError::of(
            &what,
            "it is cluster-scoped; a trial only touches objects in its own namespace (cluster objects are not supported yet)",
        ));
    }
    let object = prepared(object, namespace, run);
    let api = kind.api(client, namespace);
    let stored = if let Some(name) = object.at("/metadata/name").and_then(Value::as_str) {
        let mut parameters = PatchParams::apply(FIELD_MANAGER).force();
        parameters.field_validation = Some(kube::api::ValidationDirective::Strict);
        parameters.dry_run = dry_run;
        let patch = Patch::Apply(&object);
        retried(&what, REQUEST_BUDGET, || api.patch(name, &parameters, &patch)).await?
    } else {
        let typed: DynamicObject =
            serde_json::from_value(object.clone()).map_err(|error| RequestError::of(&what, error.to_string()))?;
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run };
        retried(&what, REQUEST_BUDGET, || api.create(&parameters, &typed)).await?
    };
    Ok(crate::observe::watch::plain(stored, &kind.resource))
}

/// The object with the trial's namespace and the run's label.
fn prepared(object: &Value, namespace: &str, run: &str) -> Value {
    let mut object = object.clone();
    if !object.get("metadata").is_some_and(Value::is_object) {
        object["metadata"] = json!({});
    }
    object["metadata"]["namespace"] = json!(namespace);
    if !object["metadata"].get("labels").is_some_and(Value::is_object) {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"][RUN] = json!(dns_label(run, 63));
    object
}

fn title(object: &Value) -> String {
    let text = |pointer: &str| object.at(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").or_else(|| text("/metadata/generateName")).unwrap_or("without a name");
    format!("{}/{name}", text("/kind").unwrap_or("object").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_label_goes_on_the_object_and_not_on_its_pods() {
        let object = json!({ "kind": "Deployment", "metadata": { "name": "api", "labels": { "a": "b" } },
            "spec": { "template": { "metadata": { "labels": { "app": "api" } } } } });
        let prepared = prepared(&object, "cb-x", "Run 1");
        assert_eq!(prepared["metadata"], json!({ "name": "api", "namespace": "cb-x", "labels": { "a": "b", RUN: "run-1" } }));
        assert_eq!(prepared["spec"], object["spec"]);
    }
}
