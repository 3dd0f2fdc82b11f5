//! Shipped scenarios run on a served cluster under exactly the role that `comeback rbac` prints; under the role less one rule they
//! are refused before anything is changed.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what cannot be started or asked fails the test")]

#[path = "kill/world.rs"]
mod world;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use world::World;

/// A user with a role of its own: a service account of the cluster.
struct Limited<'a> {
    world: &'a World,
    folder: &'a Path,
}

impl Limited<'_> {
    /// A command of the harness, as the limited user.
    fn comeback(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
        command.args(arguments).current_dir(self.folder).env_clear().env("HOME", self.folder);
        command.env("KUBECONFIG", self.folder.join("limited")).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Gives the user these roles and no others.
    fn give(&self, roles: &[Value]) {
        for role in roles {
            let namespace = role.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
            self.world.apply(role);
            let kind = role["kind"].as_str().unwrap();
            let mut binding = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{kind}Binding"), "metadata": { "name": "limited" },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role["metadata"]["name"] },
                "subjects": [{ "kind": "ServiceAccount", "name": "limited", "namespace": "till" }],
            });
            if !namespace.is_empty() {
                binding["metadata"]["namespace"] = json!(namespace);
            }
            self.world.apply(&binding);
        }
    }
}

/// A token of a service account.
fn token(world: &World, namespace: &str, account: &str) -> String {
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let request = http::Request::post(path).header("Content-Type", "application/json").body(review.to_string().into_bytes());
    let answer: Value = world.runtime.block_on(world.client.request(request.unwrap())).unwrap();
    answer["status"]["token"].as_str().unwrap().to_owned()
}

/// A world and a user without any right.
fn limited(world: &World, folder: &Path) {
    world.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "limited", "namespace": "till" } }));
    let token = token(world, "till", "limited");
    assert!(world.kubeconfig.contains(&world.address.to_string()));
    let mut config = kube::config::Kubeconfig::from_yaml(&world.kubeconfig).unwrap();
    config.auth_infos[0].auth_info = Some(serde_json::from_value(json!({ "token": token })).unwrap());
    // JSON is YAML. A token that serde would hide is put in by hand.
    let mut config = serde_json::to_value(&config).unwrap();
    config["users"][0]["user"] = json!({ "token": token });
    std::fs::write(folder.join("limited"), config.to_string()).unwrap();
}

/// The roles that the harness prints for scenarios.
fn roles(user: &Limited<'_>, scenarios: &[&str]) -> Vec<Value> {
    let output = user.comeback(&[&["rbac"], scenarios].concat());
    assert!(output.status.success(), "{output:?}");
    serde_saphyr::from_multiple(std::str::from_utf8(&output.stdout).unwrap()).unwrap()
}

/// The shipped scenarios, with short holds: what counts here is what they ask for, not how long it lasts.
fn shipped(folder: &Path) {
    let hold = regex::Regex::new(r"\bhold: \w+").unwrap();
    let within = regex::Regex::new(r"\bwithin: (6m|100s|1m)\b").unwrap();
    let lasts = regex::Regex::new(r"\bfor: \w+").unwrap();
    let copy = |from: &Path, to: &Path| {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let text = std::fs::read_to_string(&entry).unwrap();
            let text = within.replace_all(&hold.replace_all(&text, "hold: 1s"), "within: 5s").into_owned();
            let text = lasts.replace_all(&text, "for: 3s").into_owned();
            std::fs::write(to.join(entry.file_name().unwrap()), text).unwrap();
        }
    };
    for class in std::fs::read_dir("scenarios").unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        copy(&class, &folder.join(&class));
    }
    copy(Path::new("fixtures/workloads"), &folder.join("fixtures/workloads"));
}

