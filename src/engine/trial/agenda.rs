//! The faults of a trial in time: which is due, injecting it, and undoing those that do not last. While faults wait for their
//! time, the trial goes on: it is watched, faults are found, and healed.

use super::live::Live;
use crate::cluster::request::RequestError;
use crate::engine::safety::Safety;
use crate::fault::prepare::Scene;
use crate::fault::{self, FaultError, Prepared, Undone};
use crate::observe::timeline::{Fact, Source};
use crate::scenario::{Fault, Plan, Schedule};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// What is to be injected and undone, and how far that has got.
#[derive(Debug)]
pub(super) struct Agenda {
    schedule: Schedule,
    /// What a fault lasts at most that does not say so: until the trial is over.
    longest: Duration,
    run: String,
    seed: u64,
    safety: Safety,
    /// The labels of the trial's pods, where the namespace is others', too.
    pods: Option<String>,
    began: Duration,
    requested: Vec<bool>,
    accepted: Vec<Option<Duration>>,
    reverted: Vec<bool>,
}

impl Agenda {
    /// The agenda of a plan's faults that begins at `began`.
    pub(super) fn new(plan: &Plan, (run, seed): (&str, u64), safety: &Safety, began: Duration) -> Self {
        let schedule = plan.schedule();
        let (faults, reversals) = (schedule.injections.len(), schedule.reversals.len());
        Self {
            schedule,
            longest: plan.longest_fault(),
            run: run.to_owned(),
            seed,
            safety: safety.clone(),
            pods: plan.existing.as_ref().map(|existing| existing.selector.clone()),
            began,
            requested: vec![false; faults],
            accepted: vec![None; faults],
            reverted: vec![false; reversals],
        }
    }

    /// What is open, with the time at which it is due.
    fn open(&self) -> impl Iterator<Item = (Duration, Task)> {
        let injections = (0..self.requested.len())
            .filter(|position| !self.requested[*position])
            .filter_map(|position| Some((self.schedule.due(position, self.began, &self.accepted)?, Task::Inject(position))));
        let reversals = (0..self.reverted.len())
            .filter(|position| !self.reverted[*position])
            .filter_map(|position| Some((self.schedule.reversal_due(position, &self.accepted)?, Task::Revert(position))));
        reversals.chain(injections)
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.open().map(|(at, _)| at).min()
    }

    fn due(&self, now: Duration) -> Vec<Task> {
        self.open().filter(|(at, _)| *at <= now).map(|(_, task)| task).collect()
    }

    /// Whether the API server is stopped: nothing can be asked of it until a fault is undone.
    pub(super) fn is_silent(&self) -> bool {
        let stops = |fault: &usize| matches!(self.schedule.injections[*fault].fault, Fault::PauseApiServer(_));
        let reversals = self.schedule.reversals.iter().zip(&self.reverted);
        let open = reversals.filter(|(_, reverted)| !**reverted).flat_map(|(reversal, _)| &reversal.faults);
        open.filter(|fault| stops(fault)).any(|fault| self.accepted[*fault].is_some())
    }

    fn is_injected(&self) -> bool {
        self.accepted.iter().all(Option::is_some)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Inject(usize),
    Revert(usize),
}

impl Live<'_> {
    /// Carries out what is due. False when the trial is over by it.
    pub(super) async fn keep_agenda(&mut self) -> bool {
        let Some(mut agenda) = self.agenda.take() else { return true };
        let injected_before = agenda.is_injected();
        let goes_on = self.carry_out(&mut agenda).await;
        if goes_on && !injected_before && agenda.is_injected() {
            (self.phase)("effect");
        }
        self.agenda = Some(agenda);
        goes_on
    }

    async fn carry_out(&mut self, agenda: &mut Agenda) -> bool {
        loop {
            let due = agenda.due(self.elapsed());
            if due.is_empty() {
                return true;
            }
            for task in &due {
                if let Task::Revert(position) = task {
                    agenda.reverted[*position] = true;
                    if !self.revert(&agenda.schedule.reversals[*position].faults).await {
                        return false;
                    }
                }
            }
            let positions: Vec<usize> =
                due.iter().filter_map(|task| if let Task::Inject(position) = task { Some(*position) } else { None }).collect();
            if !positions.is_empty() && !self.inject(agenda, &positions).await {
                return false;
            }
        }
    }

