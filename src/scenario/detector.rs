//! Detectors of the user's own, as they are written. How they look at objects lives in `crate::detect::user`.

use super::duration::serde_text_option;
use crate::detect::Confidence;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a program may take for an answer where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest and the longest that a program may be given for an answer.
pub const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(1);

/// A detector of the user's own. What it finds is a finding like any other: it has evidence and a confidence, is grouped by
/// workload, is a false alarm in a control, and leads before what comeback's detectors find on the same workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Detector {
    /// An expression over each object of a kind.
    Cel(CelDetector),
    /// A program that is told of objects and answers findings.
    Program(ProgramDetector),
}

/// `cel`: finds `cause` wherever the expression is true of an object of the kind. A field that is not there makes it false; whatever
/// else has no truth makes the trial an `error`. Pods that are being deleted, and those of an old revision, are left out.
///
/// ```yaml
/// cel: { cause: shop.queue-stuck, kind: ConfigMap, expression: "has(object.data.stuck)", message: the queue is stuck }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CelDetector {
    /// The cause that it finds: words with dots between them, the first of which is none of comeback's own (`shop.queue-stuck`).
    pub cause: String,
    /// The kind of the objects.
    pub kind: String,
    /// Their apiVersion; may be left out for kinds that the workload contains and for Kubernetes' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The expression; `object` in it is the object, a Secret's values are hashed.
    pub expression: String,
    /// What is told as evidence, in one line.
    pub message: String,
    /// How sure it is (default medium).
    #[serde(default = "medium")]
    pub confidence: Confidence,
    /// How long it must have been true without a break (default 0s).
    #[serde(rename = "for", default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub for_: Option<Duration>,
}

/// `program`: started once a trial, in the folder of the scenario's file, with `COMEBACK_NAMESPACE` and `COMEBACK_RUN` (and a
/// `KUBECONFIG`, where the cluster can be reached) in its environment. It reads JSON lines: `{"seen": OBJECT}` for each state of an
/// object (a Secret's values are hashed), `{"gone": OBJECT}`, and `{"look": 7}` when it has all that is new. It answers each look with
/// any number of `{"finding": {"cause", "kind", "name", "container", "message", "confidence"}}` (`container` and `confidence` may be left
/// out) and then `{"done": 7}`. A finding holds until its object changes. Simulated time stands still until it has answered. One
/// that ends, is late, or writes anything else makes the trial an `error`, and is ended with all that it started.
///
/// ```yaml
/// program: { run: [./find-stuck-queues.py], causes: [shop.queue-stuck], kinds: [ConfigMap] }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProgramDetector {
    /// Program and arguments; a program with a slash in its name is looked up from the scenario's file.
    pub run: Vec<String>,
    /// The causes that it may answer: words with dots between them, the first of which is none of comeback's own.
    pub causes: Vec<String>,
    /// The kinds of objects that it is told of (default: all that the trial watches).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// How long each answer may take in real time, its start included (default 10s, at most 1m).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
    /// Further variables of its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

const fn medium() -> Confidence {
    Confidence::Medium
}

impl Detector {
    /// The causes that it may find.
    #[must_use]
    pub fn causes(&self) -> Vec<&str> {
        match self {
            Self::Cel(cel) => vec![cel.cause.as_str()],
            Self::Program(program) => program.causes.iter().map(String::as_str).collect(),
        }
    }

    /// The kinds of objects that it looks at, with their apiVersion where it is given.
    #[must_use]
    pub fn kinds(&self) -> Vec<(&str, Option<&str>)> {
        match self {
            Self::Cel(cel) => vec![(cel.kind.as_str(), cel.api_version.as_deref())],
            Self::Program(program) => program.kinds.iter().map(|kind| (kind.as_str(), None)).collect(),
        }
    }
}

impl ProgramDetector {
    /// How long each answer may take.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT).clamp(*TIMEOUTS.start(), *TIMEOUTS.end())
    }

    /// Whether it is told of objects of a kind.
    #[must_use]
    pub fn reads(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|known| known == kind)
    }
}
