//! Which object a fault names, or which it makes, and whether that object can be broken in this way. Pure.
//! Pods and nodes are chosen in `choose`.

use super::{FaultError, Prey};
use crate::engine::labels::PROBE;
use crate::observe::probe::pod;
use crate::scenario::Fault;
use crate::scenario::fault::{DenyNetwork, Direction};
use crate::selector::Selector;
use serde_json::{Value, json};

/// What a fault is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Subject {
    /// An object that exists: apiVersion where given, kind, name.
    Named(Option<String>, String, String),
    /// An object that the fault applies.
    Made(Value),
}

/// The object that a fault names or makes; none for faults on pods and nodes, for groups, and for those by a `NetworkPolicy`, which
/// depends on what their target selects.
pub(super) fn of(fault: &Fault) -> Option<Subject> {
    let named = |kind: &str, name: &str| Subject::Named(None, kind.to_owned(), name.to_owned());
    if let Some((target, _)) = fault.workload() {
        let target = target?;
        let (kind, name) = target.workload()?;
        return Some(named(kind, name));
    }
    Some(match fault {
        Fault::SetConfig(fault) => named("ConfigMap", &fault.config_map),
        Fault::DeleteConfig(fault) => named("ConfigMap", &fault.config_map),
        Fault::SetSecret(fault) => named("Secret", &fault.secret),
        Fault::DeleteSecret(fault) => named("Secret", &fault.secret),
        Fault::BreakService(fault) => named("Service", &fault.service),
        Fault::Patch(fault) => Subject::Named(fault.api_version.clone(), fault.kind.clone(), fault.name.clone()),
        Fault::Delete(fault) => Subject::Named(fault.api_version.clone(), fault.kind.clone(), fault.name.clone()),
        Fault::Apply(fault) => Subject::Made(fault.manifest.clone()),
        Fault::Quota(fault) => Subject::Made(json!({ "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": { "name": fault.name }, "spec": { "hard": fault.hard } })),
        _ => return None,
    })
}

/// The policy of a fault by policy; `owner` is the workload that it names, if it names one.
///
/// # Errors
/// Nothing says which pods are meant.
pub(super) fn network_policy(fault: &Fault, owner: Option<&Value>) -> Result<Value, FaultError> {
    let (name, selector) = fault.policy().map(|(_, name, selector)| (name, selector)).unwrap_or_default();
    let selector = match (selector, owner) {
        (Some(selector), _) => Selector::parse(selector).ok().map(|selector| selector.to_api()),
        (None, Some(owner)) => owner.pointer("/spec/selector").cloned(),
        (None, None) => None,
    };
    let Some(mut selector) = selector else { return Err(FaultError::NoTarget(format!("`{}` names no pods", fault.key()))) };
    // The pod that only asks is no part of what is broken: denied itself, it could not tell what others see.
    if Selector::from_api(&selector).is_none_or(|selector| selector.matches(&pod::labels())) {
        let ours = json!({ "key": PROBE, "operator": "DoesNotExist" });
        match selector.get_mut("matchExpressions").and_then(Value::as_array_mut) {
            Some(expressions) => expressions.push(ours),
            None => selector["matchExpressions"] = json!([ours]),
        }
    }
    let mut spec = json!({ "podSelector": selector });
    if let Fault::DenyNetwork(fault) = fault {
        deny(fault, &mut spec);
    } else {
        // Policies only allow: everything but port 53, and nothing is said of what comes in.
        let range = |protocol: &str| {
            [(1, 52), (54, 65_535)].map(|(port, end)| json!({ "protocol": protocol, "port": port, "endPort": end }))
        };
        let all: Vec<_> = ["TCP", "UDP", "SCTP"].into_iter().flat_map(range).collect();
        spec["policyTypes"] = json!(["Egress"]);
        spec["egress"] = json!([{ "ports": all }]);
    }
    Ok(json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": name }, "spec": spec }))
}

fn deny(fault: &DenyNetwork, spec: &mut Value) {
    spec["policyTypes"] = match fault.direction {
        Direction::Ingress => json!(["Ingress"]),
        Direction::Egress => json!(["Egress"]),
        Direction::Both => json!(["Ingress", "Egress"]),
    };
    if fault.allow_dns && fault.direction != Direction::Ingress {
        spec["egress"] = json!([{ "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }] }]);
    }
}

/// Whether the object can be broken in this way.
///
/// # Errors
/// It has not what the fault would take away, or it is there although the fault would add it.
pub(super) fn check(fault: &Fault, prey: &Prey) -> Result<(), FaultError> {
    let has =
        |key: &str| prey.before.as_ref().is_some_and(|object| object.get("data").is_some_and(|data| data.get(key).is_some()));
    let refused = |what: String| Err(FaultError::NoTarget(format!("{} {} {what}", prey.reference.kind, prey.reference.name)));
    match fault {
        Fault::DeleteConfig(fault) => match &fault.key {
            Some(key) if !has(key) => refused(format!("has no key {key}")),
            _ => Ok(()),
        },
        Fault::DeleteSecret(fault) => match &fault.key {
            Some(key) if !has(key) => refused(format!("has no key {key}")),
            _ => Ok(()),
        },
        Fault::BreakService(_) => {
            let selector = prey.before.as_ref().and_then(|service| service.pointer("/spec/selector")?.as_object());
            if selector.is_none_or(serde_json::Map::is_empty) { refused("has no selector to break".to_owned()) } else { Ok(()) }
        }
        Fault::Quota(_) | Fault::DenyNetwork(_) | Fault::BreakDns(_) | Fault::ChaosMesh(_) if prey.before.is_some() => {
            refused("exists already; give the fault another `name`".to_owned())
        }
        _ => Ok(()),
    }
}

/// Whether the fault changes one container of a template.
pub(super) const fn is_about_a_container(fault: &Fault) -> bool {
    !matches!(fault, Fault::SetReplicas(_) | Fault::StopDependency(_))
}
