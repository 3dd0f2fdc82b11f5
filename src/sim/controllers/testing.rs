//! A small cluster for the tests of controllers and scheduler: a node and a stand-in for its kubelet.
//! The real simulated kubelet is tested with its own module.

use super::object::{is_deleting, key, name, text, uid};
use crate::sim::api::resource::{EVENTS, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS};
use crate::sim::api::{ApiServer, DeleteOptions, Resource, Subresource};
use crate::sim::clock::Clock;
use crate::sim::heartbeat::Pulse;
use crate::sim::limits::Limits;
use crate::sim::profile::Profile;
use crate::sim::random::Random;
use crate::sim::store::ChangeKind;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A cluster with scheduler and controllers, one node, and pods that become ready after half a second unless their
/// image is `bad`, and take 300 ms to end.
pub(crate) struct Cluster {
    /// Its API server.
    pub api: Arc<ApiServer>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let api = ApiServer::new(clock, Random::new(7));
        api.bootstrap().unwrap();
        api.create(NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
        api.create(SERVICE_ACCOUNTS, "shop", json!({"metadata": {"name": "default"}})).unwrap();
        api.create(NODES, "", node("n1", "4")).unwrap();
        let profile = Profile::default();
        super::start(&api, &profile, &Limits::default());
        crate::sim::scheduler::start(&api, &profile);
        tokio::spawn(kubelet(Arc::clone(&api)));
        tokio::spawn(heartbeats(Arc::clone(&api)));
        Self { api }
    }

    /// Waits for `seconds` of virtual time.
    pub(crate) async fn pass(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }

    pub(crate) fn all(&self, resource: Resource) -> Vec<Value> {
        self.api.list(resource, Some("shop")).iter().map(|object| (**object).clone()).collect()
    }

    pub(crate) fn get(&self, resource: Resource, name: &str) -> Value {
        (*self.api.get(resource, "shop", name).unwrap()).clone()
    }

    pub(crate) fn create(&self, resource: Resource, object: Value) -> Value {
        (*self.api.create(resource, "shop", object).unwrap()).clone()
    }

    pub(crate) fn change(&self, resource: Resource, name: &str, change: impl FnOnce(&mut Value)) {
        self.api.modify(resource, "shop", name, Subresource::Main, change).unwrap();
    }

    /// `reason: message xCount` of the events in the order of their creation.
    pub(crate) fn events(&self, reason: &str) -> Vec<String> {
        let mut events: Vec<_> = self.all(EVENTS).into_iter().filter(|event| event["reason"] == reason).collect();
        events.sort_by_key(|event| name(event).rsplit('.').next().map(ToOwned::to_owned));
        events.iter().map(|event| format!("{} x{}", text(event, "/message"), event["count"])).collect()
    }
}

/// A node that offers `cpu`.
pub(crate) fn node(name: &str, cpu: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
    })
}

/// A Deployment with everything that the API server would default.
pub(crate) fn deployment(replicas: i64, image: &str) -> Value {
    json!({
        "metadata": {"name": "app", "labels": {"app": "app"}},
        "spec": {
            "replicas": replicas, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "app", "image": image}]}},
        },
    })
}

#[derive(Debug)]
struct Nothing;

impl Pulse for Nothing {
    fn bring_up_to_date(&self) {}
}

/// Every node has a kubelet that is well, as far as its heartbeat goes.
async fn heartbeats(api: Arc<ApiServer>) {
    let mut watch = api.watch(NODES, None);
    while let Some(item) = watch.next().await {
        if item.kind == ChangeKind::Added {
            api.heartbeats.begin(name(&item.object), Weak::<Nothing>::new());
        }
    }
}

async fn kubelet(api: Arc<ApiServer>) {
    let (mut started, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let mut watch = api.watch(PODS, None);
    while let Some(item) = watch.next().await {
        let pod = item.object;
        let key = key(&pod);
        if item.kind == ChangeKind::Deleted || text(&pod, "/spec/nodeName").is_empty() {
            continue;
        }
        let api = Arc::clone(&api);
        if is_deleting(&pod) && ended.insert(uid(&pod).to_owned()) {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let finish = |pod: &mut Value| pod["status"] = json!({"phase": "Succeeded"});
                let _ = api.modify(PODS, &key.0, &key.1, Subresource::Status, finish);
                tokio::time::sleep(Duration::from_millis(200)).await;
                let _ = api.delete(PODS, &key.0, &key.1, &DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() });
            });
        } else if started.insert(uid(&pod).to_owned()) && text(&pod, "/spec/containers/0/image") != "bad" {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                set_ready(&api, &key.0, &key.1, true);
            });
        }
    }
}

/// Makes a pod Running, and Ready or not, as a kubelet would report it.
pub(crate) fn set_ready(api: &ApiServer, namespace: &str, name: &str, ready: bool) {
    let now = api.clock.seconds();
    let _ = api.modify(PODS, namespace, name, Subresource::Status, |pod| {
        if !is_deleting(pod) {
            let status = if ready { "True" } else { "False" };
            pod["status"]["phase"] = json!("Running");
            pod["status"]["podIP"] = json!("10.244.0.7");
            pod["status"]["conditions"] = json!([{"type": "Ready", "status": status, "lastTransitionTime": now}]);
        }
    });
}
