//! A run: trials on threads of their own, each with its own runtime and session; their events in order to one reporter.
//! Which trials there are is `course`'s; what one does is `trial`'s.

mod attempts;
mod course;
mod jobs;

use super::presence;
use super::saved::{self, SavedPlans};
use super::trial::{Ground, TrialJob};
use super::{RunRequest, Signal, Stop};
use crate::event::RunEvent;
use crate::exit_code::ExitCode;
use crate::measure::outcome;
use crate::measure::result::{ExitReason, Run, RunResult, Shard, TrialResult};
use crate::scenario::{Plan, Verdict};
use course::Course;
use jobs::{CloseOnPanic, Jobs};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};

pub use attempts::trial_seed;

enum FromWorker {
    Event(RunEvent),
    Finished(usize, Box<TrialResult>),
}

/// Runs everything. See [`super::run`].
pub(super) fn run(request: &RunRequest, stop: &Stop, report: &mut dyn FnMut(&RunEvent)) -> RunResult {
    let plans: Vec<Arc<Plan>> = request.plans.iter().chain(request.skipped.iter().map(|(plan, _)| plan)).cloned().collect();
    let mut result = born(request, &plans);
    let mut more = Vec::new();
    let saved =
        SavedPlans { plans: plans.clone(), gate: request.saved_targets().cloned(), until_confident: request.until_confident() };
    if let Err(error) = saved::save_plans(&request.directory, &saved) {
        more.push(reason(ExitCode::Environment, error));
    }
    report(&RunEvent::Started { id: request.id.clone(), seed: request.seed, cluster: request.cluster.info(), plans });
    let presence = match presence::begin(request) {
        Ok(presence) => Ok(presence),
        Err(error) => {
            more.push(reason(ExitCode::Environment, error));
            Err(())
        }
    };
    let ground = presence.as_ref().ok().and_then(Option::as_ref).map(|presence| Ground {
        home: presence.home.clone(),
        records: Arc::default(),
        sight: presence.sight.clone(),
    });
    ground.iter().for_each(|ground| request.inventory.add(format!("namespace {}", ground.home.namespace)));
    let lost = presence.as_ref().ok().and_then(Option::as_ref).map(|presence| Arc::clone(&presence.lost));
    let halted = AtomicBool::new(presence.is_err());
    let existing = request.plans.iter().filter_map(|plan| plan.existing.as_ref());
    let places = existing.map(|existing| (existing.namespace.clone(), Mutex::new(()))).collect();
    let nodes = RwLock::new(());
    let halt = Halt { halted: &halted, lost: lost.as_deref(), home: ground.as_ref(), places: &places, nodes: &nodes };
    let mut course = Course::new(request);
    let jobs = to_do(&mut course, report);
    std::thread::scope(|scope| {
        let (to_us, from_workers) = mpsc::channel();
        let mut workers = Vec::new();
        for _ in 0..request.concurrency.min(jobs.len()) {
            let (to_us, jobs) = (to_us.clone(), &jobs);
            let worker = std::thread::Builder::new().spawn_scoped(scope, move || work(request, stop, jobs, halt, &to_us));
            match worker {
                Ok(worker) => workers.push(worker),
                // Fewer than wanted do the same work.
                Err(error) if workers.is_empty() => {
                    more.push(reason(ExitCode::Environment, format!("no thread for a trial could be started: {error}")));
                    break;
                }
                Err(_) => break,
            }
        }
        drop(to_us);
        for message in from_workers {
            match message {
                FromWorker::Event(event) => report(&event),
                FromWorker::Finished(scenario, trial) => {
                    report(&RunEvent::TrialFinished { scenario, result: trial.clone() });
                    jobs.extend(course.finished(scenario, *trial, report));
                }
            }
            // Whoever stops a run lets its trials end, each of which comes by here.
            if course.is_over() || halted.load(Ordering::Relaxed) || stop.borrow().is_some() {
                jobs.close();
            }
        }
        for worker in workers {
            if worker.join().is_err() {
                more.push(reason(ExitCode::Bug, "a trial's thread panicked: this is a bug in comeback".to_owned()));
            }
        }
    });
    course.cut_short(report);
    for (position, (plan, why)) in request.skipped.iter().enumerate() {
        let trials = (0..plan.trials)
            .map(|n| plan.first_trial.saturating_add(n))
            .map(|trial| skipped(request, plan, trial, why))
            .collect();
        course.finish(request.plans.len() + position, plan, trials, report);
    }
    result.expected.trials = result.expected.trials.saturating_sub(course.spared());
    if lost.is_some_and(|lost| lost.load(Ordering::Relaxed)) {
        let why = "the lease of this run was removed while it ran (`comeback cleanup`?); no further trial was begun";
        more.push(reason(ExitCode::Environment, why.to_owned()));
    }
    if let Ok(Some(presence)) = presence {
        let ended = presence.end();
        result.warnings.extend(ended.warnings);
        if !ended.leftovers.is_empty() {
            let left: Vec<_> = ended.leftovers.iter().map(ToString::to_string).collect();
            more.push(reason(ExitCode::Leftovers, format!("left behind: {}", left.join(", "))));
        } else if let Some(Ground { home, .. }) = &ground {
            request.inventory.remove(&format!("namespace {}", home.namespace));
        }
    }
    match *stop.borrow() {
        Some(Signal::Interrupt) => more.push(reason(ExitCode::Interrupted, "stopped by SIGINT".to_owned())),
        Some(Signal::Terminate) => more.push(reason(ExitCode::Terminated, "stopped by SIGTERM".to_owned())),
        Some(Signal::TimedOut) => more.push(reason(ExitCode::Inconclusive, "--timeout has passed".to_owned())),
        None => {}
    }
    result.complete = true;
    saved::settle(&mut result, course.into_scenarios(), request.targets(), request.baseline(), more);
    report(&RunEvent::Finished(Box::new(result.clone())));
    result
}

