//! The arithmetic of rollouts: surge, unavailability, shares of a scaling. Pure.
//! When it is applied is decided in `rollout` and `scale`.

use super::super::object::{annotation, integer, text};
use crate::json::At as _;
use serde_json::Value;

/// Annotation with the replicas that the Deployment asked for when this `ReplicaSet` was last scaled.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// Annotation with the most replicas that the Deployment allowed then (replicas and surge).
pub(super) const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";

/// `spec.replicas` with its default.
pub(super) fn replicas(object: &Value) -> i64 {
    object.at("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// Sum of `spec.replicas`.
pub(super) fn total<'a>(sets: impl IntoIterator<Item = &'a Value>) -> i64 {
    sets.into_iter().map(replicas).sum()
}

/// Sum of a counter of the statuses.
pub(super) fn counted<'a>(sets: impl IntoIterator<Item = &'a Value>, counter: &str) -> i64 {
    sets.into_iter().map(|set| integer(&set["status"], counter)).sum()
}

/// Whether the strategy is `RollingUpdate`, the default.
pub(super) fn is_rolling(deployment: &Value) -> bool {
    text(deployment, "/spec/strategy/type") != "Recreate"
}

/// A number or a percentage of `total`, rounded up or down; absent means 25 %.
pub(in crate::sim::controllers) fn resolve(value: Option<&Value>, total: i64, up: bool) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or_default(),
        other => {
            let text = other.and_then(Value::as_str).unwrap_or("25%");
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or_default();
            let scaled = percent * total;
            if up { (scaled + 99).div_euclid(100) } else { scaled.div_euclid(100) }
        }
    }
}

/// `maxSurge` alone, rounded up: what a new `ReplicaSet` may grow by.
pub(super) fn surge(deployment: &Value) -> i64 {
    resolve(deployment.at("/spec/strategy/rollingUpdate/maxSurge"), replicas(deployment), true)
}

/// Surge and unavailability of a rolling update; both zero becomes one unavailable, or nothing could move.
fn fenceposts(deployment: &Value) -> (i64, i64) {
    let unavailable = resolve(deployment.at("/spec/strategy/rollingUpdate/maxUnavailable"), replicas(deployment), false);
    match (surge(deployment), unavailable) {
        (0, 0) => (0, 1),
        both => both,
    }
}

/// How many replicas may be unavailable; none for `Recreate`.
pub(super) fn max_unavailable(deployment: &Value) -> i64 {
    if !is_rolling(deployment) || replicas(deployment) == 0 {
        return 0;
    }
    fenceposts(deployment).1.min(replicas(deployment))
}

/// The most replicas that may exist at once.
pub(super) fn max_replicas(deployment: &Value) -> i64 {
    replicas(deployment) + if is_rolling(deployment) { fenceposts(deployment).0 } else { 0 }
}

/// The size of the new `ReplicaSet` (now of `current` replicas) when all `ReplicaSet`s together have `all`.
pub(super) fn new_size(deployment: &Value, all: i64, current: i64) -> i64 {
    if !is_rolling(deployment) {
        return replicas(deployment);
    }
    let room = replicas(deployment) + surge(deployment) - all;
    if room <= 0 { current } else { current + room.min(replicas(deployment) - current) }
}

/// The share of a scaling by `to_add` (may be negative) that falls to one `ReplicaSet` after `added` were given to others.
pub(super) fn share(deployment: &Value, set: &Value, to_add: i64, added: i64) -> i64 {
    if replicas(set) == 0 || to_add == 0 || to_add == added {
        return 0;
    }
    let allowed = to_add - added;
    let fraction = fraction(deployment, set);
    if to_add > 0 { fraction.min(allowed) } else { fraction.max(allowed) }
}

fn fraction(deployment: &Value, set: &Value) -> i64 {
    if replicas(deployment) == 0 {
        return -replicas(set);
    }
    let noted = annotation(set, MAXIMUM).and_then(|maximum| maximum.parse::<i64>().ok()).filter(|&maximum| maximum != 0);
    let before = noted.unwrap_or_else(|| integer(deployment, "/status/replicas"));
    if before == 0 {
        return 0;
    }
    // Rounded half away from zero; all terms are positive.
    let scaled = 2 * replicas(set) * max_replicas(deployment) + before;
    scaled.div_euclid(2 * before) - replicas(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn deployment(replicas: i64, surge: &Value, unavailable: &Value) -> Value {
        json!({"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}})
    }

    #[rstest]
    #[case(3, json!("25%"), json!("25%"), 4, 0)]
    #[case(4, json!("25%"), json!("25%"), 5, 1)]
    #[case(10, json!("25%"), json!("25%"), 13, 2)]
    #[case(1, json!("25%"), json!("25%"), 2, 0)]
    #[case(2, json!(0), json!(0), 2, 1)]
    #[case(2, json!("0%"), json!("30%"), 2, 1)]
    #[case(3, json!(1), json!(5), 4, 3)]
    #[case(0, json!(1), json!(1), 1, 0)]
    fn surge_rounds_up_and_unavailability_down(
        #[case] replicas: i64,
        #[case] surge: Value,
        #[case] unavailable: Value,
        #[case] most: i64,
        #[case] missing: i64,
    ) {
        let deployment = deployment(replicas, &surge, &unavailable);
        assert_eq!((max_replicas(&deployment), max_unavailable(&deployment)), (most, missing));
    }

    #[rstest]
    #[case(3, 0, 1)]
    #[case(4, 1, 1)]
    #[case(0, 0, 3)]
    #[case(2, 1, 3)]
    fn a_new_replica_set_takes_what_surge_leaves(#[case] all: i64, #[case] current: i64, #[case] size: i64) {
        assert_eq!(new_size(&deployment(3, &json!(1), &json!(0)), all, current), size);
    }

    #[test]
    fn recreate_has_neither() {
        let deployment = json!({"spec": {"replicas": 3, "strategy": {"type": "Recreate"}}});
        assert_eq!((max_replicas(&deployment), max_unavailable(&deployment), new_size(&deployment, 0, 0)), (3, 0, 3));
    }

    #[test]
    fn a_scaling_is_shared_in_proportion_to_size() {
        let deployment = deployment(20, &json!(0), &json!(1));
        let set = |replicas: i64| json!({"metadata": {"annotations": {MAXIMUM: "10"}}, "spec": {"replicas": replicas}});
        assert_eq!(share(&deployment, &set(7), 10, 0), 7);
        assert_eq!(share(&deployment, &set(3), 10, 7), 3);
        assert_eq!(share(&deployment, &set(3), 10, 9), 1);
        assert_eq!(share(&deployment, &set(0), 10, 0), 0);
    }
}
