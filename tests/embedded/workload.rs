//! What `workload` says beside manifests: a program that prints them, and where images come from.

use comeback::scenario::{self, Verdict};
use std::path::Path;

const SCENARIO: &str = r#"
apiVersion: comeback.dev/v1alpha1
kind: Scenario
metadata: { name: rendered }
spec:
  summary: Manifests that a program prints, with images of a mirror
  workload:
    render: [sh, -c, "sed s/NAME/shop/ template.txt"]
    registry: mirror.local:5000/all
    imagePullSecrets: [mirror]
    inline:
      - { apiVersion: v1, kind: Secret, metadata: { name: mirror }, type: kubernetes.io/dockerconfigjson, data: { .dockerconfigjson: e30= } }
  fault: [ { deletePods: { deployment: shop } } ]
  throughout: { until: [ { http: { service: shop, path: /ready } } ], allow: 10m }
  recover: { rto: 1m, hold: 5s }
"#;

const TEMPLATE: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: NAME }
spec: { selector: { app: NAME }, ports: [ { port: 8080 } ] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: NAME }
spec:
  replicas: 2
  selector: { matchLabels: { app: NAME } }
  template:
    metadata: { labels: { app: NAME } }
    spec:
      initContainers: [ { name: first, image: "docker.io/library/busybox:1.37", command: [ "true" ] } ]
      containers:
        - name: web
          image: busybox:1.37
          command: [ sh, -c, "mkdir /tmp/web; touch /tmp/web/ready; exec httpd -f -p 8080 -h /tmp/web" ]
"#;

fn write(folder: &Path, name: &str, scenario: &str) {
    std::fs::write(folder.join("template.txt"), TEMPLATE).unwrap();
    std::fs::write(folder.join(name), scenario).unwrap();
}

#[test]
fn manifests_are_rendered_and_all_images_come_from_the_mirror() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "one.yaml", SCENARIO);
    let result = super::faults::run(folder.path());
    let trial = &result.scenarios[0].trials[0];
    assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
    let timeline = std::fs::read_to_string(folder.path().join("run").join(&trial.timeline)).unwrap();
    for pulled in ["mirror.local:5000/all/busybox:1.37", "mirror.local:5000/all/library/busybox:1.37"] {
        assert!(timeline.contains(&format!("Successfully pulled image \\\"{pulled}\\\"")), "{pulled}");
    }
    assert!(!timeline.contains("\"image\":\"busybox:1.37\""));
    assert!(timeline.contains("\"imagePullSecrets\":[{\"name\":\"mirror\"}]"));
}

#[test]
fn a_program_that_fails_is_told_with_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    for (what, expected) in [
        ("[sh, -c, \"echo no chart here >&2; exit 2\"]", "ended with exit code 2: no chart here"),
        ("[no-such-helm, template]", "`no-such-helm` is not installed here"),
        ("[sh, -c, \"echo 'kind: [' \"]", "kind: ["),
        ("[\"true\"]", "printed no manifest"),
    ] {
        let text = SCENARIO.replace("[sh, -c, \"sed s/NAME/shop/ template.txt\"]", what);
        write(folder.path(), "one.yaml", &text);
        let paths = [folder.path().join("one.yaml").display().to_string()];
        let found = scenario::load(&paths, &scenario::LoadOptions::default()).unwrap_err();
        let text: String = found.iter().map(|one| one.to_json().to_string()).collect();
        assert!(text.contains(expected), "{what}: {text}");
    }
}
