//! Security contexts: who a container's programs run as, and whether its root file system is read-only.
//! What follows for writes is decided in the program's file system.

use crate::sim::program::filesystem::Access;
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// The user, groups and root file system of a container: the image's root, unless the manifest says otherwise.
pub(super) fn access(spec: &PodSpec, container: &Container) -> Access {
    let (own, of_pod) = (container.security_context.as_ref(), spec.security_context.as_ref());
    let further = of_pod.into_iter().flat_map(|c| c.fs_group.into_iter().chain(c.supplemental_groups.iter().flatten().copied()));
    let mut groups: Vec<i64> = further.collect();
    groups.sort_unstable();
    groups.dedup();
    Access {
        read_only_root: own.and_then(|c| c.read_only_root_filesystem) == Some(true),
        user: own.and_then(|c| c.run_as_user).or_else(|| of_pod.and_then(|c| c.run_as_user)).unwrap_or(0),
        group: own.and_then(|c| c.run_as_group).or_else(|| of_pod.and_then(|c| c.run_as_group)).unwrap_or(0),
        groups,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_containers_own_context_wins() {
        let spec: PodSpec = serde_json::from_value(json!({
            "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "supplementalGroups": [4000, 2000]},
            "containers": [{"name": "app", "securityContext": {"runAsUser": 7, "readOnlyRootFilesystem": true}}],
        }))
        .unwrap();
        let expected = Access { read_only_root: true, user: 7, group: 3000, groups: vec![2000, 4000] };
        assert_eq!(access(&spec, &spec.containers[0]), expected);
    }
}
