//! `comeback run`: from options to a request to the engine, and from its result to reports and the exit code.

use super::arguments::{Display, Run as RunArguments};
use super::baseline;
use super::console::Console;
use super::destination::{self, Destination};
use super::dry_run::Asked;
use super::options::{DEFAULTS_FILE, Options};
use super::recorder::Recorder;
use super::run_directory::{self, Keeper};
use super::signals;
use super::suitable::{self, Suitable};
use super::{cleanup, dry_run, github, guard, idle, notify, watch};
use crate::cluster::request::RequestError;
use crate::cluster::select::{self, ClusterChoice, ClusterOptions};
use crate::cluster::{Cluster, TrialContext, kind};
use crate::engine::inventory::Inventory;
use crate::engine::permission;
use crate::engine::safety::Safety;
use crate::engine::{self, GateRequest, RunRequest};
use crate::engine::{doctor, preflight};
use crate::event::RunEvent;
use crate::exit_code::ExitCode;
use crate::history::address::without_password;
use crate::history::labels;
use crate::measure::result::{Run, RunResult, ScenarioResult, Shard, TrialResult};
use crate::measure::{outcome, until_confident};
use crate::notify::Settings;
use crate::report::Progress;
use crate::scenario::load::{self, LoadOptions, Loaded};
use crate::scenario::model::{KindCluster, Order};
use crate::scenario::{Plan, Verdict};
use siphasher::sip::SipHasher13;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Trials at once on a real cluster, where nothing else is said.
const REAL_CONCURRENCY: usize = 4;

/// What ended a command before there was a result.
pub(super) type Refusal = (ExitCode, String);

/// Runs, reports, and returns the exit code.
pub(super) fn run(arguments: RunArguments, given: &BTreeSet<String>, display: &Display, words: Vec<String>) -> ExitCode {
    let console = Console::new(display);
    let options = match Options::from_file(Path::new(DEFAULTS_FILE)) {
        Ok(defaults) => arguments.options.over(defaults),
        Err(error) => {
            console.error(&error);
            return ExitCode::Usage;
        }
    };
    let dry_run = options.dry_run.unwrap_or(false);
    if let Err(error) = idle::refuse(given, &options.cluster.clone().unwrap_or_default(), dry_run, &kind::exists) {
        console.error(&error);
        return ExitCode::Usage;
    }
    let console = console.with_defaults(display, options.verbose, options.quiet, options.color);
    console.log();
    if options.watch.unwrap_or(false) {
        return watch::watch(&arguments.paths, &options, &words, console).unwrap_or_else(|(code, message)| {
            console.error(&message);
            code
        });
    }
    // The command line is kept with the result: a password of a history's URL is not.
    let words = words.iter().map(|word| without_password(word)).collect();
    let prepared = match prepare(&arguments.paths, &options, console) {
        Ok(prepared) => prepared,
        Err((code, message)) => {
            if !message.is_empty() {
                console.error(&message);
            }
            return code;
        }
    };
    let done = if dry_run {
        rehearse(&options, &prepared.loaded, console)
    } else {
        execute(&options, prepared, words, console, Shipped::default()).map(|result| outcome::exit_code(&result))
    };
    match done {
        Ok(code) => code,
        Err((code, message)) => {
            console.error(&message);
            code
        }
    }
}

/// What the command line, files and the history say, before a cluster is touched.
pub(super) struct Prepared {
    pub reports: Vec<Destination>,
    pub notify: Option<Settings>,
    pub loaded: Loaded,
    pub gate: GateRequest,
    pub shard: Option<Shard>,
}

/// What a run in a pod of `submit` has beside its options: nothing, where somebody runs it.
#[derive(Default)]
pub(super) struct Shipped<'a> {
    /// Its id; absent: one of its own.
    pub id: Option<String>,
    /// What earlier attempts have finished.
    pub known: BTreeMap<(String, u32), TrialResult>,
    /// Who hears of events, too.
    pub hear: Option<&'a mut dyn FnMut(&RunEvent)>,
}

