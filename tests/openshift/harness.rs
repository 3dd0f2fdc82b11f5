//! The harness as a process, as the ordinary user of a served OpenShift: in projects of its own, and nowhere else.

use super::cluster::OpenShift;
use comeback::sim::serve::kubeconfig::DEVELOPER;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long a harness that is to be killed may take until its projects are there.
const BEGUN_WITHIN: Duration = Duration::from_secs(20);

struct Harness<'a> {
    cluster: &'a OpenShift,
    folder: &'a Path,
}

impl Harness<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let config = self.folder.join("kubeconfig");
        let ours =
            self.cluster.world.kubeconfig.replace("current-context: comeback\n", &format!("current-context: {DEVELOPER}\n"));
        assert!(ours.contains(&format!("current-context: {DEVELOPER}")));
        std::fs::write(&config, ours).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
        command.args(arguments).current_dir(self.folder).env_clear().env("HOME", self.folder).env("KUBECONFIG", config);
        command.stdin(Stdio::null());
        command
    }

    fn comeback(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs one scenario; its result and what it said.
    fn run(&self, scenario: &str) -> (Value, String, Option<i32>) {
        let output = self.comeback(&["run", scenario, "--cluster", "context", "--no-progress", "--report", "json"]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| unreachable!("{error}: {errors}"));
        (result, errors, output.status.code())
    }

    /// The projects that the user sees.
    fn projects(&self) -> BTreeSet<String> {
        let api = self.cluster.mine("project.openshift.io", "Project", "projects", None);
        let listed = self.cluster.world.runtime.block_on(api.list(&ListParams::default())).unwrap();
        listed.into_iter().filter_map(|project| project.metadata.name).collect()
    }

    /// Somebody's project of this name, with something in it.
    fn ask_for(&self, name: &str, description: &str, inside: &Value) {
        let make = PostParams::default();
        let request = json!({ "metadata": { "name": name }, "description": description });
        let requests = self.cluster.mine("project.openshift.io", "ProjectRequest", "projectrequests", None);
        let kind = inside["kind"].as_str().unwrap();
        let objects: Api<DynamicObject> = self.cluster.mine("", kind, &format!("{}s", kind.to_lowercase()), Some(name));
        let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(self.cluster.developer.clone(), name);
        self.cluster.world.runtime.block_on(async {
            requests.create(&make, &serde_json::from_value(request).unwrap()).await.unwrap();
            let there = |account: Option<&k8s_openapi::api::core::v1::ServiceAccount>| account.is_some();
            kube::runtime::wait::await_condition(accounts, "default", there).await.unwrap();
            objects.create(&make, &serde_json::from_value(inside.clone()).unwrap()).await.unwrap();
        });
    }

    /// Starts a run, and kills it when so many of its projects are there and `marked` have their record.
    #[expect(clippy::disallowed_methods, reason = "a served cluster is waited for in real time")]
    fn kill(&self, scenario: &str, projects: usize) {
        let mut child: Child = self
            .command(&["run", scenario, "--cluster", "context", "--no-progress"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = std::time::Instant::now() + BEGUN_WITHIN;
        while self.projects().iter().filter(|name| name.starts_with("cb-")).count() < projects {
            assert!(std::time::Instant::now() < until && child.try_wait().unwrap().is_none(), "the run did not get so far");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// The shipped scenario of a deleted pod, with a short hold: what counts here is where it runs.
fn shipped(folder: &Path) {
    let text = std::fs::read_to_string("scenarios/pod/deleted.yaml").unwrap();
    let hold = regex::Regex::new(r"\bhold: \w+").unwrap();
    assert!(hold.is_match(&text));
    std::fs::create_dir_all(folder.join("scenarios/pod")).unwrap();
    std::fs::create_dir_all(folder.join("fixtures/workloads")).unwrap();
    std::fs::write(folder.join("scenarios/pod/deleted.yaml"), hold.replace_all(&text, "hold: 1s").as_ref()).unwrap();
    std::fs::copy("fixtures/workloads/web.yaml", folder.join("fixtures/workloads/web.yaml")).unwrap();
}

const SHIPPED: &str = "scenarios/pod/deleted.yaml";

#[test]
fn a_shipped_scenario_runs_in_projects_of_its_own_and_leaves_none() {
    let (cluster, folder) = (OpenShift::start(20.0), tempfile::tempdir().unwrap());
    let user = Harness { cluster: &cluster, folder: folder.path() };
    shipped(folder.path());
    let before = cluster.world.snapshot(&BTreeSet::new());
    let (result, errors, code) = user.run(SHIPPED);
    let trial = &result["scenarios"][0]["trials"][0];
    assert_eq!((trial["verdict"].as_str(), code), (Some("recovered"), Some(0)), "{trial}\n{errors}");
    let openshift = &result["cluster"]["fingerprint"]["properties"]["openshift"];
    assert_eq!(openshift, "version may not be read", "{result}");
    assert_eq!(user.projects(), BTreeSet::new());
    assert_eq!(cluster.world.differences(&before, &BTreeSet::new()), Vec::<String>::new());
}

#[test]
fn what_a_killed_run_left_is_removed_and_what_only_looks_like_it_is_not() {
    let (cluster, folder) = (OpenShift::start(20.0), tempfile::tempdir().unwrap());
    let user = Harness { cluster: &cluster, folder: folder.path() };
    shipped(folder.path());
    let container = json!({ "name": "app", "image": "busybox:1.37", "command": ["sleep", "3600"] });
    let pod =
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "theirs" }, "spec": { "containers": [container] } });
    // One of somebody else, one that copies our words, one with another project's record.
    user.ask_for("cb-run-theirs", "our own", &pod);
    let words = "comeback.dev/run=20260101-abc comeback.dev/scenario=shop comeback.dev/trial=0";
    user.ask_for("cb-shop-0-abcde", words, &pod);
    let record = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "comeback-project", "labels": { "comeback.dev/run": "20260101-abc" } },
        "data": { "uid": "another", "mark": words } });
    user.ask_for("cb-shop-0-fghij", words, &record);
    let before = cluster.world.snapshot(&BTreeSet::new());
    let foreign = user.projects();
    assert_eq!(foreign.len(), 3);
    // As early as can be, and in the middle.
    for projects in [4, 5] {
        user.kill(SHIPPED, projects);
        assert!(user.projects().len() >= projects);
        let cleaned = user.comeback(&["cleanup", "--all", "--cluster", "context"]);
        let said = format!("{}{}", String::from_utf8_lossy(&cleaned.stdout), String::from_utf8_lossy(&cleaned.stderr));
        assert_eq!(cleaned.status.code(), Some(0), "{said}");
        assert!(said.contains("removed") && said.contains("cb-"), "{said}");
        assert_eq!(user.projects(), foreign, "{said}");
    }
    assert_eq!(cluster.world.differences(&before, &BTreeSet::new()), Vec::<String>::new());
}

