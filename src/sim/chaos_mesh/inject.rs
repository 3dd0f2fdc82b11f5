//! What Chaos Mesh does to one target on the simulated cluster, and how it is taken back. What it does elsewhere is a limit.
//! Which targets are chosen says `select`.

use super::{select, text};
use crate::json::At as _;
use crate::sim::api::resource::PODS;
use crate::sim::api::server::{DeleteOptions, Subresource};
use crate::sim::cluster::Simulation;
use crate::sim::network::{CutId, Hindrance, HindranceId, Party};
use crate::sim::program::Signal;
use crate::sim::program::container::Burden;
use serde_json::{Value, json};

/// The image of a pod that fails.
const PAUSE: &str = "gcr.io/google-containers/pause:latest";
/// Annotations that keep a failing pod's images begin so.
const KEPT: &str = "chaos-mesh.org/image-of-";

/// What was done to a target.
pub(super) enum Injected {
    /// It happened in a moment.
    Over,
    /// The pod's images were changed.
    Failing { namespace: String, pod: String },
    /// Packets are dropped.
    Cut(Vec<CutId>),
    /// Packets are late, or lost at times.
    Hindered(Vec<HindranceId>),
    /// Processes run beside the container's own.
    Burdened(#[expect(dead_code, reason = "they end when this goes")] Burden),
}

/// Whether this can be done here.
///
/// # Errors
/// What cannot.
pub(super) fn is_simulated(kind: &str, spec: &Value) -> Result<(), String> {
    let action = text(spec, "/action");
    let selectors = [spec.get("selector"), spec.at("/target/selector")];
    for key in selectors.into_iter().flatten().filter_map(Value::as_object).flatten().map(|(key, _)| key) {
        if !select::UNDERSTOOD.contains(&key.as_str()) {
            return Err(format!("{kind} with a selector by {key}"));
        }
    }
    match (kind, action) {
        ("PodChaos", "pod-kill" | "pod-failure" | "container-kill") => Ok(()),
        ("NetworkChaos", _) if spec.get("externalTargets").is_some_and(|to| to.as_array().is_none_or(|to| !to.is_empty())) => {
            Err("NetworkChaos with externalTargets".to_owned())
        }
        ("NetworkChaos", "partition") => Ok(()),
        ("NetworkChaos", "delay" | "loss") => hindrance(spec).map(|_| ()),
        ("StressChaos", _) => {
            let stressors = spec.get("stressors").and_then(Value::as_object);
            match stressors.into_iter().flatten().find(|(name, _)| !matches!(name.as_str(), "memory" | "cpu")) {
                Some((name, _)) => Err(format!("StressChaos with the stressor {name}")),
                None if spec.get("stressngStressors").is_some() => Err("StressChaos with stressngStressors".to_owned()),
                None => Ok(()),
            }
        }
        (kind, "") => Err(kind.to_owned()),
        (kind, action) => Err(format!("{kind} {action}")),
    }
}

/// Does it to one target, by its record's id.
///
/// # Errors
/// Why it could not be done, as the record tells it.
pub(super) fn inject(simulation: &Simulation, kind: &str, spec: &Value, own: &str, id: &str) -> Result<Injected, String> {
    let mut parts = id.splitn(3, '/');
    let (namespace, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let pod = simulation.api.get(PODS, namespace, name).map_err(|error| error.message)?;
    let uid = text(&pod, "/metadata/uid");
    let container = |name: &str| {
        let found = simulation.runtime.find(uid, name, false).filter(|found| found.container.exit().get().is_none());
        found.map(|found| found.container).ok_or_else(|| format!("container {name} is not running"))
    };
    match (kind, text(spec, "/action")) {
        ("PodChaos", "pod-kill") => {
            let grace = spec.get("gracePeriod").and_then(Value::as_i64).unwrap_or(0);
            let options = DeleteOptions { grace_seconds: Some(grace), uid: Some(uid.to_owned()), ..DeleteOptions::default() };
            simulation.api.delete(PODS, namespace, name, &options).map_err(|error| error.message)?;
            Ok(Injected::Over)
        }
        ("PodChaos", "container-kill") => {
            container(parts.next().unwrap_or_default())?.signal(Signal::Kill);
            Ok(Injected::Over)
        }
        ("PodChaos", _) => {
            let changed = simulation.api.modify(PODS, namespace, name, Subresource::Main, fail);
            changed.map_err(|error| error.message)?;
            Ok(Injected::Failing { namespace: namespace.to_owned(), pod: name.to_owned() })
        }
        ("NetworkChaos", "delay" | "loss") => {
            let (hindrance, one) = (hindrance(spec)?, || Party::Pod(uid.to_owned()));
            let Some(target) = spec.get("target") else {
                return Ok(Injected::Hindered(vec![simulation.network.hinder(one(), Party::Everyone, hindrance)]));
            };
            let others = select::pods(simulation, target.get("selector").unwrap_or(&Value::Null), own)?;
            let others = others.iter().map(|pod| text(pod, "/metadata/uid").to_owned()).filter(|other| other != uid);
            let direction = text(spec, "/direction");
            let mut hindrances = Vec::new();
            for other in others.map(Party::Pod) {
                if direction != "from" {
                    hindrances.push(simulation.network.hinder(one(), other.clone(), hindrance));
                }
                if matches!(direction, "from" | "both") {
                    hindrances.push(simulation.network.hinder(other, one(), hindrance));
                }
            }
            Ok(Injected::Hindered(hindrances))
        }
        ("NetworkChaos", _) => {
            let one = || Party::Pod(uid.to_owned());
            let Some(target) = spec.get("target") else {
                return Ok(Injected::Cut(vec![simulation.network.cut(one(), Party::Everyone)]));
            };
            let others = select::pods(simulation, target.get("selector").unwrap_or(&Value::Null), own)?;
            let others = others.iter().map(|pod| text(pod, "/metadata/uid").to_owned()).filter(|other| other != uid);
            Ok(Injected::Cut(others.map(|other| simulation.network.cut(one(), Party::Pod(other))).collect()))
        }
        _ => {
            let stressors = spec.get("stressors").unwrap_or(&Value::Null);
            let workers = |name: &str| {
                let count = stressors.at(&format!("/{name}/workers")).and_then(Value::as_u64).unwrap_or(1);
                stressors.get(name).map_or(0, |_| u32::try_from(count).unwrap_or(u32::MAX).min(256))
            };
            let container = container(parts.next().unwrap_or_default())?;
            let limit = container.memory_limit();
            let size = stressors.at("/memory/size").and_then(Value::as_str).unwrap_or_default();
            let bytes = bytes(size, limit).ok_or_else(|| format!("invalid memory size {size:?}"))?;
            Ok(Injected::Burdened(container.burden(workers("memory"), bytes, workers("cpu"))))
        }
    }
}

impl Injected {
    /// Takes it back.
    pub(super) fn take_back(self, simulation: &Simulation) {
        match self {
            Self::Over | Self::Burdened(_) => {}
            Self::Hindered(all) => all.into_iter().for_each(|one| simulation.network.unhinder(one)),
            Self::Cut(cuts) => cuts.into_iter().for_each(|cut| simulation.network.heal(cut)),
            Self::Failing { namespace, pod } => {
                // A pod that is gone needs nothing.
                let _ = simulation.api.modify(PODS, &namespace, &pod, Subresource::Main, mend);
            }
        }
    }
}

/// How packets are hindered by `delay` or `loss`.
///
/// # Errors
/// What of it is not simulated.
fn hindrance(spec: &Value) -> Result<Hindrance, String> {
    let action = text(spec, "/action");
    let settings =
        spec.get(action).and_then(Value::as_object).ok_or_else(|| format!("NetworkChaos {action} without its settings"))?;
    let mut hindrance = Hindrance::default();
    for (key, value) in settings {
        let value = value.as_str().unwrap_or_default();
        let strange = || format!("NetworkChaos {action} with {key} {value:?}");
        match (action, key.as_str()) {
            ("delay", "latency") => hindrance.latency = select::duration(value).ok_or_else(strange)?,
            ("delay", "jitter") => hindrance.jitter = select::duration(value).ok_or_else(strange)?,
            ("loss", "loss") => {
                let percent = value.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
                hindrance.loss = percent.ok_or_else(strange)? / 100.0;
            }
            // Draws that depend on the one before.
            (_, "correlation") if value.parse::<f64>().is_ok_and(|correlation| correlation <= 0.0) => {}
            _ => return Err(strange()),
        }
    }
    Ok(hindrance)
}

/// Gives every container the image that does nothing, and keeps its own in an annotation.
fn fail(pod: &mut Value) {
    let mut kept = Vec::new();
    for list in ["initContainers", "containers"] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let (name, image) = (text(container, "/name").to_owned(), container["image"].clone());
            container["image"] = json!(PAUSE);
            kept.push((name, image));
        }
    }
    if !pod["metadata"].get("annotations").is_some_and(Value::is_object) {
        pod["metadata"]["annotations"] = json!({});
    }
    for (name, image) in kept {
        pod["metadata"]["annotations"][format!("{KEPT}{name}")] = image;
    }
}

