//! The REST face as kube's client sees it, on a paused clock.
//! What every group of tests shares is here; the groups are files of their own.

mod applying;
mod changing;
mod nonsense;
mod objects;
mod others;
mod watching;

use super::client;
use crate::sim::api::{ApiServer, resource};
use crate::sim::clock::Clock;
use crate::sim::kubelet::Runtime;
use crate::sim::profile::Profile;
use crate::sim::random::Random;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use serde_json::{Value, json};
use std::sync::Arc;

/// A cluster with the namespace `shop` and its service account.
pub(super) fn cluster() -> (Arc<ApiServer>, kube::Client) {
    let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
    let api = ApiServer::new(clock, Random::new(1));
    let client = client(Arc::clone(&api), Runtime::default(), &Profile::default()).unwrap();
    api.create(resource::NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
    api.create(resource::SERVICE_ACCOUNTS, "shop", json!({"metadata": {"name": "default"}})).unwrap();
    (api, client)
}

pub(super) fn pods(client: &kube::Client) -> Api<Pod> {
    Api::namespaced(client.clone(), "shop")
}

pub(super) fn config_maps(client: &kube::Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "shop")
}

pub(super) fn pod(name: &str) -> Pod {
    typed(json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "busybox:1.36"}]},
    }))
}

pub(super) fn config_map(name: &str, labels: Value) -> ConfigMap {
    typed(json!({"metadata": {"name": name, "labels": labels}, "data": {"key": "value"}}))
}

pub(super) fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// The Status of a refused request.
pub(super) fn refused<T: std::fmt::Debug>(result: kube::Result<T>) -> Value {
    match result.unwrap_err() {
        kube::Error::Api(status) => serde_json::to_value(*status).unwrap(),
        other => unreachable!("not a Status: {other}"),
    }
}
