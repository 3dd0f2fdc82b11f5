//! What containers use of their limits and requests, as the cluster's own metrics API tells.
//! When it is asked is `probe`'s.

use crate::cluster::request::RequestError;
use crate::observe::Index;
use crate::observe::index::text;
use crate::scenario::condition::{Bound, Metric};
use crate::scenario::quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// How much each container of the target may use, by pod and name.
pub(super) type Bounds = BTreeMap<(String, String), f64>;

/// The bounds of the target's containers now; those without one are left out.
pub(super) fn bounds(metric: &Metric, index: &Index) -> Bounds {
    let Some(target) = metric.target() else { return Bounds::new() };
    let section = match metric.of {
        Bound::Limit => "limits",
        Bound::Request => "requests",
    };
    let pods = index.pods_of(&target).into_iter().filter(|pod| pod.is_live() && !pod.is_finished());
    let containers = pods.flat_map(|pod| {
        let containers = pod.object().pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
        containers.filter_map(|container| {
            let name = text(container, "/name");
            let meant = metric.container.as_ref().is_none_or(|wanted| wanted == name);
            let bound = container.pointer(&format!("/resources/{section}/{}", metric.resource.name()));
            let bound = bound.and_then(quantity::value).filter(|bound| meant && *bound > 0.0)?;
            Some(((pod.reference.name.clone(), name.to_owned()), bound))
        })
    });
    containers.collect()
}

/// Asks, and compares.
pub(super) async fn measure(client: &kube::Client, namespace: &str, metric: &Metric, bounds: &Bounds) -> (Option<bool>, String) {
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods");
    let answer = match http::Request::get(path).body(Vec::new()) {
        Ok(request) => client.request::<Value>(request).await,
        Err(error) => return (None, error.to_string()),
    };
    match answer {
        Ok(answer) => compare(&answer, metric, bounds),
        Err(error) => (None, format!("the metrics could not be read: {}", RequestError::new("metrics", &error).message)),
    }
}

/// Whether the condition holds of what was measured; unknown where a container that matters was not measured.
fn compare(answer: &Value, metric: &Metric, bounds: &Bounds) -> (Option<bool>, String) {
    let (resource, of) = (metric.resource.name(), if metric.of == Bound::Limit { "limit" } else { "request" });
    if bounds.is_empty() {
        return (None, format!("no container of the target has a {resource} {of}"));
    }
    let pods = answer.get("items").and_then(Value::as_array).into_iter().flatten();
    let used: BTreeMap<(String, String), f64> = pods
        .flat_map(|pod| {
            let containers = pod.get("containers").and_then(Value::as_array).into_iter().flatten();
            containers.filter_map(|container| {
                let used = container.get("usage").and_then(|usage| usage.get(resource)).and_then(quantity::value)?;
                Some(((text(pod, "/metadata/name").to_owned(), text(container, "/name").to_owned()), used))
            })
        })
        .collect();
    let shares: Vec<(&(String, String), f64)> =
        bounds.iter().filter_map(|(place, bound)| Some((place, used.get(place)? / bound * 100.0))).collect();
    let Some(((pod, container), most)) = shares.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return (None, "none of its containers was measured yet".to_owned());
    };
    let told = format!("{pod}/{container} uses {most:.0} % of its {resource} {of}");
    if let Some(above) = metric.above {
        return (Some(*most > f64::from(above)), told);
    }
    let all = shares.len() == bounds.len();
    let below = metric.below.is_some_and(|below| *most < f64::from(below));
    (if below && !all { None } else { Some(below) }, if all { told } else { format!("{told}; others were not measured yet") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn answer(used: &[(&str, &str)]) -> Value {
        let pod = |(name, memory): &(&str, &str)| json!({ "metadata": { "name": name }, "containers": [{ "name": "app", "usage": { "memory": memory, "cpu": "10m" } }] });
        json!({ "items": used.iter().map(pod).collect::<Vec<_>>() })
    }

    #[rstest]
    #[case::above(json!({ "above": 90 }), &[("a", "95Mi"), ("b", "1Mi")], Some(true))]
    #[case::not_above(json!({ "above": 90 }), &[("a", "90Mi"), ("b", "1Mi")], Some(false))]
    #[case::below(json!({ "below": 50 }), &[("a", "40Mi"), ("b", "1Mi")], Some(true))]
    #[case::one_above(json!({ "below": 50 }), &[("a", "60Mi"), ("b", "1Mi")], Some(false))]
    #[case::one_not_measured(json!({ "below": 50 }), &[("a", "40Mi")], None)]
    #[case::nothing_measured(json!({ "above": 50 }), &[("z", "40Mi")], None)]
    fn shares_are_of_the_limit(#[case] asked: Value, #[case] used: &[(&str, &str)], #[case] is: Option<bool>) {
        let mut body = json!({ "selector": "a=b", "resource": "memory" });
        body.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
        let metric: Metric = serde_json::from_value(body).unwrap();
        let hundred = 100.0 * 1024.0 * 1024.0;
        let bounds = ["a", "b"].map(|pod| ((pod.to_owned(), "app".to_owned()), hundred));
        assert_eq!(compare(&answer(used), &metric, &bounds.into()).0, is);
        assert_eq!(compare(&answer(used), &metric, &Bounds::new()).0, None);
    }
}
