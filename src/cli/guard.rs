//! What a run refuses before anything is changed: what the user has not allowed on the command line.
//! Contexts that look like production are refused by `cluster::context`.

use crate::scenario::Plan;
use std::sync::Arc;

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