/// Everything that can be wrong before a cluster is touched.
pub(super) fn prepare(paths: &[String], options: &Options, console: Console) -> Result<Prepared, Refusal> {
    let usage = |message| (ExitCode::Usage, message);
    let set = options.parameters().map_err(usage)?;
    let reports = destination::plan(options.report.clone()).map_err(usage)?;
    super::history::address(options.history.as_deref())?;
    let notify = options.notify.as_deref().map(Settings::read).transpose().map_err(usage)?;
    let trials = options.trial.map(|_| 1).or(options.trials);
    let load_options = LoadOptions { set, select: options.select.clone(), trials, retries: options.retries };
    let mut loaded = load::load(paths, &load_options).map_err(|found| {
        console.diagnostics(&found);
        (ExitCode::Usage, String::new())
    })?;
    console.diagnostics(&loaded.warnings);
    guard::namespaces(&loaded.plans, &options.allow_namespace).map_err(usage)?;
    suitable::refuse_where_none_is_allowed(&loaded.plans, options).map_err(usage)?;
    if loaded.plans.is_empty() {
        let which = options.select.as_ref().map_or_else(String::new, |select| format!(" with labels `{select}`"));
        return Err((ExitCode::Inconclusive, format!("there is no scenario{which}: nothing was run")));
    }
    let gate = gate_request(options, &loaded, console).map_err(usage)?;
    if let Some(trial) = options.trial {
        loaded.plans.iter_mut().for_each(|plan| Arc::make_mut(plan).first_trial = trial);
    }
    let shard = cut(options, &mut loaded).map_err(usage)?;
    Ok(Prepared { reports, notify, loaded, gate, shard })
}

/// Keeps the trials of a shard alone.
fn cut(options: &Options, loaded: &mut Loaded) -> Result<Option<Shard>, String> {
    let Some(part) = options.shard else { return Ok(None) };
    if options.seed.is_none() {
        return Err("--shard needs --seed N, the same for all shards: by it each trial can be repeated".to_owned());
    }
    let (plans, shard) = engine::shard::cut(&loaded.plans, part)?;
    loaded.plans = plans;
    Ok(Some(shard))
}

/// What the run is held to beside its scenarios' own objectives.
fn gate_request(options: &Options, loaded: &Loaded, console: Console) -> Result<GateRequest, String> {
    let lookup = baseline::Lookup { history: options.history.as_deref(), not: None };
    let baseline = options.baseline.as_deref().map(|reference| baseline::resolve(reference, lookup)).transpose()?.map(Arc::new);
    // One trial is repeated to be looked at.
    let until_confident = options.until_confident.filter(|_| options.trial.is_none());
    if let Some(confidence) = until_confident {
        let claim = until_confident::claim(loaded.gate.as_ref(), confidence).ok_or(
            "--until-confident needs a claim: run a suite whose gate has `successRate: { atLeast: 0.9 }`, or another rate",
        )?;
        if options.fail_fast.unwrap_or(false) {
            return Err("--fail-fast and --until-confident contradict each other: a test needs the trials after a failure, too"
                .to_owned());
        }
        for plan in &loaded.plans {
            if let Some(warning) = until_confident::too_few(&claim, plan.trials) {
                console.tell(format!("warning: {}: {warning}\n", plan.name).as_bytes());
            }
        }
    }
    Ok(GateRequest { targets: loaded.gate.clone(), baseline, until_confident })
}

/// `--dry-run`: the plan, and what the user of a context may not do. A kind cluster that does not exist is not created for it.
fn rehearse(options: &Options, loaded: &Loaded, console: Console) -> Result<ExitCode, Refusal> {
    let plans = &loaded.plans;
    let choice = options.cluster.clone().unwrap_or_default();
    let environment = |message: String| (ExitCode::Environment, message);
    let (missing, suitable) = match &choice {
        ClusterChoice::Context(_) => {
            let cluster = select::connect(&choice, &cluster_options(options, loaded, None))
                .map_err(|error| environment(error.to_string()))?;
            let suitable = suitable::of(plans.clone(), cluster.as_ref(), &choice, &options.allow);
            (Some(asked_permissions(&cluster, &suitable.plans, options).map_err(environment)?), suitable)
        }
        ClusterChoice::Embedded | ClusterChoice::Kind(_) => (None, Suitable { plans: plans.clone(), skipped: Vec::new() }),
    };
    let name = match &choice {
        ClusterChoice::Embedded => "the embedded cluster".to_owned(),
        other => other.to_string(),
    };
    let text = dry_run::plan(&suitable, &name, &options.allow_namespace, missing.as_ref());
    console.print(text.as_bytes()).map_err(environment)?;
    match missing {
        Some(asked) if !asked.missing.is_empty() => Err(environment(preflight::refusal(&asked.missing))),
        _ => Ok(ExitCode::Passed),
    }
}

