//! Resources in a pod's status: of each container, of the whole pod, and the quality-of-service class.
//! Quantities themselves live in `quantity`.

use super::quantity::Amount;
use k8s_openapi::api::core::v1::{Container, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

type List = BTreeMap<String, Quantity>;

fn limits(container: &Container) -> Option<&List> {
    container.resources.as_ref()?.limits.as_ref().filter(|list| !list.is_empty())
}

fn requests(container: &Container) -> Option<&List> {
    container.resources.as_ref()?.requests.as_ref().filter(|list| !list.is_empty())
}

/// The limits of a container that its runtime enforces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ContainerLimits {
    /// In bytes.
    pub(super) memory: Option<u64>,
    /// In millicores.
    pub(super) processor: Option<u64>,
}

impl ContainerLimits {
    /// Those of a container's definition.
    pub(super) fn of(container: &Container) -> Self {
        let amount = |name: &str| limits(container).and_then(|list| Amount::parse(&list.get(name)?.0));
        Self {
            memory: amount("memory").map(Amount::units).filter(|bytes| *bytes > 0),
            processor: amount("cpu").map(Amount::thousandths).filter(|millicores| *millicores > 0),
        }
    }
}

/// What a container asks for of a resource, in whole units.
pub(super) fn requested(container: &Container, name: &str) -> u64 {
    requests(container).and_then(|list| Amount::parse(&list.get(name)?.0)).map_or(0, Amount::units)
}

/// How readily the kernel kills a container's processes when the node has no memory left, from the quality of service.
pub(super) fn oom_score_adj(pod: &[Container], container: &Container, capacity: u64) -> i64 {
    match qos_class(pod) {
        "Guaranteed" => -997,
        "BestEffort" => 1_000,
        _ => {
            let share = 1_000 * i128::from(requested(container, "memory")) / i128::from(capacity.max(1));
            i64::try_from((1_000 - share).clamp(3, 999)).unwrap_or(999)
        }
    }
}

/// `resources` of a container's status.
pub(super) fn of_container(resources: Option<&ResourceRequirements>) -> Value {
    let mut value = json!({});
    for (key, list) in
        [("limits", resources.and_then(|r| r.limits.as_ref())), ("requests", resources.and_then(|r| r.requests.as_ref()))]
    {
        if let Some(list) = list.filter(|list| !list.is_empty()) {
            value[key] = json!(list);
        }
    }
    value
}

/// `resources` of a pod's status: sums, and a limit only where every container has one.
pub(super) fn of_pod(containers: &[Container]) -> Value {
    if let [only] = containers {
        return of_container(only.resources.as_ref());
    }
    let mut value = json!({});
    for (key, lists, needs_all) in [
        ("limits", containers.iter().map(limits).collect::<Vec<_>>(), true),
        ("requests", containers.iter().map(requests).collect(), false),
    ] {
        let names: BTreeSet<&String> = lists.iter().flatten().flat_map(|list| list.keys()).collect();
        let mut sums = Map::new();
        for name in names {
            let amounts: Vec<Option<Amount>> = lists
                .iter()
                .map(|list| list.and_then(|list| list.get(name)).and_then(|quantity| Amount::parse(&quantity.0)))
                .collect();
            if needs_all && amounts.iter().any(Option::is_none) {
                continue;
            }
            let sum = amounts.into_iter().flatten().fold(Amount::ZERO, Amount::plus);
            sums.insert(name.clone(), json!(sum.text()));
        }
        if !sums.is_empty() {
            value[key] = Value::Object(sums);
        }
    }
    value
}

/// The quality-of-service class of a pod without one.
pub(super) fn qos_class(containers: &[Container]) -> &'static str {
    if containers.iter().all(|container| limits(container).is_none() && requests(container).is_none()) {
        return "BestEffort";
    }
    let guaranteed = containers.iter().all(|container| {
        let request = |name: &str| requests(container).and_then(|list| list.get(name));
        ["cpu", "memory"].iter().all(|name| {
            limits(container)
                .and_then(|list| list.get(*name))
                .is_some_and(|limit| request(name).is_none_or(|request| request == limit))
        })
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn containers(resources: &[Value]) -> Vec<Container> {
        let one = |value: &Value| serde_json::from_value(json!({"name": "c", "resources": value})).unwrap();
        resources.iter().map(one).collect()
    }

    #[test]
    fn pods_sum_their_containers() {
        let both = containers(&[
            json!({"limits": {"memory": "512Mi", "cpu": "1"}, "requests": {"memory": "256Mi"}}),
            json!({"limits": {"memory": "512Mi"}, "requests": {"memory": "256Mi", "cpu": "250m"}}),
        ]);
        assert_eq!(of_pod(&both), json!({"limits": {"memory": "1Gi"}, "requests": {"cpu": "250m", "memory": "512Mi"}}));
        assert_eq!(of_pod(&containers(&[json!({})])), json!({}));
    }

    #[rstest]
    #[case(&[json!({})], "BestEffort")]
    #[case(&[json!({"limits": {"memory": "1Gi", "cpu": "1"}})], "Guaranteed")]
    #[case(&[json!({"limits": {"memory": "1Gi", "cpu": "1"}}), json!({})], "Burstable")]
    #[case(&[json!({"requests": {"memory": "1Gi"}})], "Burstable")]
    fn classes(#[case] resources: &[Value], #[case] class: &str) {
        assert_eq!(qos_class(&containers(resources)), class);
    }
}
