//! Validation of the apps kinds beside Deployment and `ReplicaSet`, and of `ReplicationController`.
//! What every workload has in common (selector, template, counts) is in `validate`.

use super::{names, non_negative, pod, workload};
use crate::sim::api::field::FieldError;
use serde_json::{Value, json};

/// What of a `StatefulSet` may change.
const STATEFUL: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

fn text<'a>(parent: &'a Value, name: &str) -> &'a str {
    parent.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn present<'a>(parent: &'a Value, name: &str) -> Option<&'a Value> {
    parent.get(name).filter(|value| !value.is_null())
}

/// Checks a `StatefulSet`'s spec.
pub(super) fn stateful_set(spec: &Value, errors: &mut Vec<FieldError>) {
    if !["OrderedReady", "Parallel"].contains(&text(spec, "podManagementPolicy")) {
        let why = "must be 'OrderedReady' or 'Parallel'";
        errors.push(FieldError::invalid("spec.podManagementPolicy", &spec["podManagementPolicy"], why));
    }
    let strategy = spec.get("updateStrategy").unwrap_or(&Value::Null);
    match (text(strategy, "type"), present(strategy, "rollingUpdate")) {
        ("OnDelete", Some(rolling)) => {
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            errors.push(FieldError::invalid("spec.updateStrategy.rollingUpdate", rolling, why));
        }
        ("RollingUpdate", Some(rolling)) => non_negative(rolling, "spec.updateStrategy.rollingUpdate", "partition", errors),
        ("OnDelete" | "RollingUpdate", None) => {}
        _ => {
            errors.push(FieldError::invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'"));
        }
    }
    let retention = spec.get("persistentVolumeClaimRetentionPolicy").unwrap_or(&Value::Null);
    for when in ["whenDeleted", "whenScaled"] {
        pod::choice(retention, "spec.persistentVolumeClaimRetentionPolicy", when, &["Retain", "Delete"], errors);
    }
    claim_templates(spec, errors);
    if let Some(ordinals) = present(spec, "ordinals") {
        non_negative(ordinals, "spec.ordinals", "start", errors);
    }
    let service = text(spec, "serviceName");
    if let Some(why) = (!service.is_empty()).then(|| names::label(service)).flatten() {
        errors.push(FieldError::invalid("spec.serviceName", &json!(service), &why));
    }
    workload(&with_claims(spec), "statefulset", errors);
    if present(spec.pointer("/template/spec").unwrap_or(&Value::Null), "activeDeadlineSeconds").is_some() {
        let why = "activeDeadlineSeconds in StatefulSet is not Supported";
        errors.push(FieldError::forbidden("spec.template.spec.activeDeadlineSeconds", why));
    }
}

fn claim_templates(spec: &Value, errors: &mut Vec<FieldError>) {
    for (index, template) in spec.get("volumeClaimTemplates").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let path = format!("spec.volumeClaimTemplates[{index}].spec");
        let claim = template.get("spec").unwrap_or(&Value::Null);
        if claim.get("accessModes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            errors.push(FieldError::required(format!("{path}.accessModes"), "at least 1 access mode is required"));
        }
        if claim.pointer("/resources/requests/storage").is_none_or(Value::is_null) {
            errors.push(FieldError::required(format!("{path}.resources[storage]"), ""));
        }
    }
}

/// The spec with a volume for each claim template, as its pods will have them.
fn with_claims(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let templates: Vec<Value> = spec.get("volumeClaimTemplates").and_then(Value::as_array).cloned().unwrap_or_default();
    let claims: Vec<Value> = templates.iter().map(|template| template["metadata"]["name"].clone()).collect();
    let volumes = spec.pointer("/template/spec/volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let others = volumes.into_iter().filter(|volume| !claims.contains(&volume["name"]));
    let own = claims.iter().map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
    let all: Vec<Value> = own.chain(others).collect();
    if spec.pointer("/template/spec").is_some_and(Value::is_object) && !claims.is_empty() {
        spec["template"]["spec"]["volumes"] = json!(all);
    }
    spec
}

/// What a `StatefulSet` may not change.
pub(super) fn stateful_set_update(old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    const FREE: &[&str] = &[
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|name, value| !FREE.contains(&name.as_str()) && !value.is_null());
        }
        spec
    };
    if fixed(old) != fixed(new) {
        errors.push(FieldError::forbidden("spec", STATEFUL));
    }
}

