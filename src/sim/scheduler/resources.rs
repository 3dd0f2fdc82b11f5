//! What pods request and nodes offer, in thousandths of each resource's unit. Pure.
//! Whether it fits is decided in `filter`.

use super::super::api::quantity;
use super::super::controllers::object::{list, text};
use crate::json::At as _;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Amounts by resource name, in thousandths (`100m` is 100, `1` is 1000).
pub(super) type Amounts = BTreeMap<String, i128>;

/// What a container without a request counts as when nodes are scored: 100m and 200 MiB.
const USUAL: Bundle = Bundle { cpu: 100, memory: 200 * 1024 * 1024 * 1000, storage: 0, other: BTreeMap::new() };

/// Amounts of the usual resources and of the rest, in thousandths; quick to add and compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bundle {
    /// `cpu`
    pub cpu: i64,
    /// `memory`
    pub memory: i64,
    /// `ephemeral-storage`
    pub storage: i64,
    /// Everything else, by name.
    pub other: BTreeMap<String, i64>,
}

impl Bundle {
    fn of(amounts: &Amounts) -> Self {
        let mut bundle = Self::default();
        for (name, amount) in amounts {
            let amount = i64::try_from(*amount).unwrap_or(i64::MAX);
            match name.as_str() {
                "cpu" => bundle.cpu = amount,
                "memory" => bundle.memory = amount,
                "ephemeral-storage" => bundle.storage = amount,
                _ => {
                    bundle.other.insert(name.clone(), amount);
                }
            }
        }
        bundle
    }

    /// Adds `more`, or takes it away.
    pub(super) fn add(&mut self, more: &Self, sign: i64) {
        self.cpu += sign * more.cpu;
        self.memory += sign * more.memory;
        self.storage += sign * more.storage;
        for (name, amount) in &more.other {
            *self.other.entry(name.clone()).or_default() += sign * amount;
        }
    }
}

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

fn add(to: &mut Amounts, more: &Amounts) {
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
pub(super) fn allocatable(node: &Value) -> Bundle {
    Bundle::of(&amounts(node.at("/status/allocatable")))
}

/// What a pod requests of a node.
pub(super) fn requested(pod: &Value) -> Bundle {
    Bundle::of(&total(pod, "requests", &Amounts::new(), true))
}

/// What a pod counts as when nodes are scored: containers without requests count, too.
pub(super) fn usual(pod: &Value) -> Bundle {
    let defaults = Amounts::from([("cpu".to_owned(), USUAL.cpu.into()), ("memory".to_owned(), USUAL.memory.into())]);
    Bundle::of(&total(pod, "requests", &defaults, true))
}

/// What the spec of a pod asks for (`requests`) or allows (`limits`).
pub(super) fn sum(pod: &Value, field: &str) -> Amounts {
    total(pod, field, &Amounts::new(), false)
}

/// Containers and sidecars together, or the largest init container beside the sidecars before it; what the pod as a whole
/// states goes before that; and its overhead. `defaults` stand in for what a container does not state. While a resize is
/// under way (`actual`) the larger of what is wanted and what is in force counts.
fn total(pod: &Value, field: &str, defaults: &Amounts, actual: bool) -> Amounts {
    let of = |container: &Value| {
        let mut amounts = amounts(container["resources"].get(field));
        if actual {
            raise_to_actual(pod, container, &mut amounts);
        }
        for (name, amount) in defaults {
            amounts.entry(name.clone()).or_insert(*amount);
        }
        amounts
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
    for (name, amount) in amounts(pod.at("/spec/resources").and_then(|resources| resources.get(field))) {
        running.insert(name, amount);
    }
    add(&mut running, &amounts(pod.at("/spec/overhead")));
    running
}

fn raise_to_actual(pod: &Value, container: &Value, amounts_of: &mut Amounts) {
    let mut statuses = list(pod, "/status/containerStatuses").iter().chain(list(pod, "/status/initContainerStatuses"));
    let Some(status) = statuses.find(|status| status["name"] == container["name"]) else { return };
    let in_force = [status.at("/resources/requests"), status.get("allocatedResources")];
    let infeasible = list(pod, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == "PodResizePending" && text(condition, "/reason") == "Infeasible");
    if infeasible && in_force.iter().any(Option::is_some) {
        amounts_of.clear();
    }
    for quantities in in_force {
        raise(amounts_of, &amounts(quantities));
    }
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
        assert_eq!(requested(&pod).cpu, 450);
        let pod = json!({"spec": {"containers": [with("500m"), {}], "initContainers": [with("400m")]}});
        assert_eq!(usual(&pod).cpu, 600);
        assert_eq!(requested(&pod).cpu, 500);
    }

    #[test]
    fn the_pods_own_requests_go_before_its_containers_and_overhead_comes_on_top() {
        let container = json!({"resources": {"requests": {"cpu": "1", "memory": "1Mi"}}});
        let spec = json!({"containers": [container], "resources": {"requests": {"cpu": "300m"}}, "overhead": {"cpu": "10m"}});
        let wanted = requested(&json!({"spec": spec}));
        assert_eq!((wanted.cpu, wanted.memory), (310, 1024 * 1024 * 1000));
    }

    #[test]
    fn a_resize_counts_with_the_larger_side() {
        let container = json!({"name": "a", "resources": {"requests": {"cpu": "100m"}}});
        let status = json!({"containerStatuses": [{"name": "a", "resources": {"requests": {"cpu": "2"}}}]});
        let mut pod = json!({"spec": {"containers": [container]}, "status": status});
        assert_eq!(requested(&pod).cpu, 2000);
        pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("3");
        assert_eq!(requested(&pod).cpu, 3000);
        pod["status"]["conditions"] = json!([{"type": "PodResizePending", "reason": "Infeasible"}]);
        assert_eq!(requested(&pod).cpu, 2000);
    }
}
