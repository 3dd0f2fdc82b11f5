//! Patterns in a container's log: the lowest tier of evidence. They raise the confidence of a finding, they never make one.
//! Only the newest lines count.

use super::case::Case;

/// How many of the newest lines are looked at.
const NEWEST: usize = 50;

/// The longest quotation of a line in evidence.
const QUOTE: usize = 160;

/// What a log line speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Topic {
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Crash => {
                &["panic:", "panicked at", "traceback (most recent", "segmentation fault", "fatal error:", "unhandled exception"]
            }
            Self::Config => &[
                "config",
                "invalid value",
                "not a number",
                "unknown option",
                "cannot parse",
                "failed to parse",
                "bad value",
                "invalid setting",
                "illegal number",
            ],
            Self::Memory => {
                &["out of memory", "cannot allocate memory", "outofmemoryerror", "memory exhausted", "std::bad_alloc"]
            }
            Self::Dependency => &[
                "connection refused",
                "no such host",
                "i/o timeout",
                "timed out",
                "name resolution",
                "bad address",
                "deadline exceeded",
                "no route to host",
                "can't connect",
                "could not connect",
            ],
            Self::Permission => &[
                "x509:",
                "certificate has expired",
                "certificate verify failed",
                "eacces",
                "permission denied",
                "read-only file system",
                "access denied",
            ],
        }
    }
}

/// The newest line of a container's log that speaks of a topic, shortened.
pub fn line_about(case: &Case<'_>, container: &str, topic: Topic) -> Option<String> {
    line_with(case, container, topic.words())
}

/// The newest lines of a container's log that speak of a topic, newest first.
pub fn lines_about(case: &Case<'_>, container: &str, topic: Topic) -> Vec<String> {
    let lines = case.index.log(&case.pod.reference.uid, container);
    let about = |line: &&str| {
        let lower = line.to_lowercase();
        topic.words().iter().any(|word| lower.contains(word))
    };
    lines.iter().rev().take(NEWEST).map(|(_, line)| line.text.as_str()).filter(about).map(|line| line.trim().to_owned()).collect()
}

/// The newest line of a container's log that has one of these words (in lower case).
pub fn line_with(case: &Case<'_>, container: &str, words: &[impl AsRef<str>]) -> Option<String> {
    let lines = case.index.log(&case.pod.reference.uid, container);
    lines.iter().rev().take(NEWEST).map(|(_, line)| line.text.as_str()).find_map(|line| {
        let lower = line.to_lowercase();
        words.iter().any(|word| lower.contains(word.as_ref())).then(|| line.trim().chars().take(QUOTE).collect())
    })
}
