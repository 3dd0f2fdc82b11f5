//! The causes that detectors find, by name. What shows each of them lives in `detect`.

/// Every cause, in order of precedence: where one workload shows several, what stands earlier explains what stands later.
///
/// A kill for memory explains every restart; what keeps a container from being made or started explains that nothing is ready;
/// a dependency that is gone explains a failing probe; a probe's kill explains the exit; a changed configuration explains a
/// crash better than the crash itself; that a Job failed or a rollout is stuck is explained by anything else.
pub const CAUSES: [&str; 32] = [
    "oom.leak",
    "oom.child",
    "oom.limit",
    "oom.node",
    "node.unreachable",
    "node.notready",
    "node.pressure",
    "config.missing",
    "image.notfound",
    "image.auth",
    "image.registry",
    "image.name",
    "start.command",
    "mount",
    "sandbox.network",
    "schedule.resources",
    "schedule.constraints",
    "quota.admission",
    "dependency",
    "network",
    "probe.startup",
    "probe.liveness",
    "config.bad-value",
    "crash.after-rollout",
    "cert.permission",
    "crash.app-error",
    "crash.exit0",
    "probe.readiness",
    "evicted",
    "job.failed",
    "rollout.stuck",
    "termination.stuck",
];
