//! A served cluster with workloads of somebody else, and what of it must be as before.

use comeback::sim::profile::{NodeShape, Profile};
use comeback::sim::serve::{ServeOptions, Served};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

/// Kinds whose objects people write. Those that controllers make of them (`ReplicaSets`, Pods, `EndpointSlices`, Events) follow, and
/// tell of a rollout that there was one.
const KINDS: &[(&str, &str, &str, &str)] = &[
    ("", "v1", "Namespace", "namespaces"),
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "Secret", "secrets"),
    ("", "v1", "Service", "services"),
    ("", "v1", "ServiceAccount", "serviceaccounts"),
    ("", "v1", "ResourceQuota", "resourcequotas"),
    ("", "v1", "LimitRange", "limitranges"),
    ("", "v1", "Node", "nodes"),
    ("", "v1", "PersistentVolume", "persistentvolumes"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("batch", "v1", "Job", "jobs"),
    ("coordination.k8s.io", "v1", "Lease", "leases"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings"),
];

/// How long controllers may take.
const FOLLOWED_WITHIN: std::time::Duration = std::time::Duration::from_secs(15);

/// How long a cluster may take to come to rest before it is looked at.
const SETTLED_WITHIN: std::time::Duration = std::time::Duration::from_mins(2);

/// Objects by kind, namespace and name, without what the server writes itself.
pub type Snapshot = BTreeMap<String, Value>;

/// A cluster that is served until the world ends.
pub struct World {
    pub address: SocketAddr,
    pub kubeconfig: String,
    pub runtime: tokio::runtime::Runtime,
    pub client: kube::Client,
    end: Option<tokio::sync::oneshot::Sender<()>>,
}

impl World {
    /// A cluster in which time runs this many times as fast as for the harness; where stamps of the server decide, once as fast.
    pub fn start(speed: f64) -> Self {
        Self::served(options(speed))
    }

    /// A cluster that is served on a thread of its own.
    pub fn served(options: ServeOptions) -> Self {
        let (tell, ready) = mpsc::channel();
        let (end, ended) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let served = Served::start(options).await.unwrap();
                tell.send((served.address(), served.kubeconfig().to_owned())).unwrap();
                let _ = ended.await;
                let _ = served.stop();
            });
        });
        let (address, kubeconfig) = ready.recv().unwrap();
        Self::of(address, kubeconfig, Some(end))
    }

    /// A cluster that is there, furnished; `end` ends it.
    pub fn of(address: SocketAddr, kubeconfig: String, end: Option<tokio::sync::oneshot::Sender<()>>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let read = kube::config::Kubeconfig::from_yaml(&kubeconfig).unwrap();
            let config = kube::Config::from_custom_kubeconfig(read, &kube::config::KubeConfigOptions::default()).await.unwrap();
            kube::Client::try_from(config).unwrap()
        });
        let world = Self { address, kubeconfig, runtime, client, end };
        world.furnish();
        world
    }

    /// What somebody else runs here.
    fn furnish(&self) {
        let deployment = |namespace: &str, app: &str| {
            let container = json!({ "name": app, "image": "busybox:1.37", "command": ["sleep", "3600"],
                "resources": { "limits": { "memory": "64Mi" } } });
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": app, "namespace": namespace,
                    "annotations": { "note": "theirs" } },
                "spec": { "replicas": 2, "selector": { "matchLabels": { "app": app } },
                    "template": { "metadata": { "labels": { "app": app } }, "spec": { "containers": [container] } } } })
        };
        let config = |namespace: &str, name: &str, data: Value| {
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": namespace,
                "labels": { "team": "theirs" } }, "data": data })
        };
        let objects = [
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } }),
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "till" } }),
            config("shop", "pool", json!({ "workers": "3", "other": "x" })),
            config("till", "doomed", json!({ "a": "b" })),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "token", "namespace": "shop" },
                "data": { "password": "Z2VoZWlt" } }),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "spare", "namespace": "till" },
                "data": { "pin": "MTIzNA==" } }),
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "api", "namespace": "shop" },
                "spec": { "selector": { "app": "api" }, "ports": [{ "port": 80 }] } }),
            // The network by which the harness knows that policies are enforced.
            json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "kindnet", "namespace": "kube-system" },
                "spec": { "selector": { "matchLabels": { "app": "kindnet" } }, "template": {
                    "metadata": { "labels": { "app": "kindnet" } },
                    "spec": { "containers": [{ "name": "net", "image": "busybox:1.37", "command": ["sleep", "3600"] }] } } } }),
            deployment("shop", "api"),
            deployment("till", "desk"),
        ];
        for object in objects {
            self.apply(&object);
        }
        for namespace in ["shop", "till"] {
            // What controllers give each namespace belongs to how it was before.
            self.wait(Api::namespaced(self.client.clone(), namespace), "default", |account: Option<&ServiceAccount>| {
                account.is_some()
            });
            self.wait(Api::namespaced(self.client.clone(), namespace), "kube-root-ca.crt", |map: Option<&ConfigMap>| {
                map.is_some()
            });
        }
        // What somebody is removing just now would be missed later.
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for namespace in self.runtime.block_on(namespaces.list(&ListParams::default())).unwrap() {
            if namespace.metadata.deletion_timestamp.is_some() {
                let name = namespace.metadata.name.unwrap_or_default();
                self.wait(namespaces.clone(), &name, |namespace: Option<&Namespace>| namespace.is_none());
            }
        }
    }

    fn wait<K, C>(&self, api: Api<K>, name: &str, condition: C)
    where
        K: kube::Resource + Clone + std::fmt::Debug + Send + serde::de::DeserializeOwned + 'static,
        C: Fn(Option<&K>) -> bool,
    {
        self.runtime.block_on(async {
            let seen = kube::runtime::wait::await_condition(api, name, condition);
            assert!(
                tokio::time::timeout(SETTLED_WITHIN, seen).await.is_ok_and(|seen| seen.is_ok()),
                "{name} did not come to rest"
            );
        });
    }

    /// Applies an object as somebody else.
    pub fn apply(&self, object: &Value) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let known = KINDS.iter().find(|known| known.2 == text("/kind")).unwrap();
        let api = self.api(known, &text("/metadata/namespace"));
        let parameters = PatchParams::apply("theirs").force();
        self.runtime.block_on(api.patch(&text("/metadata/name"), &parameters, &Patch::Apply(object))).unwrap();
    }

    fn api(&self, (group, version, kind, plural): &(&str, &str, &str, &str), namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        }
    }

    /// Everything that people wrote. Of the objects in `reborn` the uid may change: their scenario deletes them for a while.
    pub fn snapshot(&self, reborn: &BTreeSet<String>) -> Snapshot {
        let mut snapshot = Snapshot::new();
        for kind in KINDS {
            let listed = self.runtime.block_on(self.api(kind, "").list(&ListParams::default())).unwrap();
            for object in listed {
                let mut object = serde_json::to_value(object).unwrap();
                let metadata = object["metadata"].as_object_mut().unwrap();
                for own in ["managedFields", "resourceVersion", "generation"] {
                    metadata.remove(own);
                }
                let (namespace, name) = (metadata.get("namespace").cloned(), metadata["name"].as_str().unwrap().to_owned());
                if reborn.contains(&name) {
                    metadata.remove("uid");
                    metadata.remove("creationTimestamp");
                }
                if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                    annotations.remove("deployment.kubernetes.io/revision");
                }
                object.as_object_mut().unwrap().remove("status");
                let namespace = namespace.as_ref().and_then(Value::as_str).unwrap_or_default();
                // Kubelets and controllers renew theirs all the time.
                if kind.2 != "Lease" || !matches!(namespace, "kube-node-lease" | "kube-system") {
                    snapshot.insert(format!("{} {namespace}/{name}", kind.2), object);
                }
            }
        }
        snapshot
    }

    /// What is not as before, once controllers have had the time to follow: the taint of a cordoned node is theirs.
    #[expect(clippy::disallowed_methods, reason = "a served cluster is waited for in real time")]
    pub fn differences(&self, before: &Snapshot, reborn: &BTreeSet<String>) -> Vec<String> {
        let until = std::time::Instant::now() + FOLLOWED_WITHIN;
        loop {
            let found = self.differences_now(before, reborn);
            if found.is_empty() || std::time::Instant::now() > until {
                return found;
            }
        }
    }

    fn differences_now(&self, before: &Snapshot, reborn: &BTreeSet<String>) -> Vec<String> {
        let without = |snapshot: &Snapshot| -> Snapshot {
            let mut snapshot = snapshot.clone();
            for (name, object) in &mut snapshot {
                if reborn.iter().any(|reborn| name.ends_with(&format!("/{reborn}"))) {
                    for field in ["uid", "creationTimestamp"] {
                        object["metadata"].as_object_mut().unwrap().remove(field);
                    }
                }
            }
            snapshot
        };
        let (before, after) = (without(before), without(&self.snapshot(reborn)));
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let show = |value: Option<&Value>| value.map_or("absent".to_owned(), ToString::to_string);
        names
            .into_iter()
            .filter(|name| before.get(*name) != after.get(*name))
            .map(|name| format!("{name}\n  was {}\n  is  {}", show(before.get(name)), show(after.get(name))))
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
    }
}

fn options(speed: f64) -> ServeOptions {
    let shape = Profile::default().nodes[0].clone();
    let node = |name: &str| NodeShape { name: name.to_owned(), control_plane: false, ..shape.clone() };
    #[expect(clippy::disallowed_methods, reason = "certificates are valid around the present")]
    let now = jiff::Timestamp::now();
    ServeOptions {
        seed: 1,
        epoch: now,
        profile: Profile { nodes: vec![node("one"), node("two")], ..Profile::default() },
        speed,
        port: 0,
        now,
        notify: Arc::new(|_| {}),
    }
}
