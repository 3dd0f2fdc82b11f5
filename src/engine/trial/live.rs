//! The live part of a trial: observations in, detectors and healer on them, until a goal is reached or the trial is over.
//! Every wait ends by an observation, a deadline of judge, detectors or healer, a limit of the cluster, or the user.

mod examining;
mod healing;
mod service;
mod sight;
mod undoing;
mod writers;

use super::TrialJob;
use super::agenda::Agenda;
use super::surroundings::Place;
use crate::cluster::Session;
use crate::cluster::machine::Machines;
use crate::detect::{self, Finding};
use crate::engine::baseline::Originals;
use crate::engine::recorder::Recorder;
use crate::engine::safety::Safety;
use crate::engine::sight::Sight;
use crate::engine::{Signal, Stop, saved};
use crate::fault::UndoLog;
use crate::heal;
use crate::measure::Next;
use crate::measure::judge::Waiting;
use crate::measure::result::TrialResult;
use crate::observe::Index;
use crate::observe::logs::{self, LogFollower};
use crate::observe::probe::Probing;
use crate::observe::timeline::{Baseline, Fact, Source};
use crate::observe::watch::{Seen, Watching};
use crate::scenario::Plan;
use crate::sim::latest;
use serde_json::Value;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

/// How often what is waited for is told anew.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The steady state has held.
    Steady,
    /// Nothing more can change the verdict.
    Verdict,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// The goal is reached.
    Goal,
    /// The trial is over before that.
    End,
}

/// A trial while it runs.
pub(super) struct Live<'a> {
    plan: Arc<Plan>,
    pub(super) phase: &'a dyn Fn(&'static str),
    /// Told of what is waited for, where there is time to read it.
    waits: Option<&'a dyn Fn(Waiting)>,
    session: Session,
    namespace: String,
    recorder: Recorder,
    stop: Stop,
    aborted: bool,
    sink: mpsc::UnboundedSender<Seen>,
    seen: mpsc::UnboundedReceiver<Seen>,
    limits: latest::Receiver<usize>,
    limits_read: usize,
    sight: Option<Sight>,
    /// The end of the last outage that was recorded.
    outages_read: Instant,
    last_watched: Duration,
    logs: LogFollower,
    watching: Option<Watching>,
    pub(super) probing: Option<Probing>,
    ledger: detect::Ledger,
    /// What the user's own detectors have seen.
    own: detect::UserDetectors,
    examining: examining::Examining,
    policy: heal::Policy,
    /// What the healer knows of attempts before it began, where what it heals outlives the run.
    memory: Option<Box<heal::Memory>>,
    /// The steady state's objects with the real content of Secrets: only in memory, for the healer.
    steady_baseline: Option<Arc<[Arc<Value>]>>,
    pub(super) undo: Arc<Mutex<UndoLog>>,
    run_label: String,
    /// The faults, once their time has come.
    pub(super) agenda: Option<Agenda>,
    told_effective: bool,
    safety: Safety,
    asked: service::Asked,
    /// What programs of faults find in their environment.
    pub(super) surroundings: Option<Place>,
    /// The same for detector programs.
    pub(super) detecting: Option<Place>,
}

