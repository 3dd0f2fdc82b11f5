//! Which pods and nodes a fault acts on: a pure function of fault, index and seed.
//! Objects that are named are looked up in `prepare`.

use super::{FaultError, Prepared};
use crate::observe::Index;
use crate::observe::index::PodRecord;
use crate::observe::timeline::Reference;
use crate::scenario::fault::{Aim, TaintEffect};
use crate::scenario::{Fault, Target};
use crate::sim::random::Random;
use std::collections::BTreeSet;

/// The pods that a pod fault acts on, by name, or the nodes of a node fault; nothing for faults that name their object.
///
/// # Errors
/// Fewer pods or nodes are there than the fault expects.
pub fn choose(fault: &Fault, index: &Index, seed: u64) -> Result<Vec<Reference>, FaultError> {
    if let Some(aim) = fault.pods() {
        return pods(fault, &aim, index, seed);
    }
    fault.nodes().map_or(Ok(Vec::new()), |aim| nodes(&aim, index, seed))
}

fn pods(fault: &Fault, aim: &Aim, index: &Index, seed: u64) -> Result<Vec<Reference>, FaultError> {
    let Some(target) = &aim.target else {
        return Err(FaultError::NoTarget(format!("`{}` names no deployment, pod or selector", fault.key())));
    };
    let found: Vec<_> = index.pods_of(target).into_iter().filter(|pod| pod.is_live() && !pod.is_finished()).collect();
    let wanted = wanted(found.len(), aim.count, aim.percent, aim.all);
    if found.is_empty() || found.len() < wanted {
        let expected = if wanted == 0 { "at least 1".to_owned() } else { wanted.to_string() };
        return Err(FaultError::NoTarget(format!(
            "{} live pods of {target} found, {expected} expected{}",
            found.len(),
            seen(index, target)
        )));
    }
    Ok(drawn(found.into_iter().map(|pod| pod.reference.clone()).collect(), wanted, seed))
}

/// The named node, or nodes on which pods of the target (without one: any pods of the trial) run.
fn nodes(aim: &Aim, index: &Index, seed: u64) -> Result<Vec<Reference>, FaultError> {
    let node = |name: &str| Reference { kind: "Node".to_owned(), name: name.to_owned(), ..Reference::default() };
    if let Some(name) = &aim.node {
        return Ok(vec![node(name)]);
    }
    let pods = aim.target.as_ref().map_or_else(|| index.pods().collect(), |target| index.pods_of(target));
    let live = pods.into_iter().filter(|pod| pod.is_live() && !pod.is_finished());
    let names: BTreeSet<&str> = live.map(|pod| pod.node.as_str()).filter(|name| !name.is_empty()).collect();
    let wanted = wanted(names.len(), aim.count, None, false);
    if names.len() < wanted {
        let whose = aim.target.as_ref().map_or_else(|| "the trial".to_owned(), ToString::to_string);
        return Err(FaultError::NoTarget(format!("pods of {whose} run on {} nodes, {wanted} expected", names.len())));
    }
    Ok(drawn(names.into_iter().map(node).collect(), wanted, seed))
}

