//! What the contract lists and this version does not have: refused by name, never called unknown and never ignored.

/// Whether a key of this part of the language is known to the contract and not supported yet. `part` is the name of the
/// part's definition in the schema.
#[must_use]
pub fn key(part: &str, key: &str) -> bool {
    let keys: &[&str] = match part {
        "SuiteSpec" => &["matrix"],
        _ => return false,
    };
    keys.contains(&key)
}

/// Whether a value of a choice is known to the contract and not supported yet.
#[must_use]
pub fn value(part: &str, value: &str) -> bool {
    match part {
        "Need" => {
            matches!(value, "nodeAccess" | "storage")
        }
        _ => false,
    }
}

/// Why a key that is a target elsewhere is none here, whatever the version.
#[must_use]
pub fn never(part: &str, key: &str) -> Option<&'static str> {
    match (part, key) {
        ("SetImage" | "SetResources" | "SetEnv" | "SetCommand" | "SetProbe", "job") => {
            Some("the API lets nobody change the pod template of a Job that is there; `apply` or `delete` act on the whole Job")
        }
        ("SetReplicas" | "StopDependency", "daemonSet") => Some("a DaemonSet has no replicas: it has a pod for each node"),
        ("Rollout", "job") => Some("a Job has no rollout: `ready: { job: … }` asks whether it has completed"),
        _ => None,
    }
}
