//! `cluster` of a suite: what a cluster that is created for it looks like.
//! Creating one is `cluster::kind`'s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `cluster` of a suite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuiteCluster {
    /// A kind cluster that does not exist yet (`--cluster kind`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindCluster>,
}

/// `cluster.kind`: what `comeback cluster kind-config` prints, extended. Nothing of it changes a cluster that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KindCluster {
    /// How many nodes, 1 to 20 (default 3). The first is the control plane; with more than one it takes no pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// The nodes' image (`kindest/node:v1.36.2`; default: that of the `kind` program). `--kind-image` wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Patches of kubeadm's configuration, each a YAML document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kubeadm_config_patches: Vec<String>,
    /// Patches of containerd's configuration, each a TOML document: a registry's mirror, say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containerd_config_patches: Vec<String>,
    /// Feature gates of Kubernetes by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_gates: BTreeMap<String, bool>,
}
