//! Faults on the network, made of the API's own objects. What was changed is put back, what was added removed.

use super::timing::fault_body;
use crate::scenario::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fault_body! {
    /// `denyNetwork`: adds a NetworkPolicy that lets nothing in to pods, or nothing out of them. It needs a network that
    /// enforces policies, and connections that are open already stay so. Effect: the good state is lost, or a container fails.
    ///
    /// ```yaml
    /// denyNetwork: { deployment: pool, direction: ingress, for: 1m }
    /// ```
    pub struct DenyNetwork {
        /// The pods of this Deployment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deployment: Option<String>,
        /// The pods of this `StatefulSet`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stateful_set: Option<String>,
        /// The pods of this `DaemonSet`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        daemon_set: Option<String>,
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
        Target::of([
            self.deployment.as_ref(),
            self.stateful_set.as_ref(),
            self.daemon_set.as_ref(),
            None,
            None,
            self.selector.as_ref(),
        ])
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
