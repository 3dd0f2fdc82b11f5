//! The lease of a run: renewed while it lives, so that anybody can see whether it still does.
//! Whose leases are looked at, and what is done about those that have run out, is `cleanup`'s and `presence`'s.
//!
//! Clocks of two machines are never compared: a run is stale when its lease was seen not to change for as long as it lasts.

use super::home::Home;
use super::labels::{self, FIELD_MANAGER};
use super::namespace::own_kind;
use crate::cluster::request::{RequestError, is_transient, retried};
use crate::observe::timeline::Reference;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// How long a lease lasts without being renewed.
pub const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed.
pub const RENEWED_EVERY: Duration = Duration::from_secs(5);
/// How often an observer looks, and how long it waits for an answer.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two looks further apart than this the observer was blind: the time does not count.
const BLIND_AFTER: Duration = Duration::from_secs(4);
/// A server that gives no answers for this long ends the observation.
const PATIENCE: Duration = Duration::from_mins(2);
/// The budget of one request: a renewal that takes longer is begun afresh.
const BUDGET: Duration = Duration::from_secs(5);

/// The name of a run's lease.
#[must_use]
pub fn name(run: &str) -> String {
    format!("comeback-{run}")
}

fn leases(client: &kube::Client, namespace: &str) -> Result<Api<DynamicObject>, RequestError> {
    Ok(own_kind("Lease")?.api(client, namespace))
}

/// Creates the lease. `now` is only for people who look at it.
///
/// # Errors
/// The server's refusal.
pub async fn acquire(client: &kube::Client, home: &Home, now: jiff::Timestamp) -> Result<(), RequestError> {
    let name = name(&home.run);
    let what = format!("creating lease {}/{name}", home.namespace);
    let object = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": name, "labels": { labels::RUN: home.run } },
        "spec": {
            "holderIdentity": home.run,
            "leaseDurationSeconds": DURATION.as_secs(),
            "acquireTime": micro_time(now),
            "renewTime": micro_time(now),
        },
    });
    let object: DynamicObject = serde_json::from_value(object).map_err(|error| RequestError::of(&what, error.to_string()))?;
    let api = leases(client, &home.namespace)?;
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match retried(&what, BUDGET, || api.create(&parameters, &object)).await {
        Ok(_) => Ok(()),
        // An earlier attempt was carried out: no other run has this id.
        Err(error) if error.is_already_there() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Renews the lease.
///
/// # Errors
/// It is gone (404): somebody cleaned up after this run. Or the server's refusal, or no answer.
pub async fn renew(client: &kube::Client, home: &Home, now: jiff::Timestamp) -> Result<(), RequestError> {
    let name = name(&home.run);
    let what = format!("renewing lease {}/{name}", home.namespace);
    let api = leases(client, &home.namespace)?;
    let patch = Patch::Merge(json!({ "spec": { "renewTime": micro_time(now) } }));
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    retried(&what, BUDGET, || api.patch(&name, &parameters, &patch)).await.map(|_| ())
}

/// Removes the lease; what is still there is returned.
pub async fn remove(client: &kube::Client, home: &Home) -> Vec<Reference> {
    let name = name(&home.run);
    let what = format!("removing lease {}/{name}", home.namespace);
    let removed = async {
        let api = leases(client, &home.namespace)?;
        let parameters = DeleteParams::default();
        match retried(&what, BUDGET, || api.delete(&name, &parameters)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    };
    match removed.await {
        Ok(()) => Vec::new(),
        Err(error) => {
            tracing::warn!("{error}");
            vec![Reference { kind: "Lease".to_owned(), namespace: home.namespace.clone(), name, uid: String::new() }]
        }
    }
}

/// Looks at a run's lease until it changes (false: the run lives, or ends right now) or has not changed for as long as it lasts
/// (true: the run is stale). A run without a lease is stale when none has appeared for as long as one would last.
///
/// # Errors
/// The lease may not be read, or the server gives no answers.
pub async fn is_stale(client: &kube::Client, namespace: &str, run: &str) -> Result<bool, RequestError> {
    let name = name(run);
    let what = format!("reading lease {namespace}/{name}");
    let api = leases(client, namespace)?;
    let begun = Instant::now();
    let mut first: Option<Option<String>> = None;
    let mut unchanged = Duration::ZERO;
    let mut last_look: Option<Instant> = None;
    loop {
        let answer = tokio::time::timeout(LOOK_EVERY, api.get_opt(&name)).await;
        let now = Instant::now();
        let mut lasts = DURATION;
        match answer {
            Ok(Ok(lease)) => {
                let seconds = lease.as_ref().and_then(|lease| lease.data.pointer("/spec/leaseDurationSeconds")?.as_u64());
                lasts = seconds.map_or(DURATION, Duration::from_secs);
                let version = lease.and_then(|lease| lease.metadata.resource_version);
                if first.get_or_insert_with(|| version.clone()) != &version {
                    return Ok(false);
                }
                let seen = last_look.map_or(Duration::ZERO, |last| now.duration_since(last));
                unchanged += if seen <= BLIND_AFTER { seen } else { Duration::ZERO };
                last_look = Some(now);
                if unchanged >= lasts {
                    return Ok(true);
                }
            }
            Ok(Err(error)) if !is_transient(&error) => return Err(RequestError::new(&what, &error)),
            Ok(Err(_)) | Err(_) if now.duration_since(begun) > PATIENCE => {
                return Err(RequestError::of(&what, "no answers from the server: whether the run lives cannot be told"));
            }
            Ok(Err(_)) | Err(_) => {}
        }
        tokio::time::sleep(LOOK_EVERY.min(lasts / 4)).await;
    }
}

fn micro_time(now: jiff::Timestamp) -> String {
    format!("{now:.6}")
}
