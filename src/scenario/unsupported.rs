//! What the contract lists and this version does not have: refused by name, never called unknown and never ignored.

/// Whether a key of this part of the language is known to the contract and not supported yet. `part` is the name of the
/// part's definition in the schema.
#[must_use]
pub fn key(part: &str, key: &str) -> bool {
    let keys: &[&str] = match part {
        "Workload" => &["render", "imagePullSecrets", "registry"],
        "SuiteSpec" => &["matrix"],
        "Fault" => &["stressCpu", "blockRegistry", "pauseApiServer", "expireToken", "chaosMesh"],
        "Step" => &["scale", "cordonNode", "drainNode", "rebootNode", "webhook", "notify"],
        // The other kinds of target.
        "Rollout" => &["statefulSet", "daemonSet", "job"],
        "SetImage" | "SetResources" | "SetEnv" | "SetCommand" | "SetProbe" => &["job"],
        _ => return false,
    };
    keys.contains(&key)
}

/// Whether a value of a choice is known to the contract and not supported yet.
#[must_use]
pub fn value(part: &str, value: &str) -> bool {
    match part {
        "Healer" => matches!(value, "webhook" | "external"),
        "Need" => {
            matches!(value, "chaosMesh" | "openshift" | "nodeAccess" | "storage")
        }
        _ => false,
    }
}
