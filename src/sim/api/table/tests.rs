//! Cells beside those of a real 1.36.2 for the same objects.

use super::*;
use crate::sim::api::resource::{self, ALL};

fn row(resource: Resource, object: Value) -> Vec<Value> {
    let now = "2026-01-01T01:00:00Z".parse().unwrap();
    let tabled = Tabled { resource, custom: None, now };
    tabled.row(&object, &object, IncludeObject::None)["cells"].as_array().unwrap().clone()
}

fn meta(name: &str) -> Value {
    json!({"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"})
}

#[test]
fn every_kind_has_as_many_cells_as_columns() {
    for resource in ALL {
        let tabled = Tabled { resource: *resource, custom: None, now: "2026-01-01T01:00:00Z".parse().unwrap() };
        let cells = row(*resource, json!({"metadata": meta("x")}));
        let surplus = usize::from(resource.kind == "IPAddress");
        assert_eq!(cells.len(), tabled.columns().len() + surplus, "{}", resource.qualified());
    }
}

#[rstest::rstest]
#[case::running(json!({"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 0, "state": {"running": {}}}]}), json!(["1/1", "Running", "0"]))]
#[case::crashing(
    json!({"phase": "Running", "containerStatuses": [{"ready": false, "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"finishedAt": "2026-01-01T00:59:18Z", "exitCode": 1, "reason": "Error"}}}]}),
    json!(["0/1", "CrashLoopBackOff", "4 (42s ago)"])
)]
#[case::completed(
    json!({"phase": "Succeeded", "containerStatuses": [{"ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}),
    json!(["0/1", "Completed", "0"])
)]
#[case::initializing(json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}), json!(["0/1", "Init:0/1", "0"]))]
#[case::init_failed(
    json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
    json!(["0/1", "Init:CrashLoopBackOff", "1"])
)]
#[case::evicted(json!({"phase": "Failed", "reason": "Evicted"}), json!(["0/1", "Evicted", "0"]))]
fn pods(#[case] status: Value, #[case] expected: Value) {
    let mut spec = json!({"containers": [{"name": "c"}]});
    if status.get("initContainerStatuses").is_some() {
        spec["initContainers"] = json!([{"name": "i"}]);
    }
    let cells = row(resource::PODS, json!({"metadata": meta("p"), "spec": spec, "status": status}));
    assert_eq!(json!(cells[1..4]), expected);
    assert_eq!(cells[4], "60m");
}

#[test]
fn a_deleted_pod_is_terminating() {
    let mut metadata = meta("p");
    metadata["deletionTimestamp"] = json!("2026-01-01T01:00:30Z");
    let cells = row(resource::PODS, json!({"metadata": metadata, "status": {"phase": "Running"}}));
    assert_eq!(cells[2], "Terminating");
}

#[test]
fn services_and_autoscalers() {
    let spec = json!({"type": "NodePort", "clusterIPs": ["10.96.0.7"], "selector": {"a": "b"},
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]});
    let cells = row(resource::SERVICES, json!({"metadata": meta("s"), "spec": spec}));
    assert_eq!(json!(cells), json!(["s", "NodePort", "10.96.0.7", "<none>", "80:30080/TCP,53/UDP", "60m", "a=b"]));
    let cpu =
        json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
    let spec =
        json!({"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 5, "metrics": [cpu]});
    let cells =
        row(resource::HORIZONTAL_POD_AUTOSCALERS, json!({"metadata": meta("h"), "spec": spec, "status": {"currentReplicas": 2}}));
    assert_eq!(json!(cells), json!(["h", "Deployment/web", "cpu: <unknown>/80%", "1", 5, 2, "60m"]));
}

#[test]
fn custom_kinds_show_their_own_columns() {
    let columns = vec![
        json!({"name": "Size", "type": "integer", "jsonPath": ".spec.size"}),
        json!({"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}),
        json!({"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 1}),
    ];
    let object = json!({"metadata": meta("x"), "spec": {"size": 3}});
    let cells = columns::custom_cells(&columns, &object, "2026-01-01T00:00:42Z".parse().unwrap());
    assert_eq!(json!(cells), json!(["x", 3, null, "42s"]));
    assert_eq!(columns::custom(&columns)[3]["priority"], 1);
}
