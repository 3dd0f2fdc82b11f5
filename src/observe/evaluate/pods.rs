//! Conditions about pods: judged from the pods themselves, by uid, never from counters that controllers keep.

use super::{Frame, Seen, Truth};
use crate::json::At as _;
use crate::observe::index::container::State;
use crate::observe::index::{ContainerRecord, PodRecord, controller_of, pod, text};
use crate::scenario::Target;
use crate::scenario::condition::{LogMatches, PhaseIs, Ready, Replaced, Restarts, Terminated, Waiting};
use crate::selector::Selector;
use regex::Regex;
use serde_json::Value;

fn unknown(what: &str) -> Seen {
    Seen { truth: Truth::Unknown, text: what.to_owned(), server: None }
}

pub(super) fn ready(condition: &Ready, frame: Frame<'_>) -> Seen {
    let Some(target) = condition.target() else { return unknown("ready: no target") };
    if let Some((kind, name)) = target.workload() {
        let refused = |why: String| Seen { truth: Truth::False, text: format!("ready {target}: {why}"), server: None };
        let Some(object) = frame.index.get(kind, name) else { return refused("it does not exist".to_owned()) };
        if kind == "Job" {
            if let Some(seen) = ended(object, &target) {
                return seen;
            }
        } else if number(object, "/status/observedGeneration") < number(object, "/metadata/generation") {
            let generation = number(object, "/metadata/generation");
            // Nothing is known of what will come of it: a change that was only accepted has made nothing worse.
            return unknown(&format!("ready {target}: its controller has not seen generation {generation} yet"));
        }
        if kind == "Deployment" && frame.index.current_replica_set(name).is_none() {
            return refused("it has no ReplicaSet yet".to_owned());
        }
    }
    let wanted = condition.at_least.map_or_else(|| wanted_pods(&target, frame), |n| n.max(1) as usize);
    let live: Vec<_> = frame.index.pods_of(&target).into_iter().filter(|pod| pod.is_live() && !pod.is_finished()).collect();
    let old = live.iter().filter(|pod| !frame.index.is_current(pod)).count();
    let good: Vec<_> = live.iter().filter(|pod| pod.ready && frame.index.is_current(pod)).collect();
    let server = good.iter().filter_map(|pod| pod.ready_stamp).max();
    let mut words = format!("ready {target}: {} of {wanted} pods ready", good.len());
    if old > 0 {
        words += &format!(", {old} of an old revision");
    }
    if let Some(worst) = live.iter().find(|pod| !pod.ready) {
        words += &format!(" ({})", describe(worst));
    }
    Seen { truth: (good.len() >= wanted && old == 0).into(), text: words, server }
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.at(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// A Job that has completed is as good as ready; one that has failed never will be.
fn ended(job: &Value, target: &Target) -> Option<Seen> {
    let conditions = job.at("/status/conditions").and_then(Value::as_array)?;
    let holds = |kind: &str| conditions.iter().find(|c| text(c, "/type") == kind && text(c, "/status") == "True");
    let server = |condition: &Value| text(condition, "/lastTransitionTime").parse().ok();
    if let Some(complete) = holds("Complete") {
        return Some(Seen { truth: Truth::True, text: format!("ready {target}: it has completed"), server: server(complete) });
    }
    let failed = holds("Failed").or_else(|| holds("FailureTarget"))?;
    let why = format!("it has failed ({}: {})", text(failed, "/reason"), text(failed, "/message"));
    Some(Seen { truth: Truth::False, text: format!("ready {target}: {why}"), server: server(failed) })
}

/// How many pods a workload object asks for at once.
fn replicas(object: &Value) -> usize {
    let count = |pointer: &str| object.at(pointer).and_then(Value::as_u64);
    let wanted = match text(object, "/kind") {
        "DaemonSet" => count("/status/desiredNumberScheduled").unwrap_or(1),
        "Job" => {
            let parallelism = count("/spec/parallelism").unwrap_or(1);
            let done = count("/status/succeeded").unwrap_or(0);
            count("/spec/completions").map_or(parallelism, |all| parallelism.min(all.saturating_sub(done)))
        }
        _ => count("/spec/replicas").unwrap_or(1),
    };
    usize::try_from(wanted).unwrap_or(usize::MAX)
}

/// How many pods a workload object of the baseline must have. A DaemonSet is told how many nodes there are for it only after
/// it was stored; for it the larger number counts, the baseline's or the present one.
fn required(object: &Value, frame: Frame<'_>) -> usize {
    let now = (text(object, "/kind") == "DaemonSet").then(|| frame.index.get("DaemonSet", text(object, "/metadata/name")));
    replicas(object).max(now.flatten().map_or(0, |now| replicas(now)))
}

/// How many pods a target should have: the baseline's replicas, at least one.
fn wanted_pods(target: &Target, frame: Frame<'_>) -> usize {
    let known: Vec<&Value> = match frame.baseline {
        Some(baseline) => baseline.objects.iter().map(AsRef::as_ref).collect(),
        None => ["Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet"]
            .iter()
            .flat_map(|kind| frame.index.objects(kind))
            .map(AsRef::as_ref)
            .collect(),
    };
    let count = match target {
        // What a Job still needs shrinks with each pod that succeeds: the baseline would ask for too many.
        Target::Job(name) => frame.index.get("Job", name).map_or(1, |job| replicas(job)),
        Target::Deployment(name) | Target::StatefulSet(name) | Target::DaemonSet(name) => {
            let kind = target.workload().map_or("", |(kind, _)| kind);
            let of_baseline = known.iter().find(|object| text(object, "/kind") == kind && text(object, "/metadata/name") == name);
            // What came after the baseline (by an `apply`) needs what it asks for itself.
            let object = of_baseline.copied().or_else(|| frame.index.get(kind, name).map(AsRef::as_ref));
            object.map_or(1, |object| required(object, frame))
        }
        Target::Pod(_) => 1,
        Target::Selector(selector) => {
            let selector = Selector::parse(selector).unwrap_or_default();
            let controlled: usize = known
                .iter()
                .filter(|object| controller_of(object).is_none() && text(object, "/kind") != "Pod")
                .filter(|object| object.at("/spec/template").is_some_and(|template| selector.matches(&pod::labels_of(template))))
                .map(|object| required(object, frame))
                .sum();
            let bare =
                known.iter().filter(|object| text(object, "/kind") == "Pod" && selector.matches(&pod::labels_of(object))).count();
            controlled + bare
        }
    };
    count.max(1)
}

/// A pod's state in a few words, worst container first.
pub(crate) fn describe(pod: &PodRecord) -> String {
    let name = &pod.reference.name;
    if let Some(scheduled) = pod.condition("PodScheduled").filter(|condition| text(condition, "/status") == "False") {
        return format!("{name}: {}: {}", text(scheduled, "/reason"), text(scheduled, "/message"));
    }
    let worst =
        pod.containers.values().find(|container| !container.ready && !container.is_init).or(pod.containers.values().next());
    let Some(container) = worst else { return format!("{name}: {}", pod.phase) };
    let restarts = container.restart_count;
    let state = match &container.state {
        State::Unknown => "nothing known".to_owned(),
        State::Waiting(reason, _) => format!("waiting {reason}"),
        State::Running(_) if pod.ready => "running, ready".to_owned(),
        State::Running(_) => "running, not ready".to_owned(),
        State::Terminated(exit) => format!("ended with {} ({})", exit.exit_code, exit.reason),
    };
    format!("{name}: container {} {state}, {restarts} restart{}", container.name, if restarts == 1 { "" } else { "s" })
}

fn containers<'a>(frame: Frame<'a>, target: &Target, name: Option<&'a String>) -> Vec<(&'a PodRecord, &'a ContainerRecord)> {
    frame
        .index
        .pods_of(target)
        .into_iter()
        .flat_map(|pod| pod.containers.values().map(move |container| (pod, container)))
        .filter(|(_, container)| name.is_none_or(|name| container.name == *name))
        .collect()
}

pub(super) fn restarts(condition: &Restarts, frame: Frame<'_>) -> Seen {
    let Some(target) = condition.target() else { return unknown("restarts: no target") };
    let most = containers(frame, &target, condition.container.as_ref())
        .into_iter()
        .map(|(pod, container)| (container.risen_since(frame.since), pod, container))
        .max_by_key(|(rises, _, _)| *rises);
    match most {
        None => unknown(&format!("restarts {target}: no such pod was seen")),
        Some((rises, pod, container)) => Seen {
            truth: (rises >= condition.at_least).into(),
            text: format!(
                "restarts {target}: {rises} of {} (pod {}, container {})",
                condition.at_least, pod.reference.name, container.name
            ),
            server: None,
        },
    }
}

pub(super) fn waiting(condition: &Waiting, frame: Frame<'_>) -> Seen {
    let Some(target) = condition.target() else { return unknown("waiting: no target") };
    let all = containers(frame, &target, condition.container.as_ref());
    if all.is_empty() {
        return unknown(&format!("waiting {target}: no such pod was seen"));
    }
    let seen = all.iter().find(|(_, container)| {
        container.waiting_reason() == Some(&condition.reason)
            || container.waits.iter().any(|(at, reason, _)| *at >= frame.since && *reason == condition.reason)
    });
    let text = seen.map_or_else(
        || format!("waiting {target}: {} was not seen ({})", condition.reason, describe(all[0].0)),
        |(pod, container)| {
            format!("waiting {target}: {} in pod {}, container {}", condition.reason, pod.reference.name, container.name)
        },
    );
    Seen { truth: seen.is_some().into(), text, server: None }
}

pub(super) fn terminated(condition: &Terminated, frame: Frame<'_>) -> Seen {
    let Some(target) = condition.target() else { return unknown("terminated: no target") };
    let all = containers(frame, &target, condition.container.as_ref());
    if all.is_empty() {
        return unknown(&format!("terminated {target}: no such pod was seen"));
    }
    let wanted = format!(
        "{}{}",
        condition.reason.as_deref().unwrap_or("any reason"),
        condition.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default()
    );
    let matching = all.iter().flat_map(|(pod, container)| container.exits.iter().map(move |exit| (pod, container, exit))).find(
        |(_, _, exit)| {
            exit.at >= frame.since
                && condition.reason.as_ref().is_none_or(|reason| *reason == exit.reason)
                && condition.exit_code.is_none_or(|code| i64::from(code) == exit.exit_code)
        },
    );
    match matching {
        Some((pod, container, exit)) => Seen {
            truth: Truth::True,
            text: format!(
                "terminated {target}: pod {}, container {} with {} ({})",
                pod.reference.name, container.name, exit.exit_code, exit.reason
            ),
            server: exit.finished_at,
        },
        None => Seen {
            truth: Truth::False,
            text: format!("terminated {target}: {wanted} was not seen ({})", describe(all[0].0)),
            server: None,
        },
    }
}

pub(super) fn replaced(condition: &Replaced, frame: Frame<'_>) -> Seen {
    let (Some(target), Some(baseline)) = (condition.target(), frame.baseline) else {
        return unknown("replaced: there is no baseline yet");
    };
    let new = frame
        .index
        .pods_of(&target)
        .into_iter()
        .filter(|pod| pod.is_live() && !baseline.pods.iter().any(|old| old.uid == pod.reference.uid))
        .count();
    let text = format!("replaced {target}: {new} of {} new pods", condition.at_least);
    Seen { truth: (new >= condition.at_least as usize).into(), text, server: None }
}

pub(super) fn phase(condition: &PhaseIs, frame: Frame<'_>) -> Seen {
    let Some(target) = condition.target() else { return unknown("phase: no target") };
    // A pod that is on its way out keeps the phase Running to its end.
    let pods: Vec<_> = frame.index.pods_of(&target).into_iter().filter(|pod| pod.is_live()).collect();
    let wanted = format!("{:?}", condition.is);
    let count = pods.iter().filter(|pod| pod.phase == wanted).count();
    let text = format!("phase {target}: {count} of {} pods {wanted}", condition.at_least);
    Seen { truth: (count >= condition.at_least as usize).into(), text, server: None }
}

pub(super) fn log(condition: &LogMatches, frame: Frame<'_>) -> Seen {
    let Some(target) = condition.target() else { return unknown("log: no target") };
    let Ok(pattern) = Regex::new(&condition.pattern) else { return unknown("log: not a regular expression") };
    let mut seen_any = false;
    for (pod, container) in containers(frame, &target, condition.container.as_ref()) {
        if frame.standing && !pod.is_live() {
            continue;
        }
        for (at, line) in frame.index.log(&pod.reference.uid, &container.name) {
            seen_any = true;
            let ended = line.restart < container.restart_count || matches!(container.state, State::Terminated(_));
            if *at >= frame.since && (!condition.previous || ended) && pattern.is_match(&line.text) {
                let text = format!("log {target}: pod {}, container {}: {}", pod.reference.name, container.name, line.text);
                return Seen { truth: Truth::True, text, server: line.server };
            }
        }
    }
    let text =
        format!("log {target}: no line matches `{}`{}", condition.pattern, if seen_any { "" } else { "; no line was read" });
    Seen { truth: Truth::False, text, server: None }
}

#[cfg(test)]
mod tests;
