//! What a real cluster is and can do, asked once: version, nodes, kubelets, back-off cap, permissions that scenarios need.
//! What may not be asked is left out, never guessed.

use super::machine::CONTROL_PLANE;
use super::request::retried;
use crate::measure::result::Fingerprint;
use crate::scenario::model::Need;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const ASK_WITHIN: Duration = Duration::from_secs(5);

/// What a node tells of its machine.
#[derive(Clone, Debug)]
pub(super) struct NodeTold {
    /// By whom it was made, in words of that provider.
    pub provider_id: String,
    /// Whether pods without tolerations can be scheduled on it.
    pub takes_pods: bool,
    /// Whether it runs the control plane.
    pub control_plane: bool,
}

/// What a cluster tells of itself.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub fingerprint: Fingerprint,
    pub capabilities: Vec<Need>,
    /// None where nodes may not be listed.
    pub nodes: Vec<NodeTold>,
}

/// The fingerprint and the capabilities of the cluster behind a client.
pub(super) async fn of(client: &kube::Client, version: &str) -> Told {
    let mut machines = Vec::new();
    let mut fingerprint = Fingerprint { kubernetes: version.to_owned(), ..Fingerprint::default() };
    let mut capabilities = Vec::new();
    let nodes = retried("listing nodes", ASK_WITHIN, || {
        let nodes: Api<Node> = Api::all(client.clone());
        async move { nodes.list(&ListParams::default()).await }
    })
    .await;
    if let Ok(nodes) = nodes {
        fingerprint.nodes = nodes.items.len();
        machines = nodes.items.iter().map(told_by).collect();
        if nodes.items.iter().filter(|node| takes_pods(node)).count() >= 2 {
            capabilities.push(Need::MultiNode);
        }
        let mut told = |name: &str, of: fn(&k8s_openapi::api::core::v1::NodeSystemInfo) -> &String| {
            let values: BTreeSet<_> = nodes
                .items
                .iter()
                .filter_map(|node| Some(of(node.status.as_ref()?.node_info.as_ref()?).as_str()))
                .filter(|value| !value.is_empty())
                .collect();
            if !values.is_empty() {
                fingerprint.properties.insert(name.to_owned(), values.into_iter().collect::<Vec<_>>().join(", "));
            }
        };
        told("kubelet", |info| &info.kubelet_version);
        told("containerRuntime", |info| &info.container_runtime_version);
        told("kernel", |info| &info.kernel_version);
        let first = nodes.items.iter().find(|node| takes_pods(node)).and_then(|node| node.metadata.name.as_deref());
        let first = first.unwrap_or_default();
        let (cap, cgroup_v1) = tokio::join!(back_off_cap(client, first), has_cgroup_v1(client, first));
        if let Some(cap) = cap {
            fingerprint.properties.insert("crashLoopBackOffCap".to_owned(), cap);
        }
        capabilities.push(if cgroup_v1 { Need::CgroupV1 } else { Need::CgroupV2 });
    } else {
        capabilities.push(Need::CgroupV2);
        fingerprint.properties.insert("nodes".to_owned(), "may not be listed".to_owned());
    }
    if let Some(network) = enforcing_network(client).await {
        fingerprint.properties.insert("networkPolicies".to_owned(), network);
        capabilities.push(Need::NetworkPolicy);
    }
    if may_exec(client).await {
        capabilities.push(Need::Exec);
    }
    Told { fingerprint, capabilities, nodes: machines }
}

fn told_by(node: &Node) -> NodeTold {
    NodeTold {
        provider_id: node.spec.as_ref().and_then(|spec| spec.provider_id.clone()).unwrap_or_default(),
        takes_pods: takes_pods(node),
        control_plane: node.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(CONTROL_PLANE)),
    }
}

/// Whether pods without tolerations can be scheduled on a node.
fn takes_pods(node: &Node) -> bool {
    let Some(spec) = &node.spec else { return true };
    !spec.unschedulable.unwrap_or(false) && spec.taints.iter().flatten().all(|taint| taint.effect == "PreferNoSchedule")
}

/// The longest crash-loop back-off, from the kubelet's own configuration; it needs the permission `nodes/proxy`.
async fn back_off_cap(client: &kube::Client, node: &str) -> Option<String> {
    let uri = format!("/api/v1/nodes/{node}/proxy/configz");
    let answer: Value = retried("reading the kubelet's configuration", ASK_WITHIN, || async {
        let request = http::Request::get(&uri).body(Vec::new()).map_err(kube::Error::HttpError)?;
        client.request(request).await
    })
    .await
    .ok()?;
    cap_from(&answer)
}

