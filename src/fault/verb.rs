//! What a fault does to one object that it acts on, as a pure function of the fault and the object's state before.
//! Carrying it out lives in `inject`, taking it back in `undo`.

use super::{FaultError, Prey};
use crate::cluster::request::RequestError;
use crate::observe::index::text;
use crate::scenario::Fault;
use crate::scenario::fault::{PatchType, SetProbe, TaintNode};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

/// The label that [`Fault::BreakService`] adds to a selector.
pub const BROKEN: &str = "comeback.dev/broken";

/// What is done to one object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verb {
    /// The pod is deleted; Kubernetes makes another.
    DeletePod(Option<u32>),
    /// The pod is evicted.
    Evict(Option<u32>),
    /// A command is run in the pod.
    Run,
    /// Something is done to the node's machine.
    Machine,
    /// A command holds something in the pod.
    Hold,
    /// The object is deleted.
    Delete,
    /// The object is deleted and made again.
    Renew,
    /// Its fields are changed by a patch.
    Change(PatchType, Value),
    /// A whole object is applied.
    Apply(Value),
}

/// What the fault does to this object.
pub(super) fn verb(fault: &Fault, prey: &Prey) -> Result<Verb, FaultError> {
    use PatchType::{Merge, Strategic};
    if let Some(manifest) = &prey.manifest {
        return Ok(Verb::Apply(manifest.clone()));
    }
    if fault.nodes().is_some() && prey.reference.kind == "Pod" {
        let grace = if let Fault::DrainNode(drain) = fault { drain.grace_period_seconds } else { None };
        return Ok(Verb::Evict(grace));
    }
    Ok(match fault {
        Fault::DeletePods(fault) => Verb::DeletePod(fault.grace_period_seconds),
        Fault::EvictPods(fault) => Verb::Evict(fault.grace_period_seconds),
        Fault::KillContainer(_) | Fault::Exec(_) => Verb::Run,
        fault if fault.is_about_a_machine() => Verb::Machine,
        fault if fault.holding().is_some() => Verb::Hold,
        Fault::Delete(_) => Verb::Delete,
        Fault::ExpireToken(_) => Verb::Renew,
        Fault::DeleteConfig(fault) => unset(fault.key.as_deref()),
        Fault::DeleteSecret(fault) => unset(fault.key.as_deref()),
        Fault::SetConfig(fault) => Verb::Change(Merge, json!({ "data": { &fault.key: as_text(&fault.value) } })),
        Fault::SetSecret(fault) => {
            let value = ByteString(as_text(&fault.value).into_bytes());
            Verb::Change(Merge, json!({ "data": { &fault.key: value } }))
        }
        Fault::SetEnv(fault) => {
            let variable = match &fault.value {
                // A value may stand where another source stood.
                Some(value) => json!({ "name": fault.name, "value": as_text(value), "valueFrom": null }),
                None => json!({ "name": fault.name, "$patch": "delete" }),
            };
            in_container(prey, fault.container.as_deref(), &json!({ "env": [variable] }))?
        }
        Fault::SetImage(fault) => in_container(prey, fault.container.as_deref(), &json!({ "image": fault.image }))?,
        Fault::SetCommand(fault) => {
            let mut fields = json!({});
            for (key, words) in [("command", &fault.command), ("args", &fault.args)] {
                if let Some(words) = words {
                    fields[key] = json!(words);
                }
            }
            in_container(prey, fault.container.as_deref(), &fields)?
        }
        Fault::SetResources(fault) => {
            let mut resources = json!({});
            for (section, values) in [("requests", &fault.requests), ("limits", &fault.limits)] {
                if !values.is_empty() {
                    resources[section] = json!(values);
                }
            }
            in_container(prey, fault.container.as_deref(), &json!({ "resources": resources }))?
        }
        Fault::SetProbe(fault) => in_container(prey, fault.container.as_deref(), &json!({ fault.probe.field(): probe(fault) }))?,
        Fault::SetReplicas(fault) => Verb::Change(Merge, json!({ "spec": { "replicas": fault.replicas } })),
        Fault::StopDependency(_) => Verb::Change(Merge, json!({ "spec": { "replicas": 0 } })),
        Fault::Patch(fault) => Verb::Change(fault.type_, fault.patch.clone()),
        Fault::BreakService(_) => Verb::Change(Merge, json!({ "spec": { "selector": { BROKEN: "true" } } })),
        Fault::CordonNode(_) | Fault::DrainNode(_) => Verb::Change(Strategic, json!({ "spec": { "unschedulable": true } })),
        Fault::TaintNode(fault) => Verb::Change(Merge, json!({ "spec": { "taints": taints(prey, fault) } })),
        _ => {
            let message = format!("`{}` does nothing to {}", fault.key(), prey.reference);
            return Err(RequestError::of("preparing a fault", message).into());
        }
    })
}

/// A key taken away, or without one the whole object.
fn unset(key: Option<&str>) -> Verb {
    key.map_or(Verb::Delete, |key| Verb::Change(PatchType::Merge, json!({ "data": { key: null } })))
}

fn in_container(prey: &Prey, named: Option<&str>, fields: &Value) -> Result<Verb, FaultError> {
    let mut container = fields.clone();
    container["name"] = json!(container_of(prey, named)?);
    let patch = json!({ "spec": { "template": { "spec": { "containers": [container] } } } });
    Ok(Verb::Change(PatchType::Strategic, patch))
}

/// The probe's new fields; a new handler takes the old one's place.
fn probe(fault: &SetProbe) -> Value {
    const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
    if fault.remove {
        return Value::Null;
    }
    let mut fields = json!(fault.set);
    if fault.set.keys().any(|key| HANDLERS.contains(&key.as_str())) {
        for handler in HANDLERS.iter().filter(|handler| !fault.set.contains_key(**handler)) {
            fields[handler] = Value::Null;
        }
    }
    fields
}

/// The node's taints with the fault's own in place of one of the same key and effect: the API knows no patch of one taint.
fn taints(prey: &Prey, fault: &TaintNode) -> Vec<Value> {
    let mut taint = json!({ "key": fault.key, "effect": fault.effect.name() });
    if let Some(value) = &fault.value {
        taint["value"] = json!(value);
    }
    let before = prey.before.as_ref().and_then(|node| node.pointer("/spec/taints")?.as_array());
    let others = before
        .into_iter()
        .flatten()
        .filter(|other| text(other, "/key") != fault.key || text(other, "/effect") != fault.effect.name());
    others.cloned().chain([taint]).collect()
}

/// The container of a workload's template that a fault means: the named one, else the only one.
pub(super) fn container_of(prey: &Prey, named: Option<&str>) -> Result<String, FaultError> {
    let containers = prey.before.as_ref().and_then(|object| object.pointer("/spec/template/spec/containers")?.as_array());
    let names: Vec<_> = containers.into_iter().flatten().map(|container| text(container, "/name")).collect();
    let refused = |what: String| FaultError::NoTarget(format!("{} {} {what}", prey.reference.kind, prey.reference.name));
    match (named, names.as_slice()) {
        (Some(named), _) if names.contains(&named) => Ok(named.to_owned()),
        (Some(named), _) => Err(refused(format!("has no container {named} (it has {})", names.join(", ")))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(refused(format!("has {} containers ({}): name one", names.len(), names.join(", ")))),
    }
}

/// A scalar as ConfigMaps hold it: text.
pub(super) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
