//! Rules of the roles that every cluster has, and of roles of one's own.

use super::*;
use crate::sim::clock::Clock;
use crate::sim::random::Random;
use rstest::rstest;
use std::sync::Arc;

fn server() -> Arc<ApiServer> {
    let api = ApiServer::new(Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()), Random::new(1));
    bootstrap::create(&api).unwrap();
    api
}

fn wanted(text: &str) -> Attributes {
    let words: Vec<&str> = text.split(' ').collect();
    let [verb, group, resource, namespace, name] = words[..] else { unreachable!("{text}") };
    let word = |word: &str| if word == "-" { String::new() } else { word.to_owned() };
    if resource.starts_with('/') {
        return Attributes { verb: word(verb), path: resource.to_owned(), ..Attributes::default() };
    }
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Attributes {
        verb: word(verb),
        group: word(group),
        resource: word(resource),
        subresource: subresource.to_owned(),
        name: word(name),
        namespace: word(namespace),
        path: String::new(),
    }
}

fn bind(api: &ApiServer, kind: &str, role: &str, namespace: &str, subject: Value) {
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role});
    let resource = if namespace.is_empty() { CLUSTER_ROLE_BINDINGS } else { ROLE_BINDINGS };
    let binding = json!({"metadata": {"name": "mine"}, "roleRef": reference, "subjects": [subject]});
    api.create(resource, namespace, binding).unwrap();
}

#[rstest]
#[case("view", "list - pods shop -", true)]
#[case("view", "get - pods/log shop web", true)]
#[case("view", "get - secrets shop -", false)]
#[case("view", "create apps deployments shop -", false)]
#[case("view", "list - pods other -", false)]
#[case("view", "list - pods - -", false)]
#[case("view", "list - nodes - -", false)]
#[case("edit", "create apps deployments shop -", true)]
#[case("edit", "create - pods/exec shop web", true)]
#[case("edit", "create rbac.authorization.k8s.io roles shop -", false)]
#[case("admin", "create rbac.authorization.k8s.io roles shop -", true)]
#[case("cluster-admin", "delete anything.io things shop x", true)]
#[tokio::test(start_paused = true)]
async fn bootstrap_roles_in_a_namespace(#[case] role: &str, #[case] asked: &str, #[case] expected: bool) {
    let api = server();
    bind(&api, "ClusterRole", role, "shop", json!({"kind": "ServiceAccount", "name": "bob"}));
    let bob = User::new("system:serviceaccount:shop:bob", &["system:serviceaccounts"]);
    let reason = allowed(&api, &bob, &wanted(asked));
    assert_eq!(reason.is_some(), expected, "{reason:?}");
    if let Some(reason) = reason {
        assert_eq!(
            reason,
            format!("RBAC: allowed by RoleBinding \"mine/shop\" of ClusterRole \"{role}\" to ServiceAccount \"bob/shop\"")
        );
    }
    assert_eq!(allowed(&api, &User::new("joe", &[]), &wanted(asked)), None);
}

#[rstest]
#[case("get - /healthz - -", true, true)]
#[case("get - /version - -", true, true)]
#[case("get - /api - -", false, true)]
#[case("get - /apis/apps/v1 - -", false, true)]
#[case("get - /metrics - -", false, false)]
#[case("create authorization.k8s.io selfsubjectaccessreviews - -", false, true)]
#[case("list - pods - -", false, false)]
#[tokio::test(start_paused = true)]
async fn what_everybody_may(#[case] asked: &str, #[case] anonymous: bool, #[case] authenticated: bool) {
    let api = server();
    assert_eq!(allowed(&api, &User::anonymous(), &wanted(asked)).is_some(), anonymous);
    assert_eq!(allowed(&api, &User::new("joe", &[]), &wanted(asked)).is_some(), authenticated);
    assert!(allowed(&api, &User::trusted(), &wanted(asked)).is_some());
}

#[tokio::test(start_paused = true)]
async fn names_restrict_and_aggregated_roles_have_the_rules_of_their_parts() {
    let api = server();
    let rule = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"]});
    let part = json!({"metadata": {"name": "part", "labels": {"sum": "yes"}}, "rules": [rule]});
    api.create(CLUSTER_ROLES, "", part).unwrap();
    // One is aggregated from the other, and each from each.
    let of = |label: &str| json!({"clusterRoleSelectors": [{"matchLabels": {label: "yes"}}]});
    let sum = json!({"metadata": {"name": "sum", "labels": {"whole": "yes"}}, "aggregationRule": of("sum"), "rules": []});
    api.create(CLUSTER_ROLES, "", sum).unwrap();
    let whole = json!({"metadata": {"name": "whole", "labels": {"sum": "yes"}}, "aggregationRule": of("whole"), "rules": []});
    api.create(CLUSTER_ROLES, "", whole).unwrap();
    bind(&api, "ClusterRole", "whole", "", json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "team"}));
    let member = User::new("joe", &["team"]);
    assert!(allowed(&api, &member, &wanted("get - configmaps shop one")).is_some());
    for refused in ["get - configmaps shop two", "list - configmaps shop -", "update - configmaps shop one"] {
        assert_eq!(allowed(&api, &member, &wanted(refused)), None, "{refused}");
    }
}

#[rstest]
#[case(
    "list - pods default -",
    "pods is forbidden: User \"joe\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
)]
#[case(
    "get - nodes - x",
    "nodes \"x\" is forbidden: User \"joe\" cannot get resource \"nodes\" in API group \"\" at the cluster scope"
)]
#[case(
    "get apps deployments/scale default x",
    "deployments.apps \"x\" is forbidden: User \"joe\" cannot get resource \"deployments/scale\" in API group \"apps\" in the namespace \"default\""
)]
#[case("get - /metrics - -", "forbidden: User \"joe\" cannot get path \"/metrics\"")]
fn refusals_are_worded_as_on_a_real_cluster(#[case] asked: &str, #[case] message: &str) {
    assert_eq!(wanted(asked).forbidden(&User::new("joe", &[])).message, message);
}