/// What the user of a real cluster must be allowed for the plans, and is not.
pub(super) fn asked_permissions(cluster: &Arc<dyn Cluster>, plans: &[Arc<Plan>], options: &Options) -> Result<Asked, String> {
    let plans: Vec<&Plan> = plans.iter().map(AsRef::as_ref).collect();
    let needed = permission::needed(&plans, &options.allow_namespace, cluster.node_pods().is_some());
    let asked = crate::cluster::block_on(async {
        let session = cluster
            .open(&TrialContext { seed: 0, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() })
            .await
            .map_err(|error| error.message)?;
        let asked = async {
            let needed = preflight::of_user(&session.client, needed).await?;
            let missing = preflight::missing(&session.client, &needed).await?;
            Ok::<_, RequestError>(Asked { missing, needed, node_pods: cluster.node_pods() })
        };
        asked.await.map_err(|error| error.to_string())
    });
    asked.map_err(|error| error.to_string())?
}

pub(super) fn cluster_options(options: &Options, loaded: &Loaded, executed: Option<(&str, &Path)>) -> ClusterOptions {
    let directory = executed.map(|(_, directory)| directory);
    let of_suite = loaded.kind.clone().unwrap_or_default();
    let images: BTreeSet<String> = loaded.plans.iter().flat_map(|plan| super::list::images(plan)).collect();
    ClusterOptions {
        kind: KindCluster { image: options.kind_image.clone().or(of_suite.image.clone()), ..of_suite },
        images: images.into_iter().collect(),
        logs: directory.map(|directory| directory.join("kind-logs")),
        progress: directory.is_some() && !options.no_progress.unwrap_or(false) && !options.quiet.unwrap_or(false),
        node_image: guard::node_image(&options.allow, options.node_image.as_deref()),
        allowed_contexts: options.allow_context.clone(),
        protected: options.protected.clone(),
        ledger: Some(PathBuf::from(engine::ledger::DEFAULT_PATH)),
        run: executed.map(|(run, _)| run.to_owned()),
        profile: options.profile.unwrap_or_default(),
    }
}

/// Runs what was prepared, and writes its reports.
pub(super) fn execute(
    options: &Options,
    Prepared { reports, notify, loaded, gate, shard }: Prepared,
    words: Vec<String>,
    console: Console,
    Shipped { id, known, mut hear }: Shipped<'_>,
) -> Result<RunResult, Refusal> {
    let started = run_directory::wall_clock();
    let id = id.unwrap_or_else(|| run_directory::run_id(started, run_directory::random()));
    let seed = options.seed.unwrap_or_else(run_directory::random_seed);
    let directory = options.out.clone().unwrap_or_else(|| Path::new(".comeback").join("runs").join(&id));
    let choice = options.cluster.clone().unwrap_or_default();
    let environment = |message| (ExitCode::Environment, message);
    let hint = cleanup::command(&id, &choice);
    let inventory = Arc::<Inventory>::default();
    let stop = signals::listen(options.timeout, hint, Arc::clone(&inventory), console).map_err(environment)?;
    run_directory::create(&directory)?;
    let started_at = run_directory::rfc3339(started);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let run =
        Run { id: id.clone(), version, started_at: started_at.clone(), finished_at: None, seed, command: words.clone(), shard };
    let mut keeper = Keeper::new(&directory, run.clone());
    if choice != ClusterChoice::Embedded && !console.quiet && !options.no_progress.unwrap_or(false) {
        let created =
            if matches!(choice, ClusterChoice::Kind(_)) { "; one that does not exist takes about a minute" } else { "" };
        console.tell(format!("connecting to {choice}{created}\n").as_bytes());
    }
    let cluster = select::connect(&choice, &cluster_options(options, &loaded, Some((&id, &directory)))).map_err(|error| {
        keeper.refuse(ExitCode::Environment, &error.to_string());
        environment(error.to_string())
    })?;
    let plans = ordered(loaded.plans.clone(), loaded.order, seed);
    let suitable = suitable::of(plans, cluster.as_ref(), &choice, &options.allow);
    if !cluster.is_virtual_time() {
        for (plan, why) in &suitable.skipped {
            console.warning(&format!("{} is skipped: {why}", plan.name));
        }
        let asked = asked_permissions(&cluster, &suitable.plans, options);
        let refusal = asked.map_or_else(Some, |asked| (!asked.missing.is_empty()).then(|| preflight::refusal(&asked.missing)));
        if let Some(refusal) = refusal {
            keeper.refuse(ExitCode::Environment, &refusal);
            return Err(environment(refusal));
        }
        for warning in doctor::warnings(cluster.as_ref(), &suitable.plans) {
            console.warning(&warning);
        }
    }
    let request = request(options, (loaded, gate), suitable, &cluster, inventory, (id, seed, directory.clone(), words), shard);
    let request = RunRequest { known, ..request };
    let labels = labels::of_here(&directory);
    let recorder = match options.history.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => Some(Recorder::new(super::history::address(Some(text))?, run, &directory, labels)),
        None => None,
    };
    let mut progress = Progress::new(console.progress(options.no_progress.unwrap_or(false)), console.stderr_palette());
    let mut result = engine::run(&request, &stop, &mut |event| {
        progress.handle(event);
        keeper.handle(event);
        if let Some(recorder) = &recorder {
            recorder.handle(event);
        }
        if let Some(hear) = &mut hear {
            hear(event);
        }
    });
    progress.clear();
    result.run.started_at = started_at;
    result.run.finished_at = Some(run_directory::rfc3339(run_directory::wall_clock()));
    for warning in &result.warnings {
        console.warning(warning);
    }
    for warning in keeper.warnings() {
        if !result.warnings.contains(warning) {
            result.warnings.push(warning.clone());
        }
    }
    let kept = if request.keep_on_failure && result.scenarios.iter().any(is_kept) { cluster.keep() } else { None };
    if let Some(name) = kept {
        result.warnings.push(format!(
            "kind cluster {name} was kept as asked (--keep-on-failure); `comeback cleanup --all --cluster {choice}` removes it"
        ));
    } else if let Err(error) = cluster.close() {
        outcome::add_reason(&mut result, ExitCode::Leftovers, error.to_string());
    }
    if let Some(warning) = recorder.and_then(|recorder| recorder.finish(&result)) {
        console.warning(&warning);
        result.warnings.push(warning);
    }
    if let Err(error) = keeper.finish(&result) {
        console.error(&error);
        outcome::add_reason(&mut result, ExitCode::Environment, error);
    }
    if !destination::write(&reports, &mut result, Some(&directory), console).is_empty() {
        // A reader of the file is to see the code that the process ends with. That it could not be written was said above.
        let _ = keeper.finish(&result);
    }
    github::tell(&result, console);
    notify::tell(notify.as_ref(), &result, Some(&directory), console);
    Ok(result)
}

