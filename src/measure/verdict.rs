//! From what the judge gathered to a trial's result: stamps, durations, every reason that applies, and the verdict.
//! The order of the contract decides where several apply: error, invalid, unrecovered, regressed, late, undetected, degraded.

use super::effect::plural;
use super::hold::{Hold, Moment};
use super::judge::Judge;
use super::result::{Durations, Measured, Stamp, Stamps, TrialResult};
use super::throughout::Stretches;
use super::{attribution, invariant};
use crate::heal::ClaimStatus;
use crate::observe::index::pod::condition_of;
use crate::observe::timeline::Observation;
use crate::scenario::duration::format;
use crate::scenario::{Plan, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// Judges a whole timeline: the same as the engine did live.
#[must_use]
pub fn judge(plan: &Arc<Plan>, timeline: &[Observation]) -> TrialResult {
    let mut judge = Judge::new(Arc::clone(plan));
    for observation in timeline {
        judge.observe(observation);
    }
    judge.conclude()
}

/// Verdicts by precedence.
const ORDER: [Verdict; 12] = [
    Verdict::Aborted,
    Verdict::Error,
    Verdict::Skipped,
    Verdict::Invalid,
    Verdict::Unrecovered,
    Verdict::Regressed,
    Verdict::Late,
    Verdict::Undetected,
    Verdict::Degraded,
    Verdict::FalseAlarm,
    Verdict::Recovered,
    Verdict::Quiet,
];

impl Judge {
    /// The trial's result by what was observed.
    #[must_use]
    pub fn conclude(mut self) -> TrialResult {
        let unseen = |moment: Moment| self.blind.widened(moment);
        // An effect is none before its request.
        let requested = self.requested.unwrap_or_default();
        let effective = self.effective.map(unseen);
        let detected = self.detected.map(unseen);
        self.effective = effective.map(|moment| Moment { earliest: moment.earliest.max(requested).min(moment.at), ..moment });
        self.detected = detected;
        let mut reasons = self.problems.clone();
        if self.began.is_none() {
            reasons.push((Verdict::Error, "the timeline has no beginning".to_owned()));
        }
        match self.ended {
            None => reasons.push((Verdict::Error, "the timeline ends before the trial did: the run was cut off".to_owned())),
            Some(_) if reasons.is_empty() => self.weigh(&mut reasons),
            Some(_) => {}
        }
        reasons.sort_by_key(|(verdict, _)| ORDER.iter().position(|candidate| candidate == verdict));
        let (verdict, reason) = reasons.first().cloned().unwrap_or((Verdict::Error, "nothing was observed".to_owned()));
        let stable = self.stable();
        let recovered = verdict.is_recovery();
        let began = self.began.as_ref();
        TrialResult {
            index: began.map_or(0, |began| began.trial),
            seed: began.map_or(0, |began| began.seed),
            verdict,
            reason: self.with_claim(recovered, reason),
            reasons: if reasons.len() > 1 {
                reasons.iter().map(|(verdict, text)| format!("{verdict}: {text}")).collect()
            } else {
                Vec::new()
            },
            namespace: began.map(|began| began.namespace.clone()).unwrap_or_default(),
            stamps: self.stamps(stable),
            durations: if verdict.is_valid() { self.durations(stable) } else { Durations::default() },
            healed_by: stable.filter(|_| recovered).map(|from| attribution::healed_by(&self, from.at)),
            leftovers: self.leftovers.iter().map(ToString::to_string).collect(),
            notes: self.notes(stable),
            timeline: String::new(),
            evidence: None,
            findings: self.findings,
            actions: self.actions,
            claims: self.claims,
            retries: Vec::new(),
        }
    }

    /// The reason with what a healer claims, where nothing was seen of it.
    fn with_claim(&self, recovered: bool, reason: String) -> String {
        let done = self.claims.iter().rfind(|claim| claim.status == ClaimStatus::Completed).filter(|_| !recovered);
        done.map_or(reason.clone(), |claim| {
            format!("{reason}; its healer {}, and no recovery was seen", attribution::said(claim))
        })
    }

    fn is_in_time(&self, stable_from: Duration) -> bool {
        self.effective.is_some_and(|effective| stable_from <= effective.at + self.plan.recover.within)
    }

    /// Everything that the observations say, where nothing went wrong with the trial itself.
    fn weigh(&self, reasons: &mut Vec<(Verdict, String)>) {
        if self.plan.is_control() {
            self.weigh_control(reasons);
            return;
        }
        if self.plan.steady.is_some() && (self.steady_seen.is_none() || !self.steady_reached()) {
            reasons.push((Verdict::Invalid, self.steady_missing()));
            return;
        }
        if self.baseline.as_ref().is_none_or(|baseline| baseline.objects.is_empty()) {
            reasons.push((Verdict::Error, "there is no baseline of the workload to compare with".to_owned()));
            return;
        }
        let Some(effective) = self.effective else {
            reasons.push((Verdict::Invalid, self.effect_missing()));
            return;
        };
        if let Some(requested) = self.last_requested()
            && effective.at > requested + self.plan.effect.within
        {
            reasons.push((
                Verdict::Invalid,
                format!(
                    "the effect came {} after the fault, not within {}",
                    format(effective.at.saturating_sub(requested)),
                    format(self.plan.effect.within)
                ),
            ));
            return;
        }
        self.weigh_recovery(effective, reasons);
    }

    fn weigh_control(&self, reasons: &mut Vec<(Verdict, String)>) {
        if self.steady_seen.is_none() || !self.steady_reached() {
            reasons.push((Verdict::Invalid, self.steady_missing()));
        }
        if !self.all_accepted() {
            reasons.push((Verdict::Invalid, "not every fault of the control was carried out".to_owned()));
        }
        if let Some(finding) = self.findings.first() {
            let evidence = finding.evidence.first().map(|evidence| format!(": {}", evidence.text)).unwrap_or_default();
            let text = format!("{} was detected on {}{evidence}", finding.cause, finding.group);
            // What was found is found, even if the control itself was not steady.
            reasons.clear();
            reasons.push((Verdict::FalseAlarm, text));
        } else if reasons.is_empty() {
            reasons.push((Verdict::Quiet, "nothing was detected".to_owned()));
        }
    }

    fn steady_missing(&self) -> String {
        let within = self.plan.steady.as_ref().map_or(Duration::ZERO, |steady| steady.within);
        let state = self.steady.as_ref().map_or("nothing was seen", |hold| hold.last_state());
        let broken = self
            .steady
            .as_ref()
            .and_then(|hold| hold.last_break())
            .map(|(at, what)| format!("; last broken at {}: {what}", format(*at)));
        format!("the steady state was not held within {}: {state}{}", format(within), broken.unwrap_or_default())
    }

    fn effect_missing(&self) -> String {
        let missing = self.latches.iter().find(|latch| latch.seen.is_none());
        let text = missing.map_or("no fault was carried out", |latch| latch.text.as_str());
        format!("the effect of the fault was not seen within {}: {text}", format(self.plan.effect.within))
    }

    fn weigh_recovery(&self, effective: Moment, reasons: &mut Vec<(Verdict, String)>) {
        let Some(hold) = &self.recover else { return };
        let Some(stable) = self.stable() else {
            if let Some(unsure) = self.perhaps_in_time(hold, effective) {
                reasons.push((Verdict::Invalid, unsure));
                return;
            }
            let broken =
                hold.last_break().map(|(at, what)| format!("; last broken at {}: {what}", format(*at))).unwrap_or_default();
            let text = format!("not recovered within {}: {}{broken}", format(self.plan.recover.within), hold.last_state());
            if hold.was_good_after_bad() {
                let (length, _) = self.breaks.stretched(self.plan.recover.hold);
                reasons.push((
                    Verdict::Regressed,
                    format!("good again at times, never for a whole hold of {}: {}{broken}", format(length), hold.last_state()),
                ));
            } else {
                reasons.push((Verdict::Unrecovered, text));
            }
            return;
        };
        if let Some(baseline) = &self.baseline {
            for what in invariant::broken(baseline, &self.index, &self.plan) {
                reasons.push((Verdict::Regressed, format!("an invariant is broken at the end: {what}")));
            }
        }
        let took = stable.at.saturating_sub(effective.at);
        if let Some(rto) = self.plan.recover.rto {
            let (least, most) = self.took(effective, stable);
            if least > rto {
                reasons.push((Verdict::Late, format!("recovered after {}, the RTO is {}", format(took), format(rto))));
            } else if most > rto {
                let what = self.blind.hiding(stable.at).or_else(|| self.blind.hiding(effective.at)).unwrap_or_default();
                let (least, most, rto) = (format(least), format(most), format(rto));
                let text = format!("recovered after {least} to {most}, the RTO is {rto}: nothing was seen meanwhile of {what}");
                reasons.push((Verdict::Invalid, text));
            }
        }
        if let Some(detect) = &self.plan.detect {
            let in_time = self.detected.is_some_and(|moment| moment.at <= effective.at + detect.within);
            let seen_until = self.detected.map_or(effective.at + detect.within, |moment| moment.at);
            let hidden = self
                .blind
                .hiding(seen_until)
                .filter(|_| self.detected.is_none_or(|moment| moment.earliest <= effective.at + detect.within));
            if let (false, Some(what)) = (in_time, hidden) {
                let words = format!(
                    "whether {} was found within {} is not known: nothing was seen meanwhile of {what}",
                    detect.cause,
                    format(detect.within)
                );
                reasons.push((Verdict::Invalid, words));
            } else if !in_time {
                reasons.push((Verdict::Undetected, self.undetected(&detect.cause, detect.within, effective)));
            }
        }
        if let Some(plan) = &self.plan.throughout {
            let (broken, unproven) = (self.throughout.broken(), self.throughout.unproven());
            let told = |stretches: &Stretches| {
                let (longest, times, text) = stretches.worst();
                let (total, times, longest) = (format(stretches.total()), plural(times, "stretch"), format(longest));
                format!("for {total} in all ({times}, the longest {longest}; {} allowed): {text}", format(plan.allow))
            };
            if broken.total() > plan.allow {
                reasons.push((Verdict::Degraded, format!("what must hold throughout did not {}", told(broken))));
            } else if unproven.total() > plan.allow && reasons.is_empty() {
                // What failed otherwise has failed in any case.
                let words = format!("what must hold throughout was not seen to hold {}", told(unproven));
                reasons.push((Verdict::Invalid, words));
            }
        }
        reasons.push((Verdict::Recovered, format!("recovered after {} and held", format(took))));
    }

    /// When the stable recovery began, as surely as it was seen.
    fn stable(&self) -> Option<Moment> {
        let stable = self.recover.as_ref()?.stable_from().filter(|from| self.is_in_time(from.at))?;
        Some(self.blind.widened(stable))
    }

    /// The least and the most time that the recovery can have taken: one time, unless nothing was seen for a while.
    fn took(&self, effective: Moment, stable: Moment) -> (Duration, Duration) {
        let took = stable.at.saturating_sub(effective.at);
        let least = if self.blind.hiding(stable.at).is_some() { self.floor(stable).saturating_sub(effective.at) } else { took };
        let most = if self.blind.hiding(effective.at).is_some() { stable.at.saturating_sub(self.floor(effective)) } else { took };
        (least, most)
    }

    /// What came too late, but may have been there in time while nothing was seen.
    fn perhaps_in_time(&self, hold: &Hold, effective: Moment) -> Option<String> {
        let good = hold.stretch_after(effective.at)?;
        let what = self.blind.hiding(good.at)?;
        let within = self.plan.recover.within;
        (self.floor(self.blind.widened(good)) <= effective.at + within)
            .then(|| format!("whether it recovered within {} is not known: nothing was seen meanwhile of {what}", format(within)))
    }

    fn undetected(&self, cause: &str, within: Duration, effective: Moment) -> String {
        let late = self.detected.map(|moment| format!("found after {}", format(moment.at.saturating_sub(effective.at))));
        let others: Vec<_> =
            self.findings.iter().filter(|finding| finding.leading).map(|finding| finding.cause.as_str()).collect();
        let instead =
            if others.is_empty() { "nothing else was found".to_owned() } else { format!("found instead: {}", others.join(", ")) };
        format!("{cause} was not found within {}: {}", format(within), late.unwrap_or(instead))
    }

    fn stamps(&self, stable: Option<Moment>) -> Stamps {
        let exact = |at: Option<Duration>| at.map(Moment::exact).map(stamp);
        let accepted =
            self.faults.iter().map(|fault| fault.accepted).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
        Stamps {
            requested: exact(self.requested),
            accepted: exact(accepted),
            effective: self.effective.map(stamp),
            detected: self.detected.map(stamp),
            alert_pending: self.alerts.pending.map(stamp),
            alert_firing: self.alerts.firing.map(stamp),
            first_action: exact(
                self.actions
                    .iter()
                    .filter(|action| action.outcome == crate::heal::ActionOutcome::Acted)
                    .map(|action| action.at)
                    .min(),
            ),
            first_good: self.effective.and_then(|effective| self.recover.as_ref()?.first_good_after(effective.at)).map(stamp),
            stable_from: stable.map(stamp),
            restored: exact(self.restored),
        }
    }

    fn durations(&self, stable: Option<Moment>) -> Durations {
        let (Some(requested), Some(effective)) = (self.requested, self.effective) else { return Durations::default() };
        let requested = Moment::exact(requested);
        let censored = |from: Moment| {
            let end = self.ended.unwrap_or_default().min(from.at + self.plan.recover.within).max(from.at);
            Measured { value: seconds(end) - seconds(from.at), uncertainty: 0.0, censored: true }
        };
        let detection_censored = self.plan.detect.as_ref().map(|detect| Measured {
            value: detect.within.as_secs_f64(),
            uncertainty: 0.0,
            censored: true,
        });
        Durations {
            to_effect: Some(self.between(requested, effective)),
            to_detect: self.detected.map(|detected| self.between(effective, detected)).or(detection_censored),
            to_recover: Some(stable.map_or_else(|| censored(effective), |stable| self.between(effective, stable))),
            to_recover_from_request: Some(stable.map_or_else(|| censored(requested), |stable| self.between(requested, stable))),
        }
    }

    /// A duration between two moments; each may lie anywhere in its interval.
    fn between(&self, from: Moment, to: Moment) -> Measured {
        let slack = |moment: Moment| seconds(moment.at) - seconds(self.floor(moment));
        Measured { value: round(seconds(to.at) - seconds(from.at)), uncertainty: round(slack(from) + slack(to)), censored: false }
    }

    /// The earliest that a moment can have been.
    fn floor(&self, moment: Moment) -> Duration {
        let server = moment.server.and_then(|server| self.index.since_epoch(server)).unwrap_or_default();
        // The server's stamp narrows the interval only where it can be true: between the two sightings.
        let floor = if server <= moment.at { server.max(moment.earliest) } else { moment.earliest };
        floor.min(moment.at)
    }

    fn notes(&self, stable: Option<Moment>) -> Vec<String> {
        let mut notes = Vec::new();
        if let (_, Some(run)) = self.breaks.stretched(self.plan.recover.hold)
            && self.recover.is_some()
        {
            let (length, _) = self.breaks.stretched(self.plan.recover.hold);
            notes.push(format!("the hold was stretched to {} because a run of {} had ended", format(length), format(run)));
        }
        if stable.is_some() && self.recover.as_ref().is_some_and(|hold| !hold.was_bad()) {
            notes.push("never broken: the recovery condition was not seen to fail after the fault".to_owned());
        }
        if self.early_findings > 0 {
            notes.push(format!("{} before the fault: a false alarm", plural(self.early_findings, "finding")));
        }
        let wrong = self.plan.detect.as_ref().map_or(0, |detect| {
            self.findings
                .iter()
                .filter(|finding| finding.leading && !crate::detect::cause_covers(&detect.cause, &finding.cause))
                .count()
        });
        if wrong > 0 {
            notes.push(plural(wrong, "wrong leading finding"));
        }
        let beside = self.beside_the_point();
        if let (Some(detect), false) = (&self.plan.detect, beside.is_empty()) {
            notes.push(format!("{} was found on {}, which the faults do not concern", detect.cause, beside.join(", ")));
        }
        notes.extend(self.blind.lines());
        notes.extend(self.clocks());
        notes.extend(self.claims.iter().filter(|claim| claim.status == ClaimStatus::Unanswered).map(attribution::said));
        notes.extend(self.fault_notes.iter().cloned());
        let failing = self.index.objects("ReplicaSet").find_map(|set| condition_of(set, "ReplicaFailure"));
        notes.extend(
            failing
                .and_then(|condition| condition.get("message")?.as_str())
                .map(|message| format!("pods could not be created: {message}")),
        );
        notes
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn stamp(moment: Moment) -> Stamp {
    Stamp {
        at: round(seconds(moment.at)),
        earliest: round(seconds(moment.earliest.min(moment.at))),
        server: moment.server.map(|server| server.to_string()),
    }
}
