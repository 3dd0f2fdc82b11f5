//! Detectors of the user's own: expressions over objects, and what programs answered. They state signs as the rules of comeback do.
//! Running programs is the engine's; what they are told and may answer is `protocol`.

pub mod protocol;

use super::case::{About, SignOf, evidence};
use super::finding::Confidence;
use super::objects::Objects;
use super::patterns::{self, Patterns, Topic};
use super::related;
use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::{reference_to, text};
use crate::observe::probe::pod::NAME as PROBE;
use crate::scenario::Detector;
use crate::scenario::condition::cel;
use crate::scenario::detector::CelDetector;
use crate::scenario::log_patterns::LogPatterns;
use protocol::Answered;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The user's detectors and what they have seen so far. Objects that have not changed are not looked at again.
#[derive(Clone, Debug, Default)]
pub struct UserDetectors {
    expressions: Vec<CelDetector>,
    causes: Vec<String>,
    /// By detector and uid.
    looked: BTreeMap<(usize, String), Looked>,
    /// What programs answered, as long as their objects have not changed.
    answered: BTreeMap<(usize, String), Vec<Stated>>,
    /// Detectors whose expression has no truth; told once.
    wrong: BTreeMap<usize, String>,
    patterns: BTreeMap<Topic, Patterns>,
}

/// An object as an expression saw it last.
#[derive(Clone, Debug)]
struct Looked {
    object: Arc<Value>,
    /// Since when the expression holds, without a break.
    since: Option<Duration>,
    /// When it was last seen to hold in a new state of the object.
    last: Duration,
}

/// What a program answered about one object.
#[derive(Clone, Debug)]
struct Stated {
    object: Arc<Value>,
    what: Answered,
    at: Duration,
}

impl UserDetectors {
    /// Detectors that have seen nothing.
    #[must_use]
    pub fn new(detectors: &[Detector]) -> Self {
        let mut causes: Vec<String> = Vec::new();
        for cause in detectors.iter().flat_map(Detector::causes) {
            if !causes.iter().any(|known| known == cause) {
                causes.push(cause.to_owned());
            }
        }
        let expressions = detectors.iter().filter_map(|detector| match detector {
            Detector::Cel(cel) => Some(cel.clone()),
            Detector::Program(_) => None,
        });
        Self { expressions: expressions.collect(), causes, ..Self::default() }
    }

    /// The same, with log patterns of the user's own.
    #[must_use]
    pub fn with_patterns(self, given: &[LogPatterns]) -> Self {
        Self { patterns: patterns::of_user(given), ..self }
    }

    /// The user's own patterns of a topic.
    #[must_use]
    pub fn patterns(&self, topic: Topic) -> Option<&Patterns> {
        self.patterns.get(&topic)
    }

    /// The causes that they may find, in order of precedence.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Looks at what has changed; what is newly wrong with an expression is given back, in words.
    pub fn look(&mut self, index: &Index) -> Vec<String> {
        let mut problems = Vec::new();
        let mut looked = BTreeMap::new();
        for (position, detector) in self.expressions.iter().enumerate() {
            for object in objects(index, &detector.kind) {
                let key = (position, text(&object, "/metadata/uid").to_owned());
                let known = self.looked.remove(&key);
                let seen = match known {
                    Some(known) if Arc::ptr_eq(&known.object, &object) => known,
                    known => {
                        let since = known.and_then(|known| Some((known.since?, known.last)));
                        let holds = cel::finds(&detector.expression, &object).unwrap_or_else(|why| {
                            if self.wrong.insert(position, why.clone()).is_none() {
                                problems.push(wrong(detector, &object, &why));
                            }
                            false
                        });
                        let since = holds.then(|| since.map_or(index.now(), |(since, _)| since));
                        Looked { object, since, last: index.now() }
                    }
                };
                looked.insert(key, seen);
            }
        }
        self.looked = looked;
        problems
    }

    /// What programs said of an object is of the past once it has changed.
    pub fn forget(&mut self, program: usize, uid: &str) {
        self.answered.remove(&(program, uid.to_owned()));
    }

