//! The paths of metrics: `metrics.k8s.io`, a kubelet's through its node's proxy, and the server's own.
//! What is in them is `sim::metrics`'.

use super::Rest;
use super::body::{self, ResponseBody};
use super::route::{ObjectPath, parameter};
use crate::sim::api::resource::NODES;
use crate::sim::api::select::LabelSelector;
use crate::sim::api::status::ApiError;
use crate::sim::metrics::exposition::Exposition;
use crate::sim::metrics::{kube_state, kubelet, usage};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The group that metrics-server serves.
pub(super) const GROUP: &str = "metrics.k8s.io";
const VERSION: &str = "v1beta1";

/// How well a served simulation keeps its pace; written by what drives its clock.
#[derive(Debug, Default)]
pub(in crate::sim) struct PaceReport {
    lost: AtomicU64,
}

impl PaceReport {
    /// Sets the simulated time that was lost so far.
    pub(in crate::sim) fn set_lost(&self, lost: Duration) {
        self.lost.store(u64::try_from(lost.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// GET of `metrics.k8s.io`.
pub(super) fn measured(rest: &Rest, path: &ObjectPath, query: &[(String, String)]) -> Result<Response<ResponseBody>, ApiError> {
    let all = match path.plural.as_str() {
        _ if path.version != VERSION || path.subresource.is_some() => return Err(ApiError::no_such_path()),
        "pods" => usage::pods(&rest.api, &rest.runtime, &rest.samples, path.namespace.as_deref()),
        "nodes" if path.namespace.is_none() => usage::nodes(&rest.api, &rest.runtime, &rest.samples),
        _ => return Err(ApiError::no_such_path()),
    };
    if let Some(name) = &path.name {
        let found = all.into_iter().find(|one| one["metadata"]["name"] == name.as_str());
        let found = found.ok_or_else(|| {
            let plural = &path.plural;
            let message = format!("{plural}.{GROUP} \"{name}\" not found");
            let details = json!({"name": name, "group": GROUP, "kind": plural});
            ApiError { code: 404, reason: "NotFound", message, details: Some(details) }
        })?;
        return body::json(StatusCode::OK, &found);
    }
    let selector = LabelSelector::parse(parameter(query, "labelSelector").unwrap_or_default())?;
    let items: Vec<Value> = all.into_iter().filter(|one| selector.matches(one)).collect();
    let kind = if path.plural == "pods" { "PodMetricsList" } else { "NodeMetricsList" };
    let api_version = format!("{GROUP}/{VERSION}");
    body::json(StatusCode::OK, &json!({"kind": kind, "apiVersion": api_version, "metadata": {}, "items": items}))
}

/// GET of a path of metrics in text form; `None` when it is another path.
pub(super) fn text(rest: &Rest, parts: &[&str]) -> Option<Result<Response<ResponseBody>, ApiError>> {
    let text = match parts {
        ["metrics"] => own(rest),
        ["metrics", "kube-state"] => kube_state::metrics(&rest.api),
        ["api", "v1", "nodes", node, "proxy", "metrics", which @ ("cadvisor" | "resource")] => {
            let alive = rest.api.get(NODES, "", node).map(|_| rest.api.heartbeats.silent(node));
            match alive {
                Err(error) => return Some(Err(error)),
                Ok(true) => {
                    let message = format!("error trying to reach service: dial tcp: kubelet of node {node} does not answer");
                    return Some(Err(ApiError { code: 503, reason: "ServiceUnavailable", message, details: None }));
                }
                Ok(false) if *which == "cadvisor" => kubelet::cadvisor(&rest.api, &rest.runtime, node),
                Ok(false) => kubelet::resource(&rest.api, &rest.runtime, node),
            }
        }
        _ => return None,
    };
    Some(Ok(body::typed_text("text/plain; version=0.0.4; charset=utf-8", text)))
}

/// The server's own metrics: its pace.
fn own(rest: &Rest) -> String {
    let mut out = Exposition::default();
    out.counter("comeback_simulated_seconds_total", &[], rest.api.clock.elapsed().as_secs_f64());
    let lost = Duration::from_micros(rest.pace.lost.load(Ordering::Relaxed));
    out.counter("comeback_simulated_seconds_lost_total", &[], lost.as_secs_f64());
    out.gauge("comeback_speed", &[], rest.speed);
    #[expect(clippy::cast_precision_loss, reason = "a handful of limits")]
    out.counter("comeback_limits_total", &[], rest.api.limits.since(0).len() as f64);
    out.render()
}

/// The group as `/apis` lists it.
pub(super) fn group() -> Value {
    let version = json!({"groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION});
    json!({"name": GROUP, "versions": [version], "preferredVersion": version})
}

/// The kinds of the group.
pub(super) fn resources() -> Value {
    let one = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]});
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/{VERSION}"),
        "resources": [one("nodes", "NodeMetrics", false), one("pods", "PodMetrics", true)],
    })
}

/// The group in the aggregated form.
pub(super) fn aggregated() -> Value {
    let one = |plural: &str, kind: &str, scope: &str| {
        json!({
            "resource": plural, "responseKind": {"group": GROUP, "version": VERSION, "kind": kind}, "scope": scope,
            "singularResource": "", "verbs": ["get", "list"],
        })
    };
    json!({"metadata": {"name": GROUP}, "versions": [{"version": VERSION, "freshness": "Current", "resources": [
        one("nodes", "NodeMetrics", "Cluster"), one("pods", "PodMetrics", "Namespaced"),
    ]}]})
}
