//! One trial: set-up, steady state, fault, watching until the judge has decided, evidence, restoration.
//! The order of phases lives here; the loop that watches, detects and heals lives in `live`.

mod agenda;
mod evidence;
mod examiner;
mod live;
mod surroundings;

use super::home::Home;
use super::namespace::{self, Identity};
use super::sight::Sight;
use super::{RunRequest, Stop, apply, baseline, saved};
use crate::cluster::{Session, TrialContext};
use crate::fault::undo::journal::Journal;
use crate::measure::judge::Waiting;
use crate::measure::result::TrialResult;
use crate::observe::probe::monitoring::Monitoring;
use crate::observe::probe::{Probing, pod, web};
use crate::observe::timeline::{Began, Fact, Reference, Source};
use crate::observe::watch;
use crate::scenario::model::Need;
use crate::scenario::{Condition, Detector, Fault, Plan, Verdict};
use agenda::Agenda;
use live::{Goal, Live, Reached};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// How long undoing faults may take before the trial's own namespace is removed all the same.
const UNDO_WITHIN: Duration = Duration::from_secs(20);
/// How long Prometheus may take to list its rules.
const RULES_WITHIN: Duration = Duration::from_secs(10);
/// How long removing a trial's namespace may take before what is left is reported.
const RESTORE_WITHIN: Duration = Duration::from_mins(2);

/// What all trials of a run on a real cluster share.
pub(super) struct Ground {
    /// Where undo records go.
    pub home: Home,
    /// How many records there are so far.
    pub records: Arc<AtomicU32>,
    /// When the server answered.
    pub sight: Sight,
}

/// What one trial is given.
pub(super) struct TrialJob<'a> {
    pub request: &'a RunRequest,
    pub plan: Arc<Plan>,
    pub trial: u32,
    /// 0: the first; others are retries.
    pub attempt: u32,
    pub seed: u64,
    pub stop: Stop,
    /// Told of each phase as it begins.
    pub phase: &'a dyn Fn(&'static str),
    /// Told now and then of what the trial waits for.
    pub waits: &'a dyn Fn(Waiting),
    /// Told in the end how many requests it sent, where they are counted.
    pub requests: &'a dyn Fn(u64),
    /// Absent on virtual time.
    pub home: Option<&'a Ground>,
}

impl TrialJob<'_> {
    fn timeline(&self) -> PathBuf {
        saved::timeline_path(&self.plan.name, self.trial, self.attempt)
    }

    fn evidence(&self) -> PathBuf {
        self.request.directory.join(saved::evidence_path(&self.plan.name, self.trial, self.attempt))
    }

    /// The value of the run label: the run's id, or on virtual time something that depends on the seed alone,
    /// so that equal seeds give equal timelines.
    fn run_label(&self) -> String {
        if self.request.cluster.is_virtual_time() { format!("seed-{}", self.seed) } else { self.request.id.clone() }
    }

    fn journal(&self, session: &Session) -> Option<Journal> {
        self.home.map(|ground| Journal::new(session.client.clone(), ground.home.clone(), Arc::clone(&ground.records)))
    }

    fn failed(&self, why: &str) -> TrialResult {
        TrialResult::without_measurements(self.trial, self.seed, Verdict::Error, why)
    }
}

/// Runs one trial on the calling thread, in a runtime of its own.
pub(super) fn run(job: &TrialJob<'_>) -> TrialResult {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(job.request.cluster.is_virtual_time()).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return job.failed(&format!("cannot start a runtime for the trial: {error}")),
    };
    let mut result = runtime.block_on(on_session(job));
    result.timeline = job.timeline().to_string_lossy().into_owned();
    result
}

async fn on_session(job: &TrialJob<'_>) -> TrialResult {
    let context = TrialContext {
        seed: job.seed,
        images: job.plan.images.clone(),
        nodes: job.plan.least_nodes(),
        home: job.home.and_then(|ground| Some(ground.home.own.as_ref()?.name.clone())),
        registry: job.plan.registry.clone(),
        chaos_mesh: job.plan.needs.contains(&Need::ChaosMesh),
        openshift: job.plan.needs.contains(&Need::Openshift),
        cgroup_v1: job.plan.needs.contains(&Need::CgroupV1),
    };
    let session = match job.request.cluster.open(&context).await {
        Ok(session) => session,
        Err(error) => return job.failed(&error.message),
    };
    let result = Box::pin(in_session(job, &session)).await;
    if let Some(requests) = &session.requests {
        (job.requests)(requests.count());
    }
    result
}

