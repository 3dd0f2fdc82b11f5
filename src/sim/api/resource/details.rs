//! What discovery tells of a resource beyond its names: verbs, short names, categories and subresources.
//! One table for all of them.

use super::Resource;

/// A path below an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim::api) struct Subresource {
    /// The last part of the path.
    pub(in crate::sim::api) name: &'static str,
    /// Group, version and kind of its body where they are not the object's own.
    pub(in crate::sim::api) body: Option<(&'static str, &'static str, &'static str)>,
    /// What can be done with it.
    pub(in crate::sim::api) verbs: &'static [&'static str],
}

/// A kind that is answered at once and never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim::api) struct Review {
    /// API group.
    pub(in crate::sim::api) group: &'static str,
    /// Kind.
    pub(in crate::sim::api) kind: &'static str,
    /// Plural name.
    pub(in crate::sim::api) plural: &'static str,
    /// Whether it is asked inside a namespace.
    pub(in crate::sim::api) namespaced: bool,
}

const fn review(group: &'static str, kind: &'static str, plural: &'static str, namespaced: bool) -> Review {
    Review { group, kind, plural, namespaced }
}

/// Every kind that can only be created, all of version v1.
pub(in crate::sim::api) const REVIEWS: &[Review] = &[
    review("", "Binding", "bindings", true),
    review("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", false),
    review("authentication.k8s.io", "TokenReview", "tokenreviews", false),
    review("authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
    review("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
    review("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews", false),
    review("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", false),
];

/// The built-in groups in the order in which discovery lists them.
pub(in crate::sim::api) const GROUPS: &[&str] = &[
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const NAMESPACE_VERBS: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
/// What the simulation does of projects.
const PROJECT_VERBS: &[&str] = &["delete", "get", "list"];
const REQUEST_VERBS: &[&str] = &["create", "list"];
const CHANGE: &[&str] = &["get", "patch", "update"];

const STATUS: Subresource = Subresource { name: "status", body: None, verbs: CHANGE };
const SCALE: Subresource = Subresource { name: "scale", body: Some(("autoscaling", "v1", "Scale")), verbs: CHANGE };

const fn with_body(
    name: &'static str,
    body: (&'static str, &'static str, &'static str),
    verbs: &'static [&'static str],
) -> Subresource {
    Subresource { name, body: Some(body), verbs }
}

const fn own(name: &'static str, verbs: &'static [&'static str]) -> Subresource {
    Subresource { name, body: None, verbs }
}

const POD: &[Subresource] = &[
    with_body("attach", ("", "v1", "PodAttachOptions"), &["create", "get"]),
    with_body("binding", ("", "v1", "Binding"), &["create"]),
    own("ephemeralcontainers", CHANGE),
    with_body("eviction", ("policy", "v1", "Eviction"), &["create"]),
    with_body("exec", ("", "v1", "PodExecOptions"), &["create", "get"]),
    own("log", &["get"]),
    with_body("portforward", ("", "v1", "PodPortForwardOptions"), &["create", "get"]),
    own("resize", CHANGE),
    STATUS,
];
const NAMESPACE: &[Subresource] = &[own("finalize", &["update"]), STATUS];
const CERTIFICATE: &[Subresource] = &[own("approval", CHANGE), STATUS];
const SERVICE_ACCOUNT: &[Subresource] = &[with_body("token", ("authentication.k8s.io", "v1", "TokenRequest"), &["create"])];

impl Resource {
    /// What can be done with its objects.
    pub(in crate::sim::api) fn verbs(&self) -> &'static [&'static str] {
        match (self.group, self.kind) {
            ("", "Namespace") => NAMESPACE_VERBS,
            ("project.openshift.io", "Project") => PROJECT_VERBS,
            ("project.openshift.io", "ProjectRequest") => REQUEST_VERBS,
            _ => ALL_VERBS,
        }
    }

    /// The subresources of a built-in kind.
    pub(in crate::sim::api) fn subresources(&self) -> &'static [Subresource] {
        match self.kind {
            _ if !self.is_built_in() => &[],
            "Pod" => POD,
            "Namespace" => NAMESPACE,
            "ServiceAccount" => SERVICE_ACCOUNT,
            "CertificateSigningRequest" => CERTIFICATE,
            "Deployment" | "ReplicaSet" | "StatefulSet" | "ReplicationController" => &[SCALE, STATUS],
            "Node"
            | "PersistentVolumeClaim"
            | "PersistentVolume"
            | "ResourceQuota"
            | "Service"
            | "APIService"
            | "DaemonSet"
            | "HorizontalPodAutoscaler"
            | "CronJob"
            | "Job"
            | "Ingress"
            | "ServiceCIDR"
            | "PodDisruptionBudget"
            | "VolumeAttachment"
            | "ValidatingAdmissionPolicy"
            | "CustomResourceDefinition"
            | "ResourceClaim"
            | "FlowSchema"
            | "PriorityLevelConfiguration" => &[STATUS],
            _ => &[],
        }
    }

    /// The short names of a built-in kind.
    pub(in crate::sim::api) fn short_names(&self) -> &'static [&'static str] {
        match self.kind {
            _ if !self.is_built_in() => &[],
            "CertificateSigningRequest" => &["csr"],
            "ConfigMap" => &["cm"],
            "CronJob" => &["cj"],
            "CustomResourceDefinition" => &["crd", "crds"],
            "DaemonSet" => &["ds"],
            "Deployment" => &["deploy"],
            "Endpoints" => &["ep"],
            "Event" => &["ev"],
            "HorizontalPodAutoscaler" => &["hpa"],
            "IPAddress" => &["ip"],
            "Ingress" => &["ing"],
            "LimitRange" => &["limits"],
            "Namespace" => &["ns"],
            "NetworkPolicy" => &["netpol"],
            "Node" => &["no"],
            "PersistentVolume" => &["pv"],
            "PersistentVolumeClaim" => &["pvc"],
            "Pod" => &["po"],
            "PodDisruptionBudget" => &["pdb"],
            "PriorityClass" => &["pc"],
            "ReplicaSet" => &["rs"],
            "ReplicationController" => &["rc"],
            "ResourceQuota" => &["quota"],
            "Service" => &["svc"],
            "ServiceAccount" => &["sa"],
            "StatefulSet" => &["sts"],
            "StorageClass" => &["sc"],
            "VolumeAttributesClass" => &["vac"],
            _ => &[],
        }
    }

    /// The categories of a built-in kind: the groups of kinds that `kubectl get <category>` shows together.
    pub(in crate::sim::api) fn categories(&self) -> &'static [&'static str] {
        match self.kind {
            _ if !self.is_built_in() => &[],
            "Pod"
            | "Service"
            | "ReplicationController"
            | "Deployment"
            | "ReplicaSet"
            | "StatefulSet"
            | "DaemonSet"
            | "Job"
            | "CronJob"
            | "HorizontalPodAutoscaler" => &["all"],
            "APIService" | "CustomResourceDefinition" => &["api-extensions"],
            _ if self.group == "admissionregistration.k8s.io" => &["api-extensions"],
            _ => &[],
        }
    }

    /// The other versions of a built-in kind's group that serve its objects, after its own in preference.
    pub(in crate::sim::api) fn other_versions(&self) -> &'static [&'static str] {
        if self.is_built_in() && self.kind == "HorizontalPodAutoscaler" { &["v1"] } else { &[] }
    }
}
