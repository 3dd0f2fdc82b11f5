//! `comeback submit`: scenarios run inside the cluster by the pods of a Job, and their results come back as those of one run.
//! How the run is cut, shipped, followed and put together is `engine::submit`'s.

pub(super) mod carry;
mod refuse;

use super::arguments::Display;
use super::console::Console;
use super::destination;
use super::options::{DEFAULTS_FILE, Options};
use super::recorder::Recorder;
use super::run::{self, Prepared, Refusal};
use super::run_directory::{self, Keeper};
use super::{cleanup, github, notify, signals};
use crate::cluster::Cluster;
use crate::cluster::select::{self, ClusterChoice, ClusterOptions};
use crate::engine::inventory::Inventory;
use crate::engine::saved::SavedPlans;
use crate::engine::submit::follow::{Attempt, Ended};
use crate::engine::submit::{Submission, bundle, collect};
use crate::engine::{Signal, permission, preflight};
use crate::event::RunEvent;
use crate::exit_code::ExitCode;
use crate::history::address::without_password;
use crate::history::labels;
use crate::measure::outcome;
use crate::measure::result::{Run, RunResult};
use crate::report::format;
use crate::scenario::Plan;
use carry::Order;
use clap::{Arg, Args};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

/// `comeback submit`
#[derive(Debug, Args)]
pub struct Submit {
    /// Scenario and suite files, folders, or `builtin:NAME`; read, rendered and checked here
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// The image of the pods: comeback itself, of this very version, as ci/Dockerfile makes it
    #[arg(long, env = "COMEBACK_IMAGE", value_name = "IMAGE", required = true)]
    pub image: String,
    /// Into how many shards, and so pods, all trials are cut
    #[arg(long, env = "COMEBACK_SHARDS", value_name = "N", default_value = "1")]
    pub shards: NonZeroU32,
    /// The options, most of which are those of `run`.
    #[command(flatten)]
    pub options: Options,
}

/// Options of `run` as `submit` shows them: those that it cannot keep are known, so that they can be refused by name, and not listed.
pub(super) fn shown(argument: Arg) -> Arg {
    match argument.get_id().as_str() {
        "cluster" => argument.help("Where: kind[:NAME] or context[:NAME] [default: the current context of the kubeconfig]"),
        "seed" => argument.help("The seed of all shards [default: random, printed]"),
        "concurrency" => argument.help("Trials at once in each pod [default: the suite's, else 4]"),
        "timeout" => argument.help("Stop everything after this long; what was finished by then counts (30m)"),
        "fail_fast" => argument.help("Begin no further trial of a shard after its first unexpected verdict"),
        "out" => argument
            .help("The run directory, here, with the results of all shards as one run's [default: .comeback/runs/<run id>]"),
        "history" => argument
            .help("Keep the results in a history, too, written from here: a SQLite file, or `postgres://USER@HOST/DATABASE`"),
        id if refuse::is_refused(id) => argument.hide(true),
        _ => argument,
    }
}

impl Submit {
    /// The options, with defaults from `comeback.yaml`.
    fn options(&self) -> Result<Options, String> {
        refuse::given(&self.options)?;
        Ok(self.options.clone().over(Options::from_file(Path::new(DEFAULTS_FILE))?))
    }
}

/// Submits, follows, reports, and returns the exit code.
pub(super) fn submit(arguments: &Submit, display: &Display, words: Vec<String>) -> ExitCode {
    let console = Console::new(display);
    let options = match arguments.options() {
        Ok(options) => options,
        Err(error) => {
            console.error(&error);
            return ExitCode::Usage;
        }
    };
    let console = console.with_defaults(display, options.verbose, options.quiet, options.color);
    console.log();
    let words = words.iter().map(|word| without_password(word)).collect();
    match submitted(arguments, options, words, console) {
        Ok(result) => outcome::exit_code(&result),
        Err((code, message)) => {
            if !message.is_empty() {
                console.error(&message);
            }
            code
        }
    }
}

