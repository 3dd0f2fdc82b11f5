//! `--max-pods` refuses what would hit more before anything is hit, and `--dry-run` changes nothing and tells no value of a Secret.

use super::{comeback, folder, output};
use rstest::rstest;
use std::path::Path;

fn scenario(folder: &Path, fault: &str) {
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1
kind: Scenario
metadata: {{ name: limited }}
spec:
  summary: Pods go
  workload:
    inline:
      - {{ apiVersion: v1, kind: Secret, metadata: {{ name: token }}, stringData: {{ pin: planted-0 }} }}
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {{ name: app }}
        spec:
          replicas: 2
          selector: {{ matchLabels: {{ app: app }} }}
          template:
            metadata: {{ labels: {{ app: app }} }}
            spec: {{ containers: [ {{ name: app, image: busybox, command: [ sleep, '3600' ] }} ] }}
  fault: [ {fault} ]
"
    );
    std::fs::write(folder.join("limited.yaml"), text).unwrap();
}

#[rstest]
#[case::pods("{ deletePods: { deployment: app, all: true } }", "50%", "it would hit 2 of 2 pods, and --max-pods 50% allows 1")]
#[case::grouped("{ together: { faults: [ { evictPods: { deployment: app, all: true } } ] } }", "1", "--max-pods 1 allows 1")]
#[case::drain("{ drainNode: { deployment: app } }", "0", "--max-pods 0 allows 0")]
#[case::taint("{ taintNode: { deployment: app, effect: NoExecute } }", "0", "--max-pods 0 allows 0")]
#[case::pause("{ pauseNode: { deployment: app } }", "0", "--max-pods 0 allows 0")]
#[case::node("{ cordonNode: { deployment: app } }", "nodes 50%", "it would hit 1 of 1 nodes, and --max-nodes 50% allows 0")]
fn more_pods_than_allowed_are_not_hit(#[case] fault: &str, #[case] most: &str, #[case] why: &str) {
    let folder = folder();
    scenario(folder.path(), fault);
    let limit = most.strip_prefix("nodes ").map_or(["--max-pods", most], |most| ["--max-nodes", most]);
    let (code, stdout, stderr) =
        output(comeback(folder.path()).args(["run", "limited.yaml"]).args(limit).args(["--out", "here"]));
    assert_eq!(code, 4, "{stdout}{stderr}");
    assert!(format!("{stdout}{stderr}").split_whitespace().collect::<Vec<_>>().join(" ").contains(why), "{stdout}{stderr}");
    let timelines = std::fs::read_dir(folder.path().join("here/timelines")).unwrap();
    for timeline in timelines.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()) {
        assert!(!timeline.contains("\"requested\"") && !timeline.contains("\"accepted\""), "{timeline}");
    }
}

#[test]
fn a_dry_run_tells_the_plan_and_leaves_no_file() {
    let folder = folder();
    scenario(
        folder.path(),
        "{ setSecret: { secret: token, key: pin, value: planted-1, for: 30s } }, { drainNode: { after: 5s } }",
    );
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["run", "limited.yaml", "--dry-run"]));
    assert_eq!(code, 0, "{stderr}");
    for part in ["setSecret key pin on secret/token", "already 30s after it was accepted", "patch nodes in the whole cluster"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert!(!stdout.contains("planted"), "{stdout}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