    /// Takes in what a program answered.
    ///
    /// # Errors
    /// It is about an object that nobody has seen.
    pub fn answer(&mut self, program: usize, what: Answered, index: &Index) -> Result<(), String> {
        let Some(object) = objects(index, &what.kind).into_iter().find(|object| text(object, "/metadata/name") == what.name)
        else {
            let gone = index.record(&what.kind, &what.name).is_some()
                || index.all_pods().any(|pod| what.kind == "Pod" && pod.reference.name == what.name);
            // It may have gone since the program was told of it.
            return if gone {
                Ok(())
            } else {
                Err(format!("it found {} in {} {}, which is not there", what.cause, what.kind, what.name))
            };
        };
        let uid = text(&object, "/metadata/uid").to_owned();
        self.answered.entry((program, uid)).or_default().push(Stated { object, what, at: index.now() });
        Ok(())
    }

    /// What they say of the objects that are there now.
    pub(super) fn signs<'a>(&'a self, index: &Index, signs: &mut Vec<SignOf<'a>>) {
        for ((position, _), looked) in &self.looked {
            let (Some(detector), Some(since)) = (self.expressions.get(*position), looked.since) else { continue };
            if index.now() < since + detector.for_.unwrap_or_default() {
                continue;
            }
            let source = detector.kind.to_lowercase();
            let said = format!("{} (`{}`)", detector.message.trim(), detector.expression.trim());
            signs.push(SignOf {
                last_seen: looked.last,
                ..sign(index, &detector.cause, &looked.object, since, detector.confidence, (&source, said))
            });
        }
        for stated in self.answered.values().flatten() {
            let what = &stated.what;
            let there = objects(index, &what.kind).iter().any(|object| same(object, &stated.object));
            if there {
                let said = ("program", what.message.clone());
                let sign = sign(index, &what.cause, &stated.object, stated.at, what.confidence, said);
                signs.push(SignOf { container: what.container.clone(), ..sign });
            }
        }
    }

    /// When an expression that holds will have held long enough.
    #[must_use]
    pub fn next_deadline(&self, now: Duration) -> Option<Duration> {
        let due =
            |((position, _), looked): (&(usize, String), &Looked)| Some(looked.since? + self.expressions.get(*position)?.for_?);
        self.looked.iter().filter_map(due).filter(|due| *due > now).min()
    }
}

fn same(object: &Value, other: &Value) -> bool {
    text(object, "/metadata/uid") == text(other, "/metadata/uid")
}

/// The objects of a kind that are there now; of pods those that are nobody's past, and none of comeback's own.
fn objects(index: &Index, kind: &str) -> Vec<Arc<Value>> {
    if kind == "Pod" {
        let pods = index.pods().filter(|pod| pod.is_live() && index.is_current(pod) && pod.reference.name != PROBE);
        return pods.map(|pod| Arc::clone(pod.object())).collect();
    }
    index.objects(kind).cloned().collect()
}

fn sign<'a>(
    index: &Index,
    cause: &'a str,
    object: &Value,
    first_seen: Duration,
    confidence: Confidence,
    (source, said): (&str, String),
) -> SignOf<'a> {
    let about = match index.pod(text(object, "/metadata/uid")) {
        Some(pod) => About { object: pod.reference.clone(), group: related::group_of(index, pod) },
        None => Objects::about(object),
    };
    SignOf {
        cause,
        about,
        container: None,
        first_seen,
        last_seen: first_seen,
        count: 1,
        confidence,
        evidence: vec![evidence(source, said)],
        alternatives: Vec::new(),
    }
}

fn wrong(detector: &CelDetector, object: &Value, why: &str) -> String {
    let (what, kind) = (reference_to(object).name, object.at("/kind").and_then(Value::as_str).unwrap_or_default());
    format!("the detector of {}: `{}` has no truth for {kind} {what}: {why}", detector.cause, detector.expression)
}

#[cfg(test)]
mod tests;
