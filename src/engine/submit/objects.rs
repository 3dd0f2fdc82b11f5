//! The objects that a submitted run makes, as they are sent. Making them, in which order, is `make`'s.

use super::POD_GRACE;
use crate::engine::home::Home;
use crate::engine::labels;
use crate::engine::permission::{self, Permission, Scope};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The name of everything in the run's own namespace.
pub const NAME: &str = "comeback";
/// The container.
pub const CONTAINER: &str = "comeback";
/// Where the suite is mounted.
const SUITE: &str = "/suite";
/// Where a pod works.
const WORK: &str = "/work";
/// How often a shard may fail, beside pods that were evicted: those do not count.
const FAILURES_PER_SHARD: u32 = 3;
const RBAC: &str = "rbac.authorization.k8s.io";

/// What the Job is made of.
#[derive(Clone, Debug)]
pub struct JobSettings<'a> {
    /// The image, whose entry point is comeback.
    pub image: &'a str,
    /// How many shards.
    pub shards: u32,
    /// How many parts the suite has.
    pub parts: usize,
}

/// The name of what lies in the whole cluster, or in namespaces of others.
#[must_use]
pub fn outside(home: &Home) -> String {
    format!("{NAME}-{}", home.run)
}

fn labelled(home: &Home, name: &str) -> Value {
    json!({ "name": name, "namespace": home.namespace, "labels": { labels::RUN: home.run } })
}

/// Who the pods are.
#[must_use]
pub fn service_account(home: &Home) -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": labelled(home, NAME) })
}

/// One part of the suite.
#[must_use]
pub fn suite(home: &Home, n: usize, bytes: Vec<u8>) -> Value {
    let mut metadata = labelled(home, &suite_name(n));
    metadata["labels"][labels::HOLDS] = json!("suite");
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": { "suite": ByteString(bytes) } })
}

fn suite_name(n: usize) -> String {
    format!("{NAME}-suite-{n:03}")
}

/// The roles of the pods with their bindings: what the scenarios need, where they need it, and the results in the run's own namespace.
#[must_use]
pub fn roles(home: &Home, needed: &[Permission]) -> Vec<Value> {
    let results = |verb| Permission {
        scope: Scope::Namespace(home.namespace.clone()),
        group: String::new(),
        resource: "configmaps".to_owned(),
        verb,
    };
    let all: Vec<Permission> =
        needed.iter().cloned().chain(["create", "list"].map(results)).collect::<BTreeSet<_>>().into_iter().collect();
    let scopes: BTreeSet<&Scope> = all.iter().map(|permission| &permission.scope).collect();
    scopes.into_iter().flat_map(|scope| role(home, &all, scope)).collect()
}

fn role(home: &Home, needed: &[Permission], scope: &Scope) -> [Value; 2] {
    let rules: Vec<Value> = permission::rules(needed, scope)
        .into_iter()
        .map(|((group, resource), verbs)| json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs }))
        .collect();
    let mut metadata = json!({ "name": outside(home), "labels": { labels::RUN: home.run } });
    let kind = match scope {
        Scope::Cluster => "ClusterRole",
        Scope::Namespace(namespace) => {
            metadata["namespace"] = json!(namespace);
            "Role"
        }
    };
    let version = format!("{RBAC}/v1");
    [
        json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules }),
        json!({
            "apiVersion": version,
            "kind": format!("{kind}Binding"),
            "metadata": metadata,
            "roleRef": { "apiGroup": RBAC, "kind": kind, "name": outside(home) },
            "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": home.namespace }],
        }),
    ]
}

/// The Job: an index for each shard. Pods that are evicted do not count as failures; a refusal that would be the same again ends its
/// index at once.
#[must_use]
pub fn job(home: &Home, settings: &JobSettings<'_>) -> Value {
    let suite: Vec<Value> = (0..settings.parts)
        .map(|n| json!({ "secret": { "name": suite_name(n), "items": [{ "key": "suite", "path": format!("suite-{n:03}") }] } }))
        .collect();
    let container = json!({
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        // The image's entry point is the program. Its log tells what each trial waits for.
        "args": ["submitted", SUITE, WORK, "--verbose"],
        "workingDir": WORK,
        // No configuration of a user is there, and temporary files have one place.
        "env": [{ "name": "HOME", "value": WORK }, { "name": "TMPDIR", "value": WORK }],
        "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } },
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
        },
        "volumeMounts": [{ "name": "suite", "mountPath": SUITE, "readOnly": true }, { "name": "work", "mountPath": WORK }],
    });
    let labels = json!({ labels::RUN: home.run });
    let pod = json!({
        "serviceAccountName": NAME,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": POD_GRACE.as_secs(),
        "enableServiceLinks": false,
        // No fixed user: OpenShift gives one. The image's own is not root.
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": labels },
        }],
        "containers": [container],
        "volumes": [
            { "name": "suite", "projected": { "sources": suite } },
            { "name": "work", "emptyDir": {} },
        ],
    });
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": labelled(home, NAME),
        "spec": {
            "completionMode": "Indexed",
            "completions": settings.shards,
            "parallelism": settings.shards,
            "backoffLimitPerIndex": FAILURES_PER_SHARD,
            // Two pods of one shard never run side by side.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": { "rules": [
                { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                { "action": "FailIndex", "onExitCodes": { "containerName": CONTAINER, "operator": "In", "values": [2] } },
            ] },
            "template": { "metadata": { "labels": labels }, "spec": pod },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home { run: "r".to_owned(), namespace: "cb-run-r".to_owned(), own: None, project: false }
    }

    #[test]
    fn the_job_is_what_the_cluster_is_to_run() {
        insta::assert_json_snapshot!(job(&home(), &JobSettings { image: "comeback:1", shards: 4, parts: 2 }));
    }

    #[test]
    fn roles_lie_where_scenarios_need_them() {
        let permission =
            |scope: Scope, resource: &str, verb| Permission { scope, group: String::new(), resource: resource.to_owned(), verb };
        let needed = [
            permission(Scope::Cluster, "pods", "list"),
            permission(Scope::Cluster, "pods", "watch"),
            permission(Scope::Namespace("shop".to_owned()), "secrets", "get"),
        ];
        insta::assert_json_snapshot!(roles(&home(), &needed));
    }
}
