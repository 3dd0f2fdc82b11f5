//! The clocks of alerts, beside comeback's own detection: when one was pending, and when it fired. They decide no verdict.

use super::Judge;
use crate::measure::hold::Moment;
use crate::observe::timeline::{AlertPhase, AlertSeen};
use crate::scenario::duration::format;
use std::time::Duration;

/// When an alert that a scenario asks for was first seen to have got somewhere, since the fault.
#[derive(Clone, Debug, Default)]
pub(in crate::measure) struct AlertClocks {
    pub pending: Option<Moment>,
    pub firing: Option<Moment>,
    /// It was so before the fault: its time then says nothing.
    early: bool,
    asked: bool,
    last_look: Duration,
}

impl AlertClocks {
    /// Takes in what was seen of an alert.
    pub(super) fn see(&mut self, at: Duration, requested: Option<Duration>, seen: &AlertSeen) {
        self.asked = true;
        let earliest = std::mem::replace(&mut self.last_look, at);
        let Some(requested) = requested else {
            self.early = seen.phase != AlertPhase::Inactive;
            return;
        };
        if self.early {
            self.early = seen.phase != AlertPhase::Inactive;
            return;
        }
        let moment = |server| Moment { at, earliest: earliest.max(requested), server };
        if seen.phase >= AlertPhase::Pending && self.pending.is_none() {
            self.pending = Some(moment(seen.active_at));
        }
        if seen.phase == AlertPhase::Firing && self.firing.is_none() {
            self.firing = Some(moment(seen.starts_at));
        }
    }
}

impl Judge {
    /// The three clocks side by side, where an alert was asked for.
    pub(in crate::measure) fn clocks(&self) -> Option<String> {
        let requested = self.requested.filter(|_| self.alerts.asked)?;
        if self.alerts.early {
            return Some("the alert was pending or firing already before the fault: its times say nothing".to_owned());
        }
        let since = |at: Duration| format(at.saturating_sub(requested));
        let told = |moment: Option<Moment>| moment.map_or_else(|| "not before the end".to_owned(), |moment| since(moment.at));
        let signals = self.findings.iter().filter(|finding| finding.at >= requested).map(|finding| finding.first_seen);
        let signal = signals.min().map_or_else(|| "none".to_owned(), since);
        Some(format!(
            "after the fault: first signal {signal}, detected {}, alert pending {}, alert firing {}",
            told(self.detected),
            told(self.alerts.pending),
            told(self.alerts.firing)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_began_after_the_fault_is_timed() {
        let seen = |phase| AlertSeen { phase, active_at: None, starts_at: None };
        let second = Duration::from_secs;
        let mut clocks = AlertClocks::default();
        clocks.see(second(1), None, &seen(AlertPhase::Firing));
        clocks.see(second(6), Some(second(2)), &seen(AlertPhase::Firing));
        assert!(clocks.firing.is_none(), "it fired before the fault");
        clocks.see(second(11), Some(second(2)), &seen(AlertPhase::Inactive));
        clocks.see(second(16), Some(second(2)), &seen(AlertPhase::Pending));
        clocks.see(second(21), Some(second(2)), &seen(AlertPhase::Firing));
        clocks.see(second(26), Some(second(2)), &seen(AlertPhase::Firing));
        let times = |moment: Option<Moment>| moment.map(|moment| (moment.earliest, moment.at));
        assert_eq!(times(clocks.pending), Some((second(11), second(16))));
        assert_eq!(times(clocks.firing), Some((second(16), second(21))));
    }
}
