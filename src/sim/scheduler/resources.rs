//! What pods request and nodes offer, in thousandths of each resource's unit. Pure.
//! Whether it fits is decided in `filter`.

use super::super::api::quantity;
use super::super::controllers::object::list;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Amounts by resource name, in thousandths (`100m` is 100, `1` is 1000).
pub(super) type Amounts = BTreeMap<String, i128>;

fn amounts(quantities: Option<&Value>) -> Amounts {
    let quantities = quantities.and_then(Value::as_object).into_iter().flat_map(Map::iter);
    quantities
        .map(|(name, quantity)| {
            let text = quantity.as_str().map_or_else(|| quantity.to_string(), ToOwned::to_owned);
            // The API admits no quantity that does not parse.
            (name.clone(), quantity::parse(&text).unwrap_or(0))
        })
        .collect()
}

/// Adds amounts up.
pub(super) fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *to.entry(name.clone()).or_default() += amount;
    }
}

fn raise(to: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let present = to.entry(name.clone()).or_default();
        *present = (*present).max(*amount);
    }
}

/// What a node offers.
pub(super) fn allocatable(node: &Value) -> Amounts {
    amounts(node.pointer("/status/allocatable"))
}

/// What a pod requests: its containers and sidecars together, or the largest init container beside the sidecars before
/// it; and its overhead. `defaults` stand in for requests that a container does not make (scoring counts those).
pub(super) fn requested(pod: &Value, defaults: &Amounts) -> Amounts {
    sum(pod, "requests", defaults)
}

/// As [`requested`], for either field of a container's resources: `requests` or `limits`.
pub(super) fn sum(pod: &Value, field: &str, defaults: &Amounts) -> Amounts {
    let of = |container: &Value| {
        let mut requests = amounts(container["resources"].get(field));
        for (name, amount) in defaults {
            requests.entry(name.clone()).or_insert(*amount);
        }
        requests
    };
    let mut running = Amounts::new();
    for container in list(pod, "/spec/containers") {
        add(&mut running, &of(container));
    }
    let (mut sidecars, mut starting) = (Amounts::new(), Amounts::new());
    for container in list(pod, "/spec/initContainers") {
        let mut beside = sidecars.clone();
        add(&mut beside, &of(container));
        raise(&mut starting, &beside);
        if container["restartPolicy"] == "Always" {
            sidecars = beside;
        }
    }
    add(&mut running, &sidecars);
    raise(&mut running, &starting);
    add(&mut running, &amounts(pod.pointer("/spec/overhead")));
    running
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_requests_its_largest_phase() {
        let with = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = with("50m");
        sidecar["restartPolicy"] = json!("Always");
        let pod = json!({"spec": {"containers": [with("100m"), with("200m")], "initContainers": [sidecar, with("400m")]}});
        assert_eq!(requested(&pod, &Amounts::new())["cpu"], 450);
        let pod = json!({"spec": {"containers": [with("500m"), {}], "initContainers": [with("400m")]}});
        assert_eq!(requested(&pod, &Amounts::from([("cpu".to_owned(), 100)]))["cpu"], 600);
    }
}
