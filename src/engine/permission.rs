//! What a run asks of a cluster's API: one table of verbs and resources for everything that the harness does, from which the roles
//! of `comeback rbac`, the preflight and `--dry-run` are made. The tests run scenarios under exactly these roles.

mod fault;
mod healing;

use crate::cluster::kinds::Kind;
use crate::observe::probe::{monitoring, pod};
use crate::observe::watch;
use crate::scenario::model::Need;
use crate::scenario::{Condition, Fault, Healer, Plan, Step, strategy};
use fault::injecting;
use std::collections::{BTreeMap, BTreeSet};

/// Where a permission is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In the whole cluster: for namespaces, and for what lies in namespaces that the run makes, whose names nobody knows before.
    Cluster,
    /// In one namespace.
    Namespace(String),
}

/// One thing that the harness must be allowed to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// Where.
    pub scope: Scope,
    /// API group; empty: the core group.
    pub group: String,
    /// Plural, with the subresource (`pods/exec`).
    pub resource: String,
    /// `get`, `list`, ...
    pub verb: &'static str,
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.scope {
            Scope::Cluster => f.write_str(" in the whole cluster"),
            Scope::Namespace(namespace) => write!(f, " in namespace {namespace}"),
        }
    }
}

/// Reading an object and changing it.
const FAULT_PATCH: &[&str] = &["get", "patch"];
/// The run's own namespaces: made, found again, removed, verified.
const NAMESPACES: &[(&str, &[&str])] = &[
    ("Namespace", &["create", "get", "list", "watch", "delete"]),
    ("ServiceAccount", &["list", "watch"]),
    // What would make pods again goes before them.
    ("CronJob", &["deletecollection"]),
    ("Deployment", &["deletecollection"]),
    ("StatefulSet", &["deletecollection"]),
    ("DaemonSet", &["deletecollection"]),
    ("Job", &["deletecollection"]),
    ("ReplicaSet", &["deletecollection"]),
    ("Pod", &["list", "watch", "delete"]),
];

/// The run's home: its lease, and undo records of which it lists what is left.
const HOME: &[(&str, &[&str])] =
    &[("Lease", &["create", "get", "list", "patch", "delete"]), ("ConfigMap", &["create", "list", "delete"])];

/// What a submitter needs beside what its pods are given, which it must have itself: nobody can give more than that.
const SUBMIT: &[(&str, &[&str])] = &[
    ("ServiceAccount", &["create"]),
    ("Secret", &["create", "list"]),
    ("Role", &["create"]),
    ("RoleBinding", &["create"]),
    ("ClusterRole", &["create", "get", "delete"]),
    ("ClusterRoleBinding", &["create", "get", "delete"]),
    ("Job", &["create", "list", "watch", "delete"]),
    ("ConfigMap", &["list", "watch"]),
    ("Pod", &["list", "watch"]),
    ("Event", &["list", "watch"]),
];

/// A run's own projects, where it may create no namespace. What it does inside, it may as their administrator.
const PROJECTS: &[(&str, &str)] = &[("projectrequests", "create"), ("projects", "list")];

impl Permission {
    /// Whether it is needed in namespaces that the run makes.
    fn is_inside(&self) -> bool {
        let resource = self.resource.split('/').next().unwrap_or_default();
        self.scope == Scope::Cluster && !Kind::is_of_the_cluster(&self.group, resource)
    }

    /// Whether namespaces are made by it.
    pub(super) fn is_to_make_namespaces(&self) -> bool {
        self.scope == Scope::Cluster && self.group.is_empty() && self.resource == "namespaces" && self.verb == "create"
    }
}

