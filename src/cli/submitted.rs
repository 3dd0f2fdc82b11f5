//! What a pod of `comeback submit` does: one shard, from what was shipped, with its results stored outside of the pod trial by trial.
//! How shards, attempts and results fit together is `engine::submit`'s.

use super::console::Console;
use super::options::Options;
use super::run::{self, Prepared, Shipped};
use super::run_directory;
use super::submit::carry;
use crate::cluster::Cluster;
use crate::cluster::request::RequestError;
use crate::cluster::select::{self, ClusterChoice, ClusterOptions};
use crate::engine::labels::{attempt_of, dns_label};
use crate::engine::saved;
use crate::engine::shard::{self, Part};
use crate::engine::submit::store::{Piece, Store, Trial, digest};
use crate::engine::submit::{Submission, Summary, bundle, predecessor};
use crate::engine::{GateRequest, home};
use crate::event::RunEvent;
use crate::exit_code::ExitCode;
use crate::measure::outcome;
use crate::measure::result::{ClusterInfo, RunResult, Shard, TrialResult};
use crate::scenario::load::Loaded;
use crate::scenario::{Plan, Verdict};
use clap::Args;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// `comeback submitted SUITE WORK`
#[derive(Debug, Args)]
pub struct Submitted {
    /// The folder with what was shipped
    #[arg(value_name = "SUITE")]
    pub suite: PathBuf,
    /// A folder to work in
    #[arg(value_name = "WORK")]
    pub work: PathBuf,
    /// Which shard, from 0 on: the index that the Job gave this pod
    #[arg(long, env = "COMEBACK_JOB_INDEX", value_name = "INDEX")]
    pub index: Option<u32>,
    /// The file for the pod's termination message
    #[arg(long, env = "COMEBACK_TERMINATION_LOG", value_name = "FILE", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,
}

/// The variable in which Kubernetes tells a pod its index.
const INDEX: &str = "JOB_COMPLETION_INDEX";

type Refusal = (ExitCode, String);

/// Runs the shard. 0: all its results are stored, whatever they are.
pub(super) fn submitted(arguments: &Submitted, console: Console) -> ExitCode {
    match shard(arguments, console) {
        Ok(code) => code,
        Err((code, message)) => {
            console.error(&message);
            // Whoever follows the pod reads it there. Where it cannot be written, the log has it.
            let _ =
                std::fs::write(&arguments.termination_log, message.get(..message.floor_char_boundary(2048)).unwrap_or_default());
            code
        }
    }
}

fn shard(arguments: &Submitted, console: Console) -> Result<ExitCode, Refusal> {
    let usage = |message: String| (ExitCode::Usage, message);
    let environment = |message: String| (ExitCode::Environment, message);
    let submission = bundle::read(&arguments.suite).map_err(usage)?;
    let version = env!("CARGO_PKG_VERSION");
    if submission.version != version {
        let theirs = &submission.version;
        return Err(usage(format!(
            "the image is comeback {version}, and this run was submitted by {theirs}: use an image of the same version"
        )));
    }
    let index = arguments.index.or_else(|| std::env::var(INDEX).ok()?.parse().ok());
    let index = index.ok_or_else(|| usage(format!("which shard this is was not told: {INDEX} is not set")))?;
    let part = Part { index: index.saturating_add(1), of: submission.shards };
    let (plans, cut) = shard::cut(&submission.plans.plans, part).map_err(usage)?;
    let letters = run_directory::run_id(jiff::Timestamp::UNIX_EPOCH, run_directory::random());
    let letters = letters.rsplit('-').next().unwrap_or_default();
    let attempt = attempt_of(&dns_label(&submission.id, 40), part.index, letters);
    let options = options(&submission, arguments);
    let cluster = select::connect(
        &ClusterChoice::Context(None),
        &ClusterOptions { protected: options.protected.clone(), ..ClusterOptions::default() },
    );
    let cluster = cluster.map_err(|error| environment(error.to_string()))?;
    let run = dns_label(&submission.id, 63);
    let found = take_over(&cluster, &submission, part.index, &attempt).map_err(environment)?;
    if found.pieces.iter().any(|piece| piece.trial.is_none()) {
        // The pod before this one was killed between storing its end and telling it.
        let summary = summary(part.index, &attempt, &found.pieces, found.pieces.len());
        return tell(&arguments.termination_log, &summary).map(|()| ExitCode::Passed).map_err(environment);
    }
    let positions = submission.plans.plans.iter().enumerate().map(|(position, plan)| (plan.name.clone(), position)).collect();
    let directory = options.out.clone().unwrap_or_default();
    let storing = Storing {
        cluster: Arc::clone(&cluster),
        namespace: home::name(&submission.id),
        run,
        attempt: attempt.clone(),
        shard: part.index,
        directory: directory.clone(),
        positions,
    };
    let taken_over = found.pieces.len();
    let mut keeper = Keeper::start(storing, found.pieces).map_err(environment)?;
    let known = keeper.known();
    let prepared = prepared(&submission, plans, cut);
    let mut hear = |event: &RunEvent| keeper.hear(event);
    let shipped = Shipped { id: Some(attempt.clone()), known, hear: Some(&mut hear) };
    let mut result = run::execute(&options, prepared, submission.command.clone(), console, shipped)?;
    result.warnings.extend(found.warnings);
    for left in found.left {
        outcome::add_reason(&mut result, ExitCode::Leftovers, left);
    }
    run_directory::write(&directory.join(run_directory::RESULT_FILE), &result).map_err(environment)?;
    let interrupted = result
        .exit_reasons
        .iter()
        .map(|reason| reason.name)
        .find(|name| matches!(name, ExitCode::Interrupted | ExitCode::Terminated));
    let pieces = keeper.finish(&result, interrupted.is_none())?;
    if let Some(code) = interrupted {
        return Ok(code);
    }
    let summary = Summary { exit_code: result.exit_code, ..summary(part.index, &attempt, &pieces, taken_over) };
    tell(&arguments.termination_log, &summary).map(|()| ExitCode::Passed).map_err(environment)
}

