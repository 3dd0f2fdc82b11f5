//! What a trial waits for, for people who watch it: the phase, the observed state, how long of how long. Decides nothing.

use super::{Hold, Judge};
use crate::scenario::duration::format;
use std::fmt;
use std::time::Duration;

/// What a trial waits for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// `steady`, `effect`, `recover` or `detect`.
    pub phase: &'static str,
    /// The observed state in words.
    pub state: String,
    /// How long it has been waited for.
    pub waited: Duration,
    /// For how long at most, or how long it must last.
    pub of: Duration,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waited = format(Duration::from_secs(self.waited.as_secs()));
        write!(f, "{}: {}, {waited} of {}", self.phase, self.state, format(self.of))
    }
}

impl Judge {
    /// What the trial waits for at `now`; `None` where that is not an observation.
    #[must_use]
    pub fn waiting(&self, now: Duration) -> Option<Waiting> {
        if let (Some(plan), Some(hold), Some(floor)) = (&self.plan.steady, &self.steady, self.steady_floor())
            && (self.steady_seen.is_none() || self.plan.is_control())
        {
            return self.on_hold("steady", hold, now, (floor, plan.within), plan.hold);
        }
        let Some(effective) = self.effective else {
            let requested = self.last_requested().or(self.requested)?;
            let missing: Vec<&str> =
                self.latches.iter().filter(|latch| latch.seen.is_none()).map(|latch| latch.text.as_str()).collect();
            let state = missing.join("; ");
            return Some(Waiting { phase: "effect", state, waited: now.saturating_sub(requested), of: self.plan.effect.within });
        };
        let hold = self.recover.as_ref()?;
        if hold.stable_from().is_none() {
            let within = self.plan.recover.within;
            return self.on_hold("recover", hold, now, (effective.at, within), self.plan.recover.hold);
        }
        let detect = self.plan.detect.as_ref().filter(|_| self.detected.is_none())?;
        Some(Waiting {
            phase: "detect",
            state: format!("{} was not found yet", detect.cause),
            waited: now.saturating_sub(effective.at),
            of: detect.within,
        })
    }

    fn on_hold(
        &self,
        phase: &'static str,
        hold: &Hold,
        now: Duration,
        (floor, within): (Duration, Duration),
        length: Duration,
    ) -> Option<Waiting> {
        if hold.stable_from().is_some() {
            return None;
        }
        let waiting = match hold.stretch_after(floor) {
            Some(from) => Waiting {
                phase,
                state: format!("holds ({})", hold.last_state()),
                waited: now.saturating_sub(from.at),
                of: self.breaks.stretched(length).0,
            },
            None => Waiting { phase, state: hold.last_state().to_owned(), waited: now.saturating_sub(floor), of: within },
        };
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use crate::measure::Judge;
    use crate::observe::timeline::{Fact, Observation, Source};
    use crate::report::fixture;
    use serde_json::json;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn it_says_what_is_missing_and_how_long_it_has_been_waited_for() {
        let mut plan = Arc::unwrap_or_clone(fixture::plan("pool", 1));
        let condition = |value| serde_json::from_value(value).unwrap();
        plan.effect.until = Some(vec![condition(json!({ "restarts": { "selector": "app=pool", "atLeast": 1 } }))]);
        plan.recover.until = vec![condition(json!({ "ready": { "selector": "app=pool" } }))];
        let mut judge = Judge::new(Arc::new(plan));
        let mut told = |seq: u64, at: u64, fact: Option<Fact>| {
            if let Some(fact) = fact {
                judge.observe(&Observation { seq, at: Duration::from_secs(at), source: Source::Watch, fact });
            }
            judge.waiting(Duration::from_secs(at)).map(|waiting| waiting.to_string()).unwrap_or_default()
        };
        let pod = |restarts: u32, ready: &str| {
            let pod = json!({"kind": "Pod", "metadata": {"name": "pool-1", "uid": "p", "namespace": "n", "labels": {"app": "pool"}},
                "spec": {"containers": [{"name": "app"}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}],
                    "containerStatuses": [{"name": "app", "restartCount": restarts, "ready": ready == "True", "state": {"running": {}}}]}});
            Some(Fact::Object(Arc::new(pod)))
        };
        let lines = [
            told(0, 0, None),
            told(0, 1, Some(Fact::Applied { objects: vec![] })),
            told(1, 2, pod(0, "True")),
            told(0, 13, None),
            told(2, 20, pod(1, "False")),
            told(3, 25, pod(1, "True")),
            told(0, 37, None),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }
}
