//! One simulated cluster, put together: API server, nodes, scheduler and controllers on one clock and one seed.
//! How each part behaves lives in its own module.

use super::api::ApiServer;
use super::api::resource::STORAGE_CLASSES;
use super::clock::Clock;
use super::kubelet::control::NodeControl;
use super::kubelet::{self, Runtime};
use super::limits::Limits;
use super::network::Network;
use super::profile::Profile;
use super::random::Random;
use super::{controllers, scheduler};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A running simulated cluster. Its parts are tasks of the tokio runtime that it was started on and end with it.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The API server, for clients and for tests.
    pub api: Arc<ApiServer>,
    /// What the simulation could not do faithfully so far.
    pub limits: Limits,
    /// The containers of all nodes.
    pub runtime: Runtime,
    /// What connects the containers.
    pub network: Network,
    /// The source of every random choice.
    pub random: Random,
    /// The clock; it shows the epoch at the start.
    pub clock: Clock,
    /// What this cluster was set to.
    pub profile: Profile,
    /// The switches of each node, by name.
    pub nodes: BTreeMap<String, NodeControl>,
}

impl Simulation {
    /// Starts a cluster whose clock shows `epoch` now. Equal seeds, epochs and profiles make equal clusters. Must be called
    /// inside a tokio runtime, current-thread and usually with a paused clock.
    #[must_use]
    pub fn start(seed: u64, epoch: jiff::Timestamp, profile: Profile) -> Self {
        let (clock, random) = (Clock::starting_at(epoch), Random::new(seed));
        let (limits, runtime) = (Limits::default(), Runtime::default());
        let api = ApiServer::with_limits(clock, random, limits.clone());
        if profile.openshift {
            api.become_openshift();
        }
        // Refused by nothing: the store is empty.
        let _ = api.bootstrap();
        // The default class of kind: its controller manager makes the volumes.
        let _ = api.create(
            STORAGE_CLASSES,
            "",
            serde_json::json!({
                "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                "provisioner": "kubernetes.io/host-path",
            }),
        );
        super::events::expiry::start(&api);
        kubelet::schedulable::start(&api);
        let network = Network::new(&api, &limits);
        if !profile.without.controllers {
            controllers::start(&api, &profile, &limits);
            controllers::start_autoscaling(&api, &profile, &runtime);
        }
        if !profile.without.scheduler {
            scheduler::start(&api, &profile);
        }
        let start = |node| kubelet::start(&api, node, &profile, &runtime, &network, &limits);
        let nodes = profile.nodes.iter().map(|node| (node.name.clone(), start(node))).collect();
        let simulation = Self { api, limits, runtime, network, random, clock, profile, nodes };
        if simulation.profile.openshift {
            super::openshift::start(&simulation);
        }
        if simulation.profile.chaos_mesh {
            super::chaos_mesh::start(&simulation);
        }
        simulation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::api::DeleteOptions;
    use crate::sim::api::resource::{ALL, DEPLOYMENTS, LEASES, NAMESPACES, PODS, REPLICA_SETS, SERVICE_ACCOUNTS};
    use crate::sim::profile::Without;
    use serde_json::{Value, json};
    use std::time::Duration;

    /// Everything that is stored after a Deployment was made and one of its pods deleted.
    fn history(seed: u64) -> Vec<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let cluster = Simulation::start(seed, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
            cluster.api.create(NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            let container = json!({"name": "app", "image": "busybox", "command": ["sleep", "1000"]});
            let template = json!({"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}});
            let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "app"}}, "template": template});
            cluster.api.create(DEPLOYMENTS, "shop", json!({"metadata": {"name": "app"}, "spec": spec})).unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            let pods = cluster.api.list(PODS, Some("shop"));
            assert_eq!(pods.len(), 2);
            assert!(pods.iter().all(|pod| pod["spec"]["nodeName"] == "embedded-control-plane"));
            cluster.api.delete(PODS, "shop", pods[0]["metadata"]["name"].as_str().unwrap(), &DeleteOptions::default()).unwrap();
            tokio::time::sleep(Duration::from_mins(1)).await;
            ALL.iter().flat_map(|resource| cluster.api.list(*resource, None)).map(|object| (*object).clone()).collect()
        })
    }

    #[test]
    fn a_seed_makes_one_history_and_another_seed_another() {
        let first = history(1);
        assert_eq!(first, history(1));
        assert_ne!(first, history(2));
    }

    #[tokio::test(start_paused = true)]
    async fn parts_that_are_left_out_do_nothing_and_hold_no_lease() {
        let without = Without { controllers: true, scheduler: true };
        let profile = Profile { without, ..Profile::default() };
        let cluster = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), profile);
        cluster.api.create(SERVICE_ACCOUNTS, "default", json!({"metadata": {"name": "default"}})).unwrap();
        let container = json!({"name": "app", "image": "busybox", "command": ["sleep", "1000"]});
        let labels = json!({"app": "app"});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container.clone()]}});
        let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "app"}}, "template": template});
        cluster.api.create(DEPLOYMENTS, "default", json!({"metadata": {"name": "app"}, "spec": spec})).unwrap();
        cluster.api.create(PODS, "default", json!({"metadata": {"name": "one"}, "spec": {"containers": [container]}})).unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(cluster.api.list(REPLICA_SETS, None).is_empty());
        assert!(cluster.api.list(PODS, None).iter().all(|pod| pod["spec"].get("nodeName").is_none()));
        assert!(cluster.api.list(LEASES, Some("kube-system")).is_empty());
        // A binding from elsewhere is all that the kubelet waits for.
        cluster.api.bind("default", "one", "embedded-control-plane").unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(cluster.api.get(PODS, "default", "one").unwrap()["status"]["phase"], "Running");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_cluster_writes_nothing() {
        let cluster = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
        tokio::time::sleep(Duration::from_mins(1)).await;
        let before = cluster.api.store.revision();
        tokio::time::sleep(Duration::from_mins(50)).await;
        assert_eq!(cluster.api.store.revision(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn pods_that_their_node_refuses_are_made_again_about_once_a_second() {
        let cluster = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
        let node = cluster.nodes.keys().next().unwrap().clone();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let template = json!({"metadata": {"labels": {"app": "over"}}, "spec": {"nodeName": node, "containers": [{
            "name": "app", "image": "busybox:1.37", "command": ["sleep", "60"], "resources": {"requests": {"cpu": "500"}}}]}});
        let deployment = json!({"metadata": {"name": "over"}, "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "over"}}, "template": template}});
        cluster.api.create(DEPLOYMENTS, "default", deployment).unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        let pods = cluster.api.list(PODS, Some("default"));
        // Recorded: 24 in 22 s, of which all but the last were refused.
        assert!((15..=45).contains(&pods.len()), "{}", pods.len());
        let waiting = pods.iter().filter(|pod| pod["status"]["reason"] != "OutOfcpu").count();
        assert!(waiting <= 1, "{waiting} of {}", pods.len());
    }
}
