//! `LimitRange` admission: defaults for containers that state nothing, and bounds for containers, pods and claims.
//! Quotas, which count a whole namespace, are in `quota`.

use super::pipeline::text;
use super::pod_defaults::{fields, set};
use super::quantity;
use super::resource::{LIMIT_RANGES, PERSISTENT_VOLUME_CLAIMS, PODS, Resource};
use super::server::ApiServer;
use super::status::ApiError;
use crate::sim::scheduler::requested_amounts;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Completes a new `LimitRange`: a limit's default is its maximum, a request's default that of the limit, else the minimum.
pub(super) fn complete(object: &mut Value) {
    for item in object.pointer_mut("/spec/limits").and_then(Value::as_array_mut).into_iter().flatten() {
        for field in ["min", "max", "default", "defaultRequest", "maxLimitRequestRatio"] {
            if let Some(Value::Object(quantities)) = item.get_mut(field) {
                quantity::canonical_map(quantities);
            }
        }
        if item["type"] != "Container" {
            continue;
        }
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let Some(source) = item.get(from).and_then(Value::as_object).cloned().filter(|source| !source.is_empty()) else {
                continue;
            };
            set(item, to, || json!({}));
            if let Some(target) = item[to].as_object_mut() {
                for (name, amount) in source {
                    target.entry(name).or_insert(amount);
                }
            }
        }
    }
}

fn items(api: &ApiServer, namespace: &str) -> Vec<Value> {
    let ranges = api.list(LIMIT_RANGES, Some(namespace));
    ranges.iter().flat_map(|range| range.pointer("/spec/limits").and_then(Value::as_array).cloned().unwrap_or_default()).collect()
}

/// Gives containers of a new pod what they do not state.
pub(super) fn fill(api: &ApiServer, pod: &mut Value) {
    let (mut requests, mut limits) = (Map::new(), Map::new());
    for item in items(api, text(pod, "/metadata/namespace")).iter().filter(|item| item["type"] == "Container") {
        requests.extend(fields(&item["defaultRequest"]).map(|(name, amount)| (name.clone(), amount.clone())));
        limits.extend(fields(&item["default"]).map(|(name, amount)| (name.clone(), amount.clone())));
    }
    if requests.is_empty() && limits.is_empty() {
        return;
    }
    let mut told = Vec::new();
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let name = text(container, "/name").to_owned();
            set(container, "resources", || json!({}));
            for (side, defaults) in [("requests", &requests), ("limits", &limits)] {
                let missing: Vec<&String> =
                    defaults.keys().filter(|key| container["resources"][side].get(key.as_str()).is_none()).collect();
                if missing.is_empty() {
                    continue;
                }
                for key in &missing {
                    container["resources"][side][key.as_str()] = defaults[key.as_str()].clone();
                }
                let names: Vec<&str> = missing.iter().map(|key| key.as_str()).collect();
                told.push(format!("{} {} for {what} {name}", names.join(", "), side.trim_end_matches('s')));
            }
        }
    }
    if !told.is_empty() {
        set(&mut pod["metadata"], "annotations", || json!({}));
        pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"] =
            json!(format!("LimitRanger plugin set: {}", told.join("; ")));
    }
}

type Amounts = BTreeMap<String, (i128, String)>;

fn stated(quantities: &Value) -> Amounts {
    fields(quantities)
        .filter_map(|(name, amount)| Some((name.clone(), (quantity::parse(amount.as_str()?)?, amount.as_str()?.to_owned()))))
        .collect()
}

fn counted(pod: &Value, side: &str) -> Amounts {
    let show =
        |name: &str, amount| if name == "cpu" { quantity::format_in_thousands(amount) } else { quantity::format_binary(amount) };
    requested_amounts(pod, side).into_iter().map(|(name, amount)| (name.clone(), (amount, show(&name, amount)))).collect()
}

/// Refuses a new object that breaks a bound of its namespace.
pub(super) fn check(api: &ApiServer, resource: Resource, namespace: &str, object: &Value) -> Result<(), ApiError> {
    let mut broken = Vec::new();
    for item in items(api, namespace) {
        let kind = text(&item, "/type");
        match (resource, kind) {
            (PODS, "Container") => {
                let of = |list: &str| object["spec"].get(list).and_then(Value::as_array).into_iter().flatten();
                for container in of("containers").chain(of("initContainers")) {
                    let resources = &container["resources"];
                    judge(&item, kind, &stated(&resources["requests"]), &stated(&resources["limits"]), true, &mut broken);
                }
            }
            (PODS, "Pod") => judge(&item, kind, &counted(object, "requests"), &counted(object, "limits"), true, &mut broken),
            (PERSISTENT_VOLUME_CLAIMS, "PersistentVolumeClaim") => {
                let requests = stated(&object["spec"]["resources"]["requests"]);
                judge(&item, kind, &requests, &Amounts::new(), false, &mut broken);
            }
            _ => {}
        }
    }
    let why = match broken.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    Err(ApiError::forbidden(resource, text(object, "/metadata/name"), &why))
}

