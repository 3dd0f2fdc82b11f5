//! `comeback submit` with four shards over three nodes, one pod of the Job killed half-way: every trial counts once, nothing is left.

use comeback::measure::result::RunResult;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const TRIALS: u32 = 16;

const SCENARIO: &str = "
apiVersion: comeback.dev/v1alpha1
kind: Scenario
metadata: { name: NAME }
spec:
  summary: a deleted pod is replaced
  workload: { manifests: [sleeper.yaml] }
  steady: { within: 2m, hold: 1s }
  fault: [ { deletePods: { deployment: sleeper } } ]
  recover: { until: [ { ready: { deployment: sleeper } } ], rto: 60s, hold: 3s }
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

fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Kills the process of a pod by its node's own means: nobody tells it, and it undoes nothing.
fn kill(pod: &str, node: &str) {
    let container =
        run("docker", &["exec", node, "crictl", "ps", "--quiet", "--label", &format!("io.kubernetes.pod.name={pod}")]);
    let pid =
        run("docker", &["exec", node, "crictl", "inspect", "--output", "go-template", "--template", "{{.info.pid}}", &container]);
    run("docker", &["exec", node, "kill", "-9", &pid]);
}

/// What carries a run's label anywhere.
fn left(context: &str, id: &str) -> String {
    let kinds = "namespaces,clusterroles,clusterrolebindings,roles,rolebindings,jobs,pods,leases";
    let all = run(
        "kubectl",
        &["--context", context, "get", kinds, "--all-namespaces", "-l", "comeback.dev/run", "--no-headers", "--show-labels"],
    );
    all.lines().filter(|line| line.contains(id)).collect()
}

pub fn a_killed_pod_costs_no_trial(context: &str, image: &str) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("sleeper.yaml", WORKLOAD);
    write("one.yaml", &SCENARIO.replace("NAME", "one"));
    write("two.yaml", &SCENARIO.replace("NAME", "two"));
    let cluster = format!("context:{context}");
    let trials = (TRIALS / 2).to_string();
    let words = ["submit", "one.yaml", "two.yaml", "--cluster", &cluster, "--image", image, "--shards", "4", "--trials", &trials];
    let more = ["--concurrency", "1", "--seed", "7", "--timeout", "10m", "--report", "json=result-copy.json", "--out", "out"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
    let mut child =
        command.args(words).args(more).current_dir(&folder).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // The first shard that has stored a trial loses its pod in the middle of the next one.
    let mut pods: BTreeMap<String, (String, String)> = BTreeMap::new();
    let (mut victim, mut id, mut told) = (None, String::new(), Vec::new());
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        println!("{line}");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["run", run, ..] => run.trim_end_matches(':').clone_into(&mut id),
            ["shard", shard, "pod", pod, "runs", "on", node] => {
                pods.insert(shard.to_owned(), (pod.to_owned(), node.to_owned()));
            }
            ["shard", shard, "1", "of", ..] if victim.is_none() => {
                let (pod, node) = pods[shard].clone();
                kill(&pod, &node);
                victim = Some((shard.to_owned(), pod));
            }
            _ => {}
        }
        told.push(line);
    }
    let output = child.wait_with_output().unwrap();
    let told = told.join("\n");
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stdout));
    // No pod killed: the test has shown nothing.
    let (shard, pod) = victim.unwrap();
    assert!(told.contains(&format!("shard {shard} pod {pod} ended: ")), "the kill was not seen");
    assert_ne!(pods[&shard].0, pod, "no other pod took over");

    let read = |path: &Path| -> RunResult { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let result = read(&folder.path().join("out/result.json"));
    let mut all: Vec<_> = result
        .scenarios
        .iter()
        .flat_map(|scenario| scenario.trials.iter().map(|trial| (scenario.name.as_str(), trial.index)))
        .collect();
    all.sort_unstable();
    let expected: Vec<_> = ["one", "two"].into_iter().flat_map(|name| (0..TRIALS / 2).map(move |trial| (name, trial))).collect();
    assert_eq!(all, expected, "each trial counts once");
    assert!(result.complete && result.run.shard.is_none() && result.expected.trials == TRIALS as usize);
    let taken_over =
        result.warnings.iter().any(|warning| warning.contains("did not come to its end") && warning.contains("begun again"));
    assert!(taken_over, "the report says nothing of the killed pod: {:?}", result.warnings);
    let evidence = |trial: &comeback::measure::result::TrialResult| folder.path().join("out").join(&trial.timeline).is_file();
    assert!(result.scenarios.iter().flat_map(|scenario| &scenario.trials).all(evidence), "timelines are missing");
    // The run directory is one as `run` leaves it.
    let judged = Command::new(env!("CARGO_BIN_EXE_comeback"))
        .args(["judge", "out", "--report", "json"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let judged: RunResult = serde_json::from_slice(&judged.stdout).unwrap();
    assert_eq!(judged.summary, result.summary);
    assert_eq!(left(context, &id), "", "something is left");
}
