//! From paths to plans: reads files, folders, built-ins and suites, and hands back either everything or all that is wrong.
//! Each step (reading, structure, checks, defaults) lives in a module of its own.

use super::diagnostic::{Code, Diagnostic, Position, Severity, allowed, sort};
use super::discover::{Document, DocumentKind, discover};
use super::expand::{self, Given};
use super::manifest::{self, Object};
use super::model::{Gate, KindCluster, Order};
use super::node::Node;
use super::parameters::{self, Values};
use super::plan::Plan;
use super::suite::{self, Settings};
use super::{Scenario, check, comparison, images, matrix, pattern_files, strategy, structure};
use crate::selector::Selector;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the command line says about loading.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// `--set NAME=VALUE`: parameter values, as YAML scalars.
    pub set: BTreeMap<String, String>,
    /// `--select`: a label selector on scenarios.
    pub select: Option<String>,
    /// `--trials`: instead of what scenarios and suites say.
    pub trials: Option<u32>,
    /// `--retries`: instead of what scenarios and suites say.
    pub retries: Option<u32>,
}

/// The most trials of one scenario in one run: what becomes of each is kept until the end.
pub const MOST_TRIALS: u32 = 1_000_000;
/// The most retries of a trial: more would only hide how rarely it passes.
pub const MOST_RETRIES: u32 = 10;
/// What to do instead of more.
pub const MORE_RETRIES: &str = "How often it passes is what `trials` tell.";
/// What to do instead of more.
pub const MORE_TRIALS: &str = "Run it several times, each with a seed of its own.";

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The scenarios, in order.
    pub plans: Vec<Arc<Plan>>,
    /// What must be proven.
    pub gate: Option<Gate>,
    /// How many trials run at once, where a suite says so.
    pub concurrency: Option<u32>,
    /// In which order.
    pub order: Order,
    /// What a kind cluster that is created for it looks like, where a suite says so.
    pub kind: Option<KindCluster>,
    /// How many strategies were read and checked: they run nothing by themselves.
    pub strategies: usize,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

/// One scenario document and the suite that it is read for.
struct Job {
    document: Document,
    settings: Option<Arc<Settings>>,
    declared: Values,
}

/// Loads what the paths name; none: the built-in gate suite. Suites in a folder are checked, but only a suite that is named
/// itself runs.
///
/// # Errors
/// All diagnostics of all files, errors and warnings, sorted by file and position.
pub fn load(paths: &[String], options: &LoadOptions) -> Result<Loaded, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let mut loaded = Loaded::default();
    let select = options.select.as_deref().and_then(|text| {
        let wrong = |message| found.push(Diagnostic::argument(Code::BadSelector, format!("--select: {message}")));
        Selector::parse(text).map_err(wrong).ok()
    });
    if options.trials == Some(0) {
        found.push(Diagnostic::argument(Code::NoTrials, "with `--trials 0` nothing would run").help("Give at least 1."));
    }
    if options.trials.is_some_and(|trials| trials > MOST_TRIALS) {
        let message = format!("`--trials` is {MOST_TRIALS} at most");
        found.push(Diagnostic::argument(Code::OutOfRange, message).help(MORE_TRIALS));
    }
    let default = ["builtin:gate".to_owned()];
    let mut jobs = Vec::new();
    for path in if paths.is_empty() { &default[..] } else { paths } {
        collect(path, &mut jobs, &mut loaded, &mut found);
    }
    let jobs = without_repeats(jobs, &mut found);
    unused_settings(&jobs, &mut found);
    let set = command_line_values(options, &jobs, &mut found);
    let mut names = BTreeMap::new();
    for job in &jobs {
        let plans = expand_job(job, &set, options, &mut names, &mut found);
        let of_suite = job.settings.as_ref().and_then(|settings| settings.select.as_ref());
        for plan in plans {
            if [of_suite, select.as_ref()].into_iter().flatten().all(|select| select.matches(&plan.labels)) {
                if let Some(settings) = &job.settings {
                    suite::too_few_trials(settings, &plan, &mut found);
                }
                loaded.plans.push(Arc::new(plan));
            }
        }
    }
    sort(&mut found);
    // Several scenarios may name one file of strategies.
    found.dedup();
    if found.iter().any(Diagnostic::is_error) {
        return Err(found);
    }
    if loaded.plans.is_empty() {
        let (message, help) = if jobs.is_empty() && loaded.strategies > 0 {
            ("strategies run nothing by themselves", "A scenario names them: `heal: { by: comeback, strategies: [...] }`.")
        } else {
            let help = "`comeback list` shows the labels that `--select` and a suite's `select` look at.";
            ("the selection leaves no scenario", help)
        };
        let nothing = Diagnostic::argument(Code::NothingSelected, message).help(help);
        found.push(Diagnostic { severity: Severity::Warning, ..nothing });
    }
    loaded.warnings = found;
    Ok(loaded)
}