    /// Injects faults at the same time.
    async fn inject(&mut self, agenda: &mut Agenda, positions: &[usize]) -> bool {
        (self.phase)("inject");
        if agenda.requested.contains(&true) {
            // What an earlier fault did may not have been seen yet: its prey must not be taken for this one's.
            if !self.confirm().await {
                return false;
            }
        }
        let mut all = Vec::new();
        for position in positions {
            agenda.requested[*position] = true;
            match self.prepare(agenda, *position).await {
                Ok(prepared) => all.push(prepared),
                Err(error) => return self.refused(*position, error),
            }
        }
        for prepared in &all {
            self.record(Source::Fault, Fact::Requested(prepared.record()));
        }
        let (client, machines) = (self.client(), self.machines());
        let injections = join_all(all.iter().map(|prepared| fault::inject(&client, machines.as_deref(), prepared)));
        let Some(results) = self.unless_stopped(injections).await else { return false };
        let mut goes_on = true;
        for (prepared, result) in all.iter().zip(results) {
            match result {
                Ok(injected) => {
                    let accepted = Fact::Accepted { fault: prepared.position, notes: injected.notes };
                    self.record(Source::Fault, accepted);
                    if let Some(text) = injected.measured {
                        self.record(Source::Fault, Fact::Measured { fault: prepared.position, text });
                    }
                    agenda.accepted[prepared.position] = Some(self.elapsed());
                    if let Err(error) = self.changed(&injected.confirmations).await {
                        goes_on = self.refused(prepared.position, Some(error.into()));
                    }
                }
                Err(error) => goes_on = self.refused(prepared.position, Some(error)),
            }
        }
        goes_on
    }

    /// Chooses, reads, and writes the undo record. `Err(None)` when the user stopped the trial meanwhile.
    async fn prepare(&mut self, agenda: &Agenda, position: usize) -> Result<Prepared, Option<FaultError>> {
        let Some(injection) = agenda.schedule.injections.get(position) else { return Err(None) };
        let (client, namespace) = (self.client(), self.namespace().to_owned());
        let (pods, machines) = (agenda.pods.as_deref(), self.machines());
        let machines = machines.as_deref();
        let surroundings = self.surroundings.as_ref().map(|place| Arc::clone(&place.shared));
        let surroundings = surroundings.as_ref();
        let limit = agenda.schedule.limit(position).unwrap_or(agenda.longest);
        let scene = Scene { client: &client, namespace: &namespace, run: &agenda.run, pods, machines, surroundings, limit };
        let chosen = fault::choose(&injection.fault, self.index(), agenda.seed)?;
        let prepared = self.unless_stopped(fault::prepare(scene, position, &injection.fault, &chosen)).await.ok_or(None)??;
        let (hit, present) = fault::choose::hits(&prepared, self.index());
        let refused = |why: String| FaultError::from(RequestError::of(injection.fault.key(), why));
        agenda.safety.check_pods(hit, present).map_err(refused)?;
        let nodes = prepared.prey.iter().filter(|prey| prey.reference.kind == "Node").count();
        let present = self.index().objects("Node").count().max(nodes);
        agenda.safety.check_nodes(nodes, present).map_err(refused)?;
        self.remember(&prepared).await.map_err(|error| {
            let message = format!("{}; the fault was not injected, because it could not have been undone", error.message);
            FaultError::from(RequestError { message, ..error })
        })?;
        Ok(prepared)
    }

    /// Records why a fault was not injected; always false.
    fn refused(&mut self, position: usize, error: Option<FaultError>) -> bool {
        match error {
            Some(FaultError::NoTarget(reason)) => self.record(Source::Fault, Fact::NoTarget { fault: position, reason }),
            Some(error @ (FaultError::Request(_) | FaultError::Command(_))) => self.fail(&error.to_string()),
            None => {}
        }
        false
    }

    /// Undoes faults before the trial ends, because they do not last.
    async fn revert(&mut self, faults: &[usize]) -> bool {
        let (client, undo) = (self.client(), Arc::clone(&self.undo));
        let work = async { undo.lock().await.undo_some(&client, |record| faults.contains(&record.fault)).await };
        let Some(results) = self.unless_stopped(work).await else { return false };
        let mut left = Vec::new();
        for (target, result) in results {
            match result {
                Ok(Undone::LeftAlone(why)) => left.push(format!("{target} was left as it is: {why}")),
                Ok(_) => {}
                Err(error) => {
                    self.fail(&error.to_string());
                    return false;
                }
            }
        }
        self.record(Source::Fault, Fact::Reverted { faults: faults.to_vec(), left });
        true
    }
}
