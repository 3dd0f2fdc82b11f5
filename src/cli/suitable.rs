//! Which scenarios can run on a cluster, and why the others are skipped: named before anything starts.
//! What the user has to allow is `guard`'s.

use super::guard::{self, Allow};
use super::options::Options;
use crate::cluster::Cluster;
use crate::cluster::select::ClusterChoice;
use crate::scenario::Plan;
use crate::scenario::model::Need;
use std::sync::Arc;

/// Scenarios, sorted out.
#[derive(Debug, Default)]
pub(super) struct Suitable {
    /// Those that can run.
    pub plans: Vec<Arc<Plan>>,
    /// Those that cannot, with the reason.
    pub skipped: Vec<(Arc<Plan>, String)>,
}

/// Sorts scenarios out, in their order.
pub(super) fn of(plans: Vec<Arc<Plan>>, cluster: &dyn Cluster, choice: &ClusterChoice, allowed: &[Allow]) -> Suitable {
    let mut suitable = Suitable::default();
    for plan in plans {
        match why_not(&plan, cluster, choice, allowed) {
            None => suitable.plans.push(plan),
            Some(why) => suitable.skipped.push((plan, why)),
        }
    }
    suitable
}

fn why_not(plan: &Plan, cluster: &dyn Cluster, choice: &ClusterChoice, allowed: &[Allow]) -> Option<String> {
    if plan.existing.is_some() && cluster.is_virtual_time() {
        let reason = "the embedded cluster begins empty: there is no workload that runs already (`workload.existing`)";
        return Some(reason.to_owned());
    }
    let capabilities = cluster.capabilities();
    let lacking: Vec<Need> = plan.needs.iter().filter(|need| !capabilities.contains(need)).copied().collect();
    if lacking.is_empty() {
        return guard::nodes(plan, choice, allowed).or_else(|| cluster.cannot(plan));
    }
    let names: Vec<_> = lacking.iter().map(|need| camel_case(format!("{need:?}"))).collect();
    let whys: Vec<_> = lacking.iter().filter_map(|need| cluster.why_not(*need)).collect();
    let why = if whys.is_empty() { String::new() } else { format!(" ({})", whys.join("; ")) };
    Some(format!("the {} cluster lacks what the scenario needs: {}{why}", cluster.info().provider, names.join(", ")))
}

/// A run in which nothing is allowed is a mistake of the command line, not a run of which everything is skipped.
///
/// # Errors
/// The scenarios, and the option that would allow them.
pub(super) fn refuse_where_none_is_allowed(plans: &[Arc<Plan>], options: &Options) -> Result<(), String> {
    let choice = options.cluster.clone().unwrap_or_default();
    let refused: Vec<_> = plans
        .iter()
        .filter_map(|plan| {
            Some(format!("scenario {} ({}): {}", plan.name, plan.file, guard::nodes(plan, &choice, &options.allow)?))
        })
        .collect();
    if refused.is_empty() || refused.len() < plans.len() { Ok(()) } else { Err(refused.join("\n")) }
}

/// A name of Rust as YAML writes it.
fn camel_case(mut name: String) -> String {
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    name
}