/// Adds the scenarios that a path names, through suites too.
fn collect(path: &str, jobs: &mut Vec<Job>, loaded: &mut Loaded, found: &mut Vec<Diagnostic>) {
    let discovered = discover(path, None, None, found);
    strategy::check(&discovered.documents, found);
    loaded.strategies += discovered.documents.iter().filter(|document| document.kind == DocumentKind::Strategy).count();
    for document in discovered.documents {
        match document.kind {
            DocumentKind::Scenario => jobs.push(job(document, None, found)),
            // They are checked; what uses them is a scenario.
            DocumentKind::Strategy => {}
            DocumentKind::Suite => {
                let settings = Arc::new(suite::settings(&document, found));
                let scenarios = scenarios_of(&document, found);
                if discovered.in_folder {
                    continue;
                }
                take_settings(&settings, loaded, found);
                for scenario in scenarios {
                    jobs.push(job(scenario, Some(Arc::clone(&settings)), found));
                }
            }
        }
    }
}

fn job(document: Document, settings: Option<Arc<Settings>>, found: &mut Vec<Diagnostic>) -> Job {
    let declared = parameters::declared(&document.node, &document.source, found);
    Job { document, settings, declared }
}

/// The scenarios that a suite names; suites in its folders are not its business.
fn scenarios_of(suite: &Document, found: &mut Vec<Diagnostic>) -> Vec<Document> {
    let mut scenarios = Vec::new();
    for entry in suite.node.at(&["spec", "scenarios"]).map(Node::items).unwrap_or_default() {
        let Some(path) = entry.text() else { continue };
        let origin = Position { source: Arc::clone(&suite.source), span: entry.span };
        let discovered = discover(path, Some(&suite.place), Some(&origin), found);
        for document in discovered.documents {
            match document.kind {
                DocumentKind::Scenario => scenarios.push(document),
                DocumentKind::Suite | DocumentKind::Strategy if discovered.in_folder => {}
                DocumentKind::Strategy => {
                    let message = format!("`{path}` holds strategies, and a suite is made of scenarios");
                    let help = "A scenario names them: `heal: { by: comeback, strategies: [...] }`.";
                    found.push(Diagnostic::error(Code::Kind, &origin.source, origin.span, message).help(help));
                }
                DocumentKind::Suite => {
                    let message = format!("`{path}` is a suite; a suite within a suite is not supported yet");
                    let help = "Name its scenarios, or give both suites on the command line.";
                    found.push(Diagnostic::error(Code::NotSupportedYet, &origin.source, origin.span, message).help(help));
                }
            }
        }
    }
    scenarios
}

/// A document that is named several times runs once: under the suite that names it, where one does. Two suites that say different
/// things of it cannot both be obeyed.
fn without_repeats(jobs: Vec<Job>, found: &mut Vec<Diagnostic>) -> Vec<Job> {
    let mut kept: Vec<Job> = Vec::new();
    for job in jobs {
        let same = |known: &&mut Job| known.document.place == job.document.place && known.document.index == job.document.index;
        match kept.iter_mut().find(same) {
            None => kept.push(job),
            Some(known) => match (&known.settings, &job.settings) {
                (None, Some(_)) => *known = job,
                (Some(one), Some(other)) if one.suite != other.suite => {
                    let message = "two suites name this scenario, with different settings";
                    let diagnostic =
                        Diagnostic::error(Code::DuplicateScenario, &job.document.source, job.document.node.span, message);
                    found.push(diagnostic.help("Run the suites one after the other."));
                }
                _ => {}
            },
        }
    }
    kept
}

