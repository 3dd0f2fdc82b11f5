//! A trial's namespace: named, created with the run's labels, made usable, and removed so that its end is verified.
//! What is applied inside is `apply`'s; removing after a crash is `cleanup`'s.

use super::labels::{self, dns_label};
use super::project::{self, Mark};
use crate::cluster::kinds::Kind;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::cluster::wait;
use crate::observe::timeline::Reference;
use crate::sim::random::Random;
use futures::StreamExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams, Preconditions};
use kube::runtime::watcher::{self, Event};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long the default service account may take: pods are refused before.
const USABLE_WITHIN: Duration = Duration::from_secs(30);
/// How long removing a namespace may take before it counts as left behind.
pub const REMOVED_WITHIN: Duration = Duration::from_mins(2);
/// How long the pods may take to end before the namespace is deleted with them.
const PODS_GONE_WITHIN: Duration = Duration::from_secs(15);
/// Grace of the namespace's pods at removal, in seconds.
const POD_GRACE: u32 = 1;

/// What a trial's namespace is called and labelled by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The run's label value.
    pub run: &'a str,
    /// The scenario's name.
    pub scenario: &'a str,
    /// The trial's index.
    pub trial: u32,
    /// The trial's seed.
    pub seed: u64,
}

impl Identity<'_> {
    /// `cb-<scenario>-<trial>-<5 letters>`: the letters depend on run, scenario, trial and seed.
    #[must_use]
    pub fn name(&self) -> String {
        let entity = format!("{}/{}", self.run, self.scenario);
        let suffix = Random::new(self.seed).suffix(&entity, "namespace", u64::from(self.trial), 5);
        format!("cb-{}-{}-{suffix}", dns_label(self.scenario, 40), self.trial)
    }

    fn mark(&self) -> Mark {
        Mark { run: dns_label(self.run, 63), trial: Some((dns_label(self.scenario, 63), self.trial)) }
    }

    fn object(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": self.name(),
                "labels": {
                    labels::RUN: dns_label(self.run, 63),
                    labels::SCENARIO: dns_label(self.scenario, 63),
                    labels::TRIAL: self.trial.to_string(),
                },
                "annotations": { labels::VERSION: env!("CARGO_PKG_VERSION") },
            },
        })
    }
}

/// The namespaces of a cluster.
pub(super) fn namespaces(client: &kube::Client) -> Result<Api<DynamicObject>, RequestError> {
    Ok(own_kind("Namespace")?.api(client, ""))
}

pub(super) fn own_kind(kind: &str) -> Result<Kind, RequestError> {
    Kind::known(None, kind).ok_or_else(|| RequestError::of("looking up a kind", format!("{kind} is not in the table")))
}

/// Creates the trial's namespace and waits until pods can be created in it. Where no namespace may be created, it is asked for as an
/// OpenShift project.
///
/// # Errors
/// The server's refusal; a namespace of that name that is not this trial's; no default service account in time.
pub async fn create(client: &kube::Client, identity: &Identity<'_>) -> Result<Reference, RequestError> {
    let name = identity.name();
    let what = format!("creating namespace {name}");
    let object: DynamicObject =
        serde_json::from_value(identity.object()).map_err(|error| RequestError::of(&what, error.to_string()))?;
    let api = namespaces(client)?;
    let parameters = PostParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let uid = match retried(&what, REQUEST_BUDGET, || api.create(&parameters, &object)).await {
        Ok(created) => created.metadata.uid.unwrap_or_default(),
        Err(error) if error.is_already_there() => {
            // An earlier attempt of this very request may have been carried out without its answer reaching us.
            let present = retried(&what, REQUEST_BUDGET, || api.get(&name)).await?;
            if !is_as_wanted(&present, &object) {
                return Err(RequestError { message: format!("{}; it is not this trial's", error.message), ..error });
            }
            present.metadata.uid.unwrap_or_default()
        }
        Err(error) if error.code == 403 => Box::pin(project::request(client, &name, &identity.mark())).await?.ok_or(error)?.uid,
        Err(error) => return Err(error),
    };
    let accounts = own_kind("ServiceAccount")?.api(client, &name);
    if !wait::until(&accounts, "default", USABLE_WITHIN, |account| account.is_some()).await? {
        return Err(RequestError::of(
            &what,
            format!(
                "it has no default service account after {} s; does the cluster's controller manager run?",
                USABLE_WITHIN.as_secs()
            ),
        ));
    }
    Ok(Reference { kind: "Namespace".to_owned(), namespace: String::new(), name, uid })
}

