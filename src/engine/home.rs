//! Where a run keeps its lease and its undo records: a namespace of its own, or, where it may create none, one that it was
//! allowed to use. What is kept there is `lease`'s and `fault::undo`'s.
//!
//! A namespace for each run, not one for all: nothing is shared between runs, the label that finds it is there from its first
//! moment, and its removal removes everything in it.

use super::labels::{self, dns_label};
use super::namespace::{self, REMOVED_WITHIN};
use super::project::{self, Mark};
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::observe::timeline::Reference;
use kube::api::{DynamicObject, PostParams};
use serde_json::json;

/// The home of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The run's label value.
    pub run: String,
    /// The namespace in which lease and records lie.
    pub namespace: String,
    /// The namespace itself, if the run created it.
    pub own: Option<Reference>,
    /// Whether it was asked for as an OpenShift project.
    pub project: bool,
}

/// The name of a run's own namespace.
#[must_use]
pub fn name(run: &str) -> String {
    format!("cb-run-{}", dns_label(run, 56))
}

/// Creates the run's own namespace, which lets `privileged` pods in where nodes are reached by such. Where it may create none, the first of the `allowed` namespaces is its home, else an OpenShift
/// project.
///
/// # Errors
/// The server's refusal, with nothing to fall back on.
pub async fn establish(client: &kube::Client, run: &str, allowed: &[String], privileged: bool) -> Result<Home, RequestError> {
    let label = dns_label(run, 63);
    match create(client, &label, privileged).await {
        Ok(own) => Ok(Home { run: label, namespace: own.name.clone(), own: Some(own), project: false }),
        Err(error) if error.code == 403 => {
            if let Some(namespace) = allowed.first() {
                return Ok(Home { run: label, namespace: namespace.clone(), own: None, project: false });
            }
            let mark = Mark { run: label.clone(), trial: None };
            let own = Box::pin(project::request(client, &name(run), &mark)).await?.ok_or(error)?;
            Ok(Home { run: label, namespace: own.name.clone(), own: Some(own), project: true })
        }
        Err(error) => Err(error),
    }
}

async fn create(client: &kube::Client, run: &str, privileged: bool) -> Result<Reference, RequestError> {
    let name = name(run);
    let what = format!("creating namespace {name}");
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": { labels::RUN: run, labels::HOME: "true" },
            "annotations": { labels::VERSION: env!("CARGO_PKG_VERSION") },
        },
    });
    if privileged {
        object["metadata"]["labels"][labels::POD_SECURITY] = "privileged".into();
    }
    let object: DynamicObject = serde_json::from_value(object).map_err(|error| RequestError::of(&what, error.to_string()))?;
    let api = namespace::namespaces(client)?;
    let parameters = PostParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let created = match retried(&what, REQUEST_BUDGET, || api.create(&parameters, &object)).await {
        // An earlier attempt may have been carried out without its answer reaching us: no other run has this id.
        Err(error) if error.is_already_there() => retried(&what, REQUEST_BUDGET, || api.get(&name)).await?,
        answer => answer?,
    };
    if !namespace::is_as_wanted(&created, &object) {
        return Err(RequestError::of(&what, "it is there already, and not this run's"));
    }
    let uid = created.metadata.uid.unwrap_or_default();
    Ok(Reference { kind: "Namespace".to_owned(), namespace: String::new(), name, uid })
}

/// Removes the run's own namespace with all that is in it, or its lease from a namespace that is not its own; verified. What is
/// still there is returned.
pub async fn remove(client: &kube::Client, home: &Home) -> Vec<Reference> {
    match &home.own {
        Some(own) => namespace::remove(client, own, &home.run, REMOVED_WITHIN).await,
        None => super::lease::remove(client, home).await,
    }
}