/// What suites give and none of their scenarios takes.
fn unused_settings(jobs: &[Job], found: &mut Vec<Diagnostic>) {
    let mut told: Vec<&Arc<Settings>> = Vec::new();
    for settings in jobs.iter().filter_map(|job| job.settings.as_ref()) {
        if told.iter().any(|known| Arc::ptr_eq(known, settings)) {
            continue;
        }
        told.push(settings);
        let own = || jobs.iter().filter(|job| job.settings.as_ref().is_some_and(|other| Arc::ptr_eq(other, settings)));
        let declared = own().flat_map(|job| job.declared.keys()).map(String::as_str).collect();
        let classes = own().filter_map(|job| job.document.node.at(&["metadata", "labels", "class"])?.text()).collect();
        suite::unused(settings, &declared, &classes, found);
    }
}

/// The settings of a suite that hold for the whole run.
fn take_settings(settings: &Settings, loaded: &mut Loaded, found: &mut Vec<Diagnostic>) {
    let Some(suite) = &settings.suite else { return };
    if let Some(gate) = &suite.spec.gate {
        if loaded.gate.as_ref().is_some_and(|other| other != gate) {
            let message = format!("`{}` is the second suite with a gate of its own", suite.metadata.name);
            found.push(Diagnostic::argument(Code::SeveralGates, message).help("Run the suites one after the other."));
        }
        loaded.gate = Some(gate.clone());
    }
    if let Some(kind) = suite.spec.cluster.as_ref().and_then(|cluster| cluster.kind.as_ref()) {
        if loaded.kind.as_ref().is_some_and(|other| other != kind) {
            let message = format!("`{}` is the second suite with a kind cluster of its own", suite.metadata.name);
            found.push(Diagnostic::argument(Code::BadValue, message).help("Run the suites one after the other."));
        }
        loaded.kind = Some(kind.clone());
    }
    loaded.concurrency = loaded.concurrency.or(suite.spec.concurrency);
    if let Some(order) = suite.spec.order {
        loaded.order = order;
    }
}

/// The values of `--set`; each must be declared by one scenario at least.
fn command_line_values(options: &LoadOptions, jobs: &[Job], found: &mut Vec<Diagnostic>) -> Values {
    let declared: BTreeSet<_> = jobs.iter().flat_map(|job| job.declared.keys()).map(String::as_str).collect();
    let mut values = Values::new();
    for (name, text) in &options.set {
        if !declared.contains(name.as_str()) {
            let message = format!("--set: no scenario declares a parameter `{name}`");
            let help = allowed("Declared", name, &declared.iter().copied().collect::<Vec<_>>());
            found.push(Diagnostic::argument(Code::UnknownParameter, message).help(help));
        }
        match parameters::scalar(name, text) {
            Ok(value) => drop(values.insert(name.clone(), value)),
            Err(message) => found.push(Diagnostic::argument(Code::BadParameter, message)),
        }
    }
    values
}

