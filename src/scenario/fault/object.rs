//! Faults on any object by kind and name, and those that add an object. What was changed is put back, what was added removed.

use super::PatchType;
use super::timing::fault_body;
use serde_json::Value;
use std::collections::BTreeMap;

fault_body! {
    /// `patch`: patches any object of the workload. Effect: the good state is lost, or a container restarts or fails.
    ///
    /// ```yaml
    /// patch: { kind: Deployment, name: pool, patch: { spec: { template: { spec: { nodeSelector: { disk: none } } } } } }
    /// ```
    pub struct PatchObject {
        /// The object's kind.
        kind: String,
        /// The object's apiVersion; may be left out for kinds that the workload contains and for Kubernetes' own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_version: Option<String>,
        /// The object's name.
        name: String,
        /// How the patch is to be read (default `strategic`).
        #[serde(rename = "type", default)]
        type_: PatchType,
        /// The patch itself.
        #[schemars(with = "Value")]
        patch: Value,
    }
}

fault_body! {
    /// `apply`: applies a manifest in the trial's namespace. Effect as that of `patch`.
    ///
    /// ```yaml
    /// apply: { manifest: { apiVersion: v1, kind: ConfigMap, metadata: { name: pool }, data: { workers: many } } }
    /// ```
    pub struct Apply {
        /// The whole object, applied server-side under comeback's own field manager.
        #[schemars(with = "Value")]
        manifest: Value,
    }
}

fault_body! {
    /// `delete`: deletes any object of the workload. Effect as that of `patch`.
    ///
    /// ```yaml
    /// delete: { kind: Service, name: pool }
    /// ```
    pub struct Delete {
        /// The object's kind.
        kind: String,
        /// The object's apiVersion; may be left out for kinds that the workload contains and for Kubernetes' own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_version: Option<String>,
        /// The object's name.
        name: String,
    }
}

fault_body! {
    /// `quota`: adds a ResourceQuota to the namespace. It takes nothing from what runs: only new pods are refused.
    /// Effect: the creation of an object was refused for it (event `FailedCreate`, "exceeded quota").
    ///
    /// ```yaml
    /// quota: { hard: { pods: "0" } }
    /// ```
    pub struct Quota {
        /// Limits by resource name, as quantities.
        hard: BTreeMap<String, String>,
        /// The quota's name (default `comeback-quota`).
        #[serde(default = "quota_name")]
        name: String,
    }
}

fn quota_name() -> String {
    "comeback-quota".to_owned()
}
