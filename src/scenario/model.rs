//! The documents as written: Scenario and Suite with every key of this version of the language, nothing resolved.
//! Defaults are filled in `plan`; positions and diagnostics live in `parse` and `validate`.

mod cluster;
mod expect;
mod gate;

pub use cluster::{KindCluster, SuiteCluster};
pub use expect::{Expect, ExpectSchema};
pub use gate::{Gate, RegressionGate, SuccessRateGate, SuccessRateJudge};

use super::condition::{Alert, Condition};
use super::detector::Detector;
use super::duration::serde_text_option;
use super::fault::{Fault, Scalar};
use super::heal::Heal;
use super::log_patterns::LogPatterns;
use super::second_opinion::SecondOpinion;
use super::thresholds::Thresholds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The only apiVersion so far.
pub const API_VERSION: &str = "comeback.dev/v1alpha1";

/// A scenario: what to deploy, how to break it, what must be noticed and by when, what "recovered" means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// `comeback.dev/v1alpha1`
    pub api_version: String,
    /// `Scenario`
    pub kind: ScenarioKind,
    /// Name and labels.
    pub metadata: Metadata,
    /// The scenario itself.
    pub spec: ScenarioSpec,
}

/// `Scenario`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "one value")]
pub enum ScenarioKind {
    Scenario,
}

/// `Suite`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "one value")]
pub enum SuiteKind {
    Suite,
}

/// Name and labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// A DNS label: lower case letters, digits and `-`, at most 63.
    pub name: String,
    /// Labels for `--select`; `class` also picks the RTO of a suite.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The body of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioSpec {
    /// One line.
    pub summary: String,
    /// Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Parameters and their defaults; `--set` and a suite's `with` override them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Scalar>")]
    pub parameters: BTreeMap<String, Value>,
    /// Values of parameters: the scenario is run with each combination, named `NAME[replicas=3]`. They win over other values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<Scalar>>")]
    pub matrix: BTreeMap<String, Vec<Value>>,
    /// Capabilities that cannot be derived from faults and conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// What is deployed.
    pub workload: Workload,
    /// The steady state before the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<Steady>,
    /// What breaks it; absent: the workload is born broken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<Fault>,
    /// The evidence that the fault took hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// What must be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<Detect>,
    /// When a signal becomes a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholds>,
    /// Detectors of the user's own, beside comeback's; in a control, what they find is a false alarm, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<Detector>,
    /// What lines of the workload's own logs speak of, beside what comeback knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<LogPatterns>,
    /// Files with such lists, which scenarios may share; relative to the scenario's file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pattern_files: Vec<String>,
    /// Who heals, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal: Option<Heal>,
    /// What "recovered" means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// What must hold from the fault to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughout: Option<Throughout>,
    /// The verdict, or verdicts, that pass (default `recovered`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ExpectSchema>")]
    pub expect: Option<Expect>,
    /// How many trials (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<u32>,
    /// How often at most a trial that did not pass is tried again, 0 to 10 (default 0). The first attempt counts; one that passes
    /// only when it is tried again is called flaky.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// A capability of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Need {
    /// At least two nodes that take pods.
    MultiNode,
    /// Commands can be run in containers.
    Exec,
    /// The network enforces `NetworkPolicies`.
    NetworkPolicy,
    /// The machines of nodes can be broken: containers of kind on this computer, simulated ones, or, with `--allow node-access`, any on which a
    /// privileged pod may run.
    NodeControl,
    /// Prometheus can look at the cluster: it runs in real time.
    Prometheus,
    /// The metrics API (`metrics.k8s.io`) is served.
    Metrics,
    /// The cluster is an OpenShift: it serves projects, Routes and cluster operators.
    Openshift,
    /// Other programs reach the cluster, by a kubeconfig and in real time.
    Programs,
    /// Chaos Mesh is installed.
    ChaosMesh,
    /// The nodes have cgroups of version 1: of several processes in a container the kernel kills one, where version 2 kills all.
    CgroupV1,
    /// The nodes have cgroups of version 2: what the kernel kills for memory it kills with all its container. Met wherever no kubelet says
    /// that it has version 1.
    CgroupV2,
    /// Each node has memory and a disk of its own that may be used up: the simulated ones. Those of kind share this computer's, and on
    /// clusters of others it would hit whoever else is there.
    OwnMachines,
    /// The registry `private.invalid`, which wants credentials: the embedded cluster has it.
    PrivateRegistry,
}

