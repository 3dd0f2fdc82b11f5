//! The judge: folds a trial's observations, one by one, into stamps. The engine asks it live when a trial is decided;
//! `comeback judge` feeds it a saved timeline. How stamps become a verdict lives in `verdict`.

mod alerts;
mod next;
mod relevance;
mod waiting;

pub use next::Next;
pub use waiting::Waiting;

use self::alerts::AlertClocks;
use super::blind::Blindness;
use super::breaks::Breaks;
use super::effect::crowd::Crowd;
use super::effect::{self, Latch};
use super::hold::{Hold, Moment};
use super::throughout::Throughout;
use crate::detect::Finding;
use crate::heal::{ActionRecord, Claim};
use crate::json::At as _;
use crate::observe::Index;
use crate::observe::evaluate::{self, Frame, Seen, Truth, evaluate};
use crate::observe::timeline::{Baseline, Began, Fact, FaultRecord, Observation, Reference, Writer};
use crate::scenario::duration::format;
use crate::scenario::{Fault, Plan, Verdict};
use crate::sim::limits::LimitKind;
use std::sync::Arc;
use std::time::Duration;

/// A fault and what became of it.
#[derive(Clone, Debug)]
pub(in crate::measure) struct FaultState {
    pub record: FaultRecord,
    pub requested: Duration,
    pub accepted: Option<Duration>,
    /// Whether the good state was there when the fault was requested.
    pub good_before: bool,
}

/// Everything that was learnt from a trial's observations so far.
#[derive(Clone, Debug)]
pub struct Judge {
    pub(super) plan: Arc<Plan>,
    /// Shared with a judge that only says how things stand.
    pub(super) index: Arc<Index>,
    pub(super) breaks: Breaks,
    pub(super) began: Option<Began>,
    pub(super) applied: Option<Duration>,
    pub(super) steady: Option<Hold>,
    pub(super) steady_seen: Option<Duration>,
    pub(super) baseline: Option<Baseline>,
    pub(super) requested: Option<Duration>,
    pub(super) faults: Vec<FaultState>,
    pub(super) latches: Vec<Latch>,
    pub(super) effective: Option<Moment>,
    pub(super) recover: Option<Hold>,
    pub(super) detected: Option<Moment>,
    pub(super) early_findings: usize,
    pub(super) findings: Vec<Finding>,
    pub(super) actions: Vec<ActionRecord>,
    /// What a healer that is not ours said.
    pub(super) claims: Vec<Claim>,
    /// Who wrote to the workload.
    pub(super) writers: Vec<Writer>,
    /// Reasons for verdicts that stand whatever the measurement says.
    pub(super) problems: Vec<(Verdict, String)>,
    pub(super) ended: Option<Duration>,
    pub(super) restored: Option<Duration>,
    pub(super) leftovers: Vec<Reference>,
    /// The plan's single faults.
    pub(super) expected: Vec<Fault>,
    pub(super) throughout: Throughout,
    pub(super) alerts: AlertClocks,
    /// When faults undid themselves, and which.
    pub(super) reverted: Vec<(Duration, Vec<usize>)>,
    /// What the injector wants a reader to know, and second opinions.
    pub(super) fault_notes: Vec<String>,
    pub(super) blind: Blindness,
    /// When a fresh list last showed that nothing was missed.
    confirmed: Option<Duration>,
    next_seq: u64,
    last_look: Duration,
}