/// The options with which `run` would run the shard.
fn options(submission: &Submission, arguments: &Submitted) -> Options {
    Options {
        cluster: Some(ClusterChoice::Context(None)),
        // Whether this cluster may be used was asked where the run was submitted.
        protected: vec!["none".to_owned()],
        allow_namespace: submission.allow_namespace.clone(),
        max_pods: submission.max_pods.as_deref().and_then(|most| most.parse().ok()),
        seed: Some(submission.seed),
        concurrency: submission.concurrency.and_then(|n| NonZeroUsize::new(n as usize)),
        fail_fast: Some(submission.fail_fast),
        out: Some(arguments.work.join("run")),
        ..Options::default()
    }
}

fn prepared(submission: &Submission, plans: Vec<Arc<Plan>>, cut: Shard) -> Prepared {
    let loaded = Loaded {
        plans,
        gate: submission.plans.gate.clone(),
        concurrency: None,
        order: submission.order,
        kind: None,
        strategies: 0,
        warnings: Vec::new(),
    };
    let gate = GateRequest { targets: submission.plans.gate.clone(), ..GateRequest::default() };
    Prepared { reports: Vec::new(), notify: None, loaded, gate, shard: Some(cut) }
}

/// What earlier attempts left.
struct Found {
    pieces: Vec<Piece>,
    left: Vec<String>,
    /// What the report is to say of them.
    warnings: Vec<String>,
}

/// Says that this attempt begins, finishes what the earlier ones left on the cluster, and fetches what they finished.
fn take_over(cluster: &Arc<dyn Cluster>, submission: &Submission, shard: u32, attempt: &str) -> Result<Found, String> {
    carry::on(cluster, async |client| {
        let store = Store::new(client.clone(), home::name(&submission.id), dns_label(&submission.id, 63));
        let earlier = store.attempts(shard).await?;
        store.begin(shard, attempt).await?;
        let (mut left, mut warnings) = (Vec::new(), Vec::new());
        for earlier in earlier {
            let finished = predecessor::finish(&client, &earlier, &submission.allow_namespace).await?;
            let of = submission.shards;
            let in_the_middle = if finished.cut_off.is_empty() {
                String::new()
            } else {
                format!("; it was cut off in {}", finished.cut_off.join(", "))
            };
            warnings.push(format!(
                "shard {shard}/{of}: attempt {earlier} did not come to its end{in_the_middle}: what it had finished counts, the rest was begun again by {attempt}"
            ));
            left.extend(finished.left);
        }
        Ok::<_, RequestError>(Found { pieces: store.pieces(Some(shard)).await?, left, warnings })
    })
}

fn summary(shard: u32, attempt: &str, pieces: &[Piece], taken_over: usize) -> Summary {
    let mut verdicts = BTreeMap::new();
    for trial in pieces.iter().filter_map(|piece| piece.trial.as_ref()) {
        *verdicts.entry(trial.result.verdict).or_default() += 1;
    }
    Summary { shard, attempt: attempt.to_owned(), verdicts, taken_over, exit_code: 0, results: digest(pieces) }
}