/// Checks a `DaemonSet`'s spec.
pub(super) fn daemon_set(spec: &Value, errors: &mut Vec<FieldError>) {
    workload(spec, "daemonset", errors);
    if present(spec.pointer("/template/spec").unwrap_or(&Value::Null), "activeDeadlineSeconds").is_some() {
        let why = "activeDeadlineSeconds in DaemonSet is not Supported";
        errors.push(FieldError::forbidden("spec.template.spec.activeDeadlineSeconds", why));
    }
    non_negative(spec, "spec", "revisionHistoryLimit", errors);
    let strategy = spec.get("updateStrategy").unwrap_or(&Value::Null);
    match (text(strategy, "type"), present(strategy, "rollingUpdate")) {
        ("OnDelete", _) => {}
        ("RollingUpdate", Some(rolling)) => rolling_daemon_set(rolling, errors),
        ("RollingUpdate", None) => errors.push(FieldError::required("spec.updateStrategy.rollingUpdate", "")),
        (other, _) => {
            let supported = &["OnDelete", "RollingUpdate"];
            errors.push(FieldError::not_supported("spec.updateStrategy", &json!({"Type": other}), supported));
        }
    }
}

fn rolling_daemon_set(rolling: &Value, errors: &mut Vec<FieldError>) {
    const PATH: &str = "spec.updateStrategy.rollingUpdate";
    let zero = |name: &str| rolling.get(name).is_none_or(|value| *value == 0 || *value == "0%" || value.is_null());
    super::percent_or_count(rolling, PATH, &["maxUnavailable", "maxSurge"], errors);
    match (zero("maxUnavailable"), zero("maxSurge")) {
        (true, true) => {
            let why = "cannot be 0 when maxSurge is 0";
            errors.push(FieldError::invalid(format!("{PATH}.maxUnavailable"), &rolling["maxUnavailable"], why));
        }
        (false, false) => {
            let why = "may not be set when maxUnavailable is non-zero";
            errors.push(FieldError::invalid(format!("{PATH}.maxSurge"), &rolling["maxSurge"], why));
        }
        _ => {}
    }
}

/// Checks a `ReplicationController`'s spec: its selector is a plain map.
pub(super) fn replication_controller(spec: &Value, errors: &mut Vec<FieldError>) {
    non_negative(spec, "spec", "minReadySeconds", errors);
    let selector = spec.get("selector").and_then(Value::as_object).filter(|selector| !selector.is_empty());
    if selector.is_none() {
        errors.push(FieldError::required("spec.selector", ""));
    }
    non_negative(spec, "spec", "replicas", errors);
    let Some(template) = present(spec, "template") else {
        errors.push(FieldError::required("spec.template", ""));
        return;
    };
    let labels = template.pointer("/metadata/labels").unwrap_or(&Value::Null);
    if selector.is_some_and(|selector| selector.iter().any(|(key, value)| labels.get(key) != Some(value))) {
        let why = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid("spec.template.metadata.labels", labels, why));
    }
    pod::spec(template.get("spec").unwrap_or(&Value::Null), "spec.template.spec", errors);
    let policy = template.pointer("/spec/restartPolicy").unwrap_or(&Value::Null);
    if *policy != "Always" {
        errors.push(FieldError::not_supported("spec.template.spec.restartPolicy", policy, &["Always"]));
    }
}

/// Checks a `ControllerRevision`.
pub(super) fn controller_revision(revision: &Value, errors: &mut Vec<FieldError>) {
    if present(revision, "data").is_none() {
        errors.push(FieldError::required("data", "data is mandatory"));
    }
    if let Some(number) = revision.get("revision").filter(|number| number.as_i64().is_some_and(|number| number < 0)) {
        errors.push(FieldError::invalid("revision", number, "must be greater than or equal to 0"));
    }
}

/// What a `ControllerRevision` may not change.
pub(super) fn controller_revision_update(old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    if old.get("data") != new.get("data") {
        errors.push(FieldError::invalid("data", new.get("data").unwrap_or(&Value::Null), "field is immutable"));
    }
}