/// Whether a namespace carries all the labels that were wanted (the server adds its own) and is not on its way out.
pub(super) fn is_as_wanted(present: &DynamicObject, wanted: &DynamicObject) -> bool {
    let (present_labels, mut wanted_labels) = (present.metadata.labels.as_ref(), wanted.metadata.labels.iter().flatten());
    let carried = |(key, value): (&String, &String)| present_labels.and_then(|labels| labels.get(key)) == Some(value);
    present.metadata.deletion_timestamp.is_none() && wanted_labels.all(carried)
}

/// Removes a namespace of this run (by its label), pods with a grace of 1 s, and waits until it is gone.
/// What is still there after `within` is returned, never an error: the caller reports it as left behind.
pub async fn remove(client: &kube::Client, namespace: &Reference, run: &str, within: Duration) -> Vec<Reference> {
    match try_remove(client, namespace, run, within).await {
        Ok(true) => Vec::new(),
        Ok(false) => {
            let mut left = vec![namespace.clone()];
            left.extend(pods_in(client, &namespace.name).await.unwrap_or_default());
            left
        }
        Err(error) => {
            tracing::warn!("{error}");
            vec![namespace.clone()]
        }
    }
}

async fn try_remove(client: &kube::Client, namespace: &Reference, run: &str, within: Duration) -> Result<bool, RequestError> {
    let name = &namespace.name;
    let what = format!("removing namespace {name}");
    let api = namespaces(client)?;
    let present = match retried(&what, REQUEST_BUDGET, || api.get_opt(name)).await {
        Ok(Some(present)) => present,
        Ok(None) => return Ok(true),
        // Who has only projects may not ask for one that is not there.
        Err(error) if error.code == 403 && project::is_unseen(client, name).await? => return Ok(true),
        Err(error) => return Err(error),
    };
    let labelled = present.metadata.labels.as_ref().and_then(|labels| labels.get(labels::RUN)).is_some_and(|label| label == run);
    let labelled = labelled || project::is_marked(&present, run);
    // A run's home has no pods.
    let home =
        present.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(labels::HOME)) || project::is_home(&present);
    let own = present.metadata.uid.unwrap_or_default();
    // Whatever bears the name: only what this run made is touched. Its uid proves that; the label does where a create was never answered.
    let ours = if namespace.uid.is_empty() { labelled } else { own == namespace.uid };
    if !ours {
        return Ok(true);
    }
    let own = own.as_str();
    if !home {
        empty(client, name).await;
    }
    let preconditions = Some(Preconditions { uid: Some(own.to_owned()), resource_version: None });
    let parameters = DeleteParams { preconditions, ..DeleteParams::background() };
    match retried(&what, REQUEST_BUDGET, || api.delete(name, &parameters)).await {
        Ok(_) => {}
        Err(error) if error.is_not_found() => return Ok(true),
        // It is on its way out already, or was replaced: the watch tells.
        Err(error) if error.is_conflict() => {}
        // Projects are deleted by those who may not delete namespaces.
        Err(error) if error.code == 403 => {
            let namespace = Reference { uid: own.to_owned(), ..namespace.clone() };
            return match Box::pin(project::remove(client, &namespace, within)).await {
                Err(other) if other.is_not_found() => Err(error),
                answer => answer,
            };
        }
        Err(error) => return Err(error),
    }
    let gone = |present: Option<&DynamicObject>| present.is_none_or(|present| present.metadata.uid.as_deref() != Some(own));
    wait::until(&api, name, within, gone).await
}

