//! What cannot be submitted: said before a cluster is touched, with what to do instead.

use crate::cli::guard;
use crate::cli::options::Options;
use crate::cluster::select::ClusterChoice;
use crate::engine::shard::{self, Part};
use crate::scenario::{Detector, Fault, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Refuses options, mostly defaults of `comeback.yaml`, that a submitted run cannot keep.
///
/// # Errors
/// Which, and why.
pub(super) fn options(options: &Options) -> Result<(), String> {
    if options.cluster == Some(ClusterChoice::Embedded) {
        return Err(
            "the embedded cluster runs no pods of ours: give `--cluster kind` or `context`, or use `comeback run`".to_owned()
        );
    }
    first(&[
        (options.until_confident.is_some(), "until-confident"),
        (options.baseline.is_some(), "baseline"),
        (options.keep_on_failure.unwrap_or(false), "keep-on-failure"),
        (!options.allow.is_empty(), "allow"),
    ])
}

/// Refuses options that have no meaning here; as defaults of `comeback.yaml` they are for `run`.
///
/// # Errors
/// Which, and why.
pub(super) fn given(options: &Options) -> Result<(), String> {
    first(&[
        (options.dry_run.unwrap_or(false), "dry-run"),
        (options.watch.unwrap_or(false), "watch"),
        (options.trial.is_some(), "trial"),
        (options.shard.is_some(), "shard"),
        (options.max_nodes.is_some(), "max-nodes"),
        (options.node_image.is_some(), "node-image"),
        (options.profile.is_some(), "profile"),
    ])
}

/// Why an option of `run` cannot be kept, by its name.
const REFUSED: [(&str, &str); 11] = [
    ("until-confident", "shards do not know of each other's trials"),
    ("baseline", "compare the whole run afterwards: `comeback gate RUN_DIR --baseline REF`"),
    ("keep-on-failure", "a submitted run leaves nothing"),
    ("allow", "the pods of the run work on the nodes that it would break: use `comeback run`"),
    ("dry-run", "`comeback run --dry-run` prints what the trials would do"),
    ("watch", "it is for the embedded cluster: use `comeback run`"),
    ("trial", "a single trial needs no shards: use `comeback run`"),
    ("shard", "all are run here: `--shards N` says how many there are"),
    ("max-nodes", "no node is broken by a submitted run"),
    ("node-image", "no node is broken by a submitted run"),
    ("profile", "it is for the embedded cluster: use `comeback run`"),
];

/// Whether an option of `run` is refused, by the name of its field.
pub(super) fn is_refused(field: &str) -> bool {
    REFUSED.iter().any(|(name, _)| name.replace('-', "_") == field)
}

fn first(present: &[(bool, &str)]) -> Result<(), String> {
    let why = |name: &str| REFUSED.iter().find(|(known, _)| *known == name).map(|(_, why)| *why).unwrap_or_default();
    match present.iter().find(|(present, _)| *present) {
        Some((_, name)) => Err(format!("--{name} cannot be kept by a submitted run: {}", why(name))),
        None => Ok(()),
    }
}

/// Refuses scenarios that need what a pod does not have.
///
/// # Errors
/// Which, and why.
pub(super) fn plans(plans: &[Arc<Plan>], shards: u32) -> Result<(), String> {
    let anywhere = ClusterChoice::Context(None);
    let refused: Vec<String> = plans
        .iter()
        .filter_map(|plan| {
            let why = if runs_programs(plan) {
                "it runs programs of this machine, which the image does not have"
            } else if guard::nodes(plan, &anywhere, &[]).is_some() {
                "it breaks nodes, on which the pods of the run work themselves"
            } else {
                return None;
            };
            Some(format!("scenario {} ({}) cannot be submitted: {why}", plan.name, plan.file))
        })
        .collect();
    if !refused.is_empty() {
        return Err(format!("{}\nLeave them out (`--select`), and run them from here with `comeback run`", refused.join("\n")));
    }
    let trials: u64 = plans.iter().map(|plan| u64::from(plan.trials)).sum();
    if trials < u64::from(shards) {
        return Err(format!("there are {trials} trials in all: they cannot be cut into {shards} shards"));
    }
    let mut acting = BTreeMap::new();
    for index in 1..=shards {
        let (ours, _) = shard::cut(plans, Part { index, of: shards })?;
        for place in places(&ours) {
            // Within one process they take turns.
            if let Some(other) = acting.insert(place.clone(), index) {
                return Err(format!(
                    "shards {other} and {index} would both act on what runs in namespace {place}, at the same time: give `--shards 1`, or submit its scenarios by themselves"
                ));
            }
        }
    }
    Ok(())
}

/// Namespaces of others in which scenarios act.
fn places(plans: &[Arc<Plan>]) -> BTreeSet<String> {
    plans.iter().filter_map(|plan| Some(plan.existing.as_ref()?.namespace.clone())).collect()
}

/// Programs of the submitter's machine. A program that rendered manifests has done so already.
fn runs_programs(plan: &Plan) -> bool {
    plan.single_faults().iter().any(|fault| matches!(fault, Fault::Command(_)))
        || plan.detectors.iter().any(|detector| matches!(detector, Detector::Program(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{LoadOptions, load};
    use rstest::rstest;

    #[rstest]
    #[case("builtin:pod-deleted", 1, None)]
    #[case("builtin:pod-deleted", 2, Some("cannot be cut into 2 shards"))]
    #[case("builtin:node-paused", 1, Some("it breaks nodes"))]
    fn what_a_pod_cannot_do_is_refused(#[case] path: &str, #[case] shards: u32, #[case] refused: Option<&str>) {
        let loaded = load(&[path.to_owned()], &LoadOptions { trials: Some(1), ..LoadOptions::default() }).unwrap();
        let answer = plans(&loaded.plans, shards);
        assert_eq!(answer.is_err(), refused.is_some(), "{answer:?}");
        assert!(answer.is_ok() || answer.unwrap_err().contains(refused.unwrap_or_default()));
    }

    #[test]
    fn shards_do_not_meet_in_a_namespace_of_others() {
        let loaded =
            load(&["builtin:pod-deleted".to_owned()], &LoadOptions { trials: Some(2), ..LoadOptions::default() }).unwrap();
        let mut plan = (*loaded.plans[0]).clone();
        plan.existing = Some(serde_json::from_value(serde_json::json!({ "namespace": "shop", "selector": "app=api" })).unwrap());
        let own = Arc::clone(&loaded.plans[0]);
        let on_others = Arc::new(plan);
        assert!(plans(&[Arc::clone(&on_others), Arc::clone(&own)], 2).is_ok());
        let refused = plans(&[on_others, own], 4).unwrap_err();
        assert!(refused.contains("shards 1 and 2") && refused.contains("namespace shop"), "{refused}");
    }

    #[test]
    fn defaults_that_cannot_be_kept_are_named() {
        let embedded = Options { cluster: Some(ClusterChoice::Embedded), ..Options::default() };
        assert!(options(&embedded).unwrap_err().contains("comeback run"));
        let confident = Options { until_confident: Some(0.9), ..Options::default() };
        assert!(options(&confident).unwrap_err().contains("--until-confident"));
        assert!(options(&Options::default()).is_ok());
        // As a default it is for `run`, on the command line a mistake.
        let few = Options { max_nodes: Some("1".parse().unwrap()), ..Options::default() };
        assert!(options(&few).is_ok());
        assert!(given(&few).unwrap_err().contains("--max-nodes"));
    }
}
