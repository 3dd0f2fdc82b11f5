//! The resources that the simulation serves: group, version, kind, plural and what applies to them.
//! No behaviour lives here.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// One served resource. Compare and hash by value; the built-in ones are the constants of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural name, as in URLs.
    pub plural: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// How the simulation treats it.
    pub service: Service,
}

/// How far the simulation goes for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Stored, served, and acted upon by a controller, scheduler or kubelet, as far as Kubernetes would.
    Simulated,
    /// Stored and served; nothing in Kubernetes' core would act on it by itself.
    Plain,
    /// Stored and served, but Kubernetes would act on it and the simulation does not: a [`super::super::limits::Limit`].
    Unsimulated,
}

use Service::{Plain, Simulated, Unsimulated};

const fn new(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    service: Service,
) -> Resource {
    Resource { group, version, kind, plural, namespaced, service }
}

macro_rules! resources {
    ($($(#[$doc:meta])* $name:ident = ($group:literal, $version:literal, $kind:literal, $plural:literal, $namespaced:literal, $service:ident);)*) => {
        $($(#[$doc])* pub const $name: Resource = new($group, $version, $kind, $plural, $namespaced, $service);)*
        /// Every built-in resource, in order of discovery.
        pub const ALL: &[Resource] = &[$($name),*];
    };
}

resources! {
    /// core/v1 `Namespace`
    NAMESPACES = ("", "v1", "Namespace", "namespaces", false, Simulated);
    /// core/v1 `Node`
    NODES = ("", "v1", "Node", "nodes", false, Simulated);
    /// core/v1 `Pod`
    PODS = ("", "v1", "Pod", "pods", true, Simulated);
    /// core/v1 `ConfigMap`
    CONFIG_MAPS = ("", "v1", "ConfigMap", "configmaps", true, Simulated);
    /// core/v1 `Secret`
    SECRETS = ("", "v1", "Secret", "secrets", true, Simulated);
    /// core/v1 `Service`
    SERVICES = ("", "v1", "Service", "services", true, Simulated);
    /// core/v1 `ServiceAccount`
    SERVICE_ACCOUNTS = ("", "v1", "ServiceAccount", "serviceaccounts", true, Simulated);
    /// core/v1 `Event` (events.k8s.io/v1 serves the same objects)
    EVENTS = ("", "v1", "Event", "events", true, Simulated);
    /// core/v1 `ResourceQuota`
    RESOURCE_QUOTAS = ("", "v1", "ResourceQuota", "resourcequotas", true, Simulated);
    /// core/v1 `LimitRange`
    LIMIT_RANGES = ("", "v1", "LimitRange", "limitranges", true, Unsimulated);
    /// core/v1 `PersistentVolumeClaim`
    PERSISTENT_VOLUME_CLAIMS = ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, Unsimulated);
    /// core/v1 `PersistentVolume`
    PERSISTENT_VOLUMES = ("", "v1", "PersistentVolume", "persistentvolumes", false, Unsimulated);
    /// core/v1 `ReplicationController`
    REPLICATION_CONTROLLERS = ("", "v1", "ReplicationController", "replicationcontrollers", true, Simulated);
    /// apps/v1 `Deployment`
    DEPLOYMENTS = ("apps", "v1", "Deployment", "deployments", true, Simulated);
    /// apps/v1 `ReplicaSet`
    REPLICA_SETS = ("apps", "v1", "ReplicaSet", "replicasets", true, Simulated);
    /// apps/v1 `StatefulSet`
    STATEFUL_SETS = ("apps", "v1", "StatefulSet", "statefulsets", true, Simulated);
    /// apps/v1 `DaemonSet`
    DAEMON_SETS = ("apps", "v1", "DaemonSet", "daemonsets", true, Unsimulated);
    /// apps/v1 `ControllerRevision`
    CONTROLLER_REVISIONS = ("apps", "v1", "ControllerRevision", "controllerrevisions", true, Simulated);
    /// batch/v1 `Job`
    JOBS = ("batch", "v1", "Job", "jobs", true, Unsimulated);
    /// batch/v1 `CronJob`
    CRON_JOBS = ("batch", "v1", "CronJob", "cronjobs", true, Unsimulated);
    /// autoscaling/v2 `HorizontalPodAutoscaler`
    HORIZONTAL_POD_AUTOSCALERS = ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true, Unsimulated);
    /// policy/v1 `PodDisruptionBudget`
    POD_DISRUPTION_BUDGETS = ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true, Unsimulated);
    /// networking.k8s.io/v1 `NetworkPolicy`
    NETWORK_POLICIES = ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true, Unsimulated);
    /// networking.k8s.io/v1 `Ingress`
    INGRESSES = ("networking.k8s.io", "v1", "Ingress", "ingresses", true, Unsimulated);
    /// discovery.k8s.io/v1 `EndpointSlice`
    ENDPOINT_SLICES = ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true, Simulated);
    /// coordination.k8s.io/v1 `Lease`
    LEASES = ("coordination.k8s.io", "v1", "Lease", "leases", true, Simulated);
    /// rbac.authorization.k8s.io/v1 `Role`
    ROLES = ("rbac.authorization.k8s.io", "v1", "Role", "roles", true, Plain);
    /// rbac.authorization.k8s.io/v1 `RoleBinding`
    ROLE_BINDINGS = ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", true, Plain);
    /// rbac.authorization.k8s.io/v1 `ClusterRole`
    CLUSTER_ROLES = ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false, Plain);
    /// rbac.authorization.k8s.io/v1 `ClusterRoleBinding`
    CLUSTER_ROLE_BINDINGS = ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", false, Plain);
    /// storage.k8s.io/v1 `StorageClass`
    STORAGE_CLASSES = ("storage.k8s.io", "v1", "StorageClass", "storageclasses", false, Plain);
    /// scheduling.k8s.io/v1 `PriorityClass`
    PRIORITY_CLASSES = ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", false, Plain);
}