#[test]
fn a_pod_that_wants_privilege_is_an_error_in_the_clusters_words() {
    let (cluster, folder) = (OpenShift::start(20.0), tempfile::tempdir().unwrap());
    let user = Harness { cluster: &cluster, folder: folder.path() };
    let container = json!({ "name": "app", "image": "busybox:1.37", "command": ["sleep", "3600"], "securityContext": { "privileged": true } });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "root", "labels": { "app": "root" } }, "spec": { "containers": [container] } });
    let scenario = json!({ "apiVersion": "comeback.dev/v1alpha1", "kind": "Scenario", "metadata": { "name": "wants-privilege" },
        "spec": { "summary": "A pod that wants to be privileged", "needs": ["openshift"], "workload": { "inline": [pod] },
            "steady": { "until": [{ "ready": { "pod": "root" } }], "within": "10s", "hold": "1s" },
            "fault": [{ "deletePods": { "pod": "root" } }],
            "recover": { "until": [{ "absent": { "kind": "Pod", "name": "root" } }], "within": "10s", "hold": "1s" } } });
    std::fs::write(folder.path().join("privileged.yaml"), scenario.to_string()).unwrap();
    let (result, errors, _) = user.run("privileged.yaml");
    let trial = &result["scenarios"][0]["trials"][0];
    assert_eq!(trial["verdict"], "error", "{result}\n{errors}");
    let reason = trial["reason"].as_str().unwrap();
    let why = "unable to validate against any security context constraint: [provider \"anyuid\": Forbidden: not usable by user or serviceaccount, \
               provider restricted-v2: .containers[0].privileged: Invalid value: true: Privileged containers are not allowed";
    assert!(reason.contains(why), "{reason}");
    assert_eq!(user.projects(), BTreeSet::new());
}

