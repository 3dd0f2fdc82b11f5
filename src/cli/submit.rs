//! `comeback submit`: scenarios run inside the cluster by the pods of a Job, and their results come back as those of one run.
//! How the run is cut, shipped, followed and put together is `engine::submit`'s.

pub(super) mod carry;
mod refuse;

use super::arguments::Display;
use super::console::Console;
use super::destination::{self, Destination};
use super::options::{DEFAULTS_FILE, Options};
use super::recorder::Recorder;
use super::run::{self, Prepared, Refusal};
use super::run_directory::{self, Keeper};
use super::{cleanup, github, notify, signals};
use crate::cluster::Cluster;
use crate::cluster::select::{self, ClusterChoice, ClusterOptions};
use crate::engine::inventory::Inventory;
use crate::engine::safety::Most;
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
use clap::Args;
use clap::builder::BoolishValueParser;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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
    /// Where: kind, kind:NAME, context or context:NAME [default: the current context of the kubeconfig]
    #[arg(
        long,
        env = "COMEBACK_CLUSTER",
        value_name = "CLUSTER",
        help_heading = "Where",
        help = "Where: kind[:NAME] or context[:NAME] [default: the current context of the kubeconfig]"
    )]
    pub cluster: Option<ClusterChoice>,
    /// Allow a context whose name or server looks like production. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW_CONTEXT", value_name = "NAME", value_delimiter = ',', help_heading = "Where")]
    pub allow_context: Vec<String>,
    /// Parts of names or servers of contexts that look like production; `none` for no protection. Repeatable [default: prod]
    #[arg(long, env = "COMEBACK_PROTECTED", value_name = "PART", value_delimiter = ',', help_heading = "Where")]
    pub protected: Vec<String>,
    /// Refuse faults that may hit more pods than this: a number, or per cent of those that run (50%) [default: no limit]
    #[arg(long, env = "COMEBACK_MAX_PODS", value_name = "N|N%", help_heading = "Where")]
    pub max_pods: Option<String>,
    /// Act in a namespace that the run did not create, for workloads that are there already. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW_NAMESPACE", value_name = "NS", value_delimiter = ',', help_heading = "Where")]
    pub allow_namespace: Vec<String>,
    /// Trials of each scenario, instead of what the files say
    #[arg(long, env = "COMEBACK_TRIALS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "What")]
    pub trials: Option<u32>,
    /// Only scenarios with these labels, as kubectl's -l: 'class=crash,tier!=slow'
    #[arg(long, env = "COMEBACK_SELECT", value_name = "SELECTOR", help_heading = "What")]
    pub select: Option<String>,
    /// The value of a scenario's parameter. Repeatable
    #[arg(long, env = "COMEBACK_SET", value_name = "NAME=VALUE", help_heading = "What")]
    pub set: Vec<String>,
    /// The seed of all shards [default: random, printed]
    #[arg(long, env = "COMEBACK_SEED", value_name = "N", allow_negative_numbers = true, help_heading = "What")]
    pub seed: Option<u64>,
    /// Trials at once in each pod [default: the suite's, else 4]
    #[arg(long, env = "COMEBACK_CONCURRENCY", value_name = "N", help_heading = "How")]
    pub concurrency: Option<NonZeroUsize>,
    /// Stop everything after this long; what was finished by then counts (30m)
    #[arg(long, env = "COMEBACK_TIMEOUT", value_name = "DURATION", value_parser = super::options::positive, help_heading = "How")]
    pub timeout: Option<Duration>,
    /// Begin no further trial of a shard after its first unexpected verdict
    #[arg(long, env = "COMEBACK_FAIL_FAST", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_possible_values = true, help_heading = "How")]
    pub fail_fast: Option<bool>,
    /// Try a trial that did not pass again, so often at most: one that passes then is flaky; the first attempt counts [default: 0]
    #[arg(long, env = "COMEBACK_RETRIES", value_name = "N",
        value_parser = clap::value_parser!(u32).range(..=i64::from(crate::scenario::load::MOST_RETRIES)), help_heading = "How")]
    pub retries: Option<u32>,
    /// terminal, json, junit, markdown, html, csv, prometheus, confusion or timeline; with =FILE into a file. Repeatable [default: terminal]
    #[arg(long, env = "COMEBACK_REPORT", value_name = "FORMAT[=FILE]", value_delimiter = ',', help_heading = "Results")]
    pub report: Vec<Destination>,
    /// The run directory, here, with the results of all shards as one run's
    #[arg(
        short,
        long,
        env = "COMEBACK_OUT",
        value_name = "DIR",
        help_heading = "Results",
        help = "The run directory, here, with the results of all shards as one run's [default: .comeback/runs/<run id>]"
    )]
    pub out: Option<PathBuf>,
    /// Keep the results in a history, too, written from here: a SQLite file, or `postgres://USER@HOST/DATABASE`
    #[arg(long, env = "COMEBACK_HISTORY", value_name = "URL", help_heading = "Results")]
    pub history: Option<String>,
    /// Tell others how the run ended, as this file says: Slack, PagerDuty, webhooks, mail, Grafana
    #[arg(long, env = "COMEBACK_NOTIFY", value_name = "FILE", help_heading = "Results")]
    pub notify: Option<PathBuf>,
    /// No progress on stderr
    #[arg(long, env = "COMEBACK_NO_PROGRESS", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_possible_values = true, help_heading = "Results")]
    pub no_progress: Option<bool>,
}

impl Submit {
    /// What `run` would be told, with defaults from `comeback.yaml`.
    fn options(&self) -> Result<Options, String> {
        let max_pods = self.max_pods.as_deref().map(str::parse::<Most>).transpose()?;
        let defaults = Options::from_file(Path::new(DEFAULTS_FILE))?;
        let given = Options {
            cluster: self.cluster.clone(),
            allow_context: self.allow_context.clone(),
            protected: self.protected.clone(),
            max_pods,
            allow_namespace: self.allow_namespace.clone(),
            trials: self.trials,
            select: self.select.clone(),
            set: self.set.clone(),
            seed: self.seed,
            concurrency: self.concurrency,
            timeout: self.timeout,
            fail_fast: self.fail_fast,
            retries: self.retries,
            report: self.report.clone(),
            out: self.out.clone(),
            history: self.history.clone(),
            notify: self.notify.clone(),
            no_progress: self.no_progress,
            ..Options::default()
        };
        Ok(given.over(defaults))
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
    let needed = permission::needed(&plans, &options.allow_namespace);
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
        max_pods: arguments.max_pods.clone(),
        command,
    }
}

/// Asks the cluster whether this user may make what the pods need, and give them what they need: nobody can give more than that.
fn may_submit(cluster: &Arc<dyn Cluster>, needed: &[permission::Permission]) -> Result<(), String> {
    let needed = permission::submitting(needed);
    let missing = carry::on(cluster, async |client| preflight::missing(&client, &needed).await)?;
    if missing.is_empty() { Ok(()) } else { Err(preflight::refusal(&missing)) }
}
