//! Kinds of objects and how to reach them: Kubernetes' own by a table, all others by the server's discovery.
//! What is done with the objects lives with the callers.

use super::request::{REQUEST_BUDGET, RequestError, retried};
use kube::api::{Api, DynamicObject};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiResource, Discovery, Scope};

/// A kind that the server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// Kind, group, version, plural, whether namespaced.
const KNOWN: &[(&str, &str, &str, &str, bool)] = &[
    ("ConfigMap", "", "v1", "configmaps", true),
    ("Endpoints", "", "v1", "endpoints", true),
    ("Event", "", "v1", "events", true),
    ("LimitRange", "", "v1", "limitranges", true),
    ("ClusterOperator", "config.openshift.io", "v1", "clusteroperators", false),
    ("ClusterVersion", "config.openshift.io", "v1", "clusterversions", false),
    ("MachineConfigPool", "machineconfiguration.openshift.io", "v1", "machineconfigpools", false),
    ("Namespace", "", "v1", "namespaces", false),
    ("Node", "", "v1", "nodes", false),
    ("PersistentVolume", "", "v1", "persistentvolumes", false),
    ("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", true),
    ("Pod", "", "v1", "pods", true),
    ("ReplicationController", "", "v1", "replicationcontrollers", true),
    ("ResourceQuota", "", "v1", "resourcequotas", true),
    ("Secret", "", "v1", "secrets", true),
    ("Service", "", "v1", "services", true),
    ("ServiceAccount", "", "v1", "serviceaccounts", true),
    ("ControllerRevision", "apps", "v1", "controllerrevisions", true),
    ("DaemonSet", "apps", "v1", "daemonsets", true),
    ("Deployment", "apps", "v1", "deployments", true),
    ("ReplicaSet", "apps", "v1", "replicasets", true),
    ("StatefulSet", "apps", "v1", "statefulsets", true),
    ("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers", true),
    ("CronJob", "batch", "v1", "cronjobs", true),
    ("Job", "batch", "v1", "jobs", true),
    ("Lease", "coordination.k8s.io", "v1", "leases", true),
    ("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices", true),
    ("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", true),
    ("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets", true),
    ("Role", "rbac.authorization.k8s.io", "v1", "roles", true),
    ("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings", true),
    ("ClusterRole", "rbac.authorization.k8s.io", "v1", "clusterroles", false),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io", "v1", "clusterrolebindings", false),
];

impl Kind {
    /// A namespace as OpenShift shows it to its users. Not in the table: other groups have kinds of these names.
    #[must_use]
    pub fn project() -> Self {
        Self::of_openshift("project", "Project", "projects", false)
    }

    /// What OpenShift makes a namespace of, for users who may create none.
    #[must_use]
    pub fn project_request() -> Self {
        Self::of_openshift("project", "ProjectRequest", "projectrequests", false)
    }

    /// Images by name in an OpenShift namespace.
    #[must_use]
    pub fn image_stream() -> Self {
        Self::of_openshift("image", "ImageStream", "imagestreams", true)
    }

    fn of_openshift(group: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        let group = format!("{group}.openshift.io");
        let resource = ApiResource {
            api_version: format!("{group}/v1"),
            group,
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        Self { resource, namespaced }
    }

    /// Whether one of Kubernetes' own resources lies in the whole cluster; others are taken to lie in namespaces.
    #[must_use]
    pub fn is_of_the_cluster(group: &str, plural: &str) -> bool {
        let known = KNOWN.iter().find(|known| known.1 == group && known.3 == plural);
        known.is_some_and(|known| !known.4) || group == "project.openshift.io"
    }

    /// One of Kubernetes' own kinds, without asking a server; `None` for others and for other versions of them.
    #[must_use]
    pub fn known(api_version: Option<&str>, kind: &str) -> Option<Self> {
        let (kind, group, version, plural, namespaced) = KNOWN.iter().find(|known| known.0 == kind)?;
        let own = if group.is_empty() { (*version).to_owned() } else { format!("{group}/{version}") };
        if api_version.is_some_and(|asked| asked != own) {
            return None;
        }
        let resource = ApiResource {
            group: (*group).to_owned(),
            version: (*version).to_owned(),
            api_version: own,
            kind: (*kind).to_owned(),
            plural: (*plural).to_owned(),
        };
        Some(Self { resource, namespaced: *namespaced })
    }

    /// The objects of this kind: those of `namespace`, or all of a cluster-scoped kind.
    #[must_use]
    pub fn api(&self, client: &kube::Client, namespace: &str) -> Api<DynamicObject> {
        if self.namespaced {
            Api::namespaced_with(client.clone(), namespace, &self.resource)
        } else {
            Api::all_with(client.clone(), &self.resource)
        }
    }
}

/// Finds a kind, with the help of the server's discovery where it is not one of Kubernetes' own.
///
/// # Errors
/// The server does not serve such a kind, or cannot be asked.
pub async fn resolve(client: &kube::Client, api_version: Option<&str>, kind: &str) -> Result<Kind, RequestError> {
    if let Some(known) = Kind::known(api_version, kind) {
        return Ok(known);
    }
    let what = format!("looking up kind {kind}");
    let found = if let Some(api_version) = api_version {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let wanted = GroupVersionKind::gvk(group, version, kind);
        match retried(&what, REQUEST_BUDGET, || kube::discovery::pinned_kind(client, &wanted)).await {
            Ok(found) => Some(found),
            Err(error) if error.is_not_found() || error.message.contains("Missing") => None,
            Err(error) => return Err(error),
        }
    } else {
        let discovery = retried(&what, REQUEST_BUDGET, || Discovery::new(client.clone()).run()).await?;
        discovery.groups_alphabetical().into_iter().find_map(|group| group.recommended_kind(kind))
    };
    let Some((resource, capabilities)) = found else {
        let asked = api_version.map_or_else(|| kind.to_owned(), |version| format!("{kind} of {version}"));
        return Err(RequestError::of(
            &what,
            format!("the cluster does not serve {asked}; is its CustomResourceDefinition installed and the name right?"),
        ));
    };
    Ok(Kind { resource, namespaced: capabilities.scope == Scope::Namespaced })
}

/// Finds the kind of a whole object by its `apiVersion` and `kind`.
///
/// # Errors
/// As [`resolve`]; also when the object names no kind.
pub async fn of_object(client: &kube::Client, object: &serde_json::Value) -> Result<Kind, RequestError> {
    let field = |name: &str| object.get(name).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
    match (field("apiVersion"), field("kind")) {
        (Some(api_version), Some(kind)) => resolve(client, Some(api_version), kind).await,
        _ => Err(RequestError::of("reading a manifest", "an object needs an apiVersion and a kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_own_kinds_need_no_server() {
        let deployment = Kind::known(None, "Deployment").unwrap();
        assert_eq!((deployment.resource.api_version.as_str(), deployment.namespaced), ("apps/v1", true));
        assert_eq!(Kind::known(Some("apps/v1"), "Deployment"), Some(deployment));
        assert_eq!(Kind::known(Some("apps/v1beta1"), "Deployment"), None);
        assert_eq!(Kind::known(None, "Certificate"), None);
    }

    #[test]
    fn the_table_agrees_with_the_generated_types() {
        use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace, discovery::v1::EndpointSlice};
        for (resource, kind) in [
            (ApiResource::erase::<Deployment>(&()), "Deployment"),
            (ApiResource::erase::<Namespace>(&()), "Namespace"),
            (ApiResource::erase::<EndpointSlice>(&()), "EndpointSlice"),
        ] {
            assert_eq!(Kind::known(None, kind).unwrap().resource, resource);
        }
    }
}
