//! What pods request and nodes offer, in thousandths of each resource's unit. Pure.
//! Whether it fits is decided in `filter`.

use super::super::controllers::object::list;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Amounts by resource name, in thousandths (`100m` is 100, `1` is 1000).
pub(super) type Amounts = BTreeMap<String, i128>;

/// Thousandths of a quantity; 0 for what is no quantity (the API admits none).
pub(super) fn thousandths(quantity: &str) -> i128 {
    const SUFFIXES: &[(&str, i128, i128)] = &[
        ("Ki", 1 << 10, 1),
        ("Mi", 1 << 20, 1),
        ("Gi", 1 << 30, 1),
        ("Ti", 1 << 40, 1),
        ("Pi", 1 << 50, 1),
        ("Ei", 1 << 60, 1),
        ("n", 1, 1_000_000_000),
        ("u", 1, 1_000_000),
        ("m", 1, 1_000),
        ("k", 1_000, 1),
        ("M", 1_000_000, 1),
        ("G", 1_000_000_000, 1),
        ("T", 1_000_000_000_000, 1),
        ("P", 1_000_000_000_000_000, 1),
        ("E", 1_000_000_000_000_000_000, 1),
        ("", 1, 1),
    ];
    let parsed = SUFFIXES.iter().find_map(|&(suffix, factor, divisor)| {
        let number = quantity.strip_suffix(suffix)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?.checked_mul(divisor)?;
        // Rounded up, as the server rounds what is finer than it can count.
        let amount = digits.checked_mul(1000)?.checked_mul(factor)?;
        Some(amount.div_euclid(scale) + i128::from(amount.rem_euclid(scale) != 0))
    });
    parsed.unwrap_or(0)
}

fn amounts(quantities: Option<&Value>) -> Amounts {
    let quantities = quantities.and_then(Value::as_object).into_iter().flat_map(Map::iter);
    quantities
        .map(|(name, quantity)| {
            let text = quantity.as_str().map_or_else(|| quantity.to_string(), ToOwned::to_owned);
            (name.clone(), thousandths(&text))
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
    let of = |container: &Value| {
        let mut requests = amounts(container.pointer("/resources/requests"));
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
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("100m", 100)]
    #[case("2", 2_000)]
    #[case("0.5", 500)]
    #[case("1.5Gi", 1_610_612_736_000)]
    #[case("128M", 128_000_000_000)]
    #[case("1500u", 2)]
    #[case("nonsense", 0)]
    fn quantities_count_in_thousandths(#[case] text: &str, #[case] expected: i128) {
        assert_eq!(thousandths(text), expected);
    }

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