/// As many as are wanted, drawn by the seed, in order of name.
fn drawn(mut found: Vec<Reference>, wanted: usize, seed: u64) -> Vec<Reference> {
    if wanted < found.len() {
        let random = Random::new(seed);
        found.sort_by_key(|one| (random.bits(&one.name, "fault-target", 0), one.name.clone()));
        found.truncate(wanted);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// How many pods a fault hits by itself, and of how many: of its target's, or of the trial's where it acts on nodes; of what Chaos
/// Mesh chooses, the most that it may. Pods that a change of their workload replaces are not counted.
#[must_use]
pub fn hits(prepared: &Prepared, index: &Index) -> (usize, usize) {
    let live = |pods: Vec<&PodRecord>| pods.into_iter().filter(|pod| pod.is_live() && !pod.is_finished()).count();
    let of_kind = |kind: &'static str| prepared.prey.iter().map(|prey| &prey.reference).filter(move |prey| prey.kind == kind);
    let whole_node = match &prepared.fault {
        Fault::TaintNode(taint) => taint.effect == TaintEffect::NoExecute,
        fault => fault.takes_a_node_away(),
    };
    let hit = if let Fault::ChaosMesh(chaos) = &prepared.fault {
        let there = index.pods().filter(|pod| pod.is_live() && !pod.is_finished());
        chaos.most_hit(&there.map(|pod| &*pod.labels).collect::<Vec<_>>())
    } else if whole_node {
        let there = |pod: &&PodRecord| of_kind("Node").any(|node| node.name == pod.node.as_str());
        live(index.pods().filter(there).collect())
    } else {
        of_kind("Pod").count()
    };
    let target = prepared.fault.pods().and_then(|aim| aim.target);
    let present = live(target.map_or_else(|| index.pods().collect(), |target| index.pods_of(&target)));
    (hit, present.max(hit))
}

/// How many of `found` pods are meant: all, a percentage rounded up, or a count (1 if nothing is said).
fn wanted(found: usize, count: Option<u32>, percent: Option<u32>, all: bool) -> usize {
    if all {
        return found;
    }
    if let Some(percent) = percent {
        return (found * usize::try_from(percent.min(100)).unwrap_or(100)).div_ceil(100);
    }
    usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX)
}

fn seen(index: &Index, target: &Target) -> String {
    let ended = index.pods_of(target).into_iter().filter(|pod: &&PodRecord| !pod.is_live() || pod.is_finished()).count();
    if ended == 0 { String::new() } else { format!(" ({ended} more were seen that ended or are being deleted)") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::timeline::{Fact, Observation, Source};
    use rstest::rstest;
    use serde_json::{Value, json};
    use std::sync::Arc;
    use std::time::Duration;

    #[rstest]
    #[case(3, None, None, false, 1)]
    #[case(3, Some(2), None, false, 2)]
    #[case(3, None, Some(50), false, 2)]
    #[case(3, None, Some(1), false, 1)]
    #[case(3, None, Some(0), false, 0)]
    #[case(3, None, None, true, 3)]
    fn counts(
        #[case] found: usize,
        #[case] count: Option<u32>,
        #[case] percent: Option<u32>,
        #[case] all: bool,
        #[case] is: usize,
    ) {
        assert_eq!(wanted(found, count, percent, all), is);
    }

    fn index(names: &[&str]) -> Index {
        let mut index = Index::new("c");
        for (seq, name) in names.iter().enumerate() {
            let pod = json!({ "kind": "Pod", "metadata": { "name": name, "namespace": "n", "uid": format!("u-{name}"),
                "labels": { "app": "x" } }, "spec": { "containers": [] }, "status": { "phase": "Running" } });
            let fact = Fact::Object(Arc::new(pod));
            index.apply(&Observation { seq: seq as u64, at: Duration::from_secs(1), source: Source::Watch, fact });
        }
        index
    }

    fn delete(more: Value) -> Fault {
        let mut inner = json!({ "selector": "app=x" });
        inner.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json!({ "deletePods": inner })).unwrap()
    }

    #[test]
    fn the_choice_depends_on_the_seed_alone_and_is_in_order_of_names() {
        let names: Vec<_> = (0..10).map(|n| format!("p{n}")).collect();
        let forward = index(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let backward = index(&names.iter().rev().map(String::as_str).collect::<Vec<_>>());
        let fault = delete(json!({ "count": 3 }));
        let chosen = choose(&fault, &forward, 7).unwrap();
        assert_eq!(chosen, choose(&fault, &backward, 7).unwrap());
        assert!(chosen.is_sorted_by(|a, b| a.name < b.name) && chosen.len() == 3);
        assert!((0..20).any(|seed| choose(&fault, &forward, seed).unwrap() != chosen));
        assert_eq!(choose(&delete(json!({ "all": true })), &forward, 7).unwrap().len(), 10);
    }

    #[test]
    fn too_few_pods_are_no_target() {
        let error = choose(&delete(json!({ "count": 3 })), &index(&["a"]), 1).unwrap_err();
        assert_eq!(error.to_string(), "no target: 1 live pods of pods with app=x found, 3 expected");
        assert!(matches!(choose(&delete(json!({ "all": true })), &index(&[]), 1), Err(FaultError::NoTarget(_))));
    }
}
