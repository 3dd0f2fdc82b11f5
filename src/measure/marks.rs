//! What of a timeline stands on a time axis: when each pod was Ready, restarts, warnings, faults, findings, actions.
//! For readers only: nothing is judged by it, and how it is drawn is the report's business.

use crate::json::At as _;
use crate::observe::timeline::{Fact, Observation};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The most marks kept of one trial: a picture with more tells nothing. The rest is counted.
const MOST: usize = 240;

/// Where a mark belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A fault's request.
    Fault,
    /// A pod, by name.
    Pod(String),
    /// What the cluster warned of.
    Warning,
    /// What a detector said.
    Finding,
    /// What a healer did.
    Action,
}

/// What a mark says of the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It is well.
    Good,
    /// It is not.
    Bad,
    /// Neither.
    Neutral,
}

/// One mark, in seconds since the trial began.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When.
    pub at: f64,
    /// Until when, of a state; absent for a moment.
    pub until: Option<f64>,
    /// Where it belongs.
    pub lane: Lane,
    /// What it says.
    pub tone: Tone,
    /// What happened, in one line.
    pub text: String,
}

/// The marks of one trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    /// In order of time.
    pub marks: Vec<Mark>,
    /// How many more there were.
    pub left_out: usize,
    /// When the trial was decided, in seconds since it began.
    pub end: f64,
}

/// Folds a timeline into marks.
#[must_use]
pub fn marks(timeline: &[Observation]) -> Marks {
    let mut fold = Fold::default();
    for observation in timeline {
        let at = observation.at.as_secs_f64();
        if let Fact::Ended { .. } = observation.fact {
            fold.end = at;
            break;
        }
        fold.end = at;
        fold.observe(at, &observation.fact);
    }
    fold.finish()
}

#[derive(Debug, Default)]
struct Pod {
    name: String,
    since: f64,
    state: Option<(Tone, String)>,
    restarts: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Fold {
    marks: Vec<Mark>,
    pods: BTreeMap<String, Pod>,
    told: BTreeSet<(String, String)>,
    events: BTreeMap<String, u64>,
    end: f64,
}

impl Fold {
    fn moment(&mut self, at: f64, lane: Lane, tone: Tone, text: String) {
        self.marks.push(Mark { at, until: None, lane, tone, text });
    }

    fn observe(&mut self, at: f64, fact: &Fact) {
        match fact {
            Fact::Object(object) => match text(object, "/kind") {
                "Pod" => self.pod(at, object),
                "Event" => self.event(at, object),
                _ => {}
            },
            Fact::Deleted(object) if text(object, "/kind") == "Pod" => {
                if let Some(pod) = self.pods.remove(text(object, "/metadata/uid")) {
                    self.close(at, pod);
                }
            }
            Fact::Requested(fault) => self.moment(at, Lane::Fault, Tone::Neutral, fault.description.clone()),
            Fact::Finding(finding) if self.told.insert((finding.cause.clone(), finding.subject.uid.clone())) => {
                let lead = if finding.leading { "" } else { " (not leading)" };
                let subject = &finding.subject;
                let line = format!("{} on {} {}{lead}", finding.cause, subject.kind.to_lowercase(), subject.name);
                self.moment(at, Lane::Finding, Tone::Neutral, line);
            }
            Fact::Action(action) => {
                let line = format!(
                    "{} on {} {}: {}",
                    action.step,
                    action.subject.kind.to_lowercase(),
                    action.subject.name,
                    action.reason
                );
                self.moment(at, Lane::Action, Tone::Neutral, line);
            }
            Fact::Blind { since, until, what } => {
                let text = format!("nothing was seen of {what}");
                let (since, until) = (since.as_secs_f64(), until.map_or(at, |until| until.as_secs_f64()));
                self.marks.push(Mark { at: since, until: Some(until), lane: Lane::Warning, tone: Tone::Bad, text });
            }
            Fact::Error { message } => self.moment(at, Lane::Warning, Tone::Bad, message.clone()),
            _ => {}
        }
    }

