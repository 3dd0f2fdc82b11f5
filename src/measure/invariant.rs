//! Invariants against healing by destruction: at the end the baseline's objects exist, with no fewer replicas, no lower
//! requests and limits, and with images of the baseline or of the scenario's own strategy.

use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::{controller_of, text};
use crate::observe::timeline::Baseline;
use crate::scenario::Plan;
use crate::scenario::quantity::value as quantity;
use serde_json::Value;
use std::collections::BTreeSet;

/// Everything that is broken, in words; an empty baseline is an error of its own and never passes here.
#[must_use]
pub fn broken(baseline: &Baseline, index: &Index, plan: &Plan) -> Vec<String> {
    let allowed = strategy_images(plan);
    baseline.objects.iter().flat_map(|before| check(before, index, &allowed)).collect()
}

fn check(before: &Value, index: &Index, allowed: &BTreeSet<String>) -> Vec<String> {
    let (kind, name) = (text(before, "/kind"), text(before, "/metadata/name"));
    let what = format!("{}/{name}", kind.to_lowercase());
    let now = if kind == "Pod" {
        index.pods().find(|pod| pod.reference.name == name).map(crate::observe::index::PodRecord::object)
    } else {
        index.get(kind, name)
    };
    let Some(now) = now else {
        if kind == "Pod" && controller_of(before).is_some() {
            // Its controller (one that could not be read) makes another in its place, of another name: `ready` counts them.
            return Vec::new();
        }
        // A kind that is not watched (a Role, say) cannot be lost by healing pods; absence proves nothing there.
        return if index.is_watched(kind) { vec![format!("{what} no longer exists")] } else { Vec::new() };
    };
    let mut broken = Vec::new();
    // A Job's pods are counted by its parallelism and completions.
    for (field, noun) in [("replicas", "replicas"), ("parallelism", "pods at once"), ("completions", "completions")] {
        let count = |object: &Value| object.at(&format!("/spec/{field}")).and_then(Value::as_u64);
        if let (Some(before), Some(now)) = (count(before), count(now))
            && now < before
        {
            broken.push(format!("{what} has {now} {noun} instead of {before}"));
        }
    }
    for container in containers(before) {
        let container_name = text(container, "/name");
        let Some(after) = containers(now).into_iter().find(|after| text(after, "/name") == container_name) else {
            broken.push(format!("{what} lost its container {container_name}"));
            continue;
        };
        let (image, was) = (text(after, "/image"), text(container, "/image"));
        if image != was && !allowed.contains(image) {
            broken.push(format!("{what}: container {container_name} runs {image} instead of {was}"));
        }
        broken.extend(
            lower_resources(container, after).into_iter().map(|what_is| format!("{what}: container {container_name}: {what_is}")),
        );
    }
    broken
}

fn containers(object: &Value) -> Vec<&Value> {
    ["/spec/template/spec/containers", "/spec/template/spec/initContainers", "/spec/containers", "/spec/initContainers"]
        .iter()
        .filter_map(|list| object.at(list)?.as_array())
        .flatten()
        .collect()
}

fn lower_resources(before: &Value, after: &Value) -> Vec<String> {
    let mut lower = Vec::new();
    for list in ["requests", "limits"] {
        let Some(resources) = before.at(&format!("/resources/{list}")).and_then(Value::as_object) else { continue };
        for (resource, was) in resources {
            let now = after.at(&format!("/resources/{list}/{resource}"));
            // A limit that is gone is no lower limit, but a request that is gone is.
            if now.is_none() && list == "limits" {
                continue;
            }
            let (was, now) = (quantity(was), now.and_then(quantity));
            if let Some(was) = was
                && now.is_none_or(|now| now < was)
            {
                lower.push(format!("{list} of {resource} are lower than before"));
            }
        }
    }
    lower
}

/// Every image that a step of the scenario's own strategies names.
fn strategy_images(plan: &Plan) -> BTreeSet<String> {
    let mut images = BTreeSet::new();
    for step in plan.steps() {
        if let crate::scenario::Step::Patch(patch) = step {
            collect_images(&patch.patch, &mut images);
        }
    }
    images
}

fn collect_images(value: &Value, images: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "image"
                    && let Value::String(image) = value
                {
                    images.insert(image.clone());
                }
                collect_images(value, images);
            }
            // A JSON patch names the field in its path.
            if let (Some(Value::String(path)), Some(Value::String(image))) = (fields.get("path"), fields.get("value"))
                && path.ends_with("/image")
            {
                images.insert(image.clone());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_images(item, images)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!("64Mi"), json!("67108864"))]
    #[case(json!("1"), json!("1000m"))]
    #[case(json!("1e3"), json!("1k"))]
    #[case(json!(2), json!("2"))]
    fn quantities_compare(#[case] a: Value, #[case] b: Value) {
        assert_eq!(quantity(&a), quantity(&b));
    }

    #[test]
    fn a_job_that_does_less_is_not_healed() {
        let job = |parallelism: u64, completions: u64| {
            json!({"kind": "Job", "metadata": {"name": "j", "namespace": "n", "uid": "u"},
                "spec": {"parallelism": parallelism, "completions": completions, "template": {"spec": {"containers": []}}}})
        };
        let mut index = Index::new("c");
        index.apply(&crate::observe::Observation {
            seq: 0,
            at: std::time::Duration::ZERO,
            source: crate::observe::timeline::Source::Watch,
            fact: crate::observe::Fact::Object(std::sync::Arc::new(job(1, 2))),
        });
        let found = check(&job(3, 4), &index, &BTreeSet::new());
        assert_eq!(found, ["job/j has 1 pods at once instead of 3", "job/j has 2 completions instead of 4"]);
        assert!(check(&job(1, 2), &index, &BTreeSet::new()).is_empty());
    }

    #[test]
    fn a_pod_whose_controller_is_not_known_may_be_replaced_and_one_without_may_not() {
        let pod = |owners: Value| json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u", "ownerReferences": owners}});
        let mut index = Index::new("c");
        index.apply(&crate::observe::Observation {
            seq: 0,
            at: std::time::Duration::ZERO,
            source: crate::observe::timeline::Source::Watch,
            fact: crate::observe::Fact::Watching { kinds: vec!["Pod".into()] },
        });
        let controlled = pod(json!([{"kind": "Rollout", "name": "r", "uid": "r", "controller": true}]));
        assert!(check(&controlled, &index, &BTreeSet::new()).is_empty());
        assert_eq!(check(&pod(json!([])), &index, &BTreeSet::new()), ["pod/p no longer exists"]);
    }

    #[test]
    fn a_lower_request_is_seen_and_a_raised_limit_is_fine() {
        let before = json!({"resources": {"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}});
        let after = json!({"resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "96Mi"}}});
        assert_eq!(lower_resources(&before, &after), ["requests of memory are lower than before"]);
        assert!(lower_resources(&before, &before).is_empty());
    }
}