/// The built-in resource of an apiVersion and kind, as a manifest names them.
#[must_use]
pub fn by_kind(api_version: &str, kind: &str) -> Option<Resource> {
    ALL.iter().copied().find(|resource| resource.kind == kind && resource.api_version() == api_version)
}

/// The one copy of a name of a learnt kind. Names are never freed; there are as many as kinds.
pub(super) fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let leaked: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(leaked);
    leaked
}

impl Resource {
    /// Whether objects count their spec changes in `metadata.generation`.
    #[must_use]
    pub fn has_generation(&self) -> bool {
        const COUNTED: &[&str] = &[
            "Pod",
            "Deployment",
            "ReplicaSet",
            "StatefulSet",
            "DaemonSet",
            "Job",
            "CronJob",
            "PodDisruptionBudget",
            "NetworkPolicy",
            "Ingress",
            "EndpointSlice",
            "ReplicationController",
            "PriorityClass",
        ];
        COUNTED.contains(&self.kind) || !ALL.contains(self)
    }

    /// Whether `/status` exists beside the object itself.
    #[must_use]
    pub fn has_status(&self) -> bool {
        const STATELESS: &[&str] = &[
            "ConfigMap",
            "Secret",
            "ServiceAccount",
            "Event",
            "LimitRange",
            "EndpointSlice",
            "Lease",
            "Role",
            "RoleBinding",
            "ClusterRole",
            "ClusterRoleBinding",
            "StorageClass",
            "PriorityClass",
            "NetworkPolicy",
            "ControllerRevision",
        ];
        ALL.contains(self) && !STATELESS.contains(&self.kind)
    }

    /// Whether `/scale` exists.
    #[must_use]
    pub fn has_scale(&self) -> bool {
        ["Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"].contains(&self.kind)
    }

    /// `v1` or `group/version`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`, as errors name it.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}
