//! The faults of the language: what may stand under `fault`. Injecting and undoing them lives in `crate::fault`.

use super::target::targeted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Deletes pods.
    DeletePods(DeletePods),
    /// Runs a command in containers.
    Exec(Exec),
    /// Sets a key of a ConfigMap.
    SetConfig(SetConfig),
    /// Deletes a ConfigMap, or one key of it.
    DeleteConfig(DeleteConfig),
    /// Changes a container's image in a Deployment's template.
    SetImage(SetImage),
    /// Changes a container's requests and limits in a Deployment's template.
    SetResources(SetResources),
    /// Patches any object of the workload.
    Patch(Patch),
    /// Applies a manifest.
    Apply(Apply),
    /// Deletes any object of the workload.
    Delete(Delete),
}

targeted! {
    /// `deletePods`
    pub struct DeletePods {
        /// How many (default 1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u32>,
        /// How many, in per cent of the pods found, rounded up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u32>,
        /// All pods found.
        #[serde(default)]
        all: bool,
        /// Grace in seconds instead of the pod's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_period_seconds: Option<u32>,
    }
}

targeted! {
    /// `exec`
    pub struct Exec {
        /// The container; absent: the pod's first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// Program and arguments.
        command: Vec<String>,
        /// How many pods (default 1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u32>,
        /// How many, in per cent of the pods found, rounded up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u32>,
        /// All pods found.
        #[serde(default)]
        all: bool,
    }
}

/// `setConfig`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetConfig {
    /// The ConfigMap.
    pub config_map: String,
    /// The key.
    pub key: String,
    /// The new value. Numbers and booleans are written as text.
    #[schemars(with = "Scalar")]
    pub value: Value,
}

/// `deleteConfig`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteConfig {
    /// The ConfigMap.
    pub config_map: String,
    /// One key of it; absent: the whole object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// `setImage`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetImage {
    /// The Deployment.
    pub deployment: String,
    /// The container; absent: the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The image.
    pub image: String,
}

/// `setResources`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetResources {
    /// The Deployment.
    pub deployment: String,
    /// The container; absent: the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Requests by resource name, as quantities.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    /// Limits by resource name, as quantities.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
}

/// `patch`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Patch {
    /// The object's kind.
    pub kind: String,
    /// The object's apiVersion; may be left out for kinds that the workload contains and for Kubernetes' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The object's name.
    pub name: String,
    /// How the patch is to be read (default `strategic`).
    #[serde(rename = "type", default)]
    pub type_: PatchType,
    /// The patch itself.
    #[schemars(with = "Value")]
    pub patch: Value,
}

/// How a patch is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PatchType {
    /// Strategic merge patch: lists merge by their keys.
    #[default]
    Strategic,
    /// JSON merge patch (RFC 7396).
    Merge,
    /// JSON patch (RFC 6902).
    Json,
}

/// `apply`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apply {
    /// The whole object, applied server-side under comeback's own field manager.
    #[schemars(with = "Value")]
    pub manifest: Value,
}

/// `delete`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delete {
    /// The object's kind.
    pub kind: String,
    /// The object's apiVersion; may be left out for kinds that the workload contains and for Kubernetes' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The object's name.
    pub name: String,
}

/// A scalar as YAML gives it; documents `parameters` and `setConfig.value` in the schema.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Scalar {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
}

impl Fault {
    /// The fault's key in the language.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::DeletePods(_) => "deletePods",
            Self::Exec(_) => "exec",
            Self::SetConfig(_) => "setConfig",
            Self::DeleteConfig(_) => "deleteConfig",
            Self::SetImage(_) => "setImage",
            Self::SetResources(_) => "setResources",
            Self::Patch(_) => "patch",
            Self::Apply(_) => "apply",
            Self::Delete(_) => "delete",
        }
    }
}