/// Ends the pods of a namespace quickly: first what would make new ones, then each pod with a short grace. A namespace that is
/// deleted with pods in it deletes them with their full grace and looks again only half a minute later. Best effort: what is
/// left here goes with the namespace.
async fn empty(client: &kube::Client, namespace: &str) {
    for kind in ["CronJob", "Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet"] {
        let Ok(kind) = own_kind(kind) else { continue };
        let api = kind.api(client, namespace);
        let (parameters, all) = (DeleteParams::background(), ListParams::default());
        if let Err(error) = retried("removing workloads", REQUEST_BUDGET, || api.delete_collection(&parameters, &all)).await {
            tracing::debug!("{error}");
        }
    }
    let Ok(pods) = own_kind("Pod") else { return };
    let api = pods.api(client, namespace);
    let hurried = DeleteParams { grace_period_seconds: Some(POD_GRACE), ..DeleteParams::background() };
    let (mut present, mut told) = (BTreeSet::new(), BTreeSet::new());
    let mut events = std::pin::pin!(wait::with_pauses(watcher::watcher(api.clone(), watcher::Config::default())));
    let _ = tokio::time::timeout(PODS_GONE_WITHIN, async {
        let mut listed = false;
        while let Some(event) = events.next().await {
            let (pod, exists) = match event {
                Ok(Event::InitApply(pod) | Event::Apply(pod)) => (Some(pod), true),
                Ok(Event::Delete(pod)) => (Some(pod), false),
                Ok(Event::Init) => {
                    present.clear();
                    (None, true)
                }
                Ok(Event::InitDone) => {
                    listed = true;
                    (None, true)
                }
                Err(error) if wait::may_recover(&error) => (None, true),
                Err(_) => return,
            };
            let metadata = pod.map(|pod| pod.metadata).unwrap_or_default();
            if let (Some(name), Some(uid)) = (metadata.name, metadata.uid) {
                if !exists {
                    present.remove(&uid);
                } else if told.insert(uid.clone()) {
                    present.insert(uid);
                    // One that ended meanwhile is what we want.
                    let _ = retried("deleting pods", REQUEST_BUDGET, || api.delete(&name, &hurried)).await;
                } else {
                    present.insert(uid);
                }
            }
            if listed && present.is_empty() {
                return;
            }
        }
    })
    .await;
}

/// The pods of a namespace, by name.
async fn pods_in(client: &kube::Client, namespace: &str) -> Result<Vec<Reference>, RequestError> {
    let pods = own_kind("Pod")?.api(client, namespace);
    let what = format!("listing pods of {namespace}");
    let listed = retried(&what, REQUEST_BUDGET, || {
        let pods = pods.clone();
        async move { pods.list(&ListParams::default()).await }
    })
    .await?;
    let mut found: Vec<_> = listed
        .items
        .into_iter()
        .map(|pod| Reference {
            kind: "Pod".to_owned(),
            namespace: namespace.to_owned(),
            name: pod.metadata.name.unwrap_or_default(),
            uid: pod.metadata.uid.unwrap_or_default(),
        })
        .collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_as_wanted_with_labels_of_the_server_and_not_without_ours() {
        let namespace = |labels: Value| -> DynamicObject {
            serde_json::from_value(json!({ "metadata": { "name": "n", "labels": labels } })).unwrap()
        };
        let wanted = namespace(json!({ labels::RUN: "r" }));
        assert!(is_as_wanted(&namespace(json!({ labels::RUN: "r", "kubernetes.io/metadata.name": "n" })), &wanted));
        assert!(!is_as_wanted(&namespace(json!({ labels::RUN: "other" })), &wanted));
        assert!(!is_as_wanted(&namespace(json!({})), &wanted));
        let ending = json!({ "metadata": { "labels": { labels::RUN: "r" }, "deletionTimestamp": "2026-01-01T00:00:00Z" } });
        assert!(!is_as_wanted(&serde_json::from_value(ending).unwrap(), &wanted));
    }

    #[test]
    fn names_fit_and_differ_by_every_part() {
        let long = "a-scenario-with-a-very-long-name-that-goes-on-and-on[replicas=3]";
        let identity = Identity { run: "20260101-abc", scenario: long, trial: 12, seed: 7 };
        let name = identity.name();
        assert!(name.len() <= 63 && name.starts_with("cb-a-scenario-with-a-very-long-name") && name.contains("-12-"), "{name}");
        assert_eq!(name, identity.name());
        for other in [
            Identity { run: "20260101-abd", ..identity.clone() },
            Identity { seed: 8, ..identity.clone() },
            Identity { scenario: "other", ..identity.clone() },
        ] {
            assert_ne!(name.rsplit('-').next(), other.name().rsplit('-').next());
        }
    }
}