async fn in_session(job: &TrialJob<'_>, session: &Session) -> TrialResult {
    let path = job.request.directory.join(job.timeline());
    let recorder = match super::recorder::Recorder::create(&path, Arc::clone(&job.plan), session.clock) {
        Ok(recorder) => recorder,
        Err(error) => return job.failed(&error),
    };
    let run_label = job.run_label();
    let identity = Identity { run: &run_label, scenario: &job.plan.name, trial: job.trial, seed: job.seed };
    let existing = job.plan.existing.as_ref();
    let in_namespace = existing.map_or_else(|| identity.name(), |existing| existing.namespace.clone());
    let mut live = Live::new(job, session, recorder, in_namespace.clone());
    live.record(
        Source::Engine,
        Fact::Began(Began {
            scenario: job.plan.name.clone(),
            trial: job.trial,
            attempt: job.attempt,
            seed: job.seed,
            run_label: run_label.clone(),
            cluster: job.request.cluster.info().name,
            namespace: in_namespace,
            epoch: session.clock.epoch,
        }),
    );
    (job.phase)("setup");
    if existing.is_some() {
        live.record(Source::Engine, Fact::NamespaceReady);
        phases(job, session, &mut live, &run_label).await;
        live.end();
        return conclude(job, session, live, None).await;
    }
    job.request.inventory.add(format!("namespace {}", identity.name()));
    let namespace = match live.unless_stopped(namespace::create(&session.client, &identity)).await {
        Some(Ok(namespace)) => Some(namespace),
        Some(Err(error)) => {
            live.fail(&error.message);
            None
        }
        None => None,
    };
    // The request may have been carried out although its answer never came: what may exist is removed all the same.
    let to_remove = namespace.clone().unwrap_or_else(|| Reference {
        kind: "Namespace".to_owned(),
        name: identity.name(),
        ..Reference::default()
    });
    if namespace.is_some() {
        live.record(Source::Engine, Fact::NamespaceReady);
        phases(job, session, &mut live, &run_label).await;
    }
    live.end();
    conclude(job, session, live, Some(&to_remove)).await
}

/// From the first watch to the judge's decision. Whatever goes wrong is recorded, and ends the trial.
async fn phases(job: &TrialJob<'_>, session: &Session, live: &mut Live<'_>, run_label: &str) {
    let plan = &job.plan;
    let kinds = watch::kinds_of(plan);
    let namespace = live.namespace().to_owned();
    if plan.detectors.iter().any(|detector| matches!(detector, Detector::Program(_))) {
        let started = surroundings::of_detectors(job, &namespace, run_label)
            .and_then(|(place, folder)| live.start_programs(&place).map(|()| folder));
        match started {
            // The kubeconfig goes with the trial.
            Ok(place) => live.detecting = place,
            Err(error) => return live.fail(&error),
        }
    }
    let sink = live.sink();
    let pods = pod::observed_pods(plan);
    match live.unless_stopped(watch::start(&session.client, &namespace, &kinds, pods.as_deref(), &sink)).await {
        Some(Ok(watching)) => live.watching(watching),
        Some(Err(error)) => return live.fail(&error.message),
        None => return,
    }
    let monitoring = match live.unless_stopped(Monitoring::of(&session.client, session.token.as_ref(), plan)).await {
        Some(Ok(monitoring)) => monitoring,
        Some(Err(error)) => return live.fail(&error.to_string()),
        None => return,
    };
    for alert in plan.tried().iter().filter_map(|tried| if let Condition::Alert(alert) = tried { Some(alert) } else { None }) {
        let checked = async { web::check_rule(&monitoring.server(alert.url.as_deref())?, alert, &namespace, RULES_WITHIN).await };
        match live.unless_stopped(checked).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return live.fail(&error),
            None => return,
        }
    }
    if pod::is_needed(plan) {
        match live.unless_stopped(pod::start(&session.client, &namespace, plan)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return live.fail(&error.to_string()),
            None => return,
        }
    }
    let applied = live.unless_stopped(apply::apply(&session.client, &namespace, run_label, &plan.manifests)).await;
    match applied {
        Some(Ok(objects)) => live.record(Source::Engine, Fact::Applied { objects }),
        Some(Err(error)) => return live.fail(&error.to_string()),
        None => return,
    }
    if !plan.tried().is_empty() {
        live.probing = Some(Probing::start((&session.client, &monitoring), &namespace, plan, &sink));
    }
    if plan.steady.is_some() {
        match live.until(Goal::Steady).await {
            Reached::Goal => live.record(Source::Engine, Fact::Steady),
            Reached::End => return,
        }
    }
    let baseline = async {
        match &plan.existing {
            Some(existing) => baseline::read_existing(&session.client, existing).await,
            None => baseline::read(&session.client, &namespace, &plan.manifests).await,
        }
    };
    match live.unless_stopped(baseline).await {
        Some(Ok((baseline, originals))) => live.baseline(baseline, originals),
        Some(Err(error)) => return live.fail(&error.message),
        None => return,
    }
    if plan.faults.is_empty() {
        (job.phase)("effect");
    }
    if plan.single_faults().into_iter().any(|fault| matches!(fault, Fault::Command(_))) {
        match surroundings::of(job, &namespace, run_label) {
            Ok(place) => live.surroundings = place,
            Err(error) => return live.fail(&error),
        }
    }
    live.agenda = Some(Agenda::new(plan, (run_label, job.seed), &job.request.safety, live.elapsed()));
    live.until(Goal::Verdict).await;
    live.look_at_writers().await;
}

