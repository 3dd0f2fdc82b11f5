//! Removes what earlier runs left on a cluster: namespaces with our run label, and only those; verified.
//! A running trial removes its own namespace itself.

use super::labels::{self, dns_label};
use super::namespace::{self, REMOVED_WITHIN};
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::observe::timeline::Reference;
use futures::{StreamExt, stream};
use kube::api::ListParams;

/// How many namespaces are removed at once.
const AT_ONCE: usize = 8;

/// Which runs are cleaned up after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The run of this id.
    Run(String),
    /// Every run, running ones too.
    All,
}

/// One namespace that a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The namespace.
    pub namespace: Reference,
    /// The run's label value.
    pub run: String,
    /// The scenario's label value.
    pub scenario: String,
}

/// What a clean-up did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Namespaces that are gone now.
    pub removed: Vec<Found>,
    /// What is still there: exit code 5.
    pub left: Vec<Reference>,
}

/// The namespaces that runs left on a cluster, by name.
///
/// # Errors
/// Namespaces may not be listed, or the server does not answer.
pub async fn find(client: &kube::Client, scope: &Scope) -> Result<Vec<Found>, RequestError> {
    let selector = match scope {
        Scope::Run(id) => format!("{}={}", labels::RUN, dns_label(id, 63)),
        Scope::All => labels::RUN.to_owned(),
    };
    let api = namespace::namespaces(client)?;
    let parameters = ListParams::default().labels(&selector);
    let listed = retried("listing namespaces", REQUEST_BUDGET, || {
        let (api, parameters) = (api.clone(), parameters.clone());
        async move { api.list(&parameters).await }
    })
    .await?;
    let mut found: Vec<_> = listed
        .items
        .into_iter()
        .filter_map(|object| {
            let metadata = object.metadata;
            let known = metadata.labels.unwrap_or_default();
            // A server's answer is not trusted to have honoured the selector: only what carries our label is touched.
            let run = known.get(labels::RUN)?.clone();
            let scenario = known.get(labels::SCENARIO)?.clone();
            let name = metadata.name?;
            let uid = metadata.uid?;
            let namespace = Reference { kind: "Namespace".to_owned(), namespace: String::new(), name, uid };
            Some(Found { namespace, run, scenario })
        })
        .collect();
    found.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    Ok(found)
}

/// Removes namespaces that [`find`] returned, several at once, and verifies that they are gone.
pub async fn remove(client: &kube::Client, found: Vec<Found>) -> Cleaned {
    let results: Vec<_> = stream::iter(found)
        .map(|found| async move {
            let left = namespace::remove(client, &found.namespace, &found.run, REMOVED_WITHIN).await;
            (found, left)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut cleaned = Cleaned::default();
    for (found, left) in results {
        if left.is_empty() {
            cleaned.removed.push(found);
        } else {
            cleaned.left.extend(left);
        }
    }
    cleaned
}

#[cfg(test)]
mod tests;
