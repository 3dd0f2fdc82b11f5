//! The options of `run`: from the command line and the environment, with defaults from `comeback.yaml`.
//! The same type reads both, so that both know the same names and the same values.

use super::arguments::Color;
use super::destination::Destination;
use super::guard::{self, Allow};
use crate::cluster::select::ClusterChoice;
use crate::engine::safety::Most;
use crate::engine::shard::Part;
use crate::scenario::duration::{self, serde_text_option};
use crate::scenario::load::MOST_RETRIES;
use crate::sim::profile::ProfileChoice;
use clap::Args;
use clap::builder::BoolishValueParser;
use serde::{Deserialize, Deserializer, de::Error};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The options of `run`. `None` and empty lists: not given.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Where to run.
    #[arg(
        long,
        env = "COMEBACK_CLUSTER",
        value_name = "CLUSTER",
        help_heading = "Where",
        help = "embedded, kind[:NAME] or context[:NAME] [default: embedded]"
    )]
    #[serde(deserialize_with = "cluster")]
    pub cluster: Option<ClusterChoice>,
    /// Allow a context whose name or server looks like production. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW_CONTEXT", value_name = "NAME", value_delimiter = ',', help_heading = "Where")]
    pub allow_context: Vec<String>,
    /// Parts of names or servers of contexts that look like production; `none` for no protection. Repeatable [default: prod]
    #[arg(long, env = "COMEBACK_PROTECTED", value_name = "PART", value_delimiter = ',', help_heading = "Where")]
    pub protected: Vec<String>,
    /// Refuse faults that may hit more pods than this: a number, or per cent of those that run (50%) [default: no limit]
    #[arg(long, env = "COMEBACK_MAX_PODS", value_name = "N|N%", help_heading = "Where")]
    #[serde(deserialize_with = "most")]
    pub max_pods: Option<Most>,
    /// The same for nodes, of all that the cluster has [default: no limit]
    #[arg(long, env = "COMEBACK_MAX_NODES", value_name = "N|N%", help_heading = "Where")]
    #[serde(deserialize_with = "most")]
    pub max_nodes: Option<Most>,
    /// Act in a namespace that the run did not create, for workloads that are there already. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW_NAMESPACE", value_name = "NS", value_delimiter = ',', help_heading = "Where")]
    pub allow_namespace: Vec<String>,
    /// Allow what others on the cluster would notice: cluster-faults (whatever breaks nodes of a context), node-access (privileged pods
    /// on nodes whose machines are not containers here). Repeatable
    #[arg(long, env = "COMEBACK_ALLOW", value_name = "WHAT", value_delimiter = ',', value_parser = guard::allow, help_heading = "Where")]
    #[serde(deserialize_with = "guard::allow_list")]
    pub allow: Vec<Allow>,
    /// The image of the privileged pods of `--allow node-access`: anything with a shell and nsenter [default: busybox:1.37]
    #[arg(long, env = "COMEBACK_NODE_IMAGE", value_name = "IMAGE", help_heading = "Where")]
    pub node_image: Option<String>,
    /// The node image of a kind cluster that has to be created
    #[arg(long, env = "COMEBACK_KIND_IMAGE", value_name = "IMAGE", help_heading = "Where")]
    pub kind_image: Option<String>,

    /// What the embedded cluster imitates: 1.36, 1.34 or instant, and cgroup-v1 or cgroup-v2 [default: 1.36,cgroup-v2]
    #[arg(long, env = "COMEBACK_PROFILE", value_name = "PROFILE", help_heading = "Where")]
    #[serde(deserialize_with = "profile")]
    pub profile: Option<ProfileChoice>,

    /// Trials of each scenario, instead of what the files say
    #[arg(long, env = "COMEBACK_TRIALS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "What")]
    pub trials: Option<u32>,
    /// Only the trial with this index, as a report names it: with the run's --seed, exactly that one again
    #[arg(long, env = "COMEBACK_TRIAL", value_name = "INDEX", conflicts_with = "trials", help_heading = "What")]
    #[serde(skip)]
    pub trial: Option<u32>,
    /// Only this part of all trials: 1/4, 2/4, ...; with the same --seed for all. `comeback judge` puts the parts together
    #[arg(long, env = "COMEBACK_SHARD", value_name = "I/N", conflicts_with_all = ["trial", "until_confident", "baseline"], help_heading = "What")]
    #[serde(skip)]
    pub shard: Option<Part>,
    /// Only scenarios with these labels, as kubectl's -l: 'class=crash,tier!=slow'
    #[arg(long, env = "COMEBACK_SELECT", value_name = "SELECTOR", help_heading = "What")]
    pub select: Option<String>,
    /// Run only as many trials as prove or refute the gate's success rate with this confidence (0.9), at most --trials
    #[arg(long, env = "COMEBACK_UNTIL_CONFIDENT", value_name = "CONFIDENCE", value_parser = confidence, conflicts_with_all = ["trial", "fail_fast"],
        help_heading = "What")]
    pub until_confident: Option<f64>,
    /// The value of a scenario's parameter. Repeatable
    #[arg(long, env = "COMEBACK_SET", value_name = "NAME=VALUE", help_heading = "What")]
    pub set: Vec<String>,
    /// The same seed gives the same run on the embedded cluster [default: random, printed]
    #[arg(long, env = "COMEBACK_SEED", value_name = "N", allow_negative_numbers = true, help_heading = "What")]
    pub seed: Option<u64>,

    /// Trials at once [default: the suite's, else one per core; 4 on a real cluster]
    #[arg(long, env = "COMEBACK_CONCURRENCY", value_name = "N", help_heading = "How")]
    pub concurrency: Option<NonZeroUsize>,
    /// Stop everything after this long; what did not finish is `aborted` (30m)
    #[arg(long, env = "COMEBACK_TIMEOUT", value_name = "DURATION", value_parser = positive, help_heading = "How")]
    #[serde(with = "serde_text_option")]
    pub timeout: Option<Duration>,
    /// Print what would be done, and which permissions it takes; change nothing
    #[arg(long, env = "COMEBACK_DRY_RUN", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_possible_values = true, help_heading = "How")]
    #[serde(skip)]
    pub dry_run: Option<bool>,
    /// Run again whenever a file of the scenario is saved, and show the course of its trials; embedded cluster only
    #[arg(long, env = "COMEBACK_WATCH", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_possible_values = true, help_heading = "How")]
    #[serde(skip)]
    pub watch: Option<bool>,
    /// Begin no further trial after the first unexpected verdict
    #[arg(long, env = "COMEBACK_FAIL_FAST", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_possible_values = true, help_heading = "How")]
    pub fail_fast: Option<bool>,
    /// Try a trial that did not pass again, so often at most: one that passes then is flaky; the first attempt counts [default: 0]
    #[arg(long, env = "COMEBACK_RETRIES", value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_RETRIES)), help_heading = "How")]
    pub retries: Option<u32>,
    /// Leave the namespace of a trial with an unexpected verdict in place
    #[arg(long, env = "COMEBACK_KEEP_ON_FAILURE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_possible_values = true, help_heading = "How")]
    pub keep_on_failure: Option<bool>,

    /// The run to compare with, as a gate: a result file, a run directory, or history:latest, history:RUN, history:git.branch=main
    #[arg(long, env = "COMEBACK_BASELINE", value_name = "REF", help_heading = "Results")]
    pub baseline: Option<String>,
    /// terminal, json, junit, markdown, html, csv, prometheus, confusion or timeline; with =FILE into a file. Repeatable [default: terminal]
    #[arg(long, env = "COMEBACK_REPORT", value_name = "FORMAT[=FILE]", value_delimiter = ',', help_heading = "Results")]
    pub report: Vec<Destination>,
    /// The run directory.
    #[arg(
        long,
        env = "COMEBACK_OUT",
        value_name = "DIR",
        help_heading = "Results",
        help = "The run directory, with the result and everything that was observed [default: .comeback/runs/<run id>]"
    )]
    pub out: Option<PathBuf>,
    /// Keep the results in a history, too: a SQLite file, or `postgres://USER@HOST/DATABASE`
    #[arg(long, env = "COMEBACK_HISTORY", value_name = "URL", help_heading = "Results")]
    pub history: Option<String>,
    /// Tell others how the run ended, as this file says: Slack, PagerDuty, webhooks, mail, Grafana
    #[arg(long, env = "COMEBACK_NOTIFY", value_name = "FILE", help_heading = "Results")]
    pub notify: Option<PathBuf>,
    /// No progress on stderr
    #[arg(long, env = "COMEBACK_NO_PROGRESS", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_possible_values = true, help_heading = "Results")]
    pub no_progress: Option<bool>,

    /// As `-v`, from the file alone.
    #[arg(skip)]
    pub verbose: Option<u8>,
    /// As `-q`, from the file alone.
    #[arg(skip)]
    pub quiet: Option<bool>,
    /// As `--color`, from the file alone.
    #[arg(skip)]
    pub color: Option<Color>,
}