    fn pod(&mut self, at: f64, object: &Value) {
        let uid = text(object, "/metadata/uid").to_owned();
        let state = Some(state(object));
        let statuses = || object.at("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
        let pod = self.pods.entry(uid.clone()).or_insert_with(|| Pod {
            name: text(object, "/metadata/name").to_owned(),
            since: at,
            ..Pod::default()
        });
        let mut restarted = Vec::new();
        for status in statuses() {
            let name = text(status, "/name");
            let count = status["restartCount"].as_u64().unwrap_or_default();
            let before = pod.restarts.insert(name.to_owned(), count);
            if before.is_some_and(|before| count > before) {
                let last = &status["lastState"]["terminated"];
                let code = last["exitCode"].as_i64().map(|code| format!(", exit code {code}")).unwrap_or_default();
                let reason = last["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
                restarted.push(format!("{name} restarted, number {count}{code}{reason}"));
            }
        }
        let lane = Lane::Pod(pod.name.clone());
        if pod.state != state {
            let before = std::mem::replace(pod, Pod { name: pod.name.clone(), since: at, state, restarts: pod.restarts.clone() });
            self.close(at, before);
        }
        for line in restarted {
            self.moment(at, lane.clone(), Tone::Bad, line);
        }
    }

    /// A stretch of a pod's life has ended.
    fn close(&mut self, at: f64, pod: Pod) {
        let Some((tone, words)) = pod.state else { return };
        let text = format!("{}: {words}", pod.name);
        self.marks.push(Mark { at: pod.since, until: Some(at), lane: Lane::Pod(pod.name), tone, text });
    }

    /// Warnings alone: what went as it should is no news. Each increase of an event's count is a mark.
    fn event(&mut self, at: f64, object: &Value) {
        if text(object, "/type") != "Warning" {
            return;
        }
        let count = object["count"].as_u64().or_else(|| object.at("/series/count")?.as_u64()).unwrap_or(1);
        let before = self.events.insert(text(object, "/metadata/uid").to_owned(), count);
        if before != Some(count) {
            let times = if count > 1 { format!(" (×{count})") } else { String::new() };
            let line = format!(
                "{} on {}{times}: {}",
                text(object, "/reason"),
                text(object, "/involvedObject/name"),
                text(object, "/message")
            );
            self.moment(at, Lane::Warning, Tone::Bad, line);
        }
    }

    fn finish(mut self) -> Marks {
        for pod in std::mem::take(&mut self.pods).into_values() {
            self.close(self.end, pod);
        }
        self.marks.sort_by(|a, b| a.at.total_cmp(&b.at));
        // The states make the picture; of moments the first ones are kept.
        let left_out = self.marks.len().saturating_sub(MOST);
        self.marks.truncate(MOST);
        Marks { marks: self.marks, left_out, end: self.end }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// How a pod is, as a reader would say it.
fn state(pod: &Value) -> (Tone, String) {
    let condition = |kind: &str| {
        let conditions = pod.at("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        conditions.into_iter().find(|condition| condition["type"] == kind).map(|condition| condition["status"] == "True")
    };
    if pod.at("/metadata/deletionTimestamp").is_some() {
        return (Tone::Neutral, "terminating".to_owned());
    }
    if condition("Ready") == Some(true) {
        return (Tone::Good, "Ready".to_owned());
    }
    let waiting = pod
        .at("/status/containerStatuses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find_map(|status| status.at("/state/waiting/reason")?.as_str());
    let phase = text(pod, "/status/phase");
    match (phase, waiting) {
        ("Succeeded" | "Failed", _) => (Tone::Neutral, phase.to_owned()),
        (_, Some(reason)) if !matches!(reason, "ContainerCreating" | "PodInitializing") => {
            (Tone::Bad, format!("not Ready, waiting: {reason}"))
        }
        ("Pending", _) => (Tone::Neutral, "starting".to_owned()),
        _ => (Tone::Bad, "not Ready".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::timeline::Source;
    use serde_json::json;
    use std::sync::Arc;
    use std::time::Duration;

    fn timeline(facts: Vec<(u64, Fact)>) -> Vec<Observation> {
        let observation = |(seq, (at, fact)): (usize, (u64, Fact))| Observation {
            seq: seq as u64,
            at: Duration::from_secs(at),
            source: Source::Watch,
            fact,
        };
        facts.into_iter().enumerate().map(observation).collect()
    }

    fn pod(ready: bool, restarts: u64) -> Fact {
        let status = if ready { "True" } else { "False" };
        Fact::Object(Arc::new(json!({
            "kind": "Pod", "metadata": {"name": "app-1", "uid": "u1"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}], "containerStatuses": [
                {"name": "app", "restartCount": restarts, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}
            ]},
        })))
    }

    #[test]
    fn states_become_stretches_and_restarts_moments() {
        let ended = Fact::Ended { reason: "held".into() };
        let folded = marks(&timeline(vec![
            (1, pod(true, 0)),
            (5, pod(false, 0)),
            (6, pod(true, 1)),
            (6, pod(true, 1)),
            (9, ended),
            (20, pod(false, 2)),
        ]));
        assert!((folded.end - 9.0).abs() < 1e-9);
        let shown: Vec<String> = folded.marks.iter().map(|mark| format!("{}–{:?} {}", mark.at, mark.until, mark.text)).collect();
        insta::assert_debug_snapshot!(shown, @r#"
        [
            "1–Some(5.0) app-1: Ready",
            "5–Some(6.0) app-1: not Ready",
            "6–None app restarted, number 1, exit code 1 (Error)",
            "6–Some(9.0) app-1: Ready",
        ]
        "#);
    }

    #[test]
    fn only_warnings_and_only_new_ones() {
        let event = |kind: &str, count: u64| {
            Fact::Object(Arc::new(json!({
                "kind": "Event", "type": kind, "reason": "BackOff", "message": "m", "count": count,
                "metadata": {"uid": kind}, "involvedObject": {"name": "app-1"},
            })))
        };
        let folded = marks(&timeline(vec![
            (1, event("Normal", 1)),
            (2, event("Warning", 1)),
            (3, event("Warning", 1)),
            (4, event("Warning", 2)),
        ]));
        let shown: Vec<&str> = folded.marks.iter().map(|mark| mark.text.as_str()).collect();
        assert_eq!(shown, ["BackOff on app-1: m", "BackOff on app-1 (×2): m"]);
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let restarts = (0..400).map(|n| (n, pod(true, n))).collect();
        let folded = marks(&timeline(restarts));
        assert_eq!((folded.marks.len(), folded.left_out), (MOST, 160));
    }
}