impl<'a> Live<'a> {
    pub fn new(job: &TrialJob<'a>, session: &Session, recorder: Recorder, namespace: String) -> Self {
        let (sink, seen) = mpsc::unbounded_channel();
        let own_namespace = if job.plan.existing.is_some() { String::new() } else { namespace.clone() };
        Self {
            plan: Arc::clone(&job.plan),
            phase: job.phase,
            waits: (!job.request.cluster.is_virtual_time()).then_some(job.waits),
            session: session.clone(),
            logs: LogFollower::new(&session.client, &namespace, logs::wanted_by(&job.plan), sink.clone()),
            namespace,
            recorder,
            stop: job.stop.clone(),
            aborted: false,
            sink,
            seen,
            limits: session.limits.subscribe(),
            limits_read: 0,
            sight: job.home.map(|home| home.sight.clone()),
            outages_read: Instant::now(),
            last_watched: Duration::ZERO,
            watching: None,
            probing: None,
            ledger: detect::Ledger::default(),
            own: detect::UserDetectors::new(&job.plan.detectors).with_patterns(&job.plan.patterns),
            examining: examining::Examining::default(),
            policy: heal::Policy::new(&job.plan.heal, &job.run_label()).with_ladders(&job.plan.ladders),
            memory: None,
            steady_baseline: None,
            undo: Arc::new(Mutex::new(
                UndoLog::at(job.request.directory.join(saved::undo_path(&job.plan.name, job.trial, job.attempt)))
                    .with_journal(job.journal(session), &own_namespace)
                    .with_machines(session.machines.clone()),
            )),
            run_label: job.run_label(),
            agenda: None,
            told_effective: false,
            safety: job.request.safety.clone(),
            asked: service::Asked::default(),
            surroundings: None,
            detecting: None,
        }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn client(&self) -> kube::Client {
        self.session.client.clone()
    }

    /// The machines of the nodes, where they can be reached.
    pub fn machines(&self) -> Option<Arc<dyn Machines>> {
        self.session.machines.clone()
    }

    /// Time since the trial began.
    pub fn elapsed(&self) -> Duration {
        self.session.clock.elapsed()
    }

    pub fn sink(&self) -> mpsc::UnboundedSender<Seen> {
        self.sink.clone()
    }

    pub fn index(&mut self) -> &Index {
        self.recorder.judge().index()
    }

    pub fn record(&mut self, source: Source, fact: Fact) {
        self.examining.note(&fact);
        self.recorder.record(source, fact);
    }

    /// Records a failure of the harness or its environment.
    pub fn fail(&mut self, message: &str) {
        self.record(Source::Engine, Fact::Error { message: message.to_owned() });
    }

    pub fn watching(&mut self, watching: Watching) {
        self.record(
            Source::Watch,
            Fact::Watching { kinds: watching.kinds.iter().map(|kind| kind.resource.kind.clone()).collect() },
        );
        self.watching = Some(watching);
    }

    pub fn baseline(&mut self, baseline: Baseline, originals: Originals) {
        if self.plan.steady.is_some() {
            self.steady_baseline = Some(Arc::from(originals.objects));
        }
        self.record(Source::Engine, Fact::Baseline(baseline));
    }

    /// Waits for `work` while observations are recorded as they come. `None` when the user stopped the trial meanwhile.
    pub async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            if self.aborted {
                return None;
            }
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => self.abort(),
                seen = self.seen.recv() => self.take(seen),
                done = &mut work => return Some(done),
            }
        }
    }

    fn abort(&mut self) {
        let signal = match *self.stop.borrow() {
            Some(Signal::Terminate) => "SIGTERM",
            Some(Signal::TimedOut) => "--timeout",
            _ => "SIGINT",
        };
        self.aborted = true;
        self.record(Source::Engine, Fact::Aborted { signal: signal.to_owned() });
    }

    fn take(&mut self, seen: Option<Seen>) {
        if matches!(seen, Some(Seen::Object(_) | Seen::Deleted(_) | Seen::Gone(_))) {
            self.last_watched = self.elapsed();
        }
        match seen {
            Some(Seen::Object(object)) => {
                self.logs.pod_seen(&object);
                self.record(Source::Watch, Fact::Object(object));
            }
            Some(Seen::Deleted(object)) => self.record(Source::Watch, Fact::Deleted(object)),
            Some(Seen::Gone(reference)) => {
                let last = self.recorder.judge().index().last_of(&reference);
                self.record(Source::Watch, Fact::Deleted(last));
            }
            Some(Seen::Relisted { kind }) => self.record(Source::Watch, Fact::Relisted { kind }),
            Some(Seen::Blind { kind, lasted }) => {
                let since = self.elapsed().saturating_sub(lasted);
                self.blind(since, &format!("the watch of {kind}s"));
            }
            Some(Seen::LogLine(line)) => self.record(Source::Log, Fact::LogLine(line)),
            Some(Seen::Sample(sample)) => self.record(Source::Probe, Fact::Sample(sample)),
            Some(Seen::Claim(claim)) => self.claimed(claim),
            Some(Seen::Opinion(opinion)) => self.record(Source::Detector, Fact::Opinion(opinion)),
            Some(Seen::Failed { message }) => self.fail(&message),
            None => {}
        }
    }

    /// Watches, detects and heals until the goal is reached or the trial is over.
    pub async fn until(&mut self, goal: Goal) -> Reached {
        loop {
            while let Ok(seen) = self.seen.try_recv() {
                self.take(Some(seen));
            }
            self.take_limits();
            self.take_outages(false);
            if let Some(probing) = &self.probing {
                probing.look(self.recorder.judge().index());
            }
            if goal == Goal::Verdict && !self.keep_agenda().await {
                return Reached::End;
            }
            let (findings, detection) = self.detect().await;
            let healing = self.heal(&findings).await;
            self.ask_service(&findings);
            if self.aborted {
                return Reached::End;
            }
            if self.plan.steady.is_some() && goal == Goal::Steady && self.recorder.judge().steady_reached() {
                return Reached::Goal;
            }
            let now = self.recorder.clock().elapsed();
            let judgement = match self.recorder.judge().next(now) {
                // Nothing can be confirmed by a server that a fault has stopped: it will be, when it goes on.
                Next::Confirm if self.agenda.as_ref().is_some_and(Agenda::is_silent) => None,
                Next::Confirm => {
                    self.confirm().await;
                    continue;
                }
                Next::Decided(_) if goal == Goal::Verdict => return Reached::Goal,
                Next::Decided(_) => return Reached::End,
                Next::Wait(deadline) => deadline,
            };
            if !self.told_effective && self.recorder.judge().effective().is_some() {
                self.told_effective = true;
                (self.phase)("recover");
            }
            let agenda = self.agenda.as_ref().filter(|_| goal == Goal::Verdict).and_then(Agenda::next);
            if healing.is_some_and(|at| at <= now) || agenda.is_some_and(|at| at <= now) {
                continue;
            }
            let wake = [detection, healing, judgement, agenda].into_iter().flatten().filter(|at| *at > now).min();
            self.wait(wake).await;
        }
    }

    async fn wait(&mut self, wake: Option<Duration>) {
        // Nothing that is waited for lasts a day: a wait without a deadline of its own still ends.
        let wake = wake.unwrap_or_else(|| self.recorder.clock().elapsed() + Duration::from_hours(24));
        // Timers have a resolution of a millisecond and fire late, never early.
        let instant = self.recorder.clock().instant_of(wake);
        loop {
            let told = self.tell_waiting();
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => self.abort(),
                seen = self.seen.recv() => self.take(seen),
                _ = self.limits.changed() => {}
                () = tokio::time::sleep_until(instant) => {}
                () = tokio::time::sleep(TELL_EVERY), if told => continue,
            }
            return;
        }
    }

    /// Says what is waited for; whether there is anybody who reads it.
    fn tell_waiting(&mut self) -> bool {
        let Some(waits) = self.waits else { return false };
        let now = self.recorder.clock().elapsed();
        if let Some(waiting) = self.recorder.judge().waiting(now) {
            waits(waiting);
        }
        true
    }

    fn take_limits(&mut self) {
        self.limits.mark_unchanged();
        for limit in self.session.limits.since(self.limits_read) {
            self.limits_read += 1;
            self.record(Source::Cluster, Fact::Limit(limit));
        }
    }

    /// Runs the detectors, records what is new, and says when time alone could bring more.
    async fn detect(&mut self) -> (Vec<Finding>, Option<Duration>) {
        self.ask_programs().await;
        for problem in self.own.look(self.recorder.judge().index()) {
            self.fail(&problem);
        }
        let index = self.recorder.judge().index();
        let findings = detect::detect_with(index, &self.plan.thresholds, &self.own);
        let deadlines = [detect::next_deadline(index, &self.plan.thresholds), self.own.next_deadline(index.now())];
        let deadline = deadlines.into_iter().flatten().min();
        let noted = self.ledger.note(findings);
        for (finding, changed) in &noted {
            if *changed {
                self.record(Source::Detector, Fact::Finding(finding.clone()));
            }
        }
        (noted.into_iter().map(|(finding, _)| finding).collect(), deadline)
    }

    /// Ends the trial: nothing after this counts for the verdict.
    pub fn end(&mut self) {
        while let Ok(seen) = self.seen.try_recv() {
            self.take(Some(seen));
        }
        self.take_limits();
        self.take_outages(true);
        if let Some(failure) = self.recorder.failure().map(ToOwned::to_owned) {
            self.fail(&failure);
        }
        let now = self.recorder.clock().elapsed();
        let reason = match self.recorder.judge().next(now) {
            Next::Decided(reason) => reason,
            Next::Confirm | Next::Wait(_) => "the trial could not go on".to_owned(),
        };
        self.record(Source::Engine, Fact::Ended { reason });
    }

    pub fn stop_watching(&mut self) {
        (self.watching, self.probing) = (None, None);
        self.asked = service::Asked::default();
        self.examining = examining::Examining::default();
    }

    /// The result as it stands, before restoration.
    pub fn provisional(&mut self) -> TrialResult {
        self.recorder.judge().clone().conclude()
    }

    /// The result.
    pub fn conclude(self) -> TrialResult {
        self.recorder.into_judge().conclude()
    }
}

/// Resolves once the user has asked the run to stop; never if nobody can any more.
async fn stopped(stop: &mut Stop) {
    if stop.wait_for(Option::is_some).await.is_err() {
        std::future::pending::<()>().await;
    }
}