fn cluster<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ClusterChoice>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

fn profile<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProfileChoice>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

fn confidence(text: &str) -> Result<f64, String> {
    let is_one = |value: &f64| CONFIDENCES.contains(value);
    text.parse().ok().filter(is_one).ok_or_else(|| "a confidence is between 0.5 and 0.999, for instance 0.9".to_owned())
}

/// What `--until-confident` takes.
const CONFIDENCES: std::ops::RangeInclusive<f64> = 0.5..=0.999;

fn most<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Most>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

pub(super) fn positive(text: &str) -> Result<Duration, String> {
    match duration::parse(text)? {
        Duration::ZERO => Err("nothing would run".to_owned()),
        duration => Ok(duration),
    }
}

/// The file with defaults, in the working directory.
pub const DEFAULTS_FILE: &str = "comeback.yaml";

impl Options {
    /// Reads `comeback.yaml`; no file: nothing.
    ///
    /// # Errors
    /// `file:line:column: what is wrong`.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        Self::parse(&text).map_err(|(position, message)| format!("{}{position}: {message}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, (String, String)> {
        let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(blank) {
            return Ok(Self::default());
        }
        let options: Self = serde_saphyr::from_str(text).map_err(|error| {
            let position = error.location().map_or_else(String::new, |at| format!(":{}:{}", at.line(), at.column()));
            let rendered = error.without_snippet().to_string();
            let message = rendered.lines().next().unwrap_or_default().to_owned();
            (position, message)
        })?;
        let at_least_one = |name: &str| (String::new(), format!("`{name}` must be at least 1"));
        if options.until_confident.is_some_and(|value| !CONFIDENCES.contains(&value)) {
            return Err((String::new(), "`untilConfident` must be between 0.5 and 0.999, for instance 0.9".to_owned()));
        }
        if options.retries.is_some_and(|retries| retries > MOST_RETRIES) {
            return Err((String::new(), format!("`retries` is {MOST_RETRIES} at most")));
        }
        match (options.trials, options.timeout) {
            (Some(0), _) => Err(at_least_one("trials")),
            (_, Some(Duration::ZERO)) => Err((String::new(), "with `timeout: 0s` nothing would run".to_owned())),
            _ => Ok(options),
        }
    }

    /// These options, and `defaults` where they say nothing.
    #[must_use]
    pub fn over(self, defaults: Self) -> Self {
        fn list<T>(ours: Vec<T>, defaults: Vec<T>) -> Vec<T> {
            if ours.is_empty() { defaults } else { ours }
        }
        Self {
            cluster: self.cluster.or(defaults.cluster),
            allow_context: list(self.allow_context, defaults.allow_context),
            protected: list(self.protected, defaults.protected),
            max_pods: self.max_pods.or(defaults.max_pods),
            max_nodes: self.max_nodes.or(defaults.max_nodes),
            allow_namespace: list(self.allow_namespace, defaults.allow_namespace),
            allow: list(self.allow, defaults.allow),
            node_image: self.node_image.or(defaults.node_image),
            kind_image: self.kind_image.or(defaults.kind_image),
            profile: self.profile.or(defaults.profile),
            trials: self.trials.or(defaults.trials),
            trial: self.trial,
            shard: self.shard,
            select: self.select.or(defaults.select),
            until_confident: self.until_confident.or(defaults.until_confident),
            baseline: self.baseline.or(defaults.baseline),
            // By parameter, not as a whole: a later value of the same name wins.
            set: defaults.set.into_iter().chain(self.set).collect(),
            seed: self.seed.or(defaults.seed),
            concurrency: self.concurrency.or(defaults.concurrency),
            timeout: self.timeout.or(defaults.timeout),
            dry_run: self.dry_run,
            watch: self.watch,
            fail_fast: self.fail_fast.or(defaults.fail_fast),
            retries: self.retries.or(defaults.retries),
            keep_on_failure: self.keep_on_failure.or(defaults.keep_on_failure),
            report: list(self.report, defaults.report),
            out: self.out.or(defaults.out),
            history: self.history.or(defaults.history),
            notify: self.notify.or(defaults.notify),
            no_progress: self.no_progress.or(defaults.no_progress),
            verbose: self.verbose.or(defaults.verbose),
            quiet: self.quiet.or(defaults.quiet),
            color: self.color.or(defaults.color),
        }
    }

    /// `--set` by name.
    ///
    /// # Errors
    /// The first that is not `NAME=VALUE`.
    pub fn parameters(&self) -> Result<BTreeMap<String, String>, String> {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!("`--set {text}` is not NAME=VALUE")),
        };
        self.set.iter().map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_file_gives_defaults_and_the_command_line_wins() {
        let file = Options::parse(
            "# ours\ncluster: kind:ci\ntrials: 5\nset: [workers=many, n=1]\nreport: [junit=r.xml]\ntimeout: 30m\nfailFast: true\ncolor: never\n",
        )
        .unwrap();
        let ours = Options { trials: Some(2), set: vec!["n=2".into()], fail_fast: Some(false), ..Options::default() };
        let all = ours.over(file);
        assert_eq!(all.cluster, Some(ClusterChoice::Kind("ci".into())));
        assert_eq!((all.trials, all.fail_fast, all.timeout), (Some(2), Some(false), Some(Duration::from_mins(30))));
        assert_eq!(all.parameters().unwrap(), BTreeMap::from([("workers".into(), "many".into()), ("n".into(), "2".into())]));
        assert_eq!(all.color, Some(Color::Never));
    }

    #[rstest]
    #[case("trails: 5", ":1:1", "unknown field `trails`")]
    #[case("seed: 1\ntrials: many", ":2:9", "invalid")]
    #[case("cluster: minikube", ":1:10", "unknown cluster")]
    #[case("seed: 1\nshard: 1/2", ":2:1", "unknown field `shard`")]
    #[case("report: [pdf]", ":1:10", "`pdf` is not a report format")]
    #[case("trials: 0", "", "at least 1")]
    #[case("seed: 1\nseed: 2", ":2:1", "duplicate")]
    #[case("- a", ":1:1", "")]
    fn mistakes_in_the_file_have_a_position(#[case] text: &str, #[case] at: &str, #[case] message: &str) {
        let (position, found) = Options::parse(text).unwrap_err();
        assert!(found.contains(message), "{position}: {found}");
        assert_eq!(position, at, "{found}");
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(Options::parse("# nothing\n\n").unwrap().trials, None);
        assert!(Options::parse("").is_ok());
    }

    #[test]
    fn a_parameter_needs_a_name_and_a_value() {
        let wrong = Options { set: vec!["workers".into()], ..Options::default() };
        assert_eq!(wrong.parameters(), Err("`--set workers` is not NAME=VALUE".into()));
    }
}
