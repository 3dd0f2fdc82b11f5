//! A kind cluster that is there: its address, a kubeconfig of its own, and taking away what the test furnished it with.

use crate::world::World;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;

/// The cluster behind a context `kind-NAME`.
pub struct Cluster {
    address: SocketAddr,
    kubeconfig: String,
    context: String,
    /// A node that takes pods.
    pub worker: String,
}

impl Cluster {
    pub fn of_context(context: &str) -> Self {
        let kubeconfig = kubectl(context, &["config", "view", "--minify", "--flatten", "--raw"]);
        let server = kubectl(context, &["config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"]);
        let address = server.trim_start_matches("https://").parse().unwrap();
        let nodes: Value = serde_json::from_str(&kubectl(context, &["get", "nodes", "-o", "json"])).unwrap();
        let taken = |node: &&Value| node["spec"]["taints"].is_null();
        let worker = nodes["items"].as_array().unwrap().iter().find(taken).unwrap();
        let worker = worker["metadata"]["name"].as_str().unwrap().to_owned();
        Self { address, kubeconfig, context: context.to_owned(), worker }
    }

    /// The cluster with the workloads of somebody else.
    pub fn world(&self) -> World {
        // The test furnishes one of that name, by which the harness knows that policies are enforced.
        let sets = kubectl(&self.context, &["get", "daemonsets", "--namespace", "kube-system", "-o", "name"]);
        assert!(!sets.contains("/kindnet"), "this cluster's own network would be overwritten");
        World::of(self.address, self.kubeconfig.clone(), None)
    }

    /// Takes the workloads away again.
    pub fn clear(&self) {
        kubectl(&self.context, &["delete", "namespace", "shop", "till", "--wait"]);
        kubectl(&self.context, &["delete", "daemonset", "kindnet", "--namespace", "kube-system", "--wait"]);
    }
}

fn kubectl(context: &str, words: &[&str]) -> String {
    let output = Command::new("kubectl").args(["--context", context]).args(words).output().unwrap();
    assert!(output.status.success(), "kubectl {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
