//! The order in which a scenario's faults are injected and undone: groups resolved into single faults, each with what it waits
//! for. Pure; the engine carries it out.

use super::Fault;
use std::time::Duration;

/// What each member of a group may take to act, beside its waiting.
const ACTS_WITHIN: Duration = Duration::from_secs(30);

/// All faults of a scenario, single ones, in the order in which they are written. Their positions here are what timelines name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// The faults.
    pub injections: Vec<Injection>,
    /// What undoes itself before the trial ends.
    pub reversals: Vec<ReversalAt>,
}

/// One fault and what it waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// The fault; never a group.
    pub fault: Fault,
    /// The positions of the faults that must have been accepted before.
    pub follows: Vec<usize>,
    /// How long after the last of them (without any: after the steady state) it is injected.
    pub after: Duration,
}

/// Faults that undo themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReversalAt {
    /// Their positions; the clock runs from the moment at which the last of them was accepted.
    pub faults: Vec<usize>,
    /// How long they last.
    pub lasts: Duration,
}

impl Schedule {
    /// The schedule of a scenario's faults, which follow one another.
    #[must_use]
    pub fn of(faults: &[Fault]) -> Self {
        let mut schedule = Self::default();
        schedule.chain(faults, &[], Duration::ZERO);
        schedule
    }

    /// The longest that a fault can last before it undoes itself; `None`: it does not. A group's clock runs from its last member on,
    /// which its own waiting and acting delay.
    #[must_use]
    pub fn limit(&self, position: usize) -> Option<Duration> {
        let own = self.reversals.iter().filter(|reversal| reversal.faults.contains(&position));
        own.map(|reversal| {
            let others = reversal.faults.iter().filter(|other| **other != position);
            let others = others.filter_map(|other| self.injections.get(*other));
            reversal.lasts + others.map(|other| other.after + ACTS_WITHIN).sum::<Duration>()
        })
        .min()
    }

    /// Adds faults one after the other; the positions that end the chain.
    fn chain(&mut self, faults: &[Fault], follows: &[usize], mut after: Duration) -> Vec<usize> {
        let mut ends = follows.to_vec();
        for fault in faults {
            ends = self.add(fault, &ends, after);
            after = Duration::ZERO;
        }
        ends
    }

    fn add(&mut self, fault: &Fault, follows: &[usize], waited: Duration) -> Vec<usize> {
        let timing = fault.timing();
        let after = waited + timing.after;
        let first = self.injections.len();
        let ends = match fault {
            Fault::Sequence(group) => self.chain(&group.faults, follows, after),
            Fault::Together(group) => group.faults.iter().flat_map(|fault| self.add(fault, follows, after)).collect(),
            _ => {
                self.injections.push(Injection { fault: fault.clone(), follows: follows.to_vec(), after });
                vec![first]
            }
        };
        if let Some(lasts) = timing.lasts {
            self.reversals.push(ReversalAt { faults: (first..self.injections.len()).collect(), lasts });
        }
        ends
    }

    /// When a fault is due, given when each was accepted and when the steady state was reached; `None` while it must wait.
    #[must_use]
    pub fn due(&self, position: usize, began: Duration, accepted: &[Option<Duration>]) -> Option<Duration> {
        let injection = self.injections.get(position)?;
        let before = injection.follows.iter().map(|other| accepted.get(*other).copied().flatten());
        let last = before.collect::<Option<Vec<_>>>()?.into_iter().max().unwrap_or(began);
        Some(last + injection.after)
    }

    /// When a reversal is due; `None` while one of its faults was not accepted.
    #[must_use]
    pub fn reversal_due(&self, position: usize, accepted: &[Option<Duration>]) -> Option<Duration> {
        let reversal = self.reversals.get(position)?;
        let times = reversal.faults.iter().map(|fault| accepted.get(*fault).copied().flatten());
        Some(times.collect::<Option<Vec<_>>>()?.into_iter().max()? + reversal.lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schedule(faults: serde_json::Value) -> Schedule {
        let faults: Vec<Fault> = serde_json::from_value(faults).unwrap();
        Schedule::of(&faults)
    }

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn faults_follow_one_another_and_groups_are_resolved() {
        let delete = |after: &str| json!({ "deletePods": { "deployment": "a", "after": after } });
        let broken = json!({ "breakService": { "service": "s", "for": "30s" } });
        let schedule = schedule(json!([
            delete("1s"),
            { "together": { "faults": [broken, { "sequence": { "faults": [delete("2s"), delete("3s")] } }], "after": "10s", "for": "1m" } },
            delete("0s"),
        ]));
        let shape: Vec<_> = schedule.injections.iter().map(|one| (one.follows.clone(), one.after.as_secs())).collect();
        assert_eq!(
            shape,
            [(vec![], 1), (vec![0], 10), (vec![0], 12), (vec![2], 3), (vec![1, 3], 0)],
            "the last waits for both ends of the group"
        );
        let reversals: Vec<_> = schedule.reversals.iter().map(|one| (one.faults.clone(), one.lasts.as_secs())).collect();
        assert_eq!(reversals, [(vec![1], 30), (vec![1, 2, 3], 60)]);
        // Its own end comes before the group's, whose clock waits for every member; what never ends has no limit.
        let limits: Vec<_> = (0..5).map(|position| schedule.limit(position).map(|limit| limit.as_secs())).collect();
        assert_eq!(limits, [None, Some(30), Some(60 + 10 + 30 + 3 + 30), Some(60 + 10 + 30 + 12 + 30), None]);
    }

    #[test]
    fn what_waits_for_others_is_due_after_the_last_of_them() {
        let delete = json!({ "deletePods": { "deployment": "a" } });
        let schedule = schedule(json!([{ "together": { "faults": [delete, delete] , "for": "5s" } }, delete]));
        let began = seconds(7);
        assert_eq!(schedule.due(0, began, &[None, None, None]), Some(seconds(7)));
        assert_eq!(schedule.due(2, began, &[Some(seconds(8)), None, None]), None);
        let both = [Some(seconds(9)), Some(seconds(8)), None];
        assert_eq!((schedule.due(2, began, &both), schedule.reversal_due(0, &both)), (Some(seconds(9)), Some(seconds(14))));
        assert_eq!(schedule.reversal_due(0, &[Some(seconds(9)), None, None]), None);
    }
}