#[test]
fn shipped_scenarios_run_under_their_role_and_clean_up() {
    let (world, folder) = (World::start(20.0), tempfile::tempdir().unwrap());
    limited(&world, folder.path());
    shipped(folder.path());
    let user = Limited { world: &world, folder: folder.path() };
    user.give(&roles(&user, &["scenarios"]));
    let before = world.snapshot(&BTreeSet::new());
    let classes = std::fs::read_dir(folder.path().join("scenarios")).unwrap().map(|entry| entry.unwrap().file_name());
    let classes: BTreeSet<String> = classes.map(|name| format!("scenarios/{}", name.into_string().unwrap())).collect();
    // What breaks nodes breaks what runs beside it: one after the other.
    let (nodes, others): (Vec<_>, Vec<_>) =
        classes.iter().map(String::as_str).partition(|class| ["scenarios/node", "scenarios/control"].contains(class));
    let mut trials = Vec::new();
    for (classes, concurrency) in [(others, "16"), (nodes, "1")] {
        let options = ["--cluster", "context", "--allow", "cluster-faults", "--concurrency", concurrency, "--no-progress"];
        let run = [&["run"][..], &classes, &options, &["--report", "json", "--timeout", "60s"]].concat();
        let output = user.comeback(&run);
        let errors = String::from_utf8_lossy(&output.stderr);
        let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| unreachable!("{error}: {errors}"));
        assert!(!errors.contains("forbidden") && !result.to_string().contains("forbidden"), "{errors}");
        for scenario in result["scenarios"].as_array().unwrap() {
            let trial = &scenario["trials"][0];
            println!("{}: {} ({})", scenario["name"], trial["verdict"], trial["reason"]);
            assert_ne!(trial["verdict"], "error", "{scenario}");
            trials.push((scenario["name"].as_str().unwrap().to_owned(), trial["verdict"].clone()));
        }
    }
    assert!(trials.iter().filter(|trial| trial.1 == "recovered").count() >= 8, "{trials:?}");
    assert_eq!(world.differences(&before, &BTreeSet::new()), [""; 0]);
    let cleanup = user.comeback(&["cleanup", "--all"]);
    assert_eq!((cleanup.status.code(), String::from_utf8_lossy(&cleanup.stdout).as_ref()), (Some(0), "nothing was left\n"));
}

#[test]
fn without_one_rule_nothing_is_begun_and_the_refusal_names_it() {
    let (world, folder) = (World::start(20.0), tempfile::tempdir().unwrap());
    limited(&world, folder.path());
    let user = Limited { world: &world, folder: folder.path() };
    let scenarios = ["builtin:pod-deleted", "builtin:crash/after-config-change"];
    let whole = roles(&user, &scenarios);
    let run = [&["run", "--cluster", "context", "--no-progress"][..], &scenarios].concat();
    let rules = whole[0]["rules"].as_array().unwrap();
    assert!(rules.len() > 5, "{whole:?}");
    user.give(&whole);
    let before = world.snapshot(&BTreeSet::new()).into_keys().collect::<Vec<_>>();
    for (position, rule) in rules.iter().enumerate() {
        let mut less = whole.clone();
        less[0]["rules"].as_array_mut().unwrap().remove(position);
        user.give(&less);
        let output = user.comeback(&run);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "without {rule}: {errors}");
        let (verb, resource) = (rule["verbs"][0].as_str().unwrap(), rule["resources"][0].as_str().unwrap());
        assert!(errors.contains(&format!("{verb} {resource}")) && errors.contains("in the whole cluster"), "{rule}: {errors}");
        assert!(errors.contains("comeback rbac"), "{errors}");
    }
    let after = world.snapshot(&BTreeSet::new()).into_keys().collect::<Vec<_>>();
    assert_eq!(before, after);
}

