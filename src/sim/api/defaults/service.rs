//! Services: defaults, and the addresses and ports of the cluster that they are given.
//! Who answers at an address is found by the endpoint controllers.

use super::super::field::FieldError;
use super::super::pipeline::text;
use super::super::pod_defaults::set;
use super::super::resource::SERVICES;
use super::super::server::ApiServer;
use super::super::status::ApiError;
use crate::sim::controllers::object::{integer, list};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The first address of the service network, 10.96.0.0/16.
const NETWORK: u32 = 0x0A60_0000;
const NETWORK_SIZE: u32 = 1 << 16;
/// Ports of nodes.
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

/// Defaults of a Service's fields.
pub(super) fn apply(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "type", || json!("ClusterIP"));
    set(spec, "sessionAffinity", || json!("None"));
    if spec["sessionAffinity"] == "ClientIP" {
        set(spec, "sessionAffinityConfig", || json!({"clientIP": {"timeoutSeconds": 10_800}}));
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        set(port, "protocol", || json!("TCP"));
        let number = port.get("port").cloned().unwrap_or_default();
        set(port, "targetPort", || number);
    }
    if spec["type"] == "ExternalName" {
        return;
    }
    set(spec, "internalTrafficPolicy", || json!("Cluster"));
    if spec["type"] == "NodePort" || spec["type"] == "LoadBalancer" {
        set(spec, "externalTrafficPolicy", || json!("Cluster"));
    }
    if spec["type"] == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", || json!(true));
    }
}

fn invalid(service: &Value, field: &str, value: &Value, why: &str) -> ApiError {
    ApiError::invalid(SERVICES, text(service, "/metadata/name"), &[FieldError::invalid(field, value, why)])
}

/// Gives a Service its address and ports, as far as it has none; what it asks for must be free. What it had before stays its own.
///
/// # Errors
/// 422 when what it asks for is taken or out of range.
pub(in crate::sim::api) fn allocate(api: &ApiServer, object: &mut Value) -> Result<(), ApiError> {
    let kind = text(object, "/spec/type").to_owned();
    if kind == "ExternalName" {
        return Ok(());
    }
    let (namespace, name) = (text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned());
    let others: Vec<_> = api
        .list(SERVICES, None)
        .into_iter()
        .filter(|other| (text(other, "/metadata/namespace"), text(other, "/metadata/name")) != (&namespace, &name))
        .collect();
    let entity = format!("services/{namespace}/{name}");
    let taken: BTreeSet<&str> = others.iter().map(|other| text(other, "/spec/clusterIP")).collect();
    let wanted = text(object, "/spec/clusterIP").to_owned();
    let address = if wanted.is_empty() { free_address(api, &entity, &taken) } else { wanted.clone() };
    if !wanted.is_empty() && wanted != "None" {
        let inside = wanted.parse::<Ipv4Addr>().is_ok_and(|address| u32::from(address).wrapping_sub(NETWORK) < NETWORK_SIZE);
        let why = if !inside {
            Some("the provided network does not match the current range")
        } else if taken.contains(wanted.as_str()) {
            Some("provided IP is already allocated")
        } else {
            None
        };
        if let Some(why) = why {
            let why = format!("failed to allocate IP {wanted}: {why}");
            return Err(invalid(object, "spec.clusterIPs", &json!([wanted]), &why));
        }
    }
    let spec = &mut object["spec"];
    spec["clusterIP"] = json!(address);
    spec["clusterIPs"] = json!([address]);
    set(spec, "ipFamilies", || json!(["IPv4"]));
    set(spec, "ipFamilyPolicy", || json!("SingleStack"));
    if kind == "NodePort" || kind == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false {
        let taken: BTreeSet<i64> =
            others.iter().flat_map(|other| list(other, "/spec/ports").iter().map(|port| integer(port, "/nodePort"))).collect();
        allocate_ports(api, object, &entity, taken)?;
    }
    Ok(())
}

fn allocate_ports(api: &ApiServer, object: &mut Value, entity: &str, mut taken: BTreeSet<i64>) -> Result<(), ApiError> {
    let asked: Vec<i64> = list(object, "/spec/ports").iter().map(|port| integer(port, "/nodePort")).collect();
    for (n, port) in asked.iter().enumerate().filter(|(_, port)| **port != 0) {
        let field = format!("spec.ports[{n}].nodePort");
        if !NODE_PORTS.contains(port) {
            let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
            return Err(invalid(object, &field, &json!(port), why));
        }
        if taken.contains(port) {
            return Err(invalid(object, &field, &json!(port), "provided port is already allocated"));
        }
    }
    taken.extend(asked);
    let count = u64::try_from(NODE_PORTS.end() - NODE_PORTS.start() + 1).unwrap_or(1);
    for (n, port) in object["spec"].get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
        if integer(port, "/nodePort") != 0 {
            continue;
        }
        let first = api.random.bits(entity, "nodePort", n as u64) % count;
        let free = (0..count)
            .map(|step| NODE_PORTS.start() + i64::try_from((first + step) % count).unwrap_or(0))
            .find(|candidate| !taken.contains(candidate));
        if let Some(free) = free {
            port["nodePort"] = json!(free);
            taken.insert(free);
        }
    }
    Ok(())
}

/// An address that no other Service has.
fn free_address(api: &ApiServer, entity: &str, taken: &BTreeSet<&str>) -> String {
    let mut address = String::new();
    for n in 0..1_024 {
        let bits = api.random.bits(entity, "clusterIP", n);
        address = format!("10.96.{}.{}", 1 + bits % 254, 1 + (bits >> 8) % 254);
        if !taken.contains(address.as_str()) {
            break;
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::clock::Clock;
    use crate::sim::random::Random;

    fn service(name: &str, spec: &Value) -> Value {
        json!({"metadata": {"name": name}, "spec": spec})
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_and_ports_are_given_once() {
        let api = ApiServer::new(Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()), Random::new(1));
        let open = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30_080}, {"port": 81, "name": "b"}]});
        let mut named = open.clone();
        named["ports"][0]["name"] = json!("a");
        let made = api.create(SERVICES, "shop", service("a", &named)).unwrap();
        let second = made["spec"]["ports"][1]["nodePort"].as_i64().unwrap();
        assert!(NODE_PORTS.contains(&second) && second != 30_080);
        let refused = |name: &str, spec: &Value| api.create(SERVICES, "shop", service(name, spec)).unwrap_err().message;
        insta::assert_snapshot!(refused("b", &named), @r#"Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"#);
        let taken = json!({"clusterIP": made["spec"]["clusterIP"], "ports": [{"port": 80}]});
        assert!(refused("c", &taken).ends_with(": provided IP is already allocated"));
        insta::assert_snapshot!(refused("d", &json!({"clusterIP": "10.1.0.1", "ports": [{"port": 80}]})), @r#"Service "d" is invalid: spec.clusterIPs: Invalid value: ["10.1.0.1"]: failed to allocate IP 10.1.0.1: the provided network does not match the current range"#);
        insta::assert_snapshot!(refused("e", &json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]})), @r#"Service "e" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767"#);
        let headless =
            api.create(SERVICES, "shop", service("f", &json!({"clusterIP": "None", "ports": [{"port": 80}]}))).unwrap();
        assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    }
}