/// What is deployed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// Manifest files, relative to the scenario's file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<String>,
    /// Manifests written here; no `${…}` is replaced in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Value>")]
    pub inline: Vec<Value>,
    /// A program that prints manifests, with its arguments: `[helm, template, ./chart]`, `[kubectl, kustomize, overlays/test]`. It runs
    /// whenever the scenario is read, in the folder of its file, for 30 s at most, and prints 8 MiB at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub render: Vec<String>,
    /// Secrets with the credentials of registries, by name, for all pods. They must be among the workload's objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
    /// The registry from which all pods take their images instead of the one that their names give, as `registry.local:5000/mirror`;
    /// the rest of the names stays as it is written. The embedded cluster's mirror has what the original registries have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// What already runs in a namespace that is not the run's own, instead of manifests; it needs `--allow-namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<Existing>,
    /// Patches on the manifests, before they are applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<super::fault::Patch>,
    /// What runs in images whose program the embedded cluster does not know, by glob on the image name (`shop/api:*`); on real
    /// clusters the images run themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, StandIn>,
}

/// A workload that is there already. Its baseline is taken, faults are undone, and nothing else of it is changed or deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Existing {
    /// The namespace.
    pub namespace: String,
    /// The labels of its pods: others in the namespace are neither looked at nor touched.
    pub selector: String,
}

/// A stand-in for an image's program: a `command` of busybox, or a `model` with its `options`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StandIn {
    /// Program and arguments, run with busybox' commands in place of image and container command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// A modelled image to run in its place (`comeback cluster images` lists them): nginx, redis, postgres, java...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Settings of the model, as `growth: 4Mi` of the leaking service `java`; `comeback cluster images` lists them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// `steady`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Steady {
    /// All must hold (default: every workload `ready`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Vec<Condition>>,
    /// Budget (default 5m).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub within: Option<Duration>,
    /// How long it must last (default 5s; of a control 2m, or twice as long as its slowest detector waits).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub hold: Option<Duration>,
}

/// `effect`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Effect {
    /// Each is latched once seen (default: by fault).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Vec<Condition>>,
    /// Budget (default 2m).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub within: Option<Duration>,
}

/// `detect`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Detect {
    /// The cause, or a prefix of it (`crash` covers `crash.app-error`).
    pub cause: String,
    /// Budget (default: the RTO, else 2m).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub within: Option<Duration>,
    /// An alert whose times are reported beside comeback's own detection; it decides no verdict, and is not waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// Who else is asked about what is found; the answers stand in the notes and decide no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_opinion: Option<SecondOpinion>,
}

/// `recover`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recover {
    /// All must hold (default: every workload `ready`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Vec<Condition>>,
    /// The recovery time objective; without one nothing is `late`.
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub rto: Option<Duration>,
    /// How long it must last (default 30s).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub hold: Option<Duration>,
    /// Budget (default: the larger of 5m and 3 x RTO).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub within: Option<Duration>,
}

/// `throughout`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Throughout {
    /// All must hold.
    pub until: Vec<Condition>,
    /// How long they may fail to in all before the verdict is `degraded` (default 0s); `invalid` where it could not be measured
    /// whether they did.
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub allow: Option<Duration>,
}

/// A suite: scenarios, defaults and a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suite {
    /// `comeback.dev/v1alpha1`
    pub api_version: String,
    /// `Suite`
    pub kind: SuiteKind,
    /// Name and labels.
    pub metadata: Metadata,
    /// The suite itself.
    pub spec: SuiteSpec,
}

/// The body of a suite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuiteSpec {
    /// Files, folders or `builtin:NAME`, relative to the suite's file.
    pub scenarios: Vec<String>,
    /// Only scenarios whose labels match (`tier=gate,class!=slow`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// Values for what scenarios leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<SuiteDefaults>,
    /// Parameter values for all scenarios that have the parameter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Scalar>")]
    pub with: BTreeMap<String, Value>,
    /// RTO by label `class`; a scenario's own wins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "rto_by_class")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub rto: BTreeMap<String, Duration>,
    /// What must be proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// What a cluster that is created for it looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<SuiteCluster>,
    /// How many trials run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// In which order (default as listed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

/// `defaults` of a suite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuiteDefaults {
    /// Trials per scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<u32>,
    /// Retries per trial that did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// The order of scenarios.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// As listed.
    #[default]
    Listed,
    /// Shuffled by the run's seed.
    Random,
}

mod rto_by_class {
    use crate::scenario::duration;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::collections::BTreeMap;
    use std::time::Duration;

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Duration>, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer)?
            .into_iter()
            .map(|(class, text)| Ok((class, duration::parse(&text).map_err(D::Error::custom)?)))
            .collect()
    }

    pub fn serialize<S: Serializer>(map: &BTreeMap<String, Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(class, rto)| (class, duration::format(*rto))))
    }
}