impl Judge {
    /// A judge that has seen nothing.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            expected: plan.single_faults().into_iter().cloned().collect(),
            throughout: Throughout::default(),
            alerts: AlertClocks::default(),
            reverted: Vec::new(),
            fault_notes: Vec::new(),
            plan,
            index: Arc::default(),
            breaks: Breaks::default(),
            began: None,
            applied: None,
            steady: None,
            steady_seen: None,
            baseline: None,
            requested: None,
            faults: Vec::new(),
            latches: Vec::new(),
            effective: None,
            recover: None,
            detected: None,
            early_findings: 0,
            findings: Vec::new(),
            actions: Vec::new(),
            claims: Vec::new(),
            writers: Vec::new(),
            problems: Vec::new(),
            ended: None,
            restored: None,
            leftovers: Vec::new(),
            blind: Blindness::default(),
            confirmed: None,
            next_seq: 0,
            last_look: Duration::ZERO,
        }
    }

    /// The objects as observed so far.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The baseline, once taken.
    #[must_use]
    pub const fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()
    }

    /// Whether the steady state has held for its whole hold.
    #[must_use]
    pub fn steady_reached(&self) -> bool {
        self.steady.as_ref().is_some_and(|hold| hold.stable_from().is_some())
    }

    /// When the first fault was requested, or something born broken was applied.
    #[must_use]
    pub const fn requested(&self) -> Option<Duration> {
        self.requested
    }

    /// Every action of the healer so far, oldest first.
    #[must_use]
    pub fn actions(&self) -> &[ActionRecord] {
        &self.actions
    }

    /// When the effect was seen.
    #[must_use]
    pub fn effective(&self) -> Option<Duration> {
        self.effective.map(|moment| moment.at)
    }

    fn frame(&self) -> Frame<'_> {
        let since = self.requested.unwrap_or(Duration::ZERO);
        Frame { index: &self.index, baseline: self.baseline.as_ref(), since, standing: true }
    }

    /// Time passes. That completes no hold by itself: a watch that fell silent shows no failure either, see [`Fact::Confirmed`].
    pub fn advance(&mut self, now: Duration) {
        if self.ended.is_none() {
            Arc::make_mut(&mut self.index).advance(now);
        }
    }

    /// A fresh list has shown that nothing was missed: holds that are due by now are complete.
    fn confirmed_at(&mut self, now: Duration) {
        self.confirmed = Some(now);
        let floor = self.steady_floor();
        // From the fault on nobody looks at it any more, so nothing would end it.
        let followed = self.requested.is_none() || self.plan.is_control();
        if let (Some(hold), Some(floor), true) = (&mut self.steady, floor, followed) {
            let length = self.plan.steady.as_ref().map_or(Duration::ZERO, |steady| steady.hold);
            hold.advance(now, self.breaks.stretched(length).0, floor);
        }
        if let (Some(hold), Some(effective)) = (&mut self.recover, self.effective) {
            hold.advance(now, self.breaks.stretched(self.plan.recover.hold).0, effective.at);
        }
    }

    /// From when on the steady state counts: the apply, or, in a control with faults, their acceptance.
    pub(super) fn steady_floor(&self) -> Option<Duration> {
        match self.faults.last() {
            Some(fault) if self.plan.is_control() => fault.accepted,
            _ => self.applied,
        }
    }

    /// Folds the next observation in. What follows the end of the trial only tells of clean-up.
    pub fn observe(&mut self, observation: &Observation) {
        if observation.seq != self.next_seq {
            let lost = format!("the timeline is torn: observation {} follows {}", observation.seq, self.next_seq);
            self.problems.push((Verdict::Error, lost));
        }
        self.next_seq = observation.seq + 1;
        let at = observation.at;
        if at < self.index.now() {
            let back = format!("the timeline goes back in time: observation {} at {}", observation.seq, format(at));
            self.problems.push((Verdict::Error, back));
        }
        if self.ended.is_some() {
            self.after_the_end(observation);
            return;
        }
        self.advance(at);
        Arc::make_mut(&mut self.index).apply(observation);
        match &observation.fact {
            Fact::Began(began) => self.began = Some(began.clone()),
            Fact::Applied { .. } => self.applied_at(at),
            Fact::Steady => self.steady_seen = Some(at),
            Fact::Baseline(baseline) => {
                self.baseline = Some(baseline.clone());
                self.look(at, None);
            }
            Fact::Requested(record) => self.requested_at(at, record),
            Fact::Accepted { fault, notes } => {
                self.fault_notes.extend(notes.iter().cloned());
                self.accepted_at(at, *fault);
            }
            Fact::Reverted { faults, left } => {
                self.reverted.push((at, faults.clone()));
                self.fault_notes.extend(left.iter().map(|what| format!("a fault that undoes itself: {what}")));
            }
            Fact::NoTarget { reason, .. } => self.problems.push((Verdict::Invalid, format!("no target: {reason}"))),
            Fact::Finding(finding) => self.found(at, finding),
            Fact::Action(action) => self.actions.push(action.clone()),
            Fact::Claim(claim) => self.claims.push(claim.clone()),
            Fact::Opinion(opinion) => self.fault_notes.push(opinion.to_string()),
            Fact::Wrote(writer) => self.writers.push(writer.clone()),
            Fact::Limit(limit) => {
                let verdict = if limit.kind == LimitKind::Program { Verdict::Error } else { Verdict::Skipped };
                let place = limit.position.as_ref().map(|position| format!(", {position}")).unwrap_or_default();
                let text =
                    format!("the embedded cluster cannot run `{}` ({}{place}): {}", limit.construct, limit.subject, limit.help);
                self.problems.push((verdict, text));
            }
            Fact::Error { message } => self.problems.push((Verdict::Error, message.clone())),
            Fact::Aborted { signal } => self.problems.push((Verdict::Aborted, format!("stopped by {signal}"))),
            Fact::Ended { .. } => {
                self.ended = Some(at);
                self.throughout.end(at);
            }
            Fact::Object(object) | Fact::Deleted(object) => {
                let uid = evaluate_uid(object);
                let broken = uid.and_then(|uid| self.breaks.look(&self.index, uid, self.requested));
                self.look(at, broken.as_deref());
            }
            Fact::Sample(sample) => {
                if let Some(seen) = &sample.alert {
                    self.alerts.see(at, self.requested, seen);
                }
                self.look(at, None);
            }
            Fact::LogLine(_) | Fact::Measured { .. } => self.look(at, None),
            Fact::Confirmed => self.confirmed_at(at),
            Fact::Blind { since, until, what } => self.blind.note(*since, until.unwrap_or(at), what),
            Fact::NamespaceReady | Fact::Watching { .. } | Fact::Relisted { .. } | Fact::Restored { .. } => {}
        }
    }

    fn after_the_end(&mut self, observation: &Observation) {
        if let Fact::Restored { leftovers } = &observation.fact {
            self.restored = Some(observation.at);
            self.leftovers.clone_from(leftovers);
        }
    }

    fn applied_at(&mut self, at: Duration) {
        self.applied = Some(at);
        if self.plan.steady.is_some() {
            self.steady = Some(Hold::beginning(Duration::ZERO));
        }
        if self.plan.is_born_broken() {
            self.request(at);
            self.latches = match &self.plan.effect.until {
                Some(conditions) => Latch::explicit(conditions),
                None => vec![Latch::by_itself(Duration::ZERO, &Index::default())],
            };
        }
        self.look(at, None);
    }

    fn requested_at(&mut self, at: Duration, record: &FaultRecord) {
        if self.requested.is_none() && !self.plan.is_control() {
            self.check_nothing_held(at);
            self.request(at);
            self.latches = self.plan.effect.until.as_deref().map(Latch::explicit).unwrap_or_default();
        }
        let good_before = evaluate::all(effect::good_state(&self.plan), self.frame()).truth == Truth::True;
        self.faults.push(FaultState { record: record.clone(), requested: at, accepted: None, good_before });
    }

    /// Whether every fault of the plan was requested and accepted.
    pub(super) fn all_accepted(&self) -> bool {
        self.faults.len() >= self.expected.len() && self.faults.iter().all(|fault| fault.accepted.is_some())
    }

    /// From when on the budget of the effect runs: the last request.
    pub(super) fn last_requested(&self) -> Option<Duration> {
        self.faults.iter().map(|fault| fault.requested).max().or(self.requested)
    }

    /// Without a fault but with a steady state, the workload breaks by itself: from the baseline on.
    pub(super) fn breaks_by_itself(&self) -> bool {
        self.plan.faults.is_empty() && self.plan.steady.is_some() && !self.plan.is_control()
    }

    fn request(&mut self, at: Duration) {
        self.requested = Some(at);
        self.recover = Some(Hold::beginning(at));
    }

    /// An effect that holds before the fault proves nothing; neither does a fault on what is not well.
    fn check_nothing_held(&mut self, at: Duration) {
        let frame = Frame { since: at, standing: false, ..self.frame() };
        let held = self
            .plan
            .effect
            .until
            .iter()
            .flatten()
            .map(|condition| evaluate(condition, frame))
            .find(|seen| seen.truth == Truth::True);
        if let Some(seen) = held {
            self.problems.push((Verdict::Invalid, format!("the effect held already before the fault: {}", seen.text)));
        }
        let good = evaluate::all(effect::good_state(&self.plan), self.frame());
        if self.plan.steady.is_some() && good.truth != Truth::True {
            self.problems.push((Verdict::Invalid, format!("the steady state was lost before the fault: {}", good.text)));
        }
    }

    fn accepted_at(&mut self, at: Duration, fault: usize) {
        let Some(state) = self.faults.iter_mut().find(|state| state.record.fault == fault) else { return };
        state.accepted = Some(at);
        if self.plan.is_control() {
            self.steady = Some(Hold::beginning(at));
        } else if self.plan.effect.until.is_none() {
            let fault = self.expected.get(fault);
            let alone = self.expected.len() == 1;
            let state_before = (state.good_before, alone);
            self.latches.push(Latch::of_fault(fault, &state.record, (state.requested, at), state_before, &self.index));
        }
        self.look(at, None);
    }

    /// Looks at every condition that is being followed.
    fn look(&mut self, at: Duration, broken: Option<&str>) {
        if self.breaks_by_itself() && self.baseline.is_some() && self.requested.is_none() {
            self.request(at);
            self.latches = match &self.plan.effect.until {
                Some(conditions) => Latch::explicit(conditions),
                None => vec![Latch::by_itself(at, &self.index)],
            };
        }
        let last_look = std::mem::replace(&mut self.last_look, at);
        let since = self.requested.unwrap_or(Duration::ZERO);
        let frame = Frame { index: &self.index, baseline: self.baseline.as_ref(), since, standing: true };
        if let (Some(hold), Some(steady)) = (&mut self.steady, &self.plan.steady)
            && (self.requested.is_none() || self.plan.is_control())
        {
            hold.see(at, &evaluate::all(&steady.until, frame), broken);
        }
        if let Some(hold) = &mut self.recover {
            let seen: Seen = evaluate::all(&self.plan.recover.until, frame);
            hold.see(at, &seen, broken);
        }
        if let Some(plan) = self.plan.throughout.as_ref().filter(|_| self.requested.is_some()) {
            self.throughout.see(at, &evaluate::all(&plan.until, frame));
        }
        let several = self.latches.iter().any(Latch::is_one_of_several);
        let crowd = if several { Crowd::of(&self.faults, &self.expected, &self.index) } else { Crowd::default() };
        for latch in &mut self.latches {
            latch.look(frame, &self.plan, last_look, &crowd);
        }
        let all_accepted = self.all_accepted();
        if self.effective.is_none() && all_accepted && !self.latches.is_empty() {
            let seen: Option<Vec<Moment>> = self.latches.iter().map(|latch| latch.seen).collect();
            self.effective = seen.and_then(|moments| moments.into_iter().max_by_key(|moment| moment.at));
        }
    }
}

/// The uid of a pod that an observation is about.
fn evaluate_uid(object: &serde_json::Value) -> Option<&str> {
    (object.get("kind")?.as_str()? == "Pod").then(|| object.at("/metadata/uid")?.as_str()).flatten()
}
