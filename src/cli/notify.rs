//! `--notify`: what the notifications of a run need from files and from the environment, and the warnings of those that fail.
//! What they say and how they are sent is `notify`'s.

use super::console::Console;
use crate::measure::result::{RunResult, ScenarioResult, Stamp, TrialResult};
use crate::notify::deliver::Patience;
use crate::notify::{Message, Settings, Window, deliver, prepare};
use crate::observe::timeline::{self, Fact};
use crate::report::format;
use jiff::{SignedDuration, Timestamp};
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Tells everybody; whoever cannot be told is a warning.
pub(super) fn tell(settings: Option<&Settings>, result: &RunResult, directory: Option<&Path>, console: Console) {
    let Some(settings) = settings else { return };
    let message = Message::of(result, windows(result, directory), link(|name| std::env::var(name).ok()));
    for failure in deliver(prepare(settings, &message), Patience::default()) {
        console.warning(&failure);
    }
}

/// The page of the CI job, as the variables of GitHub, GitLab and Jenkins tell it.
fn link(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    let github = || {
        let (server, repository) = (given("GITHUB_SERVER_URL")?, given("GITHUB_REPOSITORY")?);
        Some(format!("{server}/{repository}/actions/runs/{}", given("GITHUB_RUN_ID")?))
    };
    let link = github().or_else(|| given("CI_JOB_URL")).or_else(|| given("BUILD_URL"));
    link.filter(|link| link.starts_with("https://") || link.starts_with("http://"))
}

/// When the trials of a real cluster were broken and when they came back. The time of a simulated one is nobody's.
fn windows(result: &RunResult, directory: Option<&Path>) -> Vec<Window> {
    let Some(directory) = directory.filter(|_| !result.cluster.fingerprint.simulated) else { return Vec::new() };
    let trials = result.scenarios.iter().flat_map(|scenario| scenario.trials.iter().map(move |trial| (scenario, trial)));
    trials
        .filter_map(|(scenario, trial)| Some((scenario, trial, epoch(&directory.join(&trial.timeline))?)))
        .flat_map(|(scenario, trial, epoch)| of_trial(scenario, trial, epoch))
        .collect()
}

/// The wall time at which a trial's stamps begin, from the first line of its timeline.
fn epoch(file: &Path) -> Option<Timestamp> {
    let mut line = String::new();
    BufReader::new(std::fs::File::open(file).ok()?).read_line(&mut line).ok()?;
    timeline::parse(&line).ok()?.into_iter().find_map(|observation| match observation.fact {
        Fact::Began(began) => Some(began.epoch),
        _ => None,
    })
}

/// The fault, from its request until it took hold; the recovery, from then on until the workload was stable, or until the trial ended.
fn of_trial(scenario: &ScenarioResult, trial: &TrialResult, epoch: Timestamp) -> Vec<Window> {
    let at = |stamp: Option<&Stamp>| {
        let since = SignedDuration::try_from_secs_f64(stamp?.at).ok()?;
        epoch.checked_add(since).ok()
    };
    let stamps = &trial.stamps;
    let window = |what, from: Option<Timestamp>, until: Option<Timestamp>| {
        let took = trial.durations.to_recover.as_ref().map(|took| format!(", recovery {}", format::measured(took)));
        Some(Window {
            scenario: scenario.name.clone(),
            class: scenario.labels.get("class").cloned().unwrap_or_default(),
            what,
            text: format!("{} trial {}: {what}: {}{}", scenario.name, trial.index, trial.verdict, took.unwrap_or_default()),
            verdict: trial.verdict,
            from: from?,
            until: until.or(from)?,
        })
    };
    let (requested, effective) = (at(stamps.requested.as_ref()), at(stamps.effective.as_ref()));
    let end = at(stamps.stable_from.as_ref()).or_else(|| at(stamps.restored.as_ref()));
    [window("fault", requested.or(effective), effective), window("recovery", effective, end)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_page_of_the_job_is_found() {
        let of = |pairs: &'static [(&str, &str)]| {
            link(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        let github = &[("GITHUB_SERVER_URL", "https://github.com"), ("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", "7")];
        assert_eq!(of(github).as_deref(), Some("https://github.com/a/b/actions/runs/7"));
        assert_eq!(of(&[("CI_JOB_URL", "https://gitlab/x")]).as_deref(), Some("https://gitlab/x"));
        assert_eq!(of(&[("BUILD_URL", "javascript:alert(1)")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn windows_are_on_the_wall_clock_and_none_is_simulated() {
        let mut result = fixture::run();
        let stamp = |at| Some(Stamp { at, earliest: at, server: None });
        let trial = &mut result.scenarios[0].trials[0];
        trial.stamps.requested = stamp(10.0);
        trial.stamps.effective = stamp(12.0);
        trial.stamps.stable_from = stamp(24.5);
        let epoch: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let found = of_trial(&result.scenarios[0], &result.scenarios[0].trials[0], epoch);
        let times: Vec<(&str, String, String)> =
            found.iter().map(|one| (one.what, one.from.to_string(), one.until.to_string())).collect();
        let time = |text: &str| format!("2026-11-21T08:00:{text}Z");
        assert_eq!(times, [("fault", time("10"), time("12")), ("recovery", time("12"), time("24.5"))]);
        assert!(of_trial(&result.scenarios[0], &result.scenarios[0].trials[1], epoch).is_empty());
        assert_eq!(windows(&result, Some(Path::new("."))), []);
    }
}