/// Verdict, evidence of what was not expected, restoration, verified.
async fn conclude(job: &TrialJob<'_>, session: &Session, mut live: Live<'_>, own: Option<&Reference>) -> TrialResult {
    let provisional = live.provisional();
    let expected = job.plan.expect.contains(&provisional.verdict);
    let in_namespace = live.namespace().to_owned();
    let kept_evidence = if expected {
        None
    } else {
        if let Err(error) = evidence::save(job, session, live.index(), &in_namespace).await {
            tracing::warn!("the evidence of {} trial {} is not whole: {error}", job.plan.name, job.trial);
        }
        saved::evidence_of(&job.request.directory, &job.plan.name, job.trial, job.attempt)
    };
    live.stop_watching();
    (job.phase)("restore");
    let keep = own.filter(|_| {
        job.request.keep_on_failure && !expected && !matches!(provisional.verdict, Verdict::Aborted | Verdict::Skipped)
    });
    let (leftovers, kept) = if keep.is_some() && job.request.cluster.is_virtual_time() {
        // It goes with the trial, and so does all that is in it.
        let kept = "the embedded cluster ends with its trial and cannot be kept (--keep-on-failure); see the evidence";
        (Vec::new(), Some(format!("{kept} in {}", saved::evidence_path(&job.plan.name, job.trial, job.attempt).display())))
    } else if let Some(namespace) = keep {
        let elsewhere = live.undo_faults_outside(&in_namespace, RESTORE_WITHIN).await;
        (elsewhere, Some(format!("namespace {} was kept as asked (--keep-on-failure), with its faults", namespace.name)))
    } else if let Some(namespace) = own {
        // First what does not go with the namespace.
        let elsewhere = live.undo_faults_outside(&in_namespace, RESTORE_WITHIN).await;
        live.undo_faults(UNDO_WITHIN).await;
        let mut leftovers = namespace::remove(&session.client, namespace, &job.run_label(), RESTORE_WITHIN).await;
        leftovers.extend(elsewhere);
        if leftovers.is_empty() {
            job.request.inventory.remove(&format!("namespace {in_namespace}"));
        }
        (leftovers, None)
    } else {
        // Nobody removes what is left here: it is undone to the end.
        (live.undo_faults(RESTORE_WITHIN).await, None)
    };
    live.record(Source::Engine, Fact::Restored { leftovers });
    let mut result = live.conclude();
    result.notes.extend(kept);
    result.evidence = kept_evidence;
    result
}
