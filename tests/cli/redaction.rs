//! No value of a Secret reaches a file, stdout or stderr, whatever becomes of the trial.

use super::{comeback, folder, output};
use std::path::Path;

/// Planted values, as they are written and as the API holds them.
const PLANTED: [&str; 8] = [
    "planted-plain-1",
    "cGxhbnRlZC1wbGFpbi0x",
    "cGxhbnRlZC1kYXRhLTI=",
    "planted-data-2",
    "cGxhbnRlZC1wYXRjaC0z",
    "planted-applied-4",
    "planted-set-5",
    "cGxhbnRlZC1zZXQtNQ==",
];

fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else {
            found.push((entry.display().to_string(), String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned()));
        }
    }
}

#[test]
fn planted_secrets_are_in_no_file_and_on_no_stream() {
    let folder = folder();
    let scenario = "apiVersion: comeback.dev/v1alpha1
kind: Scenario
metadata: { name: secretive }
spec:
  summary: Secrets are changed, replaced and healed, and the trial fails
  workload:
    inline:
      - { apiVersion: v1, kind: Secret, metadata: { name: token }, stringData: { plain: planted-plain-1 }, data: { data: cGxhbnRlZC1kYXRhLTI= } }
      - apiVersion: apps/v1
        kind: Deployment
        metadata: { name: app }
        spec:
          selector: { matchLabels: { app: app } }
          template:
            metadata: { labels: { app: app } }
            spec:
              containers:
                - { name: app, image: busybox, command: [sh, -c, 'sleep 3600'], envFrom: [ { secretRef: { name: token } } ] }
  fault:
    - patch: { kind: Secret, name: token, type: merge, patch: { data: { data: cGxhbnRlZC1wYXRjaC0z } } }
    - sequence: { faults: [ { setSecret: { secret: token, key: set, value: planted-set-5 } } ], for: 1s }
    - apply: { manifest: { apiVersion: v1, kind: Secret, metadata: { name: more }, stringData: { more: planted-applied-4 } } }
    - delete: { kind: Secret, name: token }
    - deletePods: { deployment: app }
  effect: { until: [{ waiting: { deployment: app, reason: CreateContainerConfigError } }] }
  heal: { by: comeback }
  recover: { rto: 1m }
  expect: unrecovered
";
    std::fs::write(folder.path().join("secretive.yaml"), scenario).unwrap();
    let reports = ["--report", "terminal", "--report", "json=r.json", "--report", "html=r.html", "--report", "junit=r.xml"];
    let run = [&["run", "secretive.yaml", "--seed", "1", "-vv", "--out", "here"][..], &reports].concat();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(run));
    assert_eq!(code, 1, "{stdout}{stderr}");
    std::fs::remove_file(folder.path().join("secretive.yaml")).unwrap();
    let mut found = vec![("stdout".to_owned(), stdout), ("stderr".to_owned(), stderr)];
    files(folder.path(), &mut found);
    assert!(found.iter().any(|(name, text)| name.contains("undo") && text.contains("\"token\"")), "the faults were recorded");
    assert!(found.iter().any(|(name, _)| name.contains("evidence")), "evidence was kept");
    for (name, text) in &found {
        for planted in PLANTED {
            assert!(!text.contains(planted), "{planted} is in {name}");
        }
    }
}
