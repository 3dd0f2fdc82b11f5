//! Whether faults took hold: explicit `effect` conditions and the contract's default effects, each latched once seen.
//! The API's acceptance is never an effect.

mod chaos;
pub mod crowd;
mod own;

use super::hold::Moment;
use crate::observe::evaluate::{self, Frame, Truth, evaluate};
use crate::observe::index::container::State;
use crate::observe::index::{PodRecord, text};
use crate::observe::timeline::FaultRecord;
use crate::observe::{Index, index::pod::condition_of};
use crate::scenario::{Condition, Fault, Plan};
use chaos::Chaos;
use crowd::Crowd;
use own::Own;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Waiting reasons that are no failure (`diagnosis.md`, "Waiting reasons").
const NEUTRAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// One effect that is waited for.
#[derive(Clone, Debug)]
pub struct Latch {
    what: Expected,
    /// When it was first seen, once it was.
    pub seen: Option<Moment>,
    /// What was seen, or the last state of what was waited for.
    pub text: String,
}

#[derive(Clone, Debug)]
enum Expected {
    /// A condition of the scenario.
    Condition(Condition),
    /// What a fault of this kind does by itself.
    Own(Own),
    /// The good state is seen lost, or a container fails, after this moment; `armed` once the good state was there to be lost.
    Disturbed { accepted: Duration, armed: bool },
    /// What an object of Chaos Mesh says is injected; where that is nothing that pods show by themselves (`armed`: the good state was there
    /// to be lost), its consequences are seen, too.
    Chaos { chaos: Chaos, injected: bool, consequence: Option<(Duration, bool)> },
    /// A pod that the fault at this position concerns is seen failing after its acceptance, and no other fault explains it.
    Apart { fault: usize, accepted: Duration },
    /// Something that is broken shows it; restarts count from `since` on. What was broken before that, by uid, shows nothing
    /// but by another restart.
    Sick { since: Duration, before: BTreeSet<String> },
}

impl Latch {
    fn new(what: Expected, text: &str) -> Self {
        Self { what, seen: None, text: text.to_owned() }
    }

    /// The latches of explicit conditions.
    #[must_use]
    pub fn explicit(conditions: &[Condition]) -> Vec<Self> {
        conditions.iter().map(|condition| Self::new(Expected::Condition(condition.clone()), "nothing was seen")).collect()
    }

    /// The latch of something that breaks by itself: from its birth on (`index` is that of nothing), or after it was steady.
    #[must_use]
    pub fn by_itself(since: Duration, index: &Index) -> Self {
        let pods = index.pods().filter(|pod| sick_pod(pod, since).is_some()).map(|pod| pod.reference.uid.clone());
        let sets = index.objects("ReplicaSet").filter(|set| failure_of(set).is_some());
        let before = pods.chain(sets.map(|set| text(set, "/metadata/uid").to_owned())).collect();
        Self::new(
            Expected::Sick { since, before },
            "no container failed, restarted or waited for a failure reason, and nothing was unschedulable",
        )
    }

    /// The default latch of a fault, at the moment of its acceptance (`times`: requested, accepted); `good`: whether the good
    /// state was there before. Where it is not the plan's only one (`alone`), another's loss of the good state proves nothing for it.
    #[must_use]
    pub fn of_fault(
        fault: Option<&Fault>,
        record: &FaultRecord,
        times: (Duration, Duration),
        (good, alone): (bool, bool),
        index: &Index,
    ) -> Self {
        if let Some(Fault::ChaosMesh(fault)) = fault {
            let chaos = Chaos::of(fault, times.0);
            let consequence = (!chaos.is_of_pods()).then_some((times.1, good));
            return Self::new(Expected::Chaos { chaos, injected: false, consequence }, "no record of Chaos Mesh was seen");
        }
        match fault.and_then(|fault| Own::of(fault, record, times.0, index)) {
            Some(own) => {
                let text = own.missing();
                Self::new(Expected::Own(own), &text)
            }
            None if !alone => {
                let text = format!(
                    "`{}`: no pod that it concerns was seen failing in a way that the other faults do not explain; with `effect` \
                     the scenario can say what shows it",
                    record.key
                );
                Self::new(Expected::Apart { fault: record.fault, accepted: times.1 }, &text)
            }
            None => Self::new(
                Expected::Disturbed { accepted: times.1, armed: good },
                "the good state was never seen lost, and no container restarted or failed",
            ),
        }
    }

    /// Whether it must be told apart from other faults, and was not yet.
    #[must_use]
    pub const fn is_one_of_several(&self) -> bool {
        self.seen.is_none() && matches!(self.what, Expected::Apart { .. })
    }

