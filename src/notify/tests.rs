//! Notifications against servers on this machine: what arrives, how often it is tried, and that nothing secret is said.

use super::deliver::{Patience, deliver};
use super::settings::Settings;
use super::*;
use crate::measure::result::RunResult;
use crate::report::fixture;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

mod receivers;
mod server;

use server::{Answer, Server};

/// The settings that a file would give.
fn settings(text: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notify.yaml");
    std::fs::write(&file, text).unwrap();
    Settings::read(&file).unwrap()
}

/// A folder with a secret in a file, and the words that name it.
fn secret(value: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, value).unwrap();
    let words = format!("{{ file: {} }}", file.display());
    (folder, words)
}

fn message(result: &RunResult) -> Message {
    Message::of(result, Vec::new(), Some("https://ci.example.org/42".to_owned()))
}

fn passed() -> RunResult {
    let mut result = fixture::run();
    result.scenarios.truncate(1);
    result.summary = crate::measure::outcome::summary(&result.scenarios);
    (result.outcome, result.exit_code) = (Outcome::Passed, 0);
    result.exit_reasons.clear();
    result
}

/// Quick, so that no test waits.
const QUICK: Patience =
    Patience { tries: 3, within: Duration::from_secs(5), backoff: Duration::from_millis(1), in_all: Duration::from_secs(8) };

fn send(settings: &Settings, message: &Message) -> Vec<String> {
    deliver(prepare(settings, message), QUICK)
}