/// Whether `--keep-on-failure` left a namespace of this scenario in place.
fn is_kept(scenario: &ScenarioResult) -> bool {
    let ended = |verdict| !matches!(verdict, Verdict::Aborted | Verdict::Skipped);
    scenario.trials.iter().any(|trial| ended(trial.verdict) && !scenario.expect.contains(&trial.verdict))
}

fn request(
    options: &Options,
    (loaded, gate): (Loaded, GateRequest),
    Suitable { plans, skipped }: Suitable,
    cluster: &Arc<dyn Cluster>,
    inventory: Arc<Inventory>,
    (id, seed, directory, command): (String, u64, PathBuf, Vec<String>),
    shard: Option<Shard>,
) -> RunRequest {
    let of_suite = loaded.concurrency.and_then(|n| NonZeroUsize::new(n as usize));
    let by_default = || {
        if cluster.is_virtual_time() {
            std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
        } else {
            REAL_CONCURRENCY
        }
    };
    RunRequest {
        plans,
        skipped,
        shard,
        gate: Some(gate),
        cluster: Arc::clone(cluster),
        id,
        seed,
        concurrency: options.concurrency.or(of_suite).map_or_else(by_default, NonZeroUsize::get),
        directory,
        command,
        fail_fast: options.fail_fast.unwrap_or(false),
        keep_on_failure: options.keep_on_failure.unwrap_or(false),
        safety: Safety {
            namespaces: options.allow_namespace.clone(),
            max_pods: options.max_pods,
            max_nodes: options.max_nodes,
            spare_nodes: guard::spares_nodes(options.cluster.as_ref(), &options.allow),
        },
        inventory,
        known: BTreeMap::new(),
    }
}

/// In the suite's order; a random one depends on the seed and the names alone.
fn ordered(mut plans: Vec<Arc<Plan>>, order: Order, seed: u64) -> Vec<Arc<Plan>> {
    if order == Order::Random {
        plans.sort_by_cached_key(|plan| {
            let mut hasher = SipHasher13::new_with_keys(seed, 0x6f72_6465_7200_0000);
            plan.name.hash(&mut hasher);
            hasher.finish()
        });
    }
    plans
}