/// The plans of one scenario, one for each combination of its matrix; none when it has an error, which is then reported.
fn expand_job(
    job: &Job,
    set: &Values,
    options: &LoadOptions,
    names: &mut BTreeMap<String, String>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Plan> {
    let Document { source, node, .. } = &job.document;
    let before = found.len();
    duplicate_name(node, &job.document, names, found);
    let known = found[before..].iter().any(Diagnostic::is_error);
    let from = found.len();
    let combinations = matrix::combinations(node, source, found);
    if found[from..].iter().any(Diagnostic::is_error) {
        return Vec::new();
    }
    let mut plans = Vec::new();
    for (suffix, combination) in combinations {
        // What is wrong with one is mostly wrong with all: it is told once.
        let mut own = Vec::new();
        let plan = expand_one(job, &combination, set, options, &mut own);
        if plans.is_empty() || plan.is_none() {
            found.append(&mut own);
        }
        let Some(mut plan) = plan else { return Vec::new() };
        plan.name += &suffix;
        plans.extend(comparison::split(plan));
    }
    // A name that is there already is told beside all else that is wrong.
    if known { Vec::new() } else { plans }
}

/// The plan of one combination.
fn expand_one(job: &Job, combination: &Values, set: &Values, options: &LoadOptions, found: &mut Vec<Diagnostic>) -> Option<Plan> {
    let mut own = Vec::new();
    let Document { place, source, node, .. } = &job.document;
    let mut node = node.clone();
    let mut values = job.declared.clone();
    for overriding in [job.settings.as_ref().map(|settings| &settings.with), Some(set)].into_iter().flatten() {
        for (name, value) in overriding.iter().filter(|(name, _)| job.declared.contains_key(*name)) {
            values.insert(name.clone(), value.clone());
        }
    }
    values.extend(combination.clone());
    parameters::unused(&node, source, &mut own);
    parameters::replace(&mut node, &values, source, &mut own);
    structure::scenario(&node, source, &mut own);
    let objects = objects(&node, &job.document, &mut own);
    let ladders = strategy::resolve(&job.document, &node, &mut own);
    let patterns = pattern_files::read(&job.document, &node, &mut own);
    let class = node.at(&["metadata", "labels", "class"]).and_then(Node::text);
    let class_rto = class.and_then(|class| job.settings.as_ref()?.rto.get(class));
    check::scenario(&node, source, &objects, class_rto, &mut own);
    let clean = own.iter().all(|diagnostic| !diagnostic.is_error());
    found.append(&mut own);
    if !clean {
        return None;
    }
    let given = Given {
        trials: job.settings.as_ref().and_then(|settings| settings.trials),
        trials_override: options.trials,
        retries: job.settings.as_ref().and_then(|settings| settings.retries),
        retries_override: options.retries,
        rto: class_rto.map(|(rto, _)| *rto),
        patterns,
        ladders,
    };
    match serde_json::from_value::<Scenario>(node.to_json()) {
        Ok(scenario) => Some(expand::plan(&place.to_string(), scenario, &objects, &given)),
        Err(error) => {
            found.push(Diagnostic::error(Code::BadValue, source, node.span, error.to_string()));
            None
        }
    }
}

fn duplicate_name(node: &Node, document: &Document, names: &mut BTreeMap<String, String>, found: &mut Vec<Diagnostic>) {
    let Some(name) = node.at(&["metadata", "name"]) else { return };
    let Some(text) = name.text() else { return };
    let here = format!("{}:{}", document.source.name, name.span.line);
    if let Some(first) = names.get(text) {
        let message = format!("the scenario `{text}` is there twice; the first is at {first}");
        let help = "Results are kept by name; give one of them another.";
        found.push(Diagnostic::error(Code::DuplicateScenario, &document.source, name.span, message).help(help));
    } else {
        names.insert(text.to_owned(), here);
    }
}

/// The workload's objects, patched, with the images' registry and credentials.
fn objects(node: &Node, document: &Document, found: &mut Vec<Diagnostic>) -> Vec<Object> {
    let Some(workload) = node.at(&["spec", "workload"]) else { return Vec::new() };
    let mut objects = manifest::read(workload, &document.place, &document.source, found);
    manifest::patch(&mut objects, workload, &document.source, found);
    let items = workload.get("imagePullSecrets").map(Node::items).unwrap_or_default();
    let secrets: Vec<String> = items.iter().filter_map(|item| item.text().map(ToOwned::to_owned)).collect();
    for object in &mut objects {
        if let Some(registry) = workload.text_of("registry") {
            images::take_from(&mut object.manifest.object, registry);
        }
        if !secrets.is_empty() {
            images::add_secrets(&mut object.manifest.object, &secrets);
        }
    }
    objects
}
