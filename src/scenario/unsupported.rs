//! What the contract lists and this version does not have: refused by name, never called unknown and never ignored.

/// Whether a key of this part of the language is known to the contract and not supported yet. `part` is the name of the
/// part's definition in the schema.
#[must_use]
pub fn key(part: &str, key: &str) -> bool {
    let keys: &[&str] = match part {
        "Workload" => &["render", "imagePullSecrets", "registry"],
        "SuiteSpec" => &["matrix"],
        "Fault" => &[
            "stressCpu",
            "blockRegistry",
            "pauseApiServer",
            "expireToken",
            "chaosMesh",
        ],
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

/// The causes that detectors of this version find.
pub const CAUSES: [&str; 13] = [
    "crash.app-error",
    "crash.after-rollout",
    "oom.limit",
    "probe.liveness",
    "probe.startup",
    "probe.readiness",
    "image.notfound",
    "config.missing",
    "config.bad-value",
    "start.command",
    "schedule.resources",
    "node.notready",
    "node.unreachable",
];

/// The causes of the taxonomy that detectors will find.
pub const FUTURE_CAUSES: [&str; 18] = [
    "cert.permission",
    "crash.exit0",
    "dependency",
    "evicted",
    "image.auth",
    "image.name",
    "image.registry",
    "job.failed",
    "mount",
    "network",
    "oom.child",
    "oom.leak",
    "oom.node",
    "quota.admission",
    "rollout.stuck",
    "sandbox.network",
    "schedule.constraints",
    "termination.stuck",
];
