//! Changes of a pod template, as pure functions: memory, probes, the mark of a restart, another revision's template.
//! Sending them is `carry`'s business.

use crate::json::At as _;
use crate::observe::index::text;
use crate::scenario::heal::{RelaxProbe, SetMemory};
use crate::scenario::memory;
use serde_json::{Map, Value, json};

/// The annotation by which `kubectl rollout restart` makes a new template.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Why a change is not made; a guard, not a failure.
pub type Refusal = String;

fn container<'a>(workload: &'a mut Value, name: &str) -> Result<&'a mut Value, Refusal> {
    let spec = workload.pointer_mut("/spec/template/spec").and_then(Value::as_object_mut);
    let spec = spec.ok_or_else(|| "the workload has no pod template".to_owned())?;
    spec.iter_mut()
        .filter(|(list, _)| matches!(list.as_str(), "containers" | "initContainers"))
        .filter_map(|(_, containers)| containers.as_array_mut())
        .flatten()
        .find(|container| text(container, "/name") == name)
        .ok_or_else(|| format!("the template has no container {name}"))
}

/// The memory limit of a container in a workload's template.
#[must_use]
pub fn memory_limit(workload: &Value, name: &str) -> Option<u64> {
    let lists = ["/spec/template/spec/containers", "/spec/template/spec/initContainers"];
    let mut containers = lists.iter().filter_map(|list| workload.at(list)?.as_array()).flatten();
    memory::parse(text(containers.find(|container| text(container, "/name") == name)?, "/resources/limits/memory"))
}

/// Raises a container's memory limit, and its request in proportion, so that the pod keeps its quality of service.
pub fn set_memory(workload: &mut Value, name: &str, step: &SetMemory, first: u64) -> Result<(), Refusal> {
    let limit = memory_limit(workload, name).ok_or_else(|| format!("container {name} has no memory limit in the template"))?;
    let most = memory::scale(first, step.at_most).ok_or_else(|| "the first limit is out of range".to_owned())?;
    let raised = memory::scale(limit, step.factor).ok_or_else(|| "the raised limit is out of range".to_owned())?.min(most);
    if raised <= limit {
        let (now, first) = (memory::format(limit), memory::format(first));
        return Err(format!("the limit is {now}, the most that is allowed ({} x the first limit, {first})", step.at_most));
    }
    let resources = container(workload, name)?.pointer_mut("/resources").ok_or_else(|| "no resources".to_owned())?;
    let request = resources.pointer_mut("/requests/memory");
    if let Some(request) = request
        && let Some(bytes) = request.as_str().and_then(memory::parse)
    {
        #[expect(clippy::cast_precision_loss, reason = "a ratio of two limits")]
        let scaled = if bytes == limit { Some(raised) } else { memory::scale(bytes, raised as f64 / limit as f64) };
        *request = json!(memory::format(scaled.unwrap_or(bytes).min(raised)));
    }
    if let Some(value) = resources.pointer_mut("/limits/memory") {
        *value = json!(memory::format(raised));
    }
    Ok(())
}

/// Gives the probe behind a cause more patience.
///
/// A container that a liveness probe kills while it is still starting gets a startup probe of the same kind: patience while starting
/// only, so that a probe that is plainly wrong stays visible (the pod never becomes Ready) instead of being hidden by rarer kills.
pub fn relax_probe(
    workload: &mut Value,
    name: &str,
    cause: &str,
    step: &RelaxProbe,
    while_starting: bool,
) -> Result<(), Refusal> {
    let container = container(workload, name)?;
    let fields = container.as_object_mut().ok_or_else(|| "a container that is no object".to_owned())?;
    let factor = u64::from(step.factor.max(2));
    match cause {
        "probe.startup" => multiply(fields, "startupProbe", "failureThreshold", 3, factor),
        "probe.readiness" => {
            multiply(fields, "readinessProbe", "timeoutSeconds", 1, factor)?;
            multiply(fields, "readinessProbe", "failureThreshold", 3, factor)
        }
        "probe.liveness" if while_starting && !fields.contains_key("startupProbe") => {
            let mut probe = fields.get("livenessProbe").cloned().ok_or_else(|| no_probe("livenessProbe"))?;
            let initial = probe.get("initialDelaySeconds").and_then(Value::as_u64).unwrap_or(0);
            let period = probe.get("periodSeconds").and_then(Value::as_u64).unwrap_or(10).max(1);
            let threshold = probe.get("failureThreshold").and_then(Value::as_u64).unwrap_or(3);
            let settings = probe.as_object_mut().ok_or_else(|| no_probe("livenessProbe"))?;
            settings.remove("initialDelaySeconds");
            settings.insert("failureThreshold".to_owned(), json!((threshold + initial.div_ceil(period)) * factor));
            settings.insert("successThreshold".to_owned(), json!(1));
            fields.insert("startupProbe".to_owned(), probe);
            Ok(())
        }
        "probe.liveness" => {
            multiply(fields, "livenessProbe", "timeoutSeconds", 1, factor)?;
            multiply(fields, "livenessProbe", "failureThreshold", 3, factor)
        }
        other => Err(format!("relaxProbe answers causes of probes; {other} is none")),
    }
}

fn no_probe(probe: &str) -> Refusal {
    format!("the container has no {probe} in the template")
}

fn multiply(fields: &mut Map<String, Value>, probe: &str, setting: &str, default: u64, factor: u64) -> Result<(), Refusal> {
    let settings = fields.get_mut(probe).and_then(Value::as_object_mut).ok_or_else(|| no_probe(probe))?;
    let value = settings.get(setting).and_then(Value::as_u64).unwrap_or(default);
    settings.insert(setting.to_owned(), json!(value.saturating_mul(factor)));
    Ok(())
}

/// Marks the template as `kubectl rollout restart` does.
pub fn mark_restart(workload: &mut Value, at: jiff::Timestamp) -> Result<(), Refusal> {
    let template = workload.pointer_mut("/spec/template").and_then(Value::as_object_mut);
    let template = template.ok_or_else(|| "the workload has no pod template".to_owned())?;
    let metadata = template.entry("metadata").or_insert_with(|| json!({}));
    if !metadata.get("annotations").is_some_and(Value::is_object) {
        metadata["annotations"] = json!({});
    }
    metadata["annotations"][RESTARTED_AT] = json!(jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%SZ", at).unwrap_or_default());
    Ok(())
}

/// Puts another revision's template in place, as `kubectl rollout undo` does.
pub fn roll_back(workload: &mut Value, replica_set: &Value) -> Result<(), Refusal> {
    let mut template =
        replica_set.at("/spec/template").cloned().ok_or_else(|| "the older revision has no template".to_owned())?;
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    match workload.pointer_mut("/spec/template") {
        Some(present) => {
            *present = template;
            Ok(())
        }
        None => Err("the workload has no pod template".to_owned()),
    }
}

#[cfg(test)]
mod tests;
