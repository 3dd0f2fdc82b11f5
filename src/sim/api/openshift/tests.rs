//! What OpenShift's admission makes of namespaces, Routes and pods.

use super::*;
use crate::sim::clock::Clock;
use crate::sim::random::Random;
use rstest::rstest;
use std::sync::Arc;

fn server() -> Arc<ApiServer> {
    let api = ApiServer::new(Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()), Random::new(1));
    api.become_openshift();
    api.bootstrap().unwrap();
    api.create(resource::NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
    api.create(resource::SERVICE_ACCOUNTS, "shop", json!({"metadata": {"name": "default"}})).unwrap();
    api
}

fn pod(spec: &Value, context: &Value) -> Value {
    let mut spec = spec.clone();
    spec["containers"] = json!([{"name": "app", "image": "busybox", "securityContext": context}]);
    json!({"metadata": {"generateName": "app-"}, "spec": spec})
}

#[test]
fn each_namespace_has_ids_of_its_own() {
    let api = server();
    let of = |name: &str| api.get(resource::NAMESPACES, "", name).unwrap()["metadata"]["annotations"].clone();
    // The four of every cluster come first.
    let shop = json!({UID_RANGE: "1000040000/10000", GROUPS: "1000040000/10000", MCS: "s0:c6,c5"});
    assert_eq!(of("shop"), shop);
    assert_ne!(of("default")[UID_RANGE], of("kube-system")[UID_RANGE]);
    // 1000240000 was seen with c16,c0.
    assert_eq!(
        (label(0), label(1), label(2), label(24 * LABELS)),
        ("s0:c1,c0".into(), "s0:c2,c0".into(), "s0:c2,c1".into(), "s0:c16,c0".into())
    );
}

#[test]
fn restricted_v2_fills_in_what_a_pod_leaves_open() {
    let api = server();
    let made = api.create(resource::PODS, "shop", pod(&json!({}), &json!({}))).unwrap();
    assert_eq!(made["metadata"]["annotations"]["openshift.io/scc"], "restricted-v2");
    let expected =
        json!({"seLinuxOptions": {"level": "s0:c6,c5"}, "fsGroup": 1_000_040_000, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(made["spec"]["securityContext"], expected);
    let expected = json!({"runAsUser": 1_000_040_000, "runAsNonRoot": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(made["spec"]["containers"][0]["securityContext"], expected);
    let own = api.create(resource::PODS, "shop", pod(&json!({}), &json!({"runAsUser": 1_000_049_999}))).unwrap();
    assert_eq!(own["spec"]["containers"][0]["securityContext"]["runAsUser"], 1_000_049_999);
}

#[rstest]
#[case(json!({}), json!({"privileged": true}), ".containers[0].privileged: Invalid value: true: Privileged containers are not allowed")]
#[case(json!({}), json!({"runAsUser": 0}), ".containers[0].runAsUser: Invalid value: 0: must be in the ranges: [1000040000, 1000049999]")]
#[case(json!({}), json!({"runAsUser": 1_000_050_000}), ".containers[0].runAsUser: Invalid value: 1000050000: must be")]
#[case(json!({}), json!({"capabilities": {"add": ["NET_ADMIN"]}}), ".containers[0].capabilities.add: Invalid value: \"NET_ADMIN\": capability may not be added")]
#[case(json!({"hostNetwork": true}), json!({}), ".spec.securityContext.hostNetwork: Invalid value: true: Host network is not allowed to be used")]
#[case(json!({"securityContext": {"fsGroup": 7}}), json!({}), ".spec.securityContext.fsGroup: Invalid value: []int64{7}: 7 is not an allowed group")]
#[case(json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}), json!({}), "spec.volumes[0]: Invalid value: \"hostPath\": hostPath volumes are not allowed to be used")]
fn what_wants_more_is_refused(#[case] spec: Value, #[case] context: Value, #[case] why: &str) {
    let refused = server().create(resource::PODS, "shop", pod(&spec, &context)).unwrap_err();
    let begin = "pods \"app-\" is forbidden: unable to validate against any security context constraint: [provider \"anyuid\": Forbidden: not usable by user or serviceaccount, ";
    assert_eq!(refused.code, 403);
    assert!(
        refused.message.starts_with(begin) && refused.message.contains(&format!("provider restricted-v2: {why}")),
        "{}",
        refused.message
    );
    assert!(refused.message.ends_with("provider \"privileged\": Forbidden: not usable by user or serviceaccount]"));
}

#[test]
fn a_service_account_that_may_use_privileged_gets_what_it_asks_for() {
    let api = server();
    let rule = json!({"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"], "resourceNames": ["privileged"], "verbs": ["use"]});
    api.create(resource::ROLES, "shop", json!({"metadata": {"name": "p"}, "rules": [rule]})).unwrap();
    let binding = json!({"metadata": {"name": "p"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "p"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "shop"}]});
    api.create(resource::ROLE_BINDINGS, "shop", binding).unwrap();
    let made = api.create(resource::PODS, "shop", pod(&json!({}), &json!({"privileged": true}))).unwrap();
    assert_eq!(made["metadata"]["annotations"]["openshift.io/scc"], "privileged");
    let plain = api.create(resource::PODS, "shop", pod(&json!({}), &json!({}))).unwrap();
    assert_eq!(plain["metadata"]["annotations"]["openshift.io/scc"], "restricted-v2");
}

#[test]
fn other_clusters_and_the_clusters_own_namespaces_are_left_alone() {
    let api = server();
    api.create(resource::SERVICE_ACCOUNTS, "default", json!({"metadata": {"name": "default"}})).unwrap();
    let made = api.create(resource::PODS, "default", pod(&json!({}), &json!({"privileged": true}))).unwrap();
    assert!(made["metadata"].get("annotations").is_none());
    let plain = ApiServer::new(Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()), Random::new(1));
    let namespace = plain.create(resource::NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
    assert!(namespace["metadata"].get("annotations").is_none());
}
