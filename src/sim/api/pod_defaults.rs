//! Defaulting and mutating admission of pods and pod templates, to the shape that the recordings show.
//! What may stand in a pod is `pod_validate`'s business.

use super::defaults::object_at;
use super::pipeline::text;
use super::quantity;
use super::resource;
use super::server::ApiServer;
use super::status::ApiError;
use crate::json::At as _;
use serde_json::{Map, Value, json};

/// Sets a field of an object that is absent or null. Does nothing to what is no object.
pub(super) fn set(parent: &mut Value, field: &str, value: impl FnOnce() -> Value) {
    if parent.is_null() {
        *parent = json!({});
    }
    if let Some(fields) = parent.as_object_mut()
        && fields.get(field).is_none_or(Value::is_null)
    {
        fields.insert(field.to_owned(), value());
    }
}

/// Defaults of a pod.
pub(super) fn pod(pod: &mut Value) {
    let spec = &mut pod["spec"];
    spec_defaults(spec);
    set(spec, "enableServiceLinks", || json!(true));
    if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds < 0) {
        spec["terminationGracePeriodSeconds"] = json!(1);
    }
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            requests_from_limits(container);
        }
    }
}

/// Defaults of a workload's pod template.
pub(super) fn template(template: &mut Value) {
    set(template, "metadata", || json!({}));
    if let Some(metadata) = template["metadata"].as_object_mut() {
        metadata.retain(|_, value| !value.is_null());
    }
    spec_defaults(&mut template["spec"]);
}

fn spec_defaults(spec: &mut Value) {
    set(spec, "restartPolicy", || json!("Always"));
    set(spec, "terminationGracePeriodSeconds", || json!(30));
    set(spec, "dnsPolicy", || json!("ClusterFirst"));
    set(spec, "securityContext", || json!({}));
    set(spec, "schedulerName", || json!("default-scheduler"));
    let account = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned();
    if let Some(account) = account.filter(Value::is_string) {
        set(spec, "serviceAccountName", || account.clone());
        set(spec, "serviceAccount", || account);
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items(spec, list) {
            container_defaults(container);
        }
    }
    for volume in items(spec, "volumes") {
        volume_defaults(volume);
    }
}

fn container_defaults(container: &mut Value) {
    let policy = if is_latest(text(container, "/image")) { "Always" } else { "IfNotPresent" };
    set(container, "imagePullPolicy", || json!(policy));
    set(container, "terminationMessagePath", || json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", || json!("File"));
    set(container, "resources", || json!({}));
    for side in ["requests", "limits"] {
        if let Some(Value::Object(quantities)) = container["resources"].get_mut(side) {
            quantity::canonical_map(quantities);
        }
    }
    for port in items(container, "ports") {
        set(port, "protocol", || json!("TCP"));
    }
    for variable in items(container, "env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            set(field, "apiVersion", || json!("v1"));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            probe_defaults(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(request) = container.pointer_mut(&format!("/lifecycle/{hook}/httpGet")) {
            http_defaults(request);
        }
    }
}

fn probe_defaults(probe: &mut Value) {
    let positive = [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)];
    for (field, default) in positive {
        if probe.get(field).is_none_or(|value| value.is_null() || *value == json!(0)) {
            probe[field] = json!(default);
        }
    }
    if probe.get("initialDelaySeconds") == Some(&json!(0))
        && let Some(fields) = probe.as_object_mut()
    {
        fields.remove("initialDelaySeconds");
    }
    if let Some(request) = probe.get_mut("httpGet") {
        http_defaults(request);
    }
    if let Some(request) = probe.get_mut("grpc") {
        set(request, "service", || json!(""));
    }
}

fn http_defaults(request: &mut Value) {
    set(request, "path", || json!("/"));
    set(request, "scheme", || json!("HTTP"));
}

fn volume_defaults(volume: &mut Value) {
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source).filter(|source| source.is_object()) {
            set(source, "defaultMode", || json!(420));
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|source| source.is_object()) {
        set(path, "type", || json!(""));
    }
    let other_source =
        volume.as_object().is_some_and(|fields| fields.iter().any(|(name, value)| name != "name" && !value.is_null()));
    if !other_source {
        set(volume, "emptyDir", || json!({}));
    }
}

