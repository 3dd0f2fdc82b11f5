//! How far each scenario of a run is: which trials are done, whether more are to be handed out, and its result when it is over.
//! Threads are `run`'s, judging is `measure`'s.

use super::jobs::Job;
use crate::engine::RunRequest;
use crate::event::RunEvent;
use crate::measure::outcome;
use crate::measure::result::{ScenarioResult, TrialResult};
use crate::measure::until_confident::{self, Claim};
use crate::scenario::Plan;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// How far the scenarios of a run are.
pub(super) struct Course<'a> {
    request: &'a RunRequest,
    claim: Option<Claim>,
    /// Done trials of scenarios that are not over.
    trials: BTreeMap<usize, Vec<TrialResult>>,
    /// How many trials of each scenario have been handed out.
    handed_out: Vec<usize>,
    /// Those that are over, by position.
    scenarios: BTreeMap<usize, ScenarioResult>,
    /// Trials that a test made superfluous.
    spared: usize,
}

impl<'a> Course<'a> {
    /// Nothing has been run.
    pub(super) fn new(request: &'a RunRequest) -> Self {
        Self {
            request,
            claim: request.until_confident().and_then(|confidence| until_confident::claim(request.targets(), confidence)),
            trials: BTreeMap::new(),
            handed_out: Vec::new(),
            scenarios: BTreeMap::new(),
            spared: 0,
        }
    }

    /// The trials to begin with: all, or those up to the first look of a test.
    pub(super) fn first(&mut self) -> VecDeque<Job> {
        let count = |plan: &Plan| match &self.claim {
            None => plan.trials,
            Some(claim) => until_confident::next(claim, &plan.expect, &[], plan.trials).end,
        };
        let counts: Vec<u32> = self.request.plans.iter().map(|plan| count(plan)).collect();
        self.handed_out = counts.iter().map(|n| *n as usize).collect();
        let plans = self.request.plans.iter().zip(&counts).enumerate();
        let jobs = plans.flat_map(|(scenario, (plan, count))| {
            let first = plan.first_trial;
            (0..*count).map(move |n| (scenario, first.saturating_add(n)))
        });
        let mut jobs: Vec<Job> = jobs.collect();
        jobs.retain(|(scenario, trial)| self.known(*scenario, *trial).is_none());
        if !self.request.cluster.is_virtual_time() {
            shared_first(&self.request.plans, &mut jobs);
        }
        jobs.into()
    }

    /// What an earlier attempt at the run found of a trial.
    fn known(&self, scenario: usize, trial: u32) -> Option<&'a TrialResult> {
        let plan = self.request.plans.get(scenario)?;
        self.request.known.get(&(plan.name.clone(), trial))
    }

    /// Takes in what an earlier attempt at the run has finished, after [`Self::first`].
    pub(super) fn resume(&mut self, report: &mut dyn FnMut(&RunEvent)) -> Vec<Job> {
        let known = self.request.plans.iter().enumerate().flat_map(|(scenario, plan)| {
            let trials = (0..plan.trials).map(|n| plan.first_trial.saturating_add(n));
            trials.map(move |trial| (scenario, trial))
        });
        let known: Vec<_> =
            known.filter_map(|(scenario, trial)| Some((scenario, self.known(scenario, trial)?.clone()))).collect();
        known.into_iter().flat_map(|(scenario, trial)| self.finished(scenario, trial, report)).collect()
    }

    /// Takes in a trial that is done; returns those that are to follow.
    pub(super) fn finished(&mut self, scenario: usize, trial: TrialResult, report: &mut dyn FnMut(&RunEvent)) -> Vec<Job> {
        let Some(plan) = self.request.plans.get(scenario) else { return Vec::new() };
        let all = self.trials.entry(scenario).or_default();
        all.push(trial);
        let handed_out = self.handed_out.get(scenario).copied().unwrap_or_default();
        if all.len() < handed_out {
            return Vec::new();
        }
        let next = self.claim.as_ref().map_or(0..0, |claim| until_confident::next(claim, &plan.expect, all, plan.trials));
        if next.is_empty() {
            let done = std::mem::take(all);
            self.spared += (plan.trials as usize).saturating_sub(handed_out);
            self.finish(scenario, plan, done, report);
            return Vec::new();
        }
        if let Some(handed_out) = self.handed_out.get_mut(scenario) {
            *handed_out = next.end as usize;
        }
        next.map(|trial| (scenario, trial)).collect()
    }

    /// Whether all scenarios that are tried at all are over.
    pub(super) fn is_over(&self) -> bool {
        self.scenarios.len() >= self.request.plans.len()
    }

    /// Ends what a stop has cut short, and what it kept from beginning.
    pub(super) fn cut_short(&mut self, report: &mut dyn FnMut(&RunEvent)) {
        for (scenario, plan) in self.request.plans.iter().enumerate() {
            if !self.scenarios.contains_key(&scenario) {
                let left = self.trials.remove(&scenario).unwrap_or_default();
                self.finish(scenario, plan, left, report);
            }
        }
    }

    /// Judges a scenario by its trials.
    pub(super) fn finish(
        &mut self,
        position: usize,
        plan: &Plan,
        mut trials: Vec<TrialResult>,
        report: &mut dyn FnMut(&RunEvent),
    ) {
        trials.sort_by_key(|trial| trial.index);
        let result = outcome::scenario(plan, trials, self.request.targets(), self.request.until_confident());
        report(&RunEvent::ScenarioFinished { result: Box::new(result.clone()) });
        self.scenarios.insert(position, result);
    }

    /// Trials that need not be run: a test had decided before.
    pub(super) const fn spared(&self) -> usize {
        self.spared
    }

    /// The results, in order.
    pub(super) fn into_scenarios(self) -> Vec<ScenarioResult> {
        self.scenarios.into_values().collect()
    }
}

/// Trials that run alone come last: before each of them everybody waits until the longest of the others is over.
fn shared_first(plans: &[Arc<Plan>], jobs: &mut [Job]) {
    jobs.sort_by_key(|(scenario, _)| plans.get(*scenario).is_some_and(|plan| super::breaks_nodes(plan)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, LoadOptions};

    #[test]
    fn what_runs_alone_comes_last() {
        let names = ["builtin:pod-deleted", "builtin:node-paused", "builtin:crashy-app"].map(ToOwned::to_owned);
        let loaded = scenario::load(&names, &LoadOptions::default()).unwrap();
        let mut jobs = vec![(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)];
        shared_first(&loaded.plans, &mut jobs);
        assert_eq!(jobs, [(0, 0), (2, 0), (2, 1), (1, 0), (1, 1)]);
    }
}