#[test]
fn doctor_and_dry_run_know_projects_and_change_nothing() {
    let (cluster, folder) = (OpenShift::start(20.0), tempfile::tempdir().unwrap());
    let user = Harness { cluster: &cluster, folder: folder.path() };
    shipped(folder.path());
    let output = user.comeback(&["doctor", SHIPPED]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("OpenShift") && text.contains("asked for as a project (projectrequests)"), "{text}");
    let output = user.comeback(&["run", SHIPPED, "--cluster", "context", "--dry-run"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("create projectrequests.project.openshift.io in the whole cluster"),
        "{text}"
    );
    assert!(!text.contains("create namespaces"), "{text}");
    assert_eq!(user.projects(), BTreeSet::new());
}

#[test]
fn an_expired_token_is_told_with_the_remedy_and_never_shown() {
    let (cluster, folder) = (OpenShift::start(20.0), tempfile::tempdir().unwrap());
    let user = Harness { cluster: &cluster, folder: folder.path() };
    shipped(folder.path());
    let token = "sha256~planted-and-expired";
    for arguments in [&["doctor", SHIPPED][..], &["run", SHIPPED, "--cluster", "context", "-v"]] {
        let mut command = user.command(arguments);
        let config = folder.path().join("kubeconfig");
        let whole = std::fs::read_to_string(&config).unwrap();
        let (head, _) = whole.rsplit_once("token: ").unwrap();
        std::fs::write(&config, format!("{head}token: {token}\n")).unwrap();
        let output = command.output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains("oc login") && !text.contains("planted"), "{text}");
    }
}

