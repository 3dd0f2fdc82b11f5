//! How lists and maps of built-in kinds merge: by which keys, as sets, or whole.
//! The keys are those that `kubernetes-behaviour.md` 1.5 verified.

/// How a list merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    /// Entries are objects told apart by these fields.
    Keyed(&'static [&'static str]),
    /// Entries are scalars, each at most once.
    Set,
    /// One value as a whole.
    Atomic,
}

/// How server-side apply merges the list in field `name` of the object in field `parent`.
pub(super) fn apply_list(parent: &str, name: &str) -> ListKind {
    match (parent, name) {
        (_, "topologySpreadConstraints") => ListKind::Keyed(&["topologyKey", "whenUnsatisfiable"]),
        ("containers" | "initContainers" | "ephemeralContainers", "ports") => ListKind::Keyed(&["containerPort", "protocol"]),
        (_, "ports") if parent == "spec" => ListKind::Keyed(&["port", "protocol"]),
        _ => strategic_list(parent, name),
    }
}

/// How a strategic merge patch merges the list in field `name` of the object in field `parent`.
pub(super) fn strategic_list(parent: &str, name: &str) -> ListKind {
    match name {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "imagePullSecrets"
        | "volumes"
        | "resourceClaims"
        | "schedulingGates"
        | "secrets" => ListKind::Keyed(&["name"]),
        "ports" if parent.ends_with("ontainers") => ListKind::Keyed(&["containerPort"]),
        "ports" if parent == "spec" => ListKind::Keyed(&["port"]),
        "volumeMounts" => ListKind::Keyed(&["mountPath"]),
        "volumeDevices" => ListKind::Keyed(&["devicePath"]),
        "hostAliases" | "podIPs" | "hostIPs" => ListKind::Keyed(&["ip"]),
        "topologySpreadConstraints" => ListKind::Keyed(&["topologyKey"]),
        "conditions" => ListKind::Keyed(&["type"]),
        "addresses" if parent == "status" => ListKind::Keyed(&["type"]),
        "ownerReferences" => ListKind::Keyed(&["uid"]),
        "finalizers" if parent == "metadata" => ListKind::Set,
        _ => ListKind::Atomic,
    }
}

/// Whether server-side apply takes a map of a built-in kind as one value.
pub(super) fn is_atomic_map(name: &str) -> bool {
    const ATOMIC: &[&str] = &[
        "selector",
        "labelSelector",
        "nodeSelector",
        "configMapKeyRef",
        "secretKeyRef",
        "fieldRef",
        "resourceFieldRef",
        "secretRef",
        "involvedObject",
        "targetRef",
        "nodeRef",
        "claimRef",
        "scaleTargetRef",
        "namespaceSelector",
        "podSelector",
        "related",
    ];
    ATOMIC.contains(&name)
}
