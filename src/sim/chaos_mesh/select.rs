//! What a selector of Chaos Mesh chooses: pods by labels, by phase and by name, then so many of them; or containers of these.
//! What is done to them is `inject`'s.

use super::text;
use crate::json::At as _;
use crate::selector::Selector;
use crate::sim::api::resource::PODS;
use crate::sim::cluster::Simulation;
use crate::sim::store::Object;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The keys of a selector that are understood.
pub(super) const UNDERSTOOD: [&str; 5] = ["namespaces", "labelSelectors", "expressionSelectors", "podPhaseSelectors", "pods"];

/// The records' ids of what is chosen, `namespace/pod` or `namespace/pod/container`, in order.
///
/// # Errors
/// What is asked for cannot be read.
pub(super) fn targets(
    simulation: &Simulation,
    kind: &str,
    spec: &Value,
    (namespace, uid): (&str, &str),
) -> Result<Vec<String>, String> {
    let mut pods = pods(simulation, spec.get("selector").unwrap_or(&Value::Null), namespace)?;
    let wanted = amount(spec, pods.len(), simulation, uid)?;
    pods.sort_by_key(|pod| (simulation.random.bits(uid, text(pod, "/metadata/name"), 0), text(pod, "/metadata/name").to_owned()));
    pods.truncate(wanted);
    pods.sort_by(|a, b| text(a, "/metadata/name").cmp(text(b, "/metadata/name")));
    let id = |pod: &Object| format!("{}/{}", text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
    let of_containers = kind == "StressChaos" || text(spec, "/action") == "container-kill";
    if !of_containers {
        return Ok(pods.iter().map(id).collect());
    }
    let named = spec.get("containerNames").and_then(Value::as_array);
    let mut ids = Vec::new();
    for pod in &pods {
        let containers = pod.at("/spec/containers").and_then(Value::as_array).into_iter().flatten();
        let names = containers.map(|container| text(container, "/name"));
        match named.filter(|named| !named.is_empty()) {
            Some(named) => ids.extend(
                names.filter(|name| named.iter().any(|wanted| wanted == *name)).map(|name| format!("{}/{name}", id(pod))),
            ),
            // Without a name it is the first.
            None => ids.extend(names.take(1).map(|name| format!("{}/{name}", id(pod)))),
        }
    }
    Ok(ids)
}

/// The running pods that a selector means.
pub(super) fn pods(simulation: &Simulation, selector: &Value, own: &str) -> Result<Vec<Object>, String> {
    let words = |key: &str| -> Vec<&str> {
        selector.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let labels = json!({ "matchLabels": selector.get("labelSelectors").cloned().unwrap_or(json!({})),
        "matchExpressions": selector.get("expressionSelectors").cloned().unwrap_or(json!([])) });
    let labels = Selector::from_api(&labels).ok_or("invalid label selector")?;
    let (namespaces, phases) = (words("namespaces"), words("podPhaseSelectors"));
    let namespaces = if namespaces.is_empty() { vec![own] } else { namespaces };
    let named = selector.get("pods").and_then(Value::as_object);
    let mut found = Vec::new();
    for namespace in namespaces {
        for pod in simulation.api.list(PODS, Some(namespace)) {
            let of_pod: BTreeMap<String, String> = pod
                .at("/metadata/labels")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect();
            let by_name = named.is_none_or(|named| {
                let names = named.get(namespace).and_then(Value::as_array).into_iter().flatten();
                names.filter_map(Value::as_str).any(|name| name == text(&pod, "/metadata/name"))
            });
            let phase = text(&pod, "/status/phase");
            let alive = text(&pod, "/metadata/deletionTimestamp").is_empty();
            let in_phase = if phases.is_empty() { phase == "Running" } else { phases.contains(&phase) };
            if alive && in_phase && by_name && labels.matches(&of_pod) {
                found.push(pod);
            }
        }
    }
    Ok(found)
}

/// How many of `found` a mode means.
fn amount(spec: &Value, found: usize, simulation: &Simulation, uid: &str) -> Result<usize, String> {
    let value = || text(spec, "/value").parse::<usize>().map_err(|_| "invalid value of the mode".to_owned());
    Ok(match text(spec, "/mode") {
        "all" => found,
        "one" => 1,
        "fixed" => value()?,
        "fixed-percent" => found * value()?.min(100) / 100,
        "random-max-percent" => {
            let most = found * value()?.min(100) / 100;
            usize::try_from(simulation.random.bits(uid, "percent", 0)).unwrap_or_default() % (most + 1)
        }
        other => return Err(format!("mode {other} not supported")),
    })
}

/// A duration as Go writes it (`30s`, `1m30s`, `1.5h`).
pub(super) fn duration(written: &str) -> Option<Duration> {
    let (mut rest, mut total) = (written, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, more) = rest.split_at(digits);
        let unit = more.find(|c: char| c.is_ascii_digit()).unwrap_or(more.len());
        let seconds = match &more[..unit] {
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = &more[unit..];
    }
    (!written.is_empty()).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("30s", Some(30_000))]
    #[case("1m30s", Some(90_000))]
    #[case("1.5h", Some(5_400_000))]
    #[case("250ms", Some(250))]
    #[case("", None)]
    #[case("soon", None)]
    #[case("30", None)]
    fn durations(#[case] written: &str, #[case] milliseconds: Option<u64>) {
        assert_eq!(duration(written), milliseconds.map(Duration::from_millis));
    }
}
