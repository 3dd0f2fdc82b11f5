//! What a run refuses before anything is changed: what the user has not allowed on the command line.
//! Contexts that look like production are refused by `cluster::context`.

use crate::cluster::select::ClusterChoice;
use crate::observe::probe::pod;
use crate::scenario::{Fault, Plan, Step};
use serde::{Deserialize, Deserializer, de::Error};
use std::sync::Arc;

/// What `--allow` permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Faults on nodes that other people's pods run on.
    ClusterFaults,
    /// Short-lived privileged pods on the nodes that faults break, where their machines are no containers of this computer.
    NodeAccess,
}

/// What may be written.
const SUPPORTED: &str = "cluster-faults, node-access";

/// Reads one value of `--allow`.
///
/// # Errors
/// What may be written.
pub fn allow(text: &str) -> Result<Allow, String> {
    match text {
        "cluster-faults" => Ok(Allow::ClusterFaults),
        "node-access" => Ok(Allow::NodeAccess),
        "cluster-objects" => Err(format!("`{text}` is not supported yet; supported: {SUPPORTED}")),
        _ => Err(format!("supported: {SUPPORTED}")),
    }
}

/// The same in `comeback.yaml`.
///
/// # Errors
/// What may be written.
pub fn allow_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Allow>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| allow(text).map_err(|help| D::Error::custom(format!("allow: {help}")))).collect()
}

/// The image of the pods that reach nodes, where such are allowed.
pub(super) fn node_image(allowed: &[Allow], image: Option<&str>) -> Option<String> {
    allowed.contains(&Allow::NodeAccess).then(|| image.unwrap_or(pod::IMAGE).to_owned())
}

/// Why a scenario may not run although the cluster could: it breaks nodes of a cluster that others may use, too, and that was not
/// allowed. The embedded cluster has no others, and kind's nodes are containers on this machine.
pub(super) fn nodes(plan: &Plan, cluster: &ClusterChoice, allowed: &[Allow]) -> Option<String> {
    if !spares_nodes(Some(cluster), allowed) {
        return None;
    }
    let faults = plan.single_faults().into_iter().filter(|fault| fault.breaks_what_is_shared()).map(Fault::key);
    let steps = plan.steps().filter(|step| step.is_about_a_node()).map(Step::key);
    let keys: Vec<_> = faults.chain(steps).collect();
    let keys = keys.join(", ");
    (!keys.is_empty()).then(|| {
        format!("it has {keys}, and the nodes of a context are shared with others; if you mean it, add `--allow cluster-faults`")
    })
}

/// Whether nodes are left alone, by faults and by the healer.
pub(super) fn spares_nodes(cluster: Option<&ClusterChoice>, allowed: &[Allow]) -> bool {
    matches!(cluster, Some(ClusterChoice::Context(_))) && !allowed.contains(&Allow::ClusterFaults)
}

/// Every namespace that a scenario acts in and that the run does not create must have been allowed.
///
/// # Errors
/// The scenarios and the options that would allow them.
pub(super) fn namespaces(plans: &[Arc<Plan>], allowed: &[String]) -> Result<(), String> {
    let refused: Vec<String> = plans
        .iter()
        .filter_map(|plan| Some((plan, plan.existing.as_ref()?)))
        .filter(|(_, existing)| !allowed.contains(&existing.namespace))
        .map(|(plan, existing)| {
            let namespace = &existing.namespace;
            format!(
                "scenario {} ({}) acts on what runs in namespace {namespace}: if you mean it, add `--allow-namespace {namespace}`",
                plan.name, plan.file
            )
        })
        .collect();
    if refused.is_empty() { Ok(()) } else { Err(refused.join("\n")) }
}
