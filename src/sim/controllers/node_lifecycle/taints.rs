//! Taints of nodes: those that follow conditions and cordons at once, and how taints are added and removed.
//! When a node is tainted so that its pods go is decided by the monitor.

use super::super::context::Context;
use super::super::object::{condition, key, list, text};
use super::super::queue::Key;
use crate::json::At as _;
use crate::sim::api::resource::NODES;
use crate::sim::api::{ApiError, Subresource, WatchItem};
use crate::sim::store::ChangeKind;
use serde_json::{Value, json};
use std::sync::Arc;

/// The taints that the control plane sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sim::controllers) enum Taint {
    /// The kubelet says that the node is not ready.
    NotReadyNoSchedule,
    /// Nothing is known of the node.
    UnreachableNoSchedule,
    /// Memory is short.
    MemoryPressure,
    /// Disk is short.
    DiskPressure,
    /// Process numbers are short.
    PidPressure,
    /// The network is not set up.
    NetworkUnavailable,
    /// The node is cordoned.
    Unschedulable,
    /// As the first, for pods that run.
    NotReadyNoExecute,
    /// As the second, for pods that run.
    UnreachableNoExecute,
}

impl Taint {
    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::NotReadyNoSchedule => ("node.kubernetes.io/not-ready", "NoSchedule"),
            Self::UnreachableNoSchedule => ("node.kubernetes.io/unreachable", "NoSchedule"),
            Self::MemoryPressure => ("node.kubernetes.io/memory-pressure", "NoSchedule"),
            Self::DiskPressure => ("node.kubernetes.io/disk-pressure", "NoSchedule"),
            Self::PidPressure => ("node.kubernetes.io/pid-pressure", "NoSchedule"),
            Self::NetworkUnavailable => ("node.kubernetes.io/network-unavailable", "NoSchedule"),
            Self::Unschedulable => ("node.kubernetes.io/unschedulable", "NoSchedule"),
            Self::NotReadyNoExecute => ("node.kubernetes.io/not-ready", "NoExecute"),
            Self::UnreachableNoExecute => ("node.kubernetes.io/unreachable", "NoExecute"),
        }
    }

    fn is(self, taint: &Value) -> bool {
        (text(taint, "/key"), text(taint, "/effect")) == self.parts()
    }
}

/// The taints that keep pods from being scheduled while a condition lasts, in the order in which they are written.
const BY_CONDITION: [(Taint, &str, &str); 6] = [
    (Taint::NotReadyNoSchedule, "Ready", "False"),
    (Taint::UnreachableNoSchedule, "Ready", "Unknown"),
    (Taint::MemoryPressure, "MemoryPressure", "True"),
    (Taint::DiskPressure, "DiskPressure", "True"),
    (Taint::NetworkUnavailable, "NetworkUnavailable", "True"),
    (Taint::PidPressure, "PIDPressure", "True"),
];

/// Whether a node has a taint.
pub(in crate::sim::controllers) fn has(node: &Value, taint: Taint) -> bool {
    list(node, "/spec/taints").iter().any(|known| taint.is(known))
}

/// Starts what keeps the taints of conditions and cordons.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(NODES, |_, item: &WatchItem| {
        let same = item.previous.as_deref().is_some_and(|before| wanted(before) == wanted(&item.object));
        if item.kind == ChangeKind::Deleted || same { Vec::new() } else { vec![key(&item.object)] }
    });
    context.serve(|context, key| Box::pin(sync(context, key)));
}

fn wanted(node: &Value) -> Vec<Taint> {
    let holds = |kind: &str, status: &str| condition(&node["status"], kind).is_some_and(|known| known["status"] == *status);
    let mut wanted: Vec<_> =
        BY_CONDITION.iter().filter(|(_, kind, status)| holds(kind, status)).map(|(taint, ..)| *taint).collect();
    if node.at("/spec/unschedulable") == Some(&Value::Bool(true)) {
        wanted.push(Taint::Unschedulable);
    }
    wanted
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(node) = context.api.get(NODES, "", &key.1) else { return Ok(()) };
    let wanted = wanted(&node);
    let ours = BY_CONDITION.iter().map(|(taint, ..)| *taint).chain([Taint::Unschedulable]);
    let missing: Vec<_> = wanted.iter().copied().filter(|taint| !has(&node, *taint)).collect();
    let superfluous: Vec<_> = ours.filter(|taint| has(&node, *taint) && !wanted.contains(taint)).collect();
    swap(context, &key.1, &missing, &superfluous).await;
    Ok(())
}

/// Adds taints, then removes others, in one write each.
pub(super) async fn swap(context: &Context, node: &str, add: &[Taint], without: &[Taint]) {
    let key = (String::new(), node.to_owned());
    let lacks = |node: &Value| add.iter().any(|taint| !has(node, *taint));
    if !add.is_empty() && context.api.get(NODES, "", node).is_ok_and(|node| lacks(&node)) {
        context.before_write(&key).await;
        let now = context.api.clock.seconds();
        // A node that vanished needs no taint.
        let _ = context.api.modify(NODES, "", node, Subresource::Main, |node| {
            let mut taints = list(node, "/spec/taints").to_vec();
            for taint in add.iter().filter(|taint| !taints.iter().any(|known| taint.is(known))).collect::<Vec<_>>() {
                let (key, effect) = taint.parts();
                taints.push(json!({"key": key, "effect": effect, "timeAdded": now}));
            }
            node["spec"]["taints"] = json!(taints);
        });
    }
    remove(context, node, without).await;
}

/// Removes taints in one write, if the node has any of them.
pub(super) async fn remove(context: &Context, node: &str, without: &[Taint]) {
    let concerned = |node: &Value| without.iter().any(|taint| has(node, *taint));
    if !context.api.get(NODES, "", node).is_ok_and(|node| concerned(&node)) {
        return;
    }
    context.before_write(&(String::new(), node.to_owned())).await;
    let _ = context.api.modify(NODES, "", node, Subresource::Main, |node| {
        let mut taints = list(node, "/spec/taints").to_vec();
        taints.retain(|known| !without.iter().any(|taint| taint.is(known)));
        if let Some(spec) = node["spec"].as_object_mut() {
            if taints.is_empty() {
                spec.remove("taints");
            } else {
                spec.insert("taints".to_owned(), json!(taints));
            }
        }
    });
}
