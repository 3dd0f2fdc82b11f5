//! What a trial still waits for, by what was observed so far: the engine's only way to know when to look again and when to stop.

use super::{Hold, Judge};
use std::time::Duration;

/// What the judge wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing more can change the verdict.
    Decided(String),
    /// A hold is due: a fresh list must confirm that nothing was missed before it counts.
    Confirm,
    /// Wait for observations; time alone decides something at the given moment.
    Wait(Option<Duration>),
}

impl Judge {
    /// What the judge waits for at `now`.
    #[must_use]
    pub fn next(&self, now: Duration) -> Next {
        if let Some((verdict, _)) = self.problems.first() {
            return Next::Decided(format!("{verdict}"));
        }
        let Some(applied) = self.applied else { return Next::Wait(None) };
        if let (Some(steady), Some(hold)) = (&self.plan.steady, &self.steady)
            && (self.steady_seen.is_none() || self.plan.is_control())
        {
            return self.next_steady(now, applied, steady.within, steady.hold, hold);
        }
        let Some(requested) = self.requested else { return Next::Wait(None) };
        let Some(effective) = self.effective else {
            if !self.all_accepted() {
                return Next::Wait(None);
            }
            let deadline = self.last_requested().unwrap_or(requested) + self.plan.effect.within;
            return if now >= deadline {
                Next::Decided("the effect was not seen".to_owned())
            } else {
                Next::Wait(Some(deadline))
            };
        };
        self.next_recovery(now, effective.at)
    }

    fn next_steady(&self, now: Duration, applied: Duration, within: Duration, length: Duration, hold: &Hold) -> Next {
        if self.plan.is_control() && !self.findings.is_empty() {
            return Next::Decided("something was detected".to_owned());
        }
        if hold.stable_from().is_some() {
            let finished = self.plan.is_control() && self.all_accepted();
            return if finished && self.steady_seen.is_some() {
                Next::Decided("the steady state held".to_owned())
            } else {
                Next::Wait(None)
            };
        }
        let floor = self.steady_floor().unwrap_or(applied);
        let deadline = floor + within;
        let length = self.breaks.stretched(length).0;
        match hold.stretch_after(floor) {
            Some(from) if now >= from.at + length => Next::Confirm,
            Some(from) => Next::Wait(Some(from.at + length)),
            None if now >= deadline => Next::Decided("the steady state was not reached".to_owned()),
            None => Next::Wait(Some(deadline)),
        }
    }

    fn next_recovery(&self, now: Duration, effective: Duration) -> Next {
        let detection_deadline = self.plan.detect.as_ref().map(|detect| effective + detect.within);
        let detection_open = self.detected.is_none() && detection_deadline.is_some_and(|deadline| now < deadline);
        let deadline = effective + self.plan.recover.within;
        let due = detection_deadline.filter(|_| self.detected.is_none()).map_or(deadline, |detection| detection.max(deadline));
        let Some(hold) = &self.recover else { return Next::Wait(None) };
        let length = self.breaks.stretched(self.plan.recover.hold).0;
        let candidate = hold.stretch_after(effective).filter(|from| from.at <= deadline);
        let recovery_wake = if hold.stable_from().is_some() {
            None
        } else if let Some(from) = candidate {
            Some(from.at + length)
        } else if now < deadline {
            Some(deadline)
        } else {
            None
        };
        match (recovery_wake, detection_open) {
            (Some(wake), _) if candidate.is_some() && wake <= now => Next::Confirm,
            (None, false) if hold.stable_from().is_some() => Next::Decided("recovered and held".to_owned()),
            // What came in time may not have been seen.
            (None, false) if self.confirmed.is_none_or(|confirmed| confirmed < due) => Next::Confirm,
            (None, false) => Next::Decided("the budget ended".to_owned()),
            (None, true) => Next::Wait(detection_deadline),
            (Some(wake), false) => Next::Wait(Some(wake)),
            (Some(wake), true) => Next::Wait(Some(detection_deadline.map_or(wake, |deadline| deadline.min(wake)))),
        }
    }
}