/// Whether a kubelet says in its metrics that it has cgroups of version 1; it needs the permission `nodes/proxy`.
async fn has_cgroup_v1(client: &kube::Client, node: &str) -> bool {
    let uri = format!("/api/v1/nodes/{node}/proxy/metrics");
    let answer = retried("reading the kubelet's metrics", ASK_WITHIN, || async {
        let request = http::Request::get(&uri).body(Vec::new()).map_err(kube::Error::HttpError)?;
        client.request_text(request).await
    })
    .await;
    answer.is_ok_and(|metrics| says_cgroup_v1(&metrics))
}

fn says_cgroup_v1(metrics: &str) -> bool {
    metrics.lines().any(|line| line.strip_prefix("kubelet_cgroup_version ").is_some_and(|version| version.trim() == "1"))
}

fn cap_from(configz: &Value) -> Option<String> {
    let kubelet = configz.get("kubeletconfig")?;
    if let Some(cap) = kubelet.pointer("/crashLoopBackOff/maxContainerRestartPeriod").and_then(Value::as_str) {
        return Some(cap.to_owned());
    }
    let reduced = kubelet.pointer("/featureGates/ReduceDefaultCrashLoopBackOffDecay").and_then(Value::as_bool).unwrap_or(false);
    Some(if reduced { "1m0s" } else { "5m0s" }.to_owned())
}

/// `DaemonSets` of networks that are known to enforce `NetworkPolicies`. The API has no field that says so.
const ENFORCING: [&str; 10] = [
    "kindnet",
    "calico-node",
    "cilium",
    "canal",
    "weave-net",
    "kube-router",
    "antrea-agent",
    "ovnkube-node",
    "ovs-ovn",
    "azure-npm",
];

/// The network that enforces policies, if one is known to run and may be asked for. kind's own does since its version of 2024.
async fn enforcing_network(client: &kube::Client) -> Option<String> {
    let sets: Api<DaemonSet> = Api::all(client.clone());
    let parameters = ListParams::default();
    let sets = retried("listing DaemonSets", ASK_WITHIN, || sets.list(&parameters)).await.ok()?;
    sets.items.iter().find_map(|set| {
        let name = set.metadata.name.as_deref().filter(|name| ENFORCING.contains(name))?;
        let images = set.spec.iter().filter_map(|spec| spec.template.spec.as_ref()).flat_map(|pod| &pod.containers);
        let old = images.filter_map(|container| container.image.as_deref()).any(is_old_kindnet);
        (!old).then(|| name.to_owned())
    })
}

/// Tags look like `kindnetd:v20240813-c6f155d6`; policies came with that of August 2024.
fn is_old_kindnet(image: &str) -> bool {
    image.split_once("kindnetd:v").is_some_and(|(_, tag)| tag.get(..8).is_none_or(|date| date < "20240801"))
}

async fn may_exec(client: &kube::Client) -> bool {
    may(client, &json!({ "verb": "create", "resource": "pods", "subresource": "exec" })).await
}

/// Whether the user may do something in the whole cluster.
pub(super) async fn may(client: &kube::Client, attributes: &Value) -> bool {
    let asked = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": { "resourceAttributes": attributes },
    });
    let Ok(review) = serde_json::from_value::<SelfSubjectAccessReview>(asked) else { return false };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let parameters = PostParams::default();
    retried("asking for permissions", ASK_WITHIN, || reviews.create(&parameters, &review))
        .await
        .is_ok_and(|review| review.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(spec: Value) -> Node {
        serde_json::from_value(json!({ "metadata": { "name": "n" }, "spec": spec })).unwrap()
    }

    #[test]
    fn tainted_and_cordoned_nodes_take_no_pods() {
        assert!(takes_pods(&node(json!({}))));
        assert!(takes_pods(&node(json!({ "taints": [{ "key": "a", "effect": "PreferNoSchedule" }] }))));
        assert!(!takes_pods(&node(json!({ "taints": [{ "key": "a", "effect": "NoSchedule" }] }))));
        assert!(!takes_pods(&node(json!({ "unschedulable": true }))));
    }

    #[test]
    fn an_old_kindnet_enforces_nothing() {
        assert!(is_old_kindnet("docker.io/kindest/kindnetd:v20230511-dc714da8"));
        assert!(!is_old_kindnet("docker.io/kindest/kindnetd:v20250512-df8de77b"));
        assert!(!is_old_kindnet("quay.io/cilium/cilium:v1.16.0"));
    }

    #[test]
    fn the_cap_is_the_kubelets_own_or_its_default() {
        assert_eq!(cap_from(&json!({ "kubeletconfig": {} })).unwrap(), "5m0s");
        let set = json!({ "kubeletconfig": { "crashLoopBackOff": { "maxContainerRestartPeriod": "30s" } } });
        assert_eq!(cap_from(&set).unwrap(), "30s");
        assert_eq!(cap_from(&json!({ "error": 1 })), None);
    }
}
