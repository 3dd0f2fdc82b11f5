//! Conditions that are measured by trying: a request, a connection, a look-up, a command. They are tried on a fixed schedule,
//! whatever the answers before; a late answer is a failed one.

use crate::scenario::duration::serde_text_option;
use crate::scenario::target::targeted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often something is tried where nothing is said.
const EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The same two for what is asked of monitoring, which itself looks seldom.
const MONITORING: Duration = Duration::from_secs(5);

/// `http`: a Service or an OpenShift Route answers a GET with success (2xx, redirects followed), asked by name from a pod of its own
/// in the trial's namespace (image `busybox:1.37`): what a client in the cluster sees, with DNS, the Service, its endpoints and
/// policies. That pod is no target of faults and conditions, but quotas count it (10m cpu, 16Mi memory); a NetworkPolicy on its own
/// egress makes a failure unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// The Service; this or `route`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// A Route: asked under the host by which a router has admitted it, by https where it has `tls`; whose certificate that is, is not
    /// looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The path (default `/`).
    #[serde(default = "root")]
    pub path: String,
    /// The Service's port (default: the first in its manifest); a Route has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u32>,
    /// How long an answer may take (default 1s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
    /// How often it is tried (default 1s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub every: Option<Duration>,
}

/// `tcp`: a Service's port takes a connection, tried as `http` is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tcp {
    /// The Service.
    pub service: String,
    /// The Service's port (default: the first in its manifest).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u32>,
    /// How long it may take (default 1s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
    /// How often it is tried (default 1s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub every: Option<Duration>,
}

/// `dns`: a name resolves, looked up from a pod of its own in the trial's namespace (a Service by its short name).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// The name.
    pub name: String,
    /// How long it may take (default 1s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
    /// How often it is tried (default 1s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub every: Option<Duration>,
}

targeted! {
    /// `exec`: a command ends with 0 in every running pod of the target, and there is one at least.
    pub struct ExecSucceeds {
        /// The container; absent: the pod's first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// Program and arguments.
        command: Vec<String>,
        /// How long it may take (default 1s).
        #[serde(default, with = "crate::scenario::duration::serde_text_option", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        timeout: Option<Duration>,
        /// How often it is tried (default 1s).
        #[serde(default, with = "crate::scenario::duration::serde_text_option", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        every: Option<Duration>,
    }
}

fn root() -> String {
    "/".to_owned()
}

/// How often something is tried, and how long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// How often.
    pub every: Duration,
    /// How long.
    pub timeout: Duration,
}

impl Http {
    /// Who is asked, as kubectl writes it.
    #[must_use]
    pub fn asked(&self) -> String {
        match (&self.service, &self.route) {
            (Some(service), _) => format!("service/{service}"),
            (None, route) => format!("route/{}", route.as_deref().unwrap_or_default()),
        }
    }
}

impl super::Condition {
    /// The Route that it asks.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        if let Self::Http(http) = self { http.route.as_deref() } else { None }
    }

    /// Whether it asks the Prometheus that the cluster brings along.
    #[must_use]
    pub const fn asks_the_clusters_own(&self) -> bool {
        match self {
            Self::Prometheus(one) => one.url.is_none(),
            Self::Alert(one) => one.url.is_none(),
            _ => false,
        }
    }

    /// The rhythm of a condition that is measured by trying; none of others.
    #[must_use]
    pub fn rhythm(&self) -> Option<Rhythm> {
        let (every, timeout) = match self {
            Self::Http(one) => (one.every, one.timeout),
            Self::Tcp(one) => (one.every, one.timeout),
            Self::Dns(one) => (one.every, one.timeout),
            Self::Exec(one) => (one.every, one.timeout),
            Self::Prometheus(one) => (one.every.or(Some(MONITORING)), one.timeout.or(Some(MONITORING))),
            Self::Alert(one) => (one.every.or(Some(MONITORING)), one.timeout.or(Some(MONITORING))),
            Self::Metric(one) => (one.every.or(Some(MONITORING)), Some(MONITORING)),
            _ => return None,
        };
        Some(Rhythm { every: every.unwrap_or(EVERY), timeout: timeout.unwrap_or(TIMEOUT) })
    }

    /// Whether it is tried from a pod of our own.
    #[must_use]
    pub const fn is_asked_from_a_pod(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Tcp(_) | Self::Dns(_))
    }

    /// Those within that are measured by trying, each once.
    pub fn tried(&self, found: &mut Vec<Self>) {
        match self {
            Self::Any(inner) | Self::All(inner) => inner.iter().for_each(|one| one.tried(found)),
            Self::Not(inner) => inner.tried(found),
            one if one.rhythm().is_some() && !found.contains(one) => found.push(one.clone()),
            _ => {}
        }
    }

    /// The name by which the samples of this condition are known: itself, as JSON.
    #[must_use]
    pub fn sample_key(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
