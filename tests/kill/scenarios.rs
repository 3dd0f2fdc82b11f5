//! Scenarios with faults of every kind of undoing, short, on workloads of others and on their own.

use std::path::Path;

/// Name, objects that it deletes for a while (they come back with another uid), and the specification.
pub type Scenario = (&'static str, &'static [&'static str], &'static str);

/// Those that any cluster can play.
pub const SCENARIOS: &[Scenario] = &[
    (
        "config",
        &[],
        "
  workload: { existing: { namespace: shop, selector: app=api } }
  steady: { within: 60s, hold: 1s }
  fault: [ { setConfig: { configMap: pool, key: workers, value: many } }, { setConfig: { configMap: pool, key: added, value: new } } ]
",
    ),
    (
        "doom",
        &["doomed"],
        "
  workload: { existing: { namespace: till, selector: app=desk } }
  steady: { within: 60s, hold: 1s }
  fault: [ { setConfig: { configMap: doomed, key: a, value: changed } }, { deleteConfig: { configMap: doomed } } ]
",
    ),
    (
        "secret",
        &[],
        "
  workload: { existing: { namespace: shop, selector: app=api } }
  steady: { within: 60s, hold: 1s }
  fault:
    - patch: { kind: Secret, name: token, type: merge, patch: { data: { password: YW5kZXJz, more: eA== } } }
    - patch: { kind: Deployment, name: api, patch: { metadata: { annotations: { note: broken } } } }
",
    ),
    (
        "rollout",
        &[],
        "
  workload: { existing: { namespace: till, selector: app=desk } }
  steady: { within: 60s, hold: 1s }
  fault: [ { setImage: { deployment: desk, image: 'nowhere/none:1' } }, { setResources: { deployment: desk, limits: { memory: 1Gi } } } ]
",
    ),
    (
        "applied",
        &[],
        "
  workload: { existing: { namespace: shop, selector: app=api } }
  steady: { within: 60s, hold: 1s }
  fault:
    - apply: { manifest: { apiVersion: v1, kind: ResourceQuota, metadata: { name: squeeze }, spec: { hard: { pods: '1' } } } }
    - apply: { manifest: { apiVersion: v1, kind: ConfigMap, metadata: { name: pool }, data: { workers: '9' } } }
    - deletePods: { selector: app=api }
",
    ),
    (
        "healed",
        &[],
        "
  workload: { existing: { namespace: till, selector: app=desk } }
  steady: { within: 60s, hold: 1s }
  fault: [ { setImage: { deployment: desk, image: 'nowhere/none:1' } } ]
  effect: { within: 10s }
  heal: { by: comeback }
  recover: { hold: 1s, within: 10s }
",
    ),
    (
        "keys",
        &["spare"],
        "
  workload: { existing: { namespace: till, selector: app=desk } }
  steady: { within: 60s, hold: 1s }
  fault: [ { setSecret: { secret: spare, key: pin, value: other } }, { deleteSecret: { secret: spare } } ]
",
    ),
    (
        "template",
        &[],
        "
  workload: { existing: { namespace: till, selector: app=desk } }
  steady: { within: 60s, hold: 1s }
  fault:
    - together:
        faults:
          - setEnv: { deployment: desk, name: MODE, value: broken }
          - stopDependency: { deployment: desk }
    - setCommand: { deployment: desk, command: [ 'false' ], for: 300ms }
    - setProbe: { deployment: desk, probe: readiness, set: { exec: { command: [ 'false' ] } } }
",
    ),
    (
        "around",
        &[],
        "
  workload: { existing: { namespace: shop, selector: app=api } }
  steady: { within: 60s, hold: 1s }
  fault:
    - quota: { hard: { pods: '1' } }
    - denyNetwork: { deployment: api, for: 300ms }
    - breakService: { service: api }
    - evictPods: { deployment: api }
",
    ),
    (
        "token",
        &["default"],
        "
  workload: { existing: { namespace: till, selector: app=desk } }
  steady: { within: 60s, hold: 1s }
  fault: [ { expireToken: { deployment: desk } } ]
",
    ),
    (
        "nodes",
        &[],
        "
  workload: { existing: { namespace: shop, selector: app=api } }
  steady: { within: 60s, hold: 1s }
  fault:
    - taintNode: { node: one, effect: PreferNoSchedule }
    - drainNode: { deployment: api, for: 500ms }
",
    ),
    (
        "own",
        &[],
        "
  workload:
    inline:
      - apiVersion: v1
        kind: ConfigMap
        metadata: { name: settings }
        data: { a: b }
      - apiVersion: apps/v1
        kind: Deployment
        metadata: { name: app }
        spec:
          replicas: 2
          selector: { matchLabels: { app: app } }
          template:
            metadata: { labels: { app: app } }
            spec: { containers: [ { name: app, image: 'busybox:1.37', command: [ sleep, '3600' ] } ] }
  steady: { within: 60s, hold: 1s }
  fault: [ { setConfig: { configMap: settings, key: a, value: c } }, { deletePods: { deployment: app } } ]
",
    ),
];

/// Those that need machines: on kind alone, whose nodes are containers.
pub const MACHINES: &[Scenario] = &[
    (
        "machines",
        &[],
        "
  workload: { existing: { namespace: shop, selector: app=api } }
  steady: { within: 60s, hold: 1s }
  fault:
    - stopKubelet: { node: one }
    - partitionNode: { node: one }
    - blockRegistry: { node: one }
    - pauseNode: { node: one, for: 2s }
",
    ),
    (
        "power",
        &[],
        "
  workload: { existing: { namespace: till, selector: app=desk } }
  steady: { within: 60s, hold: 1s }
  fault: [ { rebootNode: { node: one, for: 2s } } ]
",
    ),
    (
        "silence",
        &[],
        "
  workload: { existing: { namespace: shop, selector: app=api } }
  steady: { within: 60s, hold: 1s }
  fault: [ { pauseApiServer: { for: 3s } }, { deletePods: { selector: app=api, after: 5s } } ]
",
    ),
];

/// Writes the scenarios' files; `node` is the node that they break.
pub fn write(folder: &Path, scenarios: &[Scenario], node: &str) {
    for (name, _, spec) in scenarios {
        let spec = spec.replace("node: one", &format!("node: {node}"));
        let short = "  effect: { within: 1s }\n  recover: { hold: 1s, within: 2s }\n";
        let text = format!(
            "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: {name} }}\nspec:\n  summary: To be undone{spec}{}",
            if spec.contains("recover:") { "" } else { short }
        );
        std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
    }
}