fn mend(pod: &mut Value) {
    let mut kept = Vec::new();
    if let Some(annotations) = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, image| match key.strip_prefix(KEPT) {
            Some(name) => {
                kept.push((name.to_owned(), image.clone()));
                false
            }
            None => true,
        });
    }
    for list in ["initContainers", "containers"] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some((_, image)) = kept.iter().find(|(name, _)| name == text(container, "/name")) {
                container["image"] = image.clone();
            }
        }
    }
}

/// Bytes of a size as Chaos Mesh writes it: `256MB`, `1GiB`, `50%` of the limit; without one nothing.
fn bytes(size: &str, limit: Option<u64>) -> Option<u64> {
    if size.is_empty() {
        return Some(0);
    }
    if let Some(percent) = size.strip_suffix('%') {
        return limit?.checked_mul(percent.trim().parse::<u64>().ok()?).map(|part| part / 100);
    }
    let digits = size.len() - size.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = size.split_at(digits);
    // As its program reads them, in powers of 1024 whatever is written.
    let shift = match unit.trim().to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("256MB", Some(268_435_456))]
    #[case("1GiB", Some(1_073_741_824))]
    #[case("50%", Some(512))]
    #[case("", Some(0))]
    #[case("many", None)]
    fn sizes(#[case] size: &str, #[case] is: Option<u64>) {
        assert_eq!(bytes(size, Some(1_024)), is);
    }

    #[test]
    fn a_failing_pod_gets_its_images_back() {
        let pod = json!({ "metadata": {}, "spec": { "containers": [{ "name": "a", "image": "x:1" }, { "name": "b", "image": "y:1" }] } });
        let mut broken = pod.clone();
        fail(&mut broken);
        assert_eq!(broken["spec"]["containers"][1]["image"], PAUSE);
        mend(&mut broken);
        assert_eq!(broken["spec"], pod["spec"]);
        assert_eq!(broken["metadata"]["annotations"], json!({}));
    }

    #[rstest]
    #[case("PodChaos", json!({ "action": "pod-kill", "selector": { "labelSelectors": {} } }), true)]
    #[case("PodChaos", json!({ "action": "pod-kill", "selector": { "nodes": ["a"] } }), false)]
    #[case("NetworkChaos", json!({ "action": "partition" }), true)]
    #[case("NetworkChaos", json!({ "action": "delay" }), false)]
    #[case("NetworkChaos", json!({ "action": "delay", "delay": { "latency": "2s", "jitter": "10ms", "correlation": "0" } }), true)]
    #[case("NetworkChaos", json!({ "action": "delay", "delay": { "latency": "2s", "reorder": {} } }), false)]
    #[case("NetworkChaos", json!({ "action": "delay", "delay": { "latency": "2s", "correlation": "25" } }), false)]
    #[case("NetworkChaos", json!({ "action": "loss", "loss": { "loss": "25" } }), true)]
    #[case("NetworkChaos", json!({ "action": "loss", "loss": { "loss": "125" } }), false)]
    #[case("NetworkChaos", json!({ "action": "loss", "loss": { "loss": "25" }, "externalTargets": ["a.example"] }), false)]
    #[case("NetworkChaos", json!({ "action": "corrupt", "corrupt": { "corrupt": "25" } }), false)]
    #[case("StressChaos", json!({ "stressors": { "memory": {} } }), true)]
    #[case("IOChaos", json!({ "action": "latency" }), false)]
    #[case("Schedule", json!({}), false)]
    fn what_is_simulated(#[case] kind: &str, #[case] spec: Value, #[case] is: bool) {
        assert_eq!(is_simulated(kind, &spec).is_ok(), is);
    }
}
