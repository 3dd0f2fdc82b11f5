//! Priority admission: a pod's class decides its priority and whether it preempts; new classes have bounds.
//! What a priority means is the scheduler's business.

use super::pipeline::text;
use super::resource::{PODS, PRIORITY_CLASSES};
use super::server::ApiServer;
use super::status::ApiError;
use crate::sim::store::Object;
use serde_json::{Value, json};

/// No class of a user may have a higher value.
const HIGHEST: i64 = 1_000_000_000;

/// The classes that every cluster has: name, value, description.
pub(super) const BUILT_IN: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    ("system-node-critical", 2_000_001_000, "Used for system critical pods that must not be moved from their current node."),
];

/// Sets the priority and the preemption policy of a new pod.
pub(super) fn admit_pod(api: &ApiServer, pod: &mut Value) -> Result<(), ApiError> {
    let name = text(pod, "/metadata/name").to_owned();
    let forbidden = |why: String| Err(ApiError::forbidden(PODS, &name, &why));
    let spec = &mut pod["spec"];
    let wanted = text(spec, "/priorityClassName").to_owned();
    let class: Option<Object> = if wanted.is_empty() {
        // Of several defaults the lowest counts.
        let classes = api.list(PRIORITY_CLASSES, None);
        let class =
            classes.into_iter().filter(|class| class["globalDefault"] == true).min_by_key(|class| class["value"].as_i64());
        if let Some(class) = &class {
            spec["priorityClassName"] = class["metadata"]["name"].clone();
        }
        class
    } else {
        match api.store.get(PRIORITY_CLASSES, "", &wanted) {
            None => return forbidden(format!("no PriorityClass with name {wanted} was found")),
            found => found,
        }
    };
    let value = class.as_ref().and_then(|class| class["value"].as_i64()).unwrap_or(0);
    if let Some(given) = spec["priority"].as_i64().filter(|given| *given != value) {
        return forbidden(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
        ));
    }
    spec["priority"] = json!(value);
    let policy = class.as_ref().and_then(|class| class["preemptionPolicy"].as_str()).unwrap_or("PreemptLowerPriority");
    if let Some(given) = spec["preemptionPolicy"].as_str().filter(|given| *given != policy && class.is_some()) {
        return forbidden(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
        ));
    }
    if spec["preemptionPolicy"].as_str().is_none() {
        spec["preemptionPolicy"] = json!(policy);
    }
    Ok(())
}

/// Refuses a class that users may not make, and a second default.
pub(super) fn admit_class(api: &ApiServer, class: &Value) -> Result<(), ApiError> {
    let name = text(class, "/metadata/name");
    let built_in = BUILT_IN.iter().find(|(known, ..)| *known == name);
    let value = class["value"].as_i64().unwrap_or(0);
    if built_in.is_none() && value > HIGHEST {
        let why = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        return Err(ApiError::forbidden(PRIORITY_CLASSES, name, &why));
    }
    let other = || api.list(PRIORITY_CLASSES, None).into_iter().find(|other| other["globalDefault"] == true);
    if class["globalDefault"] == true
        && let Some(other) = other()
    {
        let why =
            format!("PriorityClass {} is already marked as default. Only one default can exist", text(&other, "/metadata/name"));
        return Err(ApiError::forbidden(PRIORITY_CLASSES, name, &why));
    }
    Ok(())
}