fn tell(file: &Path, summary: &Summary) -> Result<(), String> {
    let text = serde_json::to_string(summary).map_err(|error| error.to_string())?;
    std::fs::write(file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

/// What storing needs.
struct Storing {
    cluster: Arc<dyn Cluster>,
    namespace: String,
    run: String,
    attempt: String,
    shard: u32,
    directory: PathBuf,
    positions: BTreeMap<String, usize>,
}

impl Storing {
    fn piece(&self, cluster: &ClusterInfo, trial: Option<Trial>) -> Piece {
        Piece { shard: self.shard, attempt: self.attempt.clone(), cluster: cluster.clone(), trial, files: BTreeMap::new() }
    }

    /// A trial with its files.
    fn trial(&self, cluster: &ClusterInfo, scenario: &str, result: &TrialResult) -> Result<Piece, String> {
        let position = self.positions.get(scenario).copied().unwrap_or_default();
        let trial = Trial { scenario: scenario.to_owned(), position, result: result.clone() };
        let mut piece = self.piece(cluster, Some(trial));
        for attempt in 0..=u32::try_from(result.retries.len()).unwrap_or_default() {
            piece.add(&self.directory, &saved::timeline_path(scenario, result.index, attempt))?;
            piece.add(&self.directory, &saved::evidence_path(scenario, result.index, attempt))?;
        }
        Ok(piece)
    }
}

/// Stores finished trials on a thread of its own, so that no trial waits for it.
struct Keeper {
    to: Sender<Piece>,
    thread: JoinHandle<Result<(), String>>,
    storing: Storing,
    plans: Vec<Arc<Plan>>,
    cluster: ClusterInfo,
    pieces: Vec<Piece>,
    failures: Vec<String>,
}

impl Keeper {
    fn start(storing: Storing, pieces: Vec<Piece>) -> Result<Self, String> {
        let (to, inbox) = channel();
        let (cluster, namespace, run) = (Arc::clone(&storing.cluster), storing.namespace.clone(), storing.run.clone());
        let thread = std::thread::Builder::new()
            .name("results".to_owned())
            .spawn(move || store_all(&cluster, &namespace, &run, &inbox))
            .map_err(|error| format!("no thread for the results: {error}"))?;
        Ok(Self { to, thread, storing, plans: Vec::new(), cluster: ClusterInfo::default(), pieces, failures: Vec::new() })
    }

    /// What is finished already.
    fn known(&self) -> BTreeMap<(String, u32), TrialResult> {
        let trials = self.pieces.iter().filter_map(|piece| piece.trial.as_ref());
        trials.map(|trial| ((trial.scenario.clone(), trial.result.index), trial.result.clone())).collect()
    }

    fn hear(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Started { cluster, plans, .. } => {
                self.plans.clone_from(plans);
                self.cluster = cluster.clone();
                self.failures.extend(self.pieces.iter().filter_map(|piece| piece.restore(&self.storing.directory).err()));
            }
            RunEvent::TrialFinished { scenario, result } if result.verdict != Verdict::Aborted => {
                let Some(plan) = self.plans.get(*scenario) else { return };
                match self.storing.trial(&self.cluster, &plan.name, result) {
                    Ok(piece) => self.store(piece),
                    Err(error) => self.failures.push(error),
                }
            }
            _ => {}
        }
    }

    fn store(&mut self, piece: Piece) {
        // A thread that has ended says why at the end.
        let _ = self.to.send(piece.clone());
        self.pieces.push(piece);
    }

    /// Stores the end of a shard that came to it; all its pieces.
    fn finish(mut self, result: &RunResult, complete: bool) -> Result<Vec<Piece>, Refusal> {
        let failed = |message: String| (ExitCode::Environment, message);
        let tried = result
            .scenarios
            .iter()
            .flat_map(|scenario| &scenario.trials)
            .filter(|trial| trial.verdict != Verdict::Aborted)
            .count();
        let cut_short =
            tried < result.expected.trials && !result.exit_reasons.iter().any(|reason| reason.name == ExitCode::ObjectiveMissed);
        if complete && cut_short {
            let why = result.exit_reasons.first().map_or_else(String::new, |reason| format!(": {}", reason.reason));
            self.failures.push(format!("{tried} of {} trials of this shard were run{why}", result.expected.trials));
        } else if complete && self.failures.is_empty() {
            let mut end = self.storing.piece(&self.cluster, None);
            for file in [run_directory::RESULT_FILE, "plans.json"] {
                end.add(&self.storing.directory, Path::new(file)).map_err(failed)?;
            }
            self.store(end);
        }
        let Self { to, thread, pieces, failures, .. } = self;
        drop(to);
        let stored =
            thread.join().unwrap_or_else(|_| Err("the thread of the results panicked: this is a bug in comeback".to_owned()));
        let failures: Vec<_> = stored.err().into_iter().chain(failures).collect();
        if failures.is_empty() { Ok(pieces) } else { Err(failed(failures.join("\n"))) }
    }
}

fn store_all(cluster: &Arc<dyn Cluster>, namespace: &str, run: &str, inbox: &Receiver<Piece>) -> Result<(), String> {
    carry::on(cluster, async |client| {
        let store = Store::new(client, namespace.to_owned(), run.to_owned());
        while let Ok(piece) = inbox.recv() {
            if !store.put(&piece).await? {
                let what = piece
                    .trial
                    .as_ref()
                    .map_or_else(|| "the end".to_owned(), |trial| format!("{} trial {}", trial.scenario, trial.result.index));
                let why = format!("{what} is stored already, by another attempt at this shard");
                return Err(RequestError::of("storing results", why));
            }
        }
        Ok(())
    })
}