#[test]
fn faults_of_every_kind_of_undoing_run_under_their_role_in_a_namespace_of_others() {
    let (world, folder) = (World::start(20.0), tempfile::tempdir().unwrap());
    limited(&world, folder.path());
    let scenario = "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: { name: theirs }\nspec:\n  summary: Much changes\n  \
        workload: { existing: { namespace: shop, selector: app=api } }\n  steady: { within: 60s, hold: 1s }\n  \
        fault:\n    - setSecret: { secret: token, key: password, value: other }\n    - quota: { hard: { pods: '9' } }\n    \
        - breakService: { service: api, for: 500ms }\n    - denyNetwork: { deployment: api }\n    \
        - setEnv: { deployment: api, name: MODE, value: broken }\n    - evictPods: { deployment: api }\n    \
        - together: { faults: [ { taintNode: { node: one, effect: PreferNoSchedule } }, { drainNode: { deployment: api } } ], for: 1s }\n    \
        - deleteSecret: { secret: token }\n  \
        effect: { within: 1s }\n";
    std::fs::write(folder.path().join("theirs.yaml"), scenario).unwrap();
    let user = Limited { world: &world, folder: folder.path() };
    let roles = roles(&user, &["theirs.yaml"]);
    let cluster = roles.iter().find(|role| role["kind"] == "ClusterRole").unwrap();
    let wide: BTreeSet<_> = cluster["rules"].as_array().unwrap().iter().map(|rule| rule["resources"].to_string()).collect();
    assert_eq!(wide, BTreeSet::from(["[\"daemonsets\"]", "[\"nodes\"]"].map(ToOwned::to_owned)), "{roles:?}");
    user.give(&roles);
    let before = world.snapshot(&BTreeSet::new());
    let options = ["--cluster", "context", "--no-progress", "--report", "json", "--allow-namespace", "shop", "--out", "here"];
    let run = [&["run", "theirs.yaml"][..], &options].concat();
    let refused = user.comeback(&run);
    assert_eq!(refused.status.code(), Some(2), "nodes are not to be touched without --allow");
    let output = user.comeback(&[&run[..], &["--allow", "cluster-faults"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| unreachable!("{error}: {errors}"));
    let trial = &result["scenarios"][0]["trials"][0];
    assert!(!matches!(trial["verdict"].as_str(), Some("error" | "skipped") | None), "{errors}{trial}");
    assert!(!trial["reason"].to_string().contains("no target"), "{trial}");
    let timeline = std::fs::read_to_string(folder.path().join("here").join(trial["timeline"].as_str().unwrap())).unwrap();
    assert_eq!(timeline.lines().filter(|line| line.contains("\"accepted\"")).count(), 9, "{timeline}");
    assert!(!errors.contains("forbidden") && !result.to_string().contains("forbidden"), "{errors}{result}");
    assert_eq!(world.differences(&before, &BTreeSet::from(["token".to_owned()])), [""; 0]);
}

#[test]
fn what_runs_already_needs_no_right_beyond_its_namespace() {
    let (world, folder) = (World::start(20.0), tempfile::tempdir().unwrap());
    limited(&world, folder.path());
    let scenario = "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: { name: theirs }\nspec:\n  summary: A value changes\n  \
        workload: { existing: { namespace: shop, selector: app=api } }\n  steady: { within: 60s, hold: 1s }\n  \
        fault: [ { setConfig: { configMap: pool, key: workers, value: many } }, { patch: { kind: Secret, name: token, type: merge, patch: { data: { password: eA== } } } } ]\n  \
        effect: { within: 1s }\n";
    std::fs::write(folder.path().join("theirs.yaml"), scenario).unwrap();
    let user = Limited { world: &world, folder: folder.path() };
    let roles = roles(&user, &["theirs.yaml"]);
    assert_eq!(
        roles.iter().map(|role| (&role["kind"], &role["metadata"]["namespace"])).collect::<Vec<_>>(),
        [(&json!("Role"), &json!("shop"))]
    );
    user.give(&roles);
    let before = world.snapshot(&BTreeSet::new());
    let output = user.comeback(&[
        "run",
        "theirs.yaml",
        "--cluster",
        "context",
        "--no-progress",
        "--allow-namespace",
        "shop",
        "--report",
        "json",
    ]);
    let errors = String::from_utf8_lossy(&output.stderr);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| unreachable!("{error}: {errors}"));
    // Nothing reads the value: that it was set had no effect, which is all that may be said.
    assert_eq!(result["scenarios"][0]["trials"][0]["verdict"], "invalid", "{errors}{result}");
    assert_eq!(world.differences(&before, &BTreeSet::new()), [""; 0]);
    let refused = user.comeback(&["run", "theirs.yaml", "--cluster", "context", "--no-progress"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--allow-namespace shop"), "{refused:?}");
}

#[test]
fn the_healer_mends_what_runs_already_under_its_role_and_under_no_rule_less() {
    // How long containers ran is told by stamps of the server, and decides how long recovery must last: no faster than the harness.
    let (world, folder) = (World::start(1.0), tempfile::tempdir().unwrap());
    limited(&world, folder.path());
    let scenario = "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: { name: theirs }\nspec:\n  summary: An image that nobody has\n  \
        workload: { existing: { namespace: shop, selector: app=api } }\n  \
        steady: { until: [ { ready: { deployment: api } } ], within: 60s, hold: 1s }\n  \
        fault: [ { setImage: { deployment: api, container: api, image: 'busybox:no-such-tag' } } ]\n  \
        detect: { cause: image.notfound, within: 60s }\n  heal: { by: comeback }\n  \
        recover: { until: [ { ready: { deployment: api } } ], rto: 60s, hold: 2s, within: 90s }\n";
    std::fs::write(folder.path().join("theirs.yaml"), scenario).unwrap();
    let user = Limited { world: &world, folder: folder.path() };
    let roles = roles(&user, &["theirs.yaml"]);
    assert_eq!(roles.len(), 1, "{roles:?}");
    assert_eq!((&roles[0]["kind"], &roles[0]["metadata"]["namespace"]), (&json!("Role"), &json!("shop")));
    let rules = roles[0]["rules"].as_array().unwrap();
    // The healer's memory is a ConfigMap, which it makes, writes over and removes.
    let maps = rules.iter().find(|rule| rule["resources"] == json!(["configmaps"])).unwrap();
    for verb in ["list", "create", "get", "update", "delete"] {
        assert!(maps["verbs"].as_array().unwrap().contains(&json!(verb)), "{maps}");
    }
    let run = ["run", "theirs.yaml", "--cluster", "context", "--no-progress", "--allow-namespace", "shop", "--report", "json"];
    let before = world.snapshot(&BTreeSet::new());
    for (position, rule) in rules.iter().enumerate() {
        let mut less = roles.clone();
        less[0]["rules"].as_array_mut().unwrap().remove(position);
        user.give(&less);
        let output = user.comeback(&run);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "without {rule}: {errors}");
        let group = rule["apiGroups"][0].as_str().unwrap();
        let dot = if group.is_empty() { "" } else { "." };
        for verb in rule["verbs"].as_array().unwrap() {
            let (verb, resource) = (verb.as_str().unwrap(), rule["resources"][0].as_str().unwrap());
            let named = format!("\n  {verb} {resource}{dot}{group} in namespace shop\n");
            assert!(errors.contains(&named), "{named:?} is not in {errors}");
        }
    }
    user.give(&roles);
    let differs = world.differences(&before, &BTreeSet::new());
    assert!(differs.iter().all(|one| one.starts_with("Role ") || one.starts_with("RoleBinding ")), "{differs:?}");
    let before = world.snapshot(&BTreeSet::new());
    let output = user.comeback(&run);
    let errors = String::from_utf8_lossy(&output.stderr);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| unreachable!("{error}: {errors}"));
    let trial = &result["scenarios"][0]["trials"][0];
    assert_eq!((&trial["verdict"], &trial["healedBy"]["who"]), (&json!("recovered"), &json!("comeback")), "{errors}{trial}");
    let steps: Vec<_> = trial["actions"].as_array().unwrap().iter().map(|action| (&action["step"], &action["outcome"])).collect();
    assert!(steps.contains(&(&json!("rollback"), &json!("acted"))), "{steps:?}");
    assert!(!errors.contains("forbidden") && !result.to_string().contains("forbidden"), "{errors}{result}");
    assert_eq!(world.differences(&before, &BTreeSet::new()), [""; 0]);
}
