//! The resources that the simulation serves: group, version, kind, plural and what applies to them.
//! No behaviour lives here; short names, categories and subresources are in `resource/details`.

mod details;

pub(super) use details::{GROUPS, REVIEWS};
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
    /// Not built in: stored and served as its `CustomResourceDefinition` says, or as its first object showed.
    Custom,
}

use Service::{Custom, Plain, Simulated, Unsimulated};

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
    LIMIT_RANGES = ("", "v1", "LimitRange", "limitranges", true, Simulated);
    /// core/v1 `PersistentVolumeClaim`
    PERSISTENT_VOLUME_CLAIMS = ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, Simulated);
    /// core/v1 `PersistentVolume`
    PERSISTENT_VOLUMES = ("", "v1", "PersistentVolume", "persistentvolumes", false, Simulated);
    /// core/v1 `ReplicationController`
    REPLICATION_CONTROLLERS = ("", "v1", "ReplicationController", "replicationcontrollers", true, Simulated);
    /// apps/v1 `Deployment`
    DEPLOYMENTS = ("apps", "v1", "Deployment", "deployments", true, Simulated);
    /// apps/v1 `ReplicaSet`
    REPLICA_SETS = ("apps", "v1", "ReplicaSet", "replicasets", true, Simulated);
    /// apps/v1 `StatefulSet`
    STATEFUL_SETS = ("apps", "v1", "StatefulSet", "statefulsets", true, Simulated);
    /// apps/v1 `DaemonSet`
    DAEMON_SETS = ("apps", "v1", "DaemonSet", "daemonsets", true, Simulated);
    /// apps/v1 `ControllerRevision`
    CONTROLLER_REVISIONS = ("apps", "v1", "ControllerRevision", "controllerrevisions", true, Simulated);
    /// batch/v1 `Job`
    JOBS = ("batch", "v1", "Job", "jobs", true, Simulated);
    /// batch/v1 `CronJob`
    CRON_JOBS = ("batch", "v1", "CronJob", "cronjobs", true, Simulated);
    /// autoscaling/v2 `HorizontalPodAutoscaler`
    HORIZONTAL_POD_AUTOSCALERS = ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true, Simulated);
    /// policy/v1 `PodDisruptionBudget`
    POD_DISRUPTION_BUDGETS = ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true, Simulated);
    /// networking.k8s.io/v1 `NetworkPolicy`
    NETWORK_POLICIES = ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true, Simulated);
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
    /// core/v1 `Endpoints`
    ENDPOINTS = ("", "v1", "Endpoints", "endpoints", true, Simulated);
    /// core/v1 `PodTemplate`
    POD_TEMPLATES = ("", "v1", "PodTemplate", "podtemplates", true, Plain);
    /// certificates.k8s.io/v1 `CertificateSigningRequest`
    CERTIFICATE_SIGNING_REQUESTS = ("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", false, Unsimulated);
    /// networking.k8s.io/v1 `IngressClass`
    INGRESS_CLASSES = ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", false, Plain);
    /// networking.k8s.io/v1 `IPAddress`
    IP_ADDRESSES = ("networking.k8s.io", "v1", "IPAddress", "ipaddresses", false, Plain);
    /// networking.k8s.io/v1 `ServiceCIDR`
    SERVICE_CIDRS = ("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", false, Unsimulated);
    /// storage.k8s.io/v1 `CSIDriver`
    CSI_DRIVERS = ("storage.k8s.io", "v1", "CSIDriver", "csidrivers", false, Plain);
    /// storage.k8s.io/v1 `CSINode`
    CSI_NODES = ("storage.k8s.io", "v1", "CSINode", "csinodes", false, Plain);
    /// storage.k8s.io/v1 `CSIStorageCapacity`
    CSI_STORAGE_CAPACITIES = ("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities", true, Plain);
    /// storage.k8s.io/v1 `VolumeAttachment`
    VOLUME_ATTACHMENTS = ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", false, Unsimulated);
    /// storage.k8s.io/v1 `VolumeAttributesClass`
    VOLUME_ATTRIBUTES_CLASSES = ("storage.k8s.io", "v1", "VolumeAttributesClass", "volumeattributesclasses", false, Plain);
    /// admissionregistration.k8s.io/v1 `MutatingAdmissionPolicy`
    MUTATING_ADMISSION_POLICIES = ("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", false, Unsimulated);
    /// admissionregistration.k8s.io/v1 `MutatingAdmissionPolicyBinding`
    MUTATING_ADMISSION_POLICY_BINDINGS = ("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", false, Unsimulated);
    /// admissionregistration.k8s.io/v1 `MutatingWebhookConfiguration`
    MUTATING_WEBHOOK_CONFIGURATIONS = ("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", false, Unsimulated);
    /// admissionregistration.k8s.io/v1 `ValidatingAdmissionPolicy`
    VALIDATING_ADMISSION_POLICIES = ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false, Unsimulated);
    /// admissionregistration.k8s.io/v1 `ValidatingAdmissionPolicyBinding`
    VALIDATING_ADMISSION_POLICY_BINDINGS = ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", false, Unsimulated);
    /// admissionregistration.k8s.io/v1 `ValidatingWebhookConfiguration`
    VALIDATING_WEBHOOK_CONFIGURATIONS = ("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", false, Unsimulated);
    /// apiextensions.k8s.io/v1 `CustomResourceDefinition`
    CUSTOM_RESOURCE_DEFINITIONS = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false, Simulated);
    /// apiregistration.k8s.io/v1 `APIService`
    API_SERVICES = ("apiregistration.k8s.io", "v1", "APIService", "apiservices", false, Unsimulated);
    /// node.k8s.io/v1 `RuntimeClass`
    RUNTIME_CLASSES = ("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", false, Unsimulated);
    /// resource.k8s.io/v1 `DeviceClass`
    DEVICE_CLASSES = ("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", false, Unsimulated);
    /// resource.k8s.io/v1 `ResourceClaim`
    RESOURCE_CLAIMS = ("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", true, Unsimulated);
    /// resource.k8s.io/v1 `ResourceClaimTemplate`
    RESOURCE_CLAIM_TEMPLATES = ("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates", true, Unsimulated);
    /// resource.k8s.io/v1 `ResourceSlice`
    RESOURCE_SLICES = ("resource.k8s.io", "v1", "ResourceSlice", "resourceslices", false, Unsimulated);
    /// flowcontrol.apiserver.k8s.io/v1 `FlowSchema`
    FLOW_SCHEMAS = ("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas", false, Plain);
    /// flowcontrol.apiserver.k8s.io/v1 `PriorityLevelConfiguration`
    PRIORITY_LEVEL_CONFIGURATIONS = ("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations", false, Plain);
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
    /// Whether Kubernetes itself brings the resource.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.service != Custom
    }

    /// Whether objects count their spec changes in `metadata.generation`.
    #[must_use]
    pub fn has_generation(&self) -> bool {
        const COUNTED: &[&str] = &[
            "Pod",
            "PodTemplate",
            "Deployment",
            "ReplicaSet",
            "StatefulSet",
            "DaemonSet",
            "Job",
            "CronJob",
            "PodDisruptionBudget",
            "NetworkPolicy",
            "Ingress",
            "IngressClass",
            "EndpointSlice",
            "ReplicationController",
            "PriorityClass",
            "ResourceSlice",
            "DeviceClass",
            "FlowSchema",
            "PriorityLevelConfiguration",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
            "CustomResourceDefinition",
        ];
        !self.is_built_in() || COUNTED.contains(&self.kind)
    }

    /// Whether `/status` exists beside the object itself. A custom kind's versions say so themselves.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.is_built_in() && self.subresources().iter().any(|subresource| subresource.name == "status")
    }

    /// Whether `/scale` exists. A custom kind's versions say so themselves.
    #[must_use]
    pub fn has_scale(&self) -> bool {
        self.is_built_in() && self.subresources().iter().any(|subresource| subresource.name == "scale")
    }

    /// `v1` or `group/version`.
    #[must_use]
    pub fn api_version(&self) -> String {
        group_version(self.group, self.version)
    }

    /// `pods` or `deployments.apps`, as errors name it.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// A group and a version as `apiVersion` writes them.
#[must_use]
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}