/// The first jobs, without what an earlier attempt has finished.
fn to_do(course: &mut Course<'_>, report: &mut dyn FnMut(&RunEvent)) -> Jobs {
    let jobs = Jobs::new(course.first());
    jobs.extend(course.resume(report));
    if course.is_over() {
        jobs.close();
    }
    jobs
}

fn reason(code: ExitCode, reason: String) -> ExitReason {
    ExitReason { code: code.code(), name: code, reason }
}

/// The result as it is before anything ran: `complete: false`, inconclusive.
fn born(request: &RunRequest, plans: &[Arc<Plan>]) -> RunResult {
    let run = Run {
        id: request.id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: String::new(),
        finished_at: None,
        seed: request.seed,
        command: request.command.clone(),
        shard: request.shard,
    };
    let warnings = request.shard.iter().map(Shard::warning).collect();
    RunResult { warnings, ..outcome::incomplete(run, request.cluster.info(), plans, Vec::new()) }
}

/// What keeps further trials from beginning, and where they keep their records.
#[derive(Clone, Copy)]
struct Halt<'a> {
    halted: &'a AtomicBool,
    lost: Option<&'a AtomicBool>,
    home: Option<&'a Ground>,
    /// Namespaces of others in which a trial may act: one at a time.
    places: &'a BTreeMap<String, Mutex<()>>,
    /// A trial that breaks nodes runs alone on a real cluster: the others share them.
    nodes: &'a RwLock<()>,
}

fn work(request: &RunRequest, stop: &Stop, jobs: &Jobs, halt: Halt<'_>, to_us: &mpsc::Sender<FromWorker>) {
    let _close = CloseOnPanic(jobs);
    loop {
        let lost = halt.lost.is_some_and(|lost| lost.load(Ordering::Relaxed));
        if lost || halt.halted.load(Ordering::Relaxed) || stop.borrow().is_some() {
            return;
        }
        let Some((scenario, trial)) = jobs.next() else { return };
        let Some(plan) = request.plans.get(scenario) else { return };
        let place = plan.existing.as_ref().and_then(|existing| halt.places.get(&existing.namespace));
        let _alone = place.map(|place| place.lock().unwrap_or_else(PoisonError::into_inner));
        let (_beside_none, _beside_others) = match (request.cluster.is_virtual_time(), breaks_nodes(plan)) {
            (true, _) => (None, None),
            (false, true) => (Some(halt.nodes.write().unwrap_or_else(PoisonError::into_inner)), None),
            (false, false) => (None, Some(halt.nodes.read().unwrap_or_else(PoisonError::into_inner))),
        };
        if stop.borrow().is_some() {
            return;
        }
        let _ = to_us.send(FromWorker::Event(RunEvent::TrialStarted { scenario, trial }));
        let job = TrialJob {
            request,
            plan: Arc::clone(plan),
            trial,
            attempt: 0,
            seed: trial_seed(request.seed, plan.seed_name(), trial),
            stop: stop.clone(),
            phase: &|phase| {
                let _ = to_us.send(FromWorker::Event(RunEvent::TrialPhase { scenario, trial, phase }));
            },
            waits: &|waiting| {
                let _ = to_us.send(FromWorker::Event(RunEvent::TrialWaits { scenario, trial, waiting }));
            },
            requests: &|requests| {
                let _ = to_us.send(FromWorker::Event(RunEvent::TrialRequests { scenario, trial, requests }));
            },
            home: halt.home,
        };
        let failed_fast = |result: &TrialResult| {
            if request.fail_fast && is_missed(plan, result) {
                halt.halted.store(true, Ordering::Relaxed);
            }
        };
        let goes_on = || stop.borrow().is_none() && !halt.lost.is_some_and(|lost| lost.load(Ordering::Relaxed));
        let result = attempts::run(&job, &failed_fast, &goes_on);
        let _ = to_us.send(FromWorker::Finished(scenario, Box::new(result)));
    }
}

/// Whether a trial runs alone on a real cluster, for what it breaks is everybody's.
fn breaks_nodes(plan: &Plan) -> bool {
    plan.single_faults().iter().any(|fault| fault.breaks_what_is_shared())
        || plan.steps().any(crate::scenario::Step::is_about_a_node)
}

/// Whether a trial proves that an objective was missed.
fn is_missed(plan: &Plan, result: &TrialResult) -> bool {
    result.verdict.is_valid() && !plan.expect.contains(&result.verdict)
}

/// A trial that was not begun.
fn skipped(request: &RunRequest, plan: &Plan, trial: u32, why: &str) -> TrialResult {
    TrialResult::without_measurements(trial, trial_seed(request.seed, plan.seed_name(), trial), Verdict::Skipped, why)
}
