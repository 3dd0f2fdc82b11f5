//! Conditions that are asked of monitoring: a query, an alert, a container's use of its limit. They are asked on a fixed schedule.

use crate::scenario::duration::serde_text_option;
use crate::scenario::target::targeted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The address of a web server, as a scenario gives it.
///
/// # Errors
/// A sentence saying what was expected.
pub fn address(url: &str) -> Result<http::Uri, String> {
    let wrong = || format!("`{url}` is not an address such as http://localhost:9090");
    let uri: http::Uri = url.trim_end_matches('/').parse().map_err(|_| wrong())?;
    let host = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    if matches!(uri.scheme_str(), Some("http" | "https")) && host.is_some() && uri.query().is_none() {
        Ok(uri)
    } else {
        Err(wrong())
    }
}

/// `prometheus`: a query has a result, as in an alerting rule: `sum(rate(http_requests_total{namespace="$namespace"}[1m])) > 5`
/// holds while it returns anything. A scalar holds unless it is 0; NaN is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prometheus {
    /// Where Prometheus answers, as `http://localhost:9090`; absent: OpenShift's own (the Route `thanos-querier`), asked with the
    /// token of the kubeconfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The query, in PromQL; `$namespace` in it stands for the trial's namespace.
    pub query: String,
    /// How long an answer may take (default 5s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
    /// How often it is asked (default 5s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub every: Option<Duration>,
}

/// `alert`: how far an alert about the trial's namespace (or without a namespace) has got. Before the fault it is checked that
/// Prometheus has such a rule, and that the rule covers the namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alert {
    /// The rule's name.
    pub name: String,
    /// How far (default `firing`).
    #[serde(default)]
    pub is: AlertState,
    /// Where Prometheus answers, as `http://localhost:9090`; absent: OpenShift's own (the Route `thanos-querier`), asked with the
    /// token of the kubeconfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where Alertmanager answers: an alert then fires when Alertmanager has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<String>,
    /// Further labels that the alert must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How long an answer may take (default 5s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
    /// How often it is asked (default 5s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub every: Option<Duration>,
}

/// How far an alert has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AlertState {
    /// Its expression holds, or it fires already.
    Pending,
    /// It fires; with an Alertmanager: that has it.
    #[default]
    Firing,
    /// It has fired in this trial, and is neither pending nor firing now.
    Resolved,
}

targeted! {
    /// `metric`: what containers of pods use of their limit or request, as metrics-server measures it (every 15 s or so).
    pub struct Metric {
        /// The container; absent: any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// Of what.
        resource: Resource,
        /// Compared with what (default `limit`); a container without one says nothing.
        #[serde(default)]
        of: Bound,
        /// Holds when one container uses more than so many per cent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        above: Option<u32>,
        /// Holds when every container uses less than so many per cent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        below: Option<u32>,
        /// How often it is asked (default 5s).
        #[serde(default, with = "crate::scenario::duration::serde_text_option", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        every: Option<std::time::Duration>,
    }
}

/// What is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    /// Memory, as the working set.
    Memory,
    /// Processor time.
    Cpu,
}

impl Resource {
    /// Its name in Kubernetes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }
}

/// What use is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// The limit.
    #[default]
    Limit,
    /// The request.
    Request,
}