fn submitted(arguments: &Submit, mut options: Options, words: Vec<String>, console: Console) -> Result<RunResult, Refusal> {
    let usage = |message: String| (ExitCode::Usage, message);
    let environment = |message: String| (ExitCode::Environment, message);
    let choice = options.cluster.clone().unwrap_or(ClusterChoice::Context(None));
    options.cluster = Some(choice.clone());
    refuse::options(&options).map_err(usage)?;
    let prepared = run::prepare(&arguments.paths, &options, console)?;
    refuse::plans(&prepared.loaded.plans, arguments.shards.get()).map_err(usage)?;
    let started = run_directory::wall_clock();
    let submission = submission(arguments, &options, &prepared, started, words);
    let suite = bundle::ship(&submission).map_err(usage)?;
    let id = submission.id.clone();
    let directory = options.out.clone().unwrap_or_else(|| Path::new(".comeback").join("runs").join(&id));
    let inventory = Arc::<Inventory>::default();
    let hint = cleanup::command(&id, &choice);
    let stop = signals::listen(options.timeout, hint.clone(), Arc::clone(&inventory), console).map_err(environment)?;
    run_directory::create(&directory)?;
    let started_at = run_directory::rfc3339(started);
    let run = Run {
        id: id.clone(),
        version: submission.version.clone(),
        started_at: started_at.clone(),
        finished_at: None,
        seed: submission.seed,
        command: submission.command.clone(),
        shard: None,
    };
    let mut keeper = Keeper::new(&directory, run.clone());
    let mut refused = |message: String| {
        keeper.refuse(ExitCode::Environment, &message);
        environment(message)
    };
    let cluster_options = ClusterOptions {
        images: vec![arguments.image.clone()],
        ..run::cluster_options(&options, &prepared.loaded, Some((&id, &directory)))
    };
    let cluster = select::connect(&choice, &cluster_options).map_err(|error| refused(error.to_string()))?;
    let plans: Vec<&Plan> = submission.plans.plans.iter().map(AsRef::as_ref).collect();
    let needed = permission::needed(&plans, &options.allow_namespace, false);
    if let Err(refusal) = may_submit(&cluster, &needed) {
        let _ = cluster.close();
        return Err(refused(refusal));
    }
    let shows = !console.quiet && !options.no_progress.unwrap_or(false);
    let mut tell = |line: &str| {
        if shows {
            // What pods and servers say moves no cursor here.
            let lines: Vec<_> = line.lines().map(format::plain).collect();
            console.tell(format!("{}\n", lines.join("\n")).as_bytes());
        }
    };
    let trials: usize = submission.plans.plans.iter().map(|plan| plan.trials as usize).sum();
    tell(&format!("run {id}: {trials} trials in {} shards on {choice}, seed {}", submission.shards, submission.seed));
    let order = Order {
        cluster: &cluster,
        submission: &submission,
        image: &arguments.image,
        suite,
        needed,
        inventory: &inventory,
        verbose: console.verbose > 0,
    };
    let carried = order.carry(&stop, &mut tell);
    let collected =
        collect::collect(&directory, &submission, &started_at, (carried.pieces.clone(), &carried.attempts), carried.stopped);
    let result = match collected {
        Ok(Some(result)) => Ok(result),
        Ok(None) => Err(carried.why().unwrap_or_else(|| "no pod has stored a result".to_owned())),
        Err(error) => Err(error),
    };
    let closed = cluster.close();
    let mut result = result.map_err(|error| match carried.unfinished(&error) {
        Some(refusal) => {
            keeper.refuse(refusal.0, &refusal.1);
            refusal
        }
        None => environment(error),
    })?;
    // The same cluster, of which pods may see less: their role does not let them look at nodes.
    result.cluster = cluster.info();
    result.run.finished_at = Some(run_directory::rfc3339(run_directory::wall_clock()));
    carried.add_reasons(&mut result);
    if let Err(error) = closed {
        outcome::add_reason(&mut result, ExitCode::Leftovers, error.to_string());
    }
    finish(&options, &prepared, (run, &submission), &directory, &keeper, &mut result, console)?;
    Ok(result)
}

/// History, result file, reports: as at the end of `run`.
fn finish(
    options: &Options,
    prepared: &Prepared,
    (run, submission): (Run, &Submission),
    directory: &Path,
    keeper: &Keeper,
    result: &mut RunResult,
    console: Console,
) -> Result<(), Refusal> {
    for warning in &result.warnings {
        console.warning(warning);
    }
    if let Some(text) = options.history.as_deref().filter(|text| !text.is_empty()) {
        let labels = labels::of_here(directory);
        let (id, seed) = (run.id.clone(), run.seed);
        let recorder = Recorder::new(super::history::address(Some(text))?, run, directory, labels);
        let plans = submission.plans.plans.clone();
        recorder.handle(&RunEvent::Started { id, seed, cluster: result.cluster.clone(), plans });
        if let Some(warning) = recorder.finish(result) {
            console.warning(&warning);
            result.warnings.push(warning);
        }
    }
    if let Err(error) = keeper.finish(result) {
        console.error(&error);
        outcome::add_reason(result, ExitCode::Environment, error);
    }
    if !destination::write(&prepared.reports, result, Some(directory), console).is_empty() {
        let _ = keeper.finish(result);
    }
    github::tell(result, console);
    notify::tell(prepared.notify.as_ref(), result, Some(directory), console);
    Ok(())
}

fn submission(
    arguments: &Submit,
    options: &Options,
    prepared: &Prepared,
    started: jiff::Timestamp,
    command: Vec<String>,
) -> Submission {
    let of_suite = prepared.loaded.concurrency;
    let concurrency = options.concurrency.and_then(|n| u32::try_from(n.get()).ok()).or(of_suite);
    Submission {
        id: run_directory::run_id(started, run_directory::random()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: options.seed.unwrap_or_else(run_directory::random_seed),
        shards: arguments.shards.get(),
        plans: SavedPlans { plans: prepared.loaded.plans.clone(), gate: prepared.gate.targets.clone(), until_confident: None },
        order: prepared.loaded.order,
        concurrency,
        fail_fast: options.fail_fast.unwrap_or(false),
        allow_namespace: options.allow_namespace.clone(),
        max_pods: options.max_pods.map(|most| most.to_string()),
        command,
    }
}

/// Asks the cluster whether this user may make what the pods need, and give them what they need: nobody can give more than that.
fn may_submit(cluster: &Arc<dyn Cluster>, needed: &[permission::Permission]) -> Result<(), String> {
    let needed = permission::submitting(needed);
    let missing = carry::on(cluster, async |client| preflight::missing(&client, &needed).await)?;
    if missing.is_empty() { Ok(()) } else { Err(preflight::refusal(&missing)) }
}
