//! Nodes broken by privileged pods: on kind, with docker hidden from comeback, so that its nodes are machines like any others. What is
//! left on the machines is looked for by docker, past comeback and past the cluster.

use super::{compare, trial};
use comeback::measure::result::RunResult;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// With what times may differ by, in seconds: a kubelet that is back tells of its node at once or up to 10 s later, its probes another
/// period after that, and what was cut off dials again within 15 s.
const SCENARIOS: [(&str, f64); 3] = [("node-partitioned", 30.0), ("node-kubelet-stopped", 20.0), ("node-runtime-stopped", 20.0)];
/// A run is killed in the middle of each; with what is found on the machine then.
pub const KILLED_IN: [(&str, &str); 3] =
    [("partitionNode", "-j DROP"), ("stopKubelet", "kubelet is down"), ("stopContainerRuntime", "containerd is down")];

/// How many of each list are tried: `COMEBACK_NODE_FAULTS`, else all. Each takes minutes.
pub fn of_each() -> usize {
    std::env::var("COMEBACK_NODE_FAULTS").map_or(usize::MAX, |number| number.parse().unwrap())
}

const ALLOWED: [&str; 4] = ["--allow", "node-access", "--allow", "cluster-faults"];

fn comeback(context: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
    // Neither docker nor kind is found there.
    command.env("PATH", "/nowhere").args(words).args(["--cluster", &format!("context:{context}")]);
    command
}

fn told(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn nodes(context: &str) -> Vec<String> {
    let names = told("kubectl", &["--context", context, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"]);
    names.split_whitespace().map(ToOwned::to_owned).collect()
}

/// What of comeback's is on the machines, and what of them is not as it should be.
fn on_machines(context: &str) -> Vec<String> {
    let look = "ls -d /run/comeback* 2>/dev/null; systemctl list-units --all --plain --no-legend 'comeback-*'; \
        iptables -t mangle -S | grep comeback; ip6tables -t mangle -S | grep comeback; \
        for service in kubelet containerd; do systemctl is-active --quiet $service || echo $service is down; done; \
        for pid in $(pidof kube-apiserver); do sed 's/.*) //' /proc/$pid/stat | cut -c1 | sed -n 's/T/the API server is stopped/p'; done";
    let all = nodes(context).into_iter().flat_map(|node| {
        let found = told("docker", &["exec", &node, "sh", "-c", look]);
        found.lines().map(|line| format!("{node}: {line}")).collect::<Vec<_>>()
    });
    all.collect()
}

fn in_cluster(context: &str) -> String {
    told("kubectl", &["--context", context, "get", "namespaces", "-l", "comeback.dev/run", "--no-headers"])
}

pub fn pods_break_nodes_as_containers_do(context: &str) {
    let folder = tempfile::tempdir().unwrap();
    let tried = &SCENARIOS[..of_each().min(SCENARIOS.len())];
    let scenarios: Vec<String> = tried.iter().map(|(name, _)| format!("builtin:{name}")).collect();
    let refused = comeback(context, &["run", "builtin:node-kubelet-stopped", "--allow", "cluster-faults", "--dry-run"]);
    let refused = Command::output(&mut { refused }).unwrap();
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("is skipped") && said.contains("--allow node-access"), "{said}");
    let run = |cluster: &str, words: &[&str]| -> RunResult {
        let mut command = comeback(cluster, &["run", "--concurrency", "1", "--no-progress", "--seed", "7", "--report", "json"]);
        if cluster == "embedded" {
            command = Command::new(env!("CARGO_BIN_EXE_comeback"));
            command.args(["run", "--no-progress", "--seed", "7", "--report", "json"]);
        }
        let output = command.arg("--out").arg(folder.path().join(cluster)).args(words).args(&scenarios).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{cluster}: no result ({error}):\n{errors}"))
    };
    let real = [run(context, &ALLOWED)];
    let embedded = [run("embedded", &[])];
    let wrong: Vec<String> =
        tried.iter().flat_map(|(name, slack)| compare(name, *slack, trial(&real, name), trial(&embedded, name))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((on_machines(context), in_cluster(context)), (Vec::new(), String::new()));
}

const SCENARIO: &str = "
apiVersion: comeback.dev/v1alpha1
kind: Scenario
metadata: { name: cut }
spec:
  summary: a node is cut off for a while
  workload: { manifests: [sleeper.yaml] }
  steady: { within: 2m, hold: 1s }
  fault: [ { FAULT: { deployment: sleeper, for: 45s } } ]
  heal: { by: kubernetes }
  recover: { until: [ { ready: { deployment: sleeper } } ], rto: 2m, hold: 3s }
";
const WORKLOAD: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: sleeper }
spec:
  selector: { matchLabels: { app: sleeper } }
  template:
    metadata: { labels: { app: sleeper } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [ { name: sleeper, image: 'busybox:1.37', command: [sleep, '3600'] } ]
";

/// Killed while the node is broken: the machine mends itself, and whoever cleans up sees that it has, and removes the rest.
pub fn a_killed_run_is_cleaned_up(context: &str, fault: &str, is_broken: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sleeper.yaml"), WORKLOAD).unwrap();
    std::fs::write(folder.path().join("cut.yaml"), SCENARIO.replace("FAULT", fault)).unwrap();
    let words = ["run", "cut.yaml", "--no-progress", "--out", "out"];
    let mut command = comeback(context, &[&words[..], &ALLOWED].concat());
    let mut child = command.current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    accepted(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    let broken = on_machines(context);
    assert!(broken.iter().any(|line| line.contains(is_broken)), "{fault} did not act: {broken:?}");
    let id = told(
        "kubectl",
        &[
            "--context",
            context,
            "get",
            "namespaces",
            "-l",
            "comeback.dev/home",
            "-o",
            "jsonpath={.items[0].metadata.labels.comeback\\.dev/run}",
        ],
    );
    let cleaned = comeback(context, &["cleanup", "--run", &id]).output().unwrap();
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    assert_eq!((on_machines(context), in_cluster(context)), (Vec::new(), String::new()));
    println!("{fault}: {}", String::from_utf8_lossy(&cleaned.stdout).trim().replace('\n', "; "));
}

/// Returns when the timeline says that the fault was accepted; what it is told of is the file's own growth.
fn accepted(folder: &Path) {
    // It waits for a file that is not there yet.
    let words = ["-n", "+1", "-F", "out/timelines/cut-0.jsonl"];
    let mut tail =
        Command::new("tail").args(words).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).any(|line| line.contains("\"accepted\""));
    tail.kill().unwrap();
    tail.wait().unwrap();
    assert!(seen, "the timeline ended before the fault was accepted");
}
