//! Discovery: which groups, versions, resources, verbs and subresources are served, in both of the server's forms.
//! Built from the resources alone.

use super::event;
use super::resource::Resource;
use serde_json::{Value, json};

const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const CHANGE_VERBS: &[&str] = &["get", "patch", "update"];

/// (subresource, group, version, kind, verbs).
type Subresource = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

/// The kinds beside the stored ones: (group, version, kind, plural, namespaced).
const REVIEWS: (&str, &str, &str, &str) = ("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews");

fn subresources(resource: Resource) -> Vec<Subresource> {
    let mut all: Vec<Subresource> = Vec::new();
    if resource.kind == "Pod" {
        all.push(("binding", "", "v1", "Binding", &["create"]));
        all.push(("eviction", "policy", "v1", "Eviction", &["create"]));
        all.push(("exec", "", "v1", "PodExecOptions", &["create", "get"]));
        all.push(("log", "", "v1", "Pod", &["get"]));
    }
    if resource.kind == "Namespace" {
        all.push(("finalize", "", "v1", "Namespace", &["update"]));
    }
    if resource.has_scale() {
        all.push(("scale", "autoscaling", "v1", "Scale", CHANGE_VERBS));
    }
    if resource.has_status() {
        all.push(("status", resource.group, resource.version, resource.kind, CHANGE_VERBS));
    }
    all
}

fn short_names(resource: Resource) -> &'static [&'static str] {
    match resource.kind {
        "ConfigMap" => &["cm"],
        "CronJob" => &["cj"],
        "DaemonSet" => &["ds"],
        "Deployment" => &["deploy"],
        "Event" => &["ev"],
        "HorizontalPodAutoscaler" => &["hpa"],
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
        _ => &[],
    }
}

fn is_in_all(resource: Resource) -> bool {
    [
        "Pod",
        "Service",
        "ReplicationController",
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
        "HorizontalPodAutoscaler",
    ]
    .contains(&resource.kind)
}

/// A group's name with its versions and their resources.
type Group = (String, Vec<(String, Vec<Resource>)>);

/// Each group with its versions and their resources, in order.
fn groups(resources: &[Resource]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let events = resources.iter().find(|resource| resource.kind == "Event" && resource.group.is_empty());
    let shared = events.map(|events| Resource { group: event::GROUP, ..*events });
    for resource in resources.iter().copied().chain(shared) {
        let group = if let Some(place) = groups.iter().position(|(name, _)| name == resource.group) {
            place
        } else {
            groups.push((resource.group.to_owned(), Vec::new()));
            groups.len() - 1
        };
        let versions = &mut groups[group].1;
        match versions.iter_mut().find(|(version, _)| version == resource.version) {
            Some((_, list)) => list.push(resource),
            None => versions.push((resource.version.to_owned(), vec![resource])),
        }
    }
    groups
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// What `/api` says.
pub(super) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// What `/apis` says.
pub(super) fn group_list(resources: &[Resource]) -> Value {
    let mut shown: Vec<Value> = groups(resources)
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, versions)| group(name, &versions.iter().map(|(version, _)| version.as_str()).collect::<Vec<_>>()))
        .collect();
    shown.push(group(REVIEWS.0, &[REVIEWS.1]));
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": shown})
}

/// What `/apis/<group>` says.
pub(super) fn one_group(resources: &[Resource], name: &str) -> Option<Value> {
    let list = group_list(resources);
    let mut found = list["groups"].as_array()?.iter().find(|group| group["name"] == name)?.clone();
    found["kind"] = json!("APIGroup");
    found["apiVersion"] = json!("v1");
    Some(found)
}

fn group(name: &str, versions: &[&str]) -> Value {
    let shown: Vec<Value> =
        versions.iter().map(|version| json!({"groupVersion": group_version(name, version), "version": version})).collect();
    json!({"name": name, "preferredVersion": shown.first(), "versions": shown})
}

/// What `/api/v1` and `/apis/<group>/<version>` say.
pub(super) fn resource_list(resources: &[Resource], group: &str, version: &str) -> Option<Value> {
    let mut shown: Vec<Value> = Vec::new();
    if (group, version) == (REVIEWS.0, REVIEWS.1) {
        shown.push(json!({
            "name": REVIEWS.3, "singularName": REVIEWS.2.to_lowercase(), "namespaced": false, "kind": REVIEWS.2, "verbs": ["create"],
        }));
    }
    let all = groups(resources);
    let served =
        all.iter().find(|(name, _)| name == group).and_then(|(_, versions)| versions.iter().find(|(name, _)| name == version));
    for resource in served.map(|(_, list)| list.as_slice()).unwrap_or_default() {
        let mut entry = json!({
            "name": resource.plural, "singularName": resource.kind.to_lowercase(), "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": VERBS,
        });
        if !short_names(*resource).is_empty() {
            entry["shortNames"] = json!(short_names(*resource));
        }
        if is_in_all(*resource) {
            entry["categories"] = json!(["all"]);
        }
        shown.push(entry);
        for (name, group, version, kind, verbs) in subresources(*resource) {
            let mut entry = json!({
                "name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced, "kind": kind,
                "verbs": verbs,
            });
            if (group, version) != (resource.group, resource.version) {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            shown.push(entry);
        }
    }
    let list =
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version(group, version), "resources": shown});
    (!shown.is_empty()).then_some(list)
}

/// The aggregated form of `/api` (`core`) or `/apis`.
pub(super) fn aggregated(resources: &[Resource], core: bool) -> Value {
    let mut items: Vec<Value> = Vec::new();
    for (name, versions) in groups(resources).iter().filter(|(name, _)| name.is_empty() == core) {
        let versions: Vec<Value> = versions
            .iter()
            .map(|(version, list)| json!({"version": version, "freshness": "Current", "resources": list.iter().map(|r| described(*r)).collect::<Vec<_>>()}))
            .collect();
        items.push(json!({"metadata": if core { json!({}) } else { json!({"name": name}) }, "versions": versions}));
    }
    if !core {
        let (group, version, kind, plural) = REVIEWS;
        items.push(json!({"metadata": {"name": group}, "versions": [{"version": version, "freshness": "Current", "resources": [{
            "resource": plural, "responseKind": {"group": group, "version": version, "kind": kind}, "scope": "Cluster",
            "singularResource": kind.to_lowercase(), "verbs": ["create"],
        }]}]}));
    }
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn described(resource: Resource) -> Value {
    let mut shown = json!({
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.kind.to_lowercase(), "verbs": VERBS,
    });
    if !short_names(resource).is_empty() {
        shown["shortNames"] = json!(short_names(resource));
    }
    if is_in_all(resource) {
        shown["categories"] = json!(["all"]);
    }
    let inner: Vec<Value> = subresources(resource)
        .into_iter()
        .map(|(name, group, version, kind, verbs)| {
            json!({"subresource": name, "responseKind": {"group": group, "version": version, "kind": kind}, "verbs": verbs})
        })
        .collect();
    if !inner.is_empty() {
        shown["subresources"] = json!(inner);
    }
    shown
}
