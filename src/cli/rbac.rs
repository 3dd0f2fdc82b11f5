//! `comeback rbac`: the least roles under which scenarios run and clean up, as YAML for `kubectl apply`.
//! What is needed is `engine::permission`'s.

use super::guard::{self, Allow};
use crate::engine::permission::{self, Permission, Scope};
use crate::exit_code::ExitCode;
use crate::scenario::render::{Look, render};
use crate::scenario::{LoadOptions, Plan, load};
use clap::Args;
use clap::builder::BoolishValueParser;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Result, Write};

/// `comeback rbac PATH...`
#[derive(Clone, Debug, Args)]
pub struct Rbac {
    /// Scenario and suite files, folders, or `builtin:NAME`
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
    /// The name of the roles
    #[arg(long, env = "COMEBACK_RBAC_NAME", value_name = "NAME", default_value = "comeback")]
    pub name: String,
    /// What a run will be allowed: node-access adds the privileged pods by which nodes are broken. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW", value_name = "WHAT", value_delimiter = ',', value_parser = guard::allow)]
    pub allow: Vec<Allow>,
    /// For an OpenShift user who may create no namespace: trials run in projects of their own, whose administrator the user is
    #[arg(long, env = "COMEBACK_RBAC_PROJECTS")]
    pub projects: bool,
    /// The role of whoever runs `comeback submit` with these scenarios: it must hold what it gives to the pods
    #[arg(long, env = "COMEBACK_RBAC_SUBMIT", value_parser = BoolishValueParser::new(), conflicts_with = "projects")]
    pub submit: bool,
}

/// Prints the roles.
///
/// # Errors
/// When nothing can be written.
pub fn run(arguments: &Rbac, look: Look, out: &mut dyn Write, err: &mut dyn Write) -> Result<ExitCode> {
    let loaded = match load(&arguments.paths, &LoadOptions::default()) {
        Ok(loaded) => loaded,
        Err(found) => {
            write!(err, "{}", render(&found, look))?;
            return Ok(ExitCode::Usage);
        }
    };
    let plans: Vec<&Plan> = loaded.plans.iter().map(AsRef::as_ref).collect();
    let needed = permission::needed(&plans, &[], arguments.allow.contains(&Allow::NodeAccess));
    let needed = if arguments.projects { permission::by_projects(&needed) } else { needed };
    let needed = if arguments.submit { permission::submitting(&needed) } else { needed };
    out.write_all(roles(&arguments.name, &needed).as_bytes())?;
    Ok(ExitCode::Passed)
}

/// One role for each scope. They are bound by whoever may do so; how is said in a comment.
fn roles(name: &str, permissions: &[Permission]) -> String {
    let scopes: BTreeSet<&Scope> = permissions.iter().map(|permission| &permission.scope).collect();
    let mut text = String::new();
    for scope in scopes {
        let (kind, namespace, bind) = match scope {
            Scope::Cluster => ("ClusterRole", None, format!("kubectl create clusterrolebinding {name} --clusterrole={name}")),
            Scope::Namespace(namespace) => {
                ("Role", Some(namespace), format!("kubectl create rolebinding {name} -n {namespace} --role={name}"))
            }
        };
        let _ = writeln!(text, "---\n# {bind} --serviceaccount=NAMESPACE:NAME (or --user, --group)");
        let _ = writeln!(text, "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}");
        if let Some(namespace) = namespace {
            let _ = writeln!(text, "  namespace: {namespace}");
        }
        text.push_str("rules:\n");
        for ((group, verbs), resources) in grouped(permission::rules(permissions, scope)) {
            let _ = writeln!(text, "  - apiGroups: [\"{group}\"]");
            let _ = writeln!(text, "    resources: [{}]", resources.join(", "));
            let _ = writeln!(text, "    verbs: [{}]", verbs.join(", "));
        }
    }
    text
}

/// Resources with the same group and the same verbs share a rule.
fn grouped(rules: BTreeMap<(String, String), Vec<&'static str>>) -> BTreeMap<(String, Vec<&'static str>), Vec<String>> {
    let mut grouped: BTreeMap<(String, Vec<&'static str>), Vec<String>> = BTreeMap::new();
    for ((group, resource), verbs) in rules {
        grouped.entry((group, verbs)).or_default().push(resource);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(paths: &[&str], projects: bool) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let paths = paths.iter().map(ToString::to_string).collect();
        let arguments = Rbac { paths, name: "comeback".to_owned(), projects, submit: false, allow: Vec::new() };
        let code = run(&arguments, Look { color: false, width: 100 }, &mut out, &mut err).unwrap();
        assert_eq!(code, ExitCode::Passed);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_scenario_of_its_own_needs_a_cluster_role() {
        insta::assert_snapshot!(printed(&["builtin:pod-deleted"], false));
    }

    /// What lies in a project is its administrator's; nodes are nobody's.
    #[test]
    fn who_may_ask_for_projects_needs_little_else() {
        insta::assert_snapshot!(printed(&["builtin:pod-deleted", "builtin:node-drained"], true));
    }

    /// Nothing of comeback's is made on nodes by who did not allow it.
    #[test]
    fn pods_on_nodes_are_created_where_that_is_allowed() {
        let creates_pods = |allow: Vec<Allow>| {
            let loaded = load(&["builtin:node-kubelet-stopped".to_owned()], &LoadOptions::default()).unwrap();
            let by_pods = allow.contains(&Allow::NodeAccess);
            let all = permission::needed(&[&loaded.plans[0]], &[], by_pods);
            all.iter().any(|one| one.to_string() == "create pods in the whole cluster")
        };
        assert!(creates_pods(vec![Allow::ClusterFaults, Allow::NodeAccess]));
        assert!(!creates_pods(vec![Allow::ClusterFaults]));
    }

    #[test]
    fn a_submitter_holds_what_it_gives_and_makes_the_job() {
        let lines = |submit| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let arguments = Rbac {
                paths: vec!["builtin:pod-deleted".to_owned()],
                name: "comeback".to_owned(),
                projects: false,
                submit,
                allow: Vec::new(),
            };
            run(&arguments, Look { color: false, width: 100 }, &mut out, &mut err).unwrap();
            String::from_utf8(out).unwrap()
        };
        let (pods, submitter) = (lines(false), lines(true));
        let verbs = |text: &str, resource: &str| {
            let rules = serde_saphyr::from_str::<serde_json::Value>(text).unwrap()["rules"].clone();
            let of = |rule: &serde_json::Value| rule["resources"].as_array().unwrap().iter().any(|known| known == resource);
            let rules = rules.as_array().unwrap().clone();
            let verbs = rules.iter().filter(|rule| of(rule)).flat_map(|rule| rule["verbs"].as_array().unwrap().clone());
            verbs.map(|verb| verb.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        for resource in ["pods", "namespaces", "leases", "configmaps", "deployments"] {
            assert!(verbs(&submitter, resource).is_superset(&verbs(&pods, resource)), "{resource}");
        }
        assert!(verbs(&submitter, "clusterroles").contains("create") && verbs(&pods, "clusterroles").is_empty());
        assert!(verbs(&submitter, "jobs").contains("watch"));
    }
}