fn requests_from_limits(container: &mut Value) {
    let Some(Value::Object(limits)) = container.at("/resources/limits").cloned() else { return };
    if let Some(requests) = object_at(&mut container["resources"], "requests") {
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

/// Whether an image's tag is `latest`, given or implied; a digest is neither.
fn is_latest(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    !last.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// Admission: service account and its token volume, priority, tolerations of not-ready and unreachable nodes.
pub(super) fn admit(api: &ApiServer, pod: &mut Value) -> Result<(), ApiError> {
    let (namespace, name) = (text(pod, "/metadata/namespace").to_owned(), text(pod, "/metadata/name").to_owned());
    super::limit_range::fill(api, pod);
    let spec = &mut pod["spec"];
    set(spec, "serviceAccountName", || json!("default"));
    let account = text(spec, "/serviceAccountName").to_owned();
    spec["serviceAccount"] = json!(account);
    let known = api.store.get(resource::SERVICE_ACCOUNTS, &namespace, &account);
    if known.is_none() && api.is_bootstrapped() {
        let why = format!("error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found");
        return Err(ApiError::forbidden(resource::PODS, &name, &why));
    }
    let wanted = |object: &Value| object.get("automountServiceAccountToken").and_then(Value::as_bool);
    if wanted(spec).or_else(|| known.as_deref().and_then(wanted)).unwrap_or(true) {
        let entity = format!("pods/{namespace}/{name}");
        let suffix = api.random.suffix(&entity, "kube-api-access", api.ordinal(&format!("{entity}/token")), 5);
        mount_token(spec, &format!("kube-api-access-{suffix}"));
    }
    super::priority::admit_pod(api, pod)?;
    runtime_class(api, pod)?;
    let spec = &mut pod["spec"];
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        tolerate(spec, key);
    }
    Ok(())
}

/// What a pod's runtime class brings with it: overhead, a node selector, tolerations.
fn runtime_class(api: &ApiServer, pod: &mut Value) -> Result<(), ApiError> {
    let class = text(pod, "/spec/runtimeClassName").to_owned();
    if class.is_empty() {
        return Ok(());
    }
    let Some(found) = api.store.get(resource::RUNTIME_CLASSES, "", &class) else {
        let why = format!("pod rejected: RuntimeClass \"{class}\" not found");
        return Err(ApiError::forbidden(resource::PODS, text(pod, "/metadata/name"), &why));
    };
    let spec = &mut pod["spec"];
    if let Some(overhead) = found.at("/overhead/podFixed") {
        spec["overhead"] = overhead.clone();
    }
    for (label, value) in fields(found.at("/scheduling/nodeSelector").unwrap_or(&Value::Null)) {
        spec["nodeSelector"][label.as_str()] = value.clone();
    }
    if let Some(more) = found.at("/scheduling/tolerations").and_then(Value::as_array) {
        set(spec, "tolerations", || json!([]));
        if let Some(tolerations) = spec["tolerations"].as_array_mut() {
            tolerations.extend(more.iter().filter(|one| !tolerations.contains(one)).cloned().collect::<Vec<_>>());
        }
    }
    Ok(())
}

fn mount_token(spec: &mut Value, volume: &str) {
    const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            set(container, "volumeMounts", || json!([]));
            let Some(mounts) = container["volumeMounts"].as_array_mut() else { continue };
            if mounts.iter().all(|mount| mount["mountPath"] != PATH) {
                mounts.push(json!({"name": volume, "readOnly": true, "mountPath": PATH}));
                mounted = true;
            }
        }
    }
    if !mounted {
        return;
    }
    set(spec, "volumes", || json!([]));
    if let Some(volumes) = spec["volumes"].as_array_mut() {
        volumes.push(json!({"name": volume, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
            ]}},
        ]}}));
    }
}

fn tolerate(spec: &mut Value, key: &str) {
    set(spec, "tolerations", || json!([]));
    let Some(tolerations) = spec["tolerations"].as_array_mut() else { return };
    let tolerated = tolerations.iter().any(|toleration| {
        let own = text(toleration, "/key");
        let effect = text(toleration, "/effect");
        (own == key || own.is_empty()) && (effect == "NoExecute" || effect.is_empty())
    });
    if !tolerated {
        tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
    }
}

/// The status of a new pod.
pub(super) fn begin(pod: &mut Value, now: &str) {
    pod["status"] = json!({"phase": "Pending", "qosClass": qos_class(pod)});
    if pod.at("/spec/schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty()) {
        pod["status"]["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "lastProbeTime": null,
            "lastTransitionTime": now, "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`, from the cpu and memory of all containers.
pub(super) fn qos_class(pod: &Value) -> &'static str {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let containers = ["containers", "initContainers"].iter().filter_map(|list| spec.get(*list)?.as_array()).flatten();
    let (mut any, mut all_equal) = (false, true);
    for container in containers {
        let side = |side: &str, name: &str| {
            let written = container.at(&format!("/resources/{side}/{name}")).and_then(Value::as_str)?;
            quantity::parse(written).filter(|amount| *amount > 0)
        };
        for name in ["cpu", "memory"] {
            let (request, limit) = (side("requests", name), side("limits", name));
            any |= request.is_some() || limit.is_some();
            all_equal &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, all_equal) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn items<'a>(parent: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    let found = parent.get_mut(list).and_then(Value::as_array_mut);
    found.into_iter().flatten().filter(|item| item.is_object())
}

/// The fields of an object value; empty for anything else.
pub(super) fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