/// What breaks one entry's bounds; without `by_limit` the maximum is for the request.
fn judge(item: &Value, kind: &str, requests: &Amounts, limits: &Amounts, by_limit: bool, broken: &mut Vec<String>) {
    for (name, (bound, shown)) in stated(&item["min"]) {
        match (requests.get(&name), limits.get(&name)) {
            (None, _) => broken.push(format!("minimum {name} usage per {kind} is {shown}.  No request is specified")),
            (Some((request, told)), _) if *request < bound => {
                broken.push(format!("minimum {name} usage per {kind} is {shown}, but request is {told}"));
            }
            (_, Some((limit, told))) if *limit < bound => {
                broken.push(format!("minimum {name} usage per {kind} is {shown}, but limit is {told}"));
            }
            _ => {}
        }
    }
    for (name, (bound, shown)) in stated(&item["max"]) {
        match (requests.get(&name), limits.get(&name)) {
            (None, _) if !by_limit => {
                broken.push(format!("maximum {name} usage per {kind} is {shown}.  No request is specified"));
            }
            (_, None) if by_limit => broken.push(format!("maximum {name} usage per {kind} is {shown}.  No limit is specified")),
            (_, Some((limit, told))) if *limit > bound => {
                broken.push(format!("maximum {name} usage per {kind} is {shown}, but limit is {told}"));
            }
            (Some((request, told)), _) if *request > bound => {
                broken.push(format!("maximum {name} usage per {kind} is {shown}, but request is {told}"));
            }
            _ => {}
        }
    }
    for (name, (most, shown)) in stated(&item["maxLimitRequestRatio"]) {
        let request = requests.get(&name).map(|(request, _)| *request).filter(|request| *request > 0);
        let limit = limits.get(&name).map(|(limit, _)| *limit).filter(|limit| *limit > 0);
        let ratio = format!("{name} max limit to request ratio per {kind} is {shown}");
        match (request, limit) {
            (None, _) => broken.push(format!("{ratio}, but no request is specified or request is 0")),
            (_, None) => broken.push(format!("{ratio}, but no limit is specified or limit is 0")),
            (Some(request), Some(limit)) if limit * 1000 > most * request => {
                broken.push(format!(
                    "{ratio}, but provided ratio is {}.{:06}",
                    limit / request,
                    limit % request * 1_000_000 / request
                ));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::clock::Clock;
    use crate::sim::random::Random;

    fn with_range(item: &Value) -> std::sync::Arc<ApiServer> {
        let api = ApiServer::new(Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()), Random::new(1));
        api.create(LIMIT_RANGES, "shop", json!({"metadata": {"name": "r"}, "spec": {"limits": [item]}})).unwrap();
        api
    }

    fn pod(resources: &Value) -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "image": "busybox", "resources": resources}]}})
    }

    #[tokio::test(start_paused = true)]
    async fn containers_get_what_they_do_not_state() {
        let api = with_range(&json!({"type": "Container", "max": {"memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}}));
        let made = api.create(PODS, "shop", pod(&json!({}))).unwrap();
        let resources = &made["spec"]["containers"][0]["resources"];
        assert_eq!(*resources, json!({"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}));
        insta::assert_snapshot!(text(&made, "/metadata/annotations/kubernetes.io~1limit-ranger"), @"LimitRanger plugin set: cpu, memory request for container app; memory limit for container app");
    }

    #[tokio::test(start_paused = true)]
    async fn bounds_are_kept_with_the_servers_words() {
        let bounds =
            json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"memory": "1Gi"}, "maxLimitRequestRatio": {"cpu": "2"}});
        let api = with_range(&bounds);
        let wrong = pod(&json!({"requests": {"cpu": "50m", "memory": "1Mi"}, "limits": {"cpu": "400m", "memory": "2Gi"}}));
        insta::assert_snapshot!(api.create(PODS, "shop", wrong).unwrap_err().message, @r#"pods "p" is forbidden: [minimum cpu usage per Container is 100m, but request is 50m, maximum memory usage per Container is 1Gi, but limit is 2Gi, cpu max limit to request ratio per Container is 2, but provided ratio is 8.000000]"#);
        let api = with_range(&json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}));
        let claim = json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}});
        insta::assert_snapshot!(api.create(PERSISTENT_VOLUME_CLAIMS, "shop", claim).unwrap_err().message, @r#"persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"#);
    }
}
