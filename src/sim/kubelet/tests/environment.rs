//! The environment and the volumes of containers, asked of the functions that make them.

use super::World;
use crate::sim::api::resource::{CONFIG_MAPS, SECRETS, SERVICES};
use crate::sim::kubelet::agent::Agent;
use crate::sim::kubelet::host::Host;
use crate::sim::kubelet::pod::PodRecord;
use crate::sim::kubelet::volume::{Trouble, content};
use crate::sim::kubelet::{Runtime, environment};
use crate::sim::limits::Limits;
use crate::sim::network::Network;
use crate::sim::profile::Profile;
use k8s_openapi::api::core::v1::{Container, Volume};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A pod on a node whose ConfigMap `c`, Secret `s` and Service `web-ui` exist.
fn record() -> Arc<PodRecord> {
    let world = World::new(1);
    world.api.create(CONFIG_MAPS, "t", json!({"metadata": {"name": "c"}, "data": {"mode": "good", "size": "7"}})).unwrap();
    world.api.create(SECRETS, "t", json!({"metadata": {"name": "s"}, "data": {"key": "c2VjcmV0"}})).unwrap();
    let spec = json!({"clusterIP": "10.96.7.7", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]});
    world.api.create(SERVICES, "t", json!({"metadata": {"name": "web-ui"}, "spec": spec})).unwrap();
    let pod = world.pod(&json!({"containers": [{
        "name": "app", "image": "busybox", "resources": {"limits": {"cpu": "250m", "memory": "64Mi"}},
    }]}));
    let profile = Profile::default();
    let (limits, runtime) = (Limits::default(), Runtime::default());
    let network = Network::new(&world.api, &limits);
    let agent = Agent::new(&Host::new(&world.api, &profile.nodes[0], &profile, &runtime, &network, &limits));
    PodRecord::new(&agent, &pod)
}

fn build(container: &Value) -> Result<BTreeMap<String, String>, String> {
    let record = record();
    let mut full = json!({"name": "app", "image": "busybox"});
    for (key, value) in container.as_object().unwrap() {
        full[key] = value.clone();
    }
    let container: Container = serde_json::from_value(full).unwrap();
    let state = record.state();
    environment::build(&record.agent, &state, &container)
}

#[tokio::test(start_paused = true)]
async fn values_references_and_services_come_together() {
    let env = build(&json!({
        "envFrom": [{"prefix": "CFG_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "none", "optional": true}}],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)-$(CFG_mode)-$(LATER)-$$(A)"},
            {"name": "LATER", "value": "x"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "MILLIS", "valueFrom": {"resourceFieldRef": {"containerName": "app", "resource": "limits.cpu", "divisor": "1m"}}},
            {"name": "BYTES", "valueFrom": {"resourceFieldRef": {"containerName": "app", "resource": "limits.memory"}}},
            {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "no", "optional": true}}},
        ],
    }))
    .unwrap();
    let expected = [
        ("CFG_size", "7"),
        ("B", "1-good-$(LATER)-$(A)"),
        ("KEY", "secret"),
        ("POD", "p"),
        ("LABEL", "p"),
        ("NODE", "embedded-control-plane"),
        ("MILLIS", "250"),
        ("BYTES", "67108864"),
        ("HOSTNAME", "p"),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
        ("WEB_UI_SERVICE_HOST", "10.96.7.7"),
        ("WEB_UI_SERVICE_PORT_HTTP", "80"),
        ("WEB_UI_PORT_80_TCP", "tcp://10.96.7.7:80"),
    ];
    for (name, value) in expected {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!env.contains_key("ABSENT"));
}

#[rstest]
#[case(json!({"envFrom": [{"configMapRef": {"name": "none"}}]}), "configmap \"none\" not found")]
#[case(json!({"envFrom": [{"secretRef": {"name": "none"}}]}), "secret \"none\" not found")]
#[case(json!({"env": [{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "no"}}}]}), "couldn't find key no in ConfigMap t/c")]
#[case(json!({"env": [{"name": "K", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]}), "unsupported fieldPath: spec.nope")]
#[tokio::test(start_paused = true)]
async fn what_is_missing_is_named(#[case] container: Value, #[case] error: &str) {
    assert_eq!(build(&container).unwrap_err(), error);
}

fn mount(volume: &Value) -> Result<BTreeMap<String, String>, Trouble> {
    let record = record();
    let mut full = json!({"name": "v"});
    for (key, value) in volume.as_object().unwrap() {
        full[key] = value.clone();
    }
    let volume: Volume = serde_json::from_value(full).unwrap();
    let state = record.state();
    let files = content(&record.agent, &state, &volume)?;
    Ok(files.into_iter().map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap())).collect())
}

#[rstest]
#[case(json!({"configMap": {"name": "c"}}), &[("mode", "good"), ("size", "7")])]
#[case(json!({"configMap": {"name": "c", "items": [{"key": "mode", "path": "etc/mode"}]}}), &[("etc/mode", "good")])]
#[case(json!({"secret": {"secretName": "s"}}), &[("key", "secret")])]
#[case(json!({"configMap": {"name": "none", "optional": true}}), &[])]
#[case(json!({"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}), &[("labels", "app=\"p\"")])]
#[case(json!({"projected": {"sources": [{"configMap": {"name": "c", "items": [{"key": "size", "path": "size"}]}}, {"secret": {"name": "s"}}]}}), &[("key", "secret"), ("size", "7")])]
#[tokio::test(start_paused = true)]
async fn volumes_hold_what_they_name(#[case] volume: Value, #[case] files: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    assert_eq!(mount(&volume).unwrap(), expected);
}

#[rstest]
#[case(json!({"configMap": {"name": "none"}}), Trouble::Missing("configmap \"none\" not found".to_owned()))]
#[case(json!({"configMap": {"name": "c", "items": [{"key": "no", "path": "no"}]}}), Trouble::Missing("references non-existent config key: no".to_owned()))]
#[case(json!({"nfs": {"server": "s", "path": "/"}}), Trouble::Unsupported("nfs"))]
#[case(json!({"csi": {"driver": "d"}}), Trouble::Unsupported("csi"))]
#[tokio::test(start_paused = true)]
async fn volumes_say_what_they_lack(#[case] volume: Value, #[case] trouble: Trouble) {
    assert_eq!(mount(&volume).unwrap_err(), trouble);
}