    /// Looks at the index after an observation.
    pub fn look(&mut self, frame: Frame<'_>, plan: &Plan, last_look: Duration, crowd: &Crowd) {
        if self.seen.is_some() {
            return;
        }
        let now = frame.index.now();
        let seen = match &mut self.what {
            Expected::Condition(condition) => {
                let seen = evaluate(condition, Frame { standing: false, ..frame });
                self.text = seen.text;
                (seen.truth == Truth::True).then_some(seen.server)
            }
            Expected::Own(own) => {
                let (holds, text) = own.look(frame.index);
                self.text = text;
                holds.then_some(None)
            }
            Expected::Disturbed { accepted, armed } => {
                *armed |= evaluate::all(good_state(plan), frame).truth == Truth::True;
                disturbed(frame, plan, *accepted, *armed).map(|text| {
                    self.text = text;
                    None
                })
            }
            Expected::Chaos { chaos, injected, consequence } => {
                let (holds, text) = chaos.look(frame.index);
                if holds || !*injected {
                    self.text = text;
                }
                *injected |= holds;
                match consequence {
                    None => holds.then_some(None),
                    Some((accepted, armed)) => {
                        *armed |= evaluate::all(good_state(plan), frame).truth == Truth::True;
                        let seen = if *injected { disturbed(frame, plan, *accepted, *armed) } else { None };
                        seen.map(|text| {
                            self.text = format!("{}; {text}", self.text);
                            None
                        })
                    }
                }
            }
            Expected::Apart { fault, accepted } => crowd.sign(*fault, *accepted, frame.index).map(|text| {
                self.text = text;
                None
            }),
            Expected::Sick { since, before } => sick(frame.index, *since, before).map(|text| {
                self.text = text;
                None
            }),
        };
        if let Some(server) = seen {
            self.seen = Some(Moment { at: now, earliest: last_look, server });
        }
    }
}

/// `1 pod`, `2 pods`, `2 stretches`.
pub(crate) fn plural(n: usize, noun: &str) -> String {
    let ending = if noun.ends_with("ch") { "es" } else { "s" };
    format!("{n} {noun}{}", if n == 1 { "" } else { ending })
}

/// The conditions that say what good is for this plan: steady, else recovered.
#[must_use]
pub fn good_state(plan: &Plan) -> &[Condition] {
    plan.steady.as_ref().map_or(&plan.recover.until, |steady| &steady.until)
}

fn disturbed(frame: Frame<'_>, plan: &Plan, accepted: Duration, armed: bool) -> Option<String> {
    if frame.index.now() <= accepted {
        return None;
    }
    let good = evaluate::all(good_state(plan), frame);
    if armed && good.truth == Truth::False {
        return Some(format!("the good state was lost: {}", good.text));
    }
    frame.index.pods().filter(|pod| pod.is_live()).find_map(|pod| {
        pod.containers.values().find_map(|container| {
            if container.risen_since(accepted) > 0 {
                return Some(format!("pod {}: container {} restarted", pod.reference.name, container.name));
            }
            container
                .waits
                .iter()
                .find(|(at, reason, _)| *at > accepted && is_failure(reason))
                .map(|(_, reason, _)| format!("pod {}: container {} waits for {reason}", pod.reference.name, container.name))
        })
    })
}

fn is_failure(reason: &str) -> bool {
    !reason.is_empty() && !NEUTRAL.contains(&reason)
}

/// The first sign of failure anywhere in the workload, but for what had failed before.
fn sick(index: &Index, since: Duration, before: &BTreeSet<String>) -> Option<String> {
    let sick_now = |pod: &PodRecord| {
        if before.contains(&pod.reference.uid) { restarted(pod, since) } else { sick_pod(pod, since) }
    };
    index.pods().find_map(sick_now).or_else(|| {
        index
            .objects("ReplicaSet")
            .filter(|set| !before.contains(text(set, "/metadata/uid")))
            .find_map(|set| Some(format!("replicaset {}: {}", text(set, "/metadata/name"), text(failure_of(set)?, "/message"))))
    })
}

fn failure_of(set: &Value) -> Option<&Value> {
    condition_of(set, "ReplicaFailure").filter(|condition| text(condition, "/status") == "True")
}

fn restarted(pod: &PodRecord, since: Duration) -> Option<String> {
    let container = pod.containers.values().find(|container| container.risen_since(since) > 0)?;
    Some(format!("pod {}: container {} restarted", pod.reference.name, container.name))
}

fn sick_pod(pod: &PodRecord, since: Duration) -> Option<String> {
    if pod.phase == "Failed" {
        return Some(format!("pod {} failed", pod.reference.name));
    }
    if let Some(scheduled) = pod.condition("PodScheduled").filter(|condition| text(condition, "/status") == "False") {
        return Some(format!("pod {} is not scheduled: {}", pod.reference.name, text(scheduled, "/message")));
    }
    pod.containers.values().find_map(|container| {
        let place = || format!("pod {}: container {}", pod.reference.name, container.name);
        if container.risen_since(since) > 0 {
            return Some(format!("{} restarted", place()));
        }
        match &container.state {
            State::Waiting(reason, _) if is_failure(reason) => Some(format!("{} waits for {reason}", place())),
            State::Terminated(exit) if exit.exit_code != 0 || (!container.is_init && pod.restart_policy() == "Always") => {
                Some(format!("{} ended with {} ({})", place(), exit.exit_code, exit.reason))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests;
