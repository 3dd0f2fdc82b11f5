//! Log patterns as data: `patterns.yaml`, in the binary. Which lines are looked at, and what a topic means for a diagnosis, is not here.

use crate::scenario::log_patterns::LogPatterns;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The longest word or pattern of the user's own, in characters.
pub const LONGEST: usize = 500;
/// The most words and patterns of the user's own, in one scenario.
pub const MOST: usize = 500;
/// The most memory that a compiled pattern may take, in bytes: a line is matched in time in proportion to it.
const LARGEST: usize = 256 * 1024;

/// What a log line speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Topic {
    /// The program broke: a panic, a traceback, a fault.
    Crash,
    /// A configuration value.
    Config,
    /// Memory ran out.
    Memory,
    /// Something that it depends on did not answer.
    Dependency,
    /// Something may not be read, written or trusted.
    Permission,
    /// A probe failed.
    Probe,
    /// An image could not be pulled.
    Image,
    /// Anything that people search a log for first.
    Trouble,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    topic: Topic,
    sources: BTreeMap<String, Source>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    words: Vec<String>,
    patterns: Vec<Pattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pattern {
    with: String,
    pattern: String,
}

/// The patterns of a topic.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    words: Vec<String>,
    patterns: Vec<(String, Regex)>,
}

impl Patterns {
    /// Whether a line, given in lower case, has one of them.
    #[must_use]
    pub fn are_in(&self, lower: &str) -> bool {
        self.words.iter().any(|word| lower.contains(word.as_str()))
            || self.patterns.iter().any(|(with, pattern)| lower.contains(with.as_str()) && pattern.is_match(lower))
    }
}

static ALL: LazyLock<BTreeMap<Topic, Patterns>> = LazyLock::new(|| read(include_str!("patterns.yaml")).unwrap_or_default());

fn read(text: &str) -> Result<BTreeMap<Topic, Patterns>, String> {
    let sections: Vec<Section> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut all: BTreeMap<Topic, Patterns> = BTreeMap::new();
    for section in sections {
        let known = all.entry(section.topic).or_default();
        for source in section.sources.into_values() {
            known.words.extend(source.words.into_iter().map(|word| word.to_lowercase()));
            for Pattern { with, pattern } in source.patterns {
                known.patterns.push((with.to_lowercase(), build(&pattern)?));
            }
        }
    }
    Ok(all)
}

/// A pattern, as lines are matched with it.
///
/// # Errors
/// It is none, or is too large, in words.
pub fn build(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).case_insensitive(true).size_limit(LARGEST).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("this expression takes more than {} KiB when it is compiled", LARGEST / 1024),
        error => error.to_string(),
    })
}

/// The user's own patterns by topic; they have been checked.
#[must_use]
pub fn of_user(given: &[LogPatterns]) -> BTreeMap<Topic, Patterns> {
    let mut all: BTreeMap<Topic, Patterns> = BTreeMap::new();
    for one in given {
        let known = all.entry(one.topic).or_default();
        known.words.extend(one.words.iter().map(|word| word.to_lowercase()));
        let built = one.patterns.iter().filter_map(|one| Some((one.with.to_lowercase(), build(&one.pattern).ok()?)));
        known.patterns.extend(built);
    }
    all
}

/// The patterns of a topic.
pub fn of(topic: Topic) -> &'static Patterns {
    static NONE: Patterns = Patterns { words: Vec::new(), patterns: Vec::new() };
    ALL.get(&topic).unwrap_or(&NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_file_in_the_binary_is_whole() {
        let all = read(include_str!("patterns.yaml")).unwrap();
        assert_eq!(all.len(), 8);
        assert!(all.values().all(|patterns| !patterns.words.is_empty()));
        assert!(read("- { topic: crash, sources: { go: { word: [x] } } }").is_err(), "an unknown key is no pattern");
    }

    #[test]
    fn those_of_the_user_are_known_beside() {
        let given =
            serde_json::json!([{ "topic": "crash", "words": ["Flux Lost"], "patterns": [{ "pattern": "worker \\d+ gave up" }] }]);
        let own = of_user(&serde_json::from_value::<Vec<LogPatterns>>(given).unwrap());
        for line in ["the flux lost it", "worker 7 gave up"] {
            assert!(own[&Topic::Crash].are_in(line) && !of(Topic::Crash).are_in(line), "{line}");
        }
        assert!(!own[&Topic::Crash].are_in("worker x gave up"));
        assert!(build("((a{500}){500}){500}").unwrap_err().contains("more than 256 KiB"));
    }

    #[rstest]
    #[case::java(Topic::Crash, "Exception in thread \"main\" java.lang.IllegalStateException: no")]
    #[case::java_cause(Topic::Crash, "Caused by: org.postgresql.util.PSQLException: FATAL")]
    #[case::python(Topic::Crash, "Traceback (most recent call last):")]
    #[case::go(Topic::Crash, "goroutine 1 [running]:")]
    #[case::node(Topic::Crash, "[UnhandledPromiseRejection: This error originated]")]
    #[case::rust(Topic::Crash, "thread 'main' panicked at src/main.rs:2:5:")]
    #[case::dotnet(Topic::Crash, "Unhandled exception. System.InvalidOperationException: no")]
    #[case::java_memory(Topic::Memory, "java.lang.OutOfMemoryError: Java heap space")]
    #[case::rust_memory(Topic::Memory, "memory allocation of 33554432 bytes failed")]
    #[case::node_memory(Topic::Memory, "FATAL ERROR: Reached heap limit Allocation failed")]
    #[case::python_memory(Topic::Memory, "MemoryError")]
    #[case::node_dependency(Topic::Dependency, "Error: connect ECONNREFUSED 10.96.0.7:5432")]
    #[case::guide_database(Topic::Dependency, "Database connection error")]
    #[case::guide_forbidden(Topic::Permission, "403 Forbidden")]
    #[case::guide_config(Topic::Config, "ConfigMap shop not found")]
    #[case::guide_probe(Topic::Probe, "HealthCheckFailed")]
    #[case::guide_image(Topic::Image, "Failed to pull image x")]
    #[case::runbook(Topic::Trouble, "FATAL: password authentication failed")]
    fn lines_of_runtimes_are_known(#[case] topic: Topic, #[case] line: &str) {
        assert!(of(topic).are_in(&line.to_lowercase()), "{line}");
    }

    #[rstest]
    #[case(Topic::Crash, "listening on 8080")]
    #[case(Topic::Dependency, "the debugger is unavailable")]
    #[case(Topic::Permission, "unforbiddenly")]
    #[case(Topic::Trouble, "ready")]
    fn other_lines_are_not(#[case] topic: Topic, #[case] line: &str) {
        assert!(!of(topic).are_in(line), "{line}");
    }
}
