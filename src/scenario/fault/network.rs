//! Faults on the network, made of the API's own objects. What was changed is put back, what was added removed.

use super::timing::{fault_body, workload_fault};
use crate::scenario::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

workload_fault! {
    /// `denyNetwork`: adds a NetworkPolicy that lets nothing in to pods, or nothing out of them. It needs a network that
    /// enforces policies, and connections that are open already stay so. Effect: the good state is lost, or a container fails.
    ///
    /// ```yaml
    /// denyNetwork: { deployment: pool, direction: ingress, for: 1m }
    /// ```
    pub struct DenyNetwork {
        /// Pods by label selector, as kubectl writes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        selector: Option<String>,
        /// What is denied (default `both`).
        #[serde(default)]
        direction: Direction,
        /// With egress denied: names may still be looked up (port 53), so that connections fail and not look-ups.
        #[serde(default)]
        allow_dns: bool,
        /// The policy's name (default `comeback-deny`).
        #[serde(default = "policy_name")]
        name: String,
    }
}

fn policy_name() -> String {
    "comeback-deny".to_owned()
}

/// A direction of connections, seen from the pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// Into the pods.
    Ingress,
    /// Out of the pods.
    Egress,
    /// In both directions.
    #[default]
    Both,
}

impl DenyNetwork {
    /// The pods, if exactly one of the keys is given (validation ensures it).
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.named(self.selector.as_ref())
    }
}

workload_fault! {
    /// `breakDns`: adds a NetworkPolicy that lets pods reach everything but DNS servers (port 53): names are not looked up any
    /// more, and connections that are open stay so. It needs a network that enforces policies and their ranges of ports. Effect: the
    /// good state is lost, or a container fails.
    ///
    /// ```yaml
    /// breakDns: { deployment: front, for: 1m }
    /// ```
    pub struct BreakDns {
        /// Pods by label selector, as kubectl writes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        selector: Option<String>,
        /// The policy's name (default `comeback-no-dns`).
        #[serde(default = "dns_policy_name")]
        name: String,
    }
}

fn dns_policy_name() -> String {
    "comeback-no-dns".to_owned()
}

impl BreakDns {
    /// The pods, if exactly one of the keys is given (validation ensures it).
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.named(self.selector.as_ref())
    }
}

fault_body! {
    /// `breakService`: adds a label to a Service's selector that no pod has. Effect: the Service has no ready endpoint left.
    ///
    /// ```yaml
    /// breakService: { service: pool, for: 30s }
    /// ```
    pub struct BreakService {
        /// The Service; it must have a selector.
        service: String,
    }
}
