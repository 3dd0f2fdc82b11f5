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

/// What a cause means, in a sentence; empty for a name that is none of [`CAUSES`].
#[must_use]
pub fn meaning(cause: &str) -> &'static str {
    match cause {
        "oom.leak" => {
            "Killed for memory again under a raised limit, later by as much as the limit grew: the process keeps growing."
        }
        "oom.child" => "A process other than the container's first was killed for memory: OOMKilled without exit code 137.",
        "oom.limit" => "OOMKilled under a memory limit that is below what the process needs.",
        "oom.node" => "Killed for memory below its own limit, or without one: the node ran out.",
        "node.unreachable" => "The node's Ready condition is Unknown: its kubelet is silent.",
        "node.notready" => "The node's Ready condition is False: it says itself that it cannot run pods.",
        "node.pressure" => "The node is short of memory, disk or process ids.",
        "config.missing" => "A ConfigMap, a Secret or a key that a container needs does not exist.",
        "image.notfound" => "The registry does not have the image or the tag.",
        "image.auth" => "The registry refuses the image without, or with these, credentials.",
        "image.registry" => "The registry is not reached: time-out, DNS, certificate, or too many requests.",
        "image.name" => "The image's name is invalid, or it may never be pulled and is not there.",
        "start.command" => "The container's command cannot be run, or a hook of its start fails.",
        "mount" => "A volume cannot be attached or mounted.",
        "sandbox.network" => "The pod's own network cannot be set up.",
        "schedule.resources" => "No node has what the pod requests.",
        "schedule.constraints" => "Taints, selectors, affinity or volumes leave no node for the pod.",
        "quota.admission" => "Pods are not created at all: a quota, a webhook or a policy refuses them.",
        "dependency" => "What the container calls has no ready endpoint.",
        "network" => "A Service leads nowhere although its pods are there, or calls to it are not answered.",
        "probe.startup" => "The startup probe ended the container: it needs longer than it is given.",
        "probe.liveness" => "The liveness probe ended the container.",
        "config.bad-value" => "The process ends itself after a ConfigMap or Secret that it reads was changed.",
        "crash.after-rollout" => "Only pods of the newest revision crash; the one before was available.",
        "cert.permission" => "An expired certificate, a missing right, or a file system that may not be written.",
        "crash.app-error" => "The process ends itself with an error, again and again.",
        "crash.exit0" => "The process ends without an error where it is to run for ever.",
        "probe.readiness" => "The container runs but is not ready: port or path of the probe, or something that it waits for.",
        "evicted" => "The kubelet evicted the pod: its node was short of something, or it used more disk than it may.",
        "job.failed" => "A Job gave up: too many failures, its deadline, or its failure policy.",
        "rollout.stuck" => "A Deployment made no progress within its deadline.",
        "termination.stuck" => "An object is being deleted for longer than its grace: a finalizer, or a kubelet that is gone.",
        _ => "",
    }
}

/// Why a text is no cause for a detector of the user's own; none where it is one: two words or more of lower-case letters, digits and
/// `-` with dots between them, the first of which is the first word of none of [`CAUSES`], so that nobody takes one for the other.
#[must_use]
pub fn own_name_problem(text: &str) -> Option<String> {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let first = text.split('.').next().unwrap_or_default();
    if text.len() > 63 || !text.contains('.') || !text.split('.').all(word) {
        return Some(format!(
            "`{text}` is not the name of a cause: lower-case words with dots between them, at most 63 characters in all"
        ));
    }
    let ours = CAUSES.iter().any(|known| known.split('.').next() == Some(first));
    ours.then(|| format!("`{first}` is the first word of causes that comeback finds itself"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_of_ones_own_has_a_first_word_of_its_own() {
        for good in ["shop.queue-stuck", "a.b.c", "my-team.x1"] {
            assert_eq!(own_name_problem(good), None);
        }
        for bad in ["shop", "Shop.x", "shop.", ".x", "shop..x", "shop/x.y", "crash.mine", "dependency.x", "network.mine", ""] {
            assert!(own_name_problem(bad).is_some(), "{bad}");
        }
        assert!(own_name_problem(&format!("shop.{}", "x".repeat(60))).is_some());
    }

    #[test]
    fn every_cause_has_its_sentence() {
        let without: Vec<_> = CAUSES.into_iter().filter(|cause| !meaning(cause).ends_with('.')).collect();
        assert_eq!(without, Vec::<&str>::new());
    }
}