#[test]
fn an_image_that_a_stream_has_is_not_called_missing() {
    let (cluster, folder) = (OpenShift::start(20.0), tempfile::tempdir().unwrap());
    let user = Harness { cluster: &cluster, folder: folder.path() };
    let tags = json!({ "status": { "tags": [{ "tag": "2", "items": [{ "image": "sha256:1" }] }] } });
    let stream = json!({ "apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": { "name": "web" }, "status": tags["status"] });
    let resource = kube::core::ApiResource::from_gvk_with_plural(
        &kube::core::GroupVersionKind::gvk("image.openshift.io", "v1", "ImageStream"),
        "imagestreams",
    );
    let streams: Api<DynamicObject> = Api::namespaced_with(cluster.world.client.clone(), "shop", &resource);
    cluster.world.runtime.block_on(streams.create(&PostParams::default(), &serde_json::from_value(stream).unwrap())).unwrap();
    for (tag, missing) in [("2", false), ("3", true)] {
        let image = format!("image-registry.openshift-image-registry.svc:5000/shop/web:{tag}");
        let container = json!({ "name": "web", "image": image, "command": ["sleep", "3600"] });
        let pod =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": { "containers": [container] } });
        let ready = json!([{ "ready": { "pod": "web" } }]);
        let scenario = json!({ "apiVersion": "comeback.dev/v1alpha1", "kind": "Scenario", "metadata": { "name": "streams" },
            "spec": { "summary": "An image of the internal registry", "workload": { "inline": [pod] },
                "steady": { "until": ready }, "fault": [{ "killContainer": { "pod": "web" } }], "recover": { "until": ready } } });
        std::fs::write(folder.path().join("streams.yaml"), scenario.to_string()).unwrap();
        let output = user.comeback(&["doctor", "streams.yaml", "--cluster", "context:comeback"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.contains("not seen on the nodes"), missing, "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(text.contains("in image streams of the cluster"), !missing, "{text}");
        assert!(text.contains("OpenShift (4.23.0)"), "{text}");
    }
}

/// A site behind a Route, broken and seen through it.
const BEHIND_A_ROUTE: &str = "apiVersion: comeback.dev/v1alpha1
kind: Scenario
metadata: { name: behind-a-route }
spec:
  summary: The only pod behind a Route is deleted
  workload:
    inline:
      - apiVersion: apps/v1
        kind: Deployment
        metadata: { name: site }
        spec:
          selector: { matchLabels: { app: site } }
          template:
            metadata: { labels: { app: site } }
            spec:
              containers:
                - name: site
                  image: busybox:1.37
                  command: [sh, -c, 'mkdir /tmp/www; echo ok > /tmp/www/health; exec httpd -f -p 8080 -h /tmp/www']
                  readinessProbe: { httpGet: { path: /health, port: 8080 }, initialDelaySeconds: 8, periodSeconds: 2 }
      - { apiVersion: v1, kind: Service, metadata: { name: site }, spec: { selector: { app: site }, ports: [ { port: 80, targetPort: 8080 } ] } }
      - { apiVersion: route.openshift.io/v1, kind: Route, metadata: { name: site }, spec: { to: { kind: Service, name: site } } }
  steady: { until: [ { http: { route: site, path: /health } } ], hold: 2s }
  fault: [ { deletePods: { deployment: site } } ]
  effect: { until: [ { not: { http: { route: site, path: /health } } } ] }
  recover: { until: [ { http: { route: site, path: /health } } ], rto: 2m, hold: 5s }
";

#[test]
fn a_route_is_asked_as_its_users_ask_it() {
    let (cluster, folder) = (OpenShift::start(4.0), tempfile::tempdir().unwrap());
    let user = Harness { cluster: &cluster, folder: folder.path() };
    std::fs::write(folder.path().join("route.yaml"), BEHIND_A_ROUTE).unwrap();
    let (result, errors, code) = user.run("route.yaml");
    let trial = &result["scenarios"][0]["trials"][0];
    assert_eq!((trial["verdict"].as_str(), code), (Some("recovered"), Some(0)), "{result}\n{errors}");
    // Time runs four times as fast there, and its readiness probe waits for 8 s.
    assert!(trial["durations"]["toRecover"]["value"].as_f64().unwrap() > 1.5, "{trial}");
    let roles = user.comeback(&["rbac", "route.yaml"]);
    assert!(String::from_utf8_lossy(&roles.stdout).contains("route.openshift.io"));
}

#[test]
fn operators_and_machine_pools_are_conditions() {
    let folder = tempfile::tempdir().unwrap();
    shipped(folder.path());
    let file = folder.path().join(SHIPPED);
    let text = std::fs::read_to_string(&file).unwrap();
    let operator = "{ condition: { kind: ClusterOperator, name: ingress, type: Available } }, { condition: { kind: MachineConfigPool, name: master, type: Updated } }, \
                    { condition: { kind: ClusterOperator, name: ingress, type: Degraded, status: 'False' } }, ";
    let text = text.replace("until: [", &format!("until: [{operator}")).replace("spec:\n", "spec:\n  needs: [openshift]\n");
    std::fs::write(&file, text).unwrap();
    let comeback = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
        command
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let output = comeback(&["run", SHIPPED, "--no-progress", "--report", "json"]);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["scenarios"][0]["trials"][0]["verdict"], "recovered", "{result}");
    let output = comeback(&["rbac", SHIPPED]);
    let roles = String::from_utf8_lossy(&output.stdout);
    assert!(
        roles.contains("clusteroperators") && roles.contains("machineconfigpools") && roles.contains("config.openshift.io"),
        "{roles}"
    );
}