/// What is needed where each namespace is asked for as an OpenShift project.
#[must_use]
pub fn by_projects(needed: &[Permission]) -> Vec<Permission> {
    let of_namespaces = |one: &&Permission| one.group.is_empty() && one.resource == "namespaces";
    let projects = PROJECTS.iter().map(|(resource, verb)| Permission {
        scope: Scope::Cluster,
        group: "project.openshift.io".to_owned(),
        resource: (*resource).to_owned(),
        verb,
    });
    let rest = needed.iter().filter(|one| !of_namespaces(one) && !one.is_inside()).cloned();
    projects.chain(rest).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What is needed inside of such a project.
#[must_use]
pub fn inside(needed: &[Permission], namespace: &str) -> Vec<Permission> {
    let scope = Scope::Namespace(namespace.to_owned());
    let own = ["get", "delete"].into_iter().map(|verb| Permission {
        scope: scope.clone(),
        group: "project.openshift.io".to_owned(),
        resource: "projects".to_owned(),
        verb,
    });
    own.chain(needed.iter().filter(|one| one.is_inside()).map(|one| Permission { scope: scope.clone(), ..one.clone() })).collect()
}

/// What scenarios need.
#[derive(Debug, Default)]
struct Needed {
    all: BTreeSet<Permission>,
    scope: Option<String>,
}

impl Needed {
    fn add(&mut self, group: &str, resource: &str, verbs: &[&'static str]) {
        let scope = self.scope.clone().map_or(Scope::Cluster, Scope::Namespace);
        self.add_in(&scope, group, resource, verbs);
    }

    fn add_in(&mut self, scope: &Scope, group: &str, resource: &str, verbs: &[&'static str]) {
        let permission = |verb: &&'static str| Permission {
            scope: scope.clone(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb,
        };
        self.all.extend(verbs.iter().map(permission));
    }

    fn kind(&mut self, api_version: Option<&str>, kind: &str, verbs: &[&'static str]) {
        if let Some(known) = Kind::known(api_version, kind).filter(|known| !known.namespaced) {
            // Nodes lie in no namespace, whatever the trial's is.
            self.add_in(&Scope::Cluster, &known.resource.group, &known.resource.plural, verbs);
        } else if let Some(known) = Kind::known(api_version, kind) {
            self.add(&known.resource.group, &known.resource.plural, verbs);
        } else {
            // Another's kind: its plural is told by the cluster alone; English makes a good guess.
            let group = api_version.and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
            self.add(group, &plural(kind), verbs);
        }
    }

    fn table(&mut self, table: &[(&str, &[&'static str])]) {
        for (kind, verbs) in table {
            self.kind(None, kind, verbs);
        }
    }
}

/// What `comeback submit` needs of its user for what its pods need.
#[must_use]
pub fn submitting(needed: &[Permission]) -> Vec<Permission> {
    let mut all = Needed { all: needed.iter().cloned().collect(), scope: None };
    for table in [NAMESPACES, HOME, SUBMIT] {
        all.table(table);
    }
    let elsewhere: BTreeSet<Scope> =
        needed.iter().map(|one| one.scope.clone()).filter(|scope| *scope != Scope::Cluster).collect();
    for scope in elsewhere {
        for resource in ["roles", "rolebindings"] {
            all.add_in(&scope, "rbac.authorization.k8s.io", resource, &["create", "get", "delete"]);
        }
    }
    all.all.into_iter().collect()
}

/// Whether a plan breaks machines of nodes, or its healer may.
#[must_use]
pub fn reaches_machines(plan: &Plan) -> bool {
    plan.needs.contains(&Need::NodeControl)
}

/// The permissions that a run of these plans needs; `allowed` are the namespaces of others that it may use. Machines of nodes are reached
/// past the API, or by pods in the run's own namespace.
#[must_use]
pub fn needed(plans: &[&Plan], allowed: &[String], by_pods: bool) -> Vec<Permission> {
    let mut needed = Needed::default();
    let by_pods = by_pods && plans.iter().any(|plan| reaches_machines(plan));
    let own = by_pods || plans.iter().any(|plan| plan.existing.is_none());
    let secrets = plans.iter().any(|plan| plan.existing.is_some() && touches_secrets(plan));
    if own {
        needed.table(NAMESPACES);
        if by_pods {
            needed.table(&[("Pod", &["create"]), ("Node", &["get"])]);
        }
    } else {
        // Where it may make no namespace, the first that it was allowed to use is its home.
        let first = plans.iter().find_map(|plan| Some(plan.existing.as_ref()?.namespace.clone()));
        needed.scope = allowed.first().cloned().or(first);
    }
    needed.table(HOME);
    if secrets && own {
        needed.kind(None, "Secret", &["create", "list", "delete"]);
    }
    for plan in plans {
        needed.scope = plan.existing.as_ref().map(|existing| existing.namespace.clone());
        if plan.existing.is_some() && touches_secrets(plan) && !own {
            needed.kind(None, "Secret", &["create", "list", "delete"]);
        }
        trial(&mut needed, plan);
    }
    needed.all.into_iter().collect()
}

fn trial(needed: &mut Needed, plan: &Plan) {
    for watched in watch::kinds_of(plan) {
        needed.kind(watched.api_version.as_deref(), &watched.kind, &["list", "watch"]);
    }
    needed.add("", "pods/log", &["get"]);
    let tried = plan.tried();
    if tried.iter().any(|one| one.is_asked_from_a_pod() || matches!(one, Condition::Exec(_))) {
        needed.add("", "pods/exec", &["create", "get"]);
    }
    if tried.iter().any(|one| matches!(one, Condition::Metric(_))) {
        needed.add("metrics.k8s.io", "pods", &["list"]);
    }
    if tried.iter().any(|one| one.route().is_some()) {
        needed.add("route.openshift.io", "routes", &["get"]);
    }
    if monitoring::is_wanted(plan) {
        let there = Scope::Namespace(monitoring::NAMESPACE.to_owned());
        needed.add_in(&there, "route.openshift.io", "routes", &["get"]);
    }
    if pod::is_needed(plan) {
        needed.kind(None, "Pod", &["create", "list", "watch"]);
    }
    for manifest in &plan.manifests {
        let text = |field: &str| manifest.object.get(field).and_then(serde_json::Value::as_str);
        needed.kind(text("apiVersion"), text("kind").unwrap_or_default(), &["get", "patch", "create"]);
    }
    if plan.existing.is_some() {
        // The baseline: from the pods to what controls them, and what they read.
        for kind in ["ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "ConfigMap", "Secret"] {
            needed.kind(None, kind, &["get"]);
        }
    }
    // Whether the cluster has what is needed is told by these.
    for (need, kind) in [(Need::MultiNode, "Node"), (Need::NetworkPolicy, "DaemonSet")] {
        if let Some(known) = Kind::known(None, kind).filter(|_| plan.needs.contains(&need)) {
            needed.add_in(&Scope::Cluster, &known.resource.group, &known.resource.plural, &["list"]);
        }
    }
    for fault in plan.single_faults() {
        injecting(needed, fault);
    }
    if plan.heal.healer() == Healer::Comeback {
        let nodes = watch::kinds_of(plan).iter().any(|watched| watched.kind == "Node");
        // Causes that are found on nodes are found where nodes are watched.
        let default = strategy::defaults().iter().flat_map(|ladder| &ladder.steps);
        let default = default.filter(|step| plan.heal.strategy.is_empty() && (nodes || !step.is_about_a_node()));
        for step in plan.steps().chain(default) {
            healing::step(needed, step);
            if matches!(step, Step::RevertConfig(_)) && plan.existing.is_none() {
                healing::service(needed);
            }
        }
        if plan.existing.is_some() {
            healing::memory(needed);
        }
    }
}

/// Whether a fault of the plan changes a Secret: then its undo record is one.
fn touches_secrets(plan: &Plan) -> bool {
    plan.single_faults().into_iter().any(|fault| match fault {
        Fault::SetSecret(_) | Fault::DeleteSecret(_) => true,
        Fault::Patch(patch) => patch.kind == "Secret",
        Fault::Delete(delete) => delete.kind == "Secret",
        Fault::Apply(apply) => apply.manifest.get("kind").is_some_and(|kind| kind == "Secret"),
        _ => false,
    })
}

fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    // Those of Chaos Mesh have no other form.
    if lower.ends_with("chaos") {
        return lower;
    }
    if let Some(stem) = lower.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u'])) {
        return format!("{stem}ies");
    }
    let hissing = ["s", "x", "z", "ch", "sh"].iter().any(|end| lower.ends_with(end));
    if hissing { format!("{lower}es") } else { format!("{lower}s") }
}

/// Verbs by group and resource, of one scope: the rules of a role.
#[must_use]
pub fn rules(permissions: &[Permission], scope: &Scope) -> BTreeMap<(String, String), Vec<&'static str>> {
    let mut rules: BTreeMap<(String, String), Vec<&'static str>> = BTreeMap::new();
    for permission in permissions.iter().filter(|permission| permission.scope == *scope) {
        rules.entry((permission.group.clone(), permission.resource.clone())).or_default().push(permission.verb);
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{LoadOptions, load};
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("Certificate", "certificates")]
    #[case("NetworkPolicy", "networkpolicies")]
    #[case("Ingress", "ingresses")]
    #[case("Gateway", "gateways")]
    #[case("PodChaos", "podchaos")]
    fn plurals(#[case] kind: &str, #[case] is: &str) {
        assert_eq!(plural(kind), is);
    }

    /// What injecting and undoing one fault needs in a namespace of others.
    fn of(fault: serde_json::Value) -> Vec<String> {
        let mut needed = Needed { scope: Some("shop".to_owned()), ..Needed::default() };
        injecting(&mut needed, &serde_json::from_value(fault).unwrap());
        needed.all.iter().map(ToString::to_string).collect()
    }

    #[rstest]
    #[case(json!({ "evictPods": { "deployment": "a" } }), &["get pods in namespace shop", "create pods/eviction in namespace shop"])]
    #[case(json!({ "killContainer": { "deployment": "a" } }),
        &["get pods in namespace shop", "list pods in namespace shop", "watch pods in namespace shop",
            "create pods/exec in namespace shop", "get pods/exec in namespace shop"])]
    #[case(json!({ "setSecret": { "secret": "a", "key": "b", "value": "c" } }),
        &["get secrets in namespace shop", "patch secrets in namespace shop"])]
    #[case(json!({ "setEnv": { "statefulSet": "a", "name": "b", "value": "c" } }),
        &["get statefulsets.apps in namespace shop", "patch statefulsets.apps in namespace shop"])]
    #[case(json!({ "stopDependency": { "deployment": "a" } }),
        &["get deployments.apps in namespace shop", "patch deployments.apps in namespace shop"])]
    #[case(json!({ "breakService": { "service": "a" } }), &["get services in namespace shop", "patch services in namespace shop"])]
    #[case(json!({ "cordonNode": { "node": "a" } }), &["get nodes in the whole cluster", "patch nodes in the whole cluster"])]
    #[case(json!({ "pauseNode": { "node": "a" } }),
        &["get nodes in the whole cluster", "list nodes in the whole cluster", "watch nodes in the whole cluster"])]
    #[case(json!({ "drainNode": { "node": "a" } }),
        &["get nodes in the whole cluster", "patch nodes in the whole cluster", "list pods in namespace shop",
            "create pods/eviction in namespace shop"])]
    #[case(json!({ "denyNetwork": { "deployment": "a" } }),
        &["get deployments.apps in namespace shop", "create networkpolicies.networking.k8s.io in namespace shop",
            "delete networkpolicies.networking.k8s.io in namespace shop", "get networkpolicies.networking.k8s.io in namespace shop",
            "patch networkpolicies.networking.k8s.io in namespace shop"])]
    #[case(json!({ "together": { "faults": [{ "deletePods": { "deployment": "a" } }, { "setConfig": { "configMap": "a", "key": "b", "value": "c" } }] } }),
        &["get configmaps in namespace shop", "patch configmaps in namespace shop", "delete pods in namespace shop", "get pods in namespace shop"])]
    fn faults_need_no_more_than_they_ask_for(#[case] fault: serde_json::Value, #[case] is: &[&str]) {
        let mut found = of(fault);
        let mut is: Vec<_> = is.iter().map(ToString::to_string).collect();
        found.sort();
        is.sort();
        assert_eq!(found, is);
    }

    #[test]
    fn what_is_tried_from_within_needs_a_pod_and_its_commands() {
        let loaded = load(&["builtin:pod-deleted".to_owned()], &LoadOptions::default()).unwrap();
        let mut plan = Plan::clone(&loaded.plans[0]);
        let about_exec = |plan: &Plan| {
            let all = needed(&[plan], &[], false).iter().map(ToString::to_string).collect::<Vec<_>>();
            ["create pods/exec in the whole cluster", "create pods in the whole cluster"].map(|one| all.contains(&one.to_owned()))
        };
        assert_eq!(about_exec(&plan), [false, false]);
        let condition = |body| serde_json::from_value(body).unwrap();
        plan.recover.until = vec![condition(json!({ "exec": { "deployment": "web", "command": ["true"] } }))];
        assert_eq!(about_exec(&plan), [true, false]);
        plan.recover.until = vec![condition(json!({ "not": { "http": { "service": "web" } } }))];
        assert_eq!(about_exec(&plan), [true, true]);
    }

    #[test]
    fn a_secret_in_a_group_of_faults_has_its_record_in_a_secret() {
        let secret = json!({ "setSecret": { "secret": "a", "key": "b", "value": "c" } });
        let group = json!({ "sequence": { "faults": [{ "together": { "faults": [secret] } }] } });
        let loaded = load(&["builtin:pod-deleted".to_owned()], &LoadOptions::default()).unwrap();
        let mut plan = Plan::clone(&loaded.plans[0]);
        assert!(!touches_secrets(&plan));
        plan.faults = vec![serde_json::from_value(group).unwrap()];
        assert!(touches_secrets(&plan));
    }
}
