//! The configuration with which a kind cluster is created: one control plane and two workers, unless a suite says otherwise.
//! Creating it is `kind`'s.

use crate::scenario::model::KindCluster;
use serde_json::Value;
use std::fmt::Write as _;

/// Nodes where nothing else is said: as many as scenarios about nodes need.
const NODES: u32 = 3;

/// The configuration as YAML, for `kind create cluster --config`.
#[must_use]
pub fn config(cluster: &KindCluster) -> String {
    let mut text = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n".to_owned();
    if !cluster.feature_gates.is_empty() {
        text.push_str("featureGates:\n");
        for (name, on) in &cluster.feature_gates {
            let _ = writeln!(text, "  {}: {on}", quoted(name));
        }
    }
    for (key, patches) in [
        ("kubeadmConfigPatches", &cluster.kubeadm_config_patches),
        ("containerdConfigPatches", &cluster.containerd_config_patches),
    ] {
        if patches.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{key}:");
        for patch in patches {
            text.push_str("  - |-\n");
            for line in patch.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    text.push_str("nodes:\n");
    for number in 0..cluster.nodes.unwrap_or(NODES) {
        let _ = writeln!(text, "  - role: {}", if number == 0 { "control-plane" } else { "worker" });
        if let Some(image) = &cluster.image {
            let _ = writeln!(text, "    image: {}", quoted(image));
        }
    }
    text
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_nodes_unless_something_else_is_said() {
        insta::assert_snapshot!(config(&KindCluster::default()), @r"
        kind: Cluster
        apiVersion: kind.x-k8s.io/v1alpha4
        nodes:
          - role: control-plane
          - role: worker
          - role: worker
        ");
    }

    #[test]
    fn what_a_suite_says_is_valid_yaml_and_kept_to_the_letter() {
        let patch = "kind: ClusterConfiguration\napiServer:\n  extraArgs: { v: \"2\" }\n";
        let cluster = KindCluster {
            nodes: Some(1),
            image: Some("kindest/node:v1.36.2".to_owned()),
            kubeadm_config_patches: vec![patch.to_owned()],
            feature_gates: [("X".to_owned(), true)].into(),
            ..KindCluster::default()
        };
        let read: Value = serde_saphyr::from_str(&config(&cluster)).unwrap();
        assert_eq!(read["nodes"].as_array().unwrap().len(), 1);
        assert_eq!(read["nodes"][0]["image"], "kindest/node:v1.36.2");
        assert_eq!(read["kubeadmConfigPatches"][0], patch.trim_end());
        assert_eq!(read["featureGates"]["X"], true);
    }
}
