//! How to run one trial again: a command line to paste.
//! How seeds are made is the engine's business.

use crate::measure::result::{RunResult, ScenarioResult, TrialResult};

/// Options that a trial depends on: they are repeated in the command that tries it again.
const REPEATED_OPTIONS: [&str; 6] = ["--cluster", "--profile", "--set", "--kind-image", "--allow-context", "--retries"];

/// The command that runs this trial again: its seed follows from the run's seed, the scenario and the index.
#[must_use]
pub fn again(result: &RunResult, scenario: &ScenarioResult, trial: &TrialResult) -> String {
    let mut words =
        vec!["comeback run".to_owned(), quote(&scenario.file), format!("--seed {} --trial {}", result.run.seed, trial.index)];
    let mut command = result.run.command.iter();
    while let Some(word) = command.next() {
        if REPEATED_OPTIONS.contains(&word.as_str()) {
            words.push(word.clone());
            words.extend(command.next().map(|value| quote(value)));
        } else if word.split_once('=').is_some_and(|(option, _)| REPEATED_OPTIONS.contains(&option)) {
            words.push(quote(word));
        }
    }
    words.join(" ")
}

fn quote(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(safe) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_command_repeats_what_the_trial_depends_on() {
        let mut result = fixture::run();
        result.run.command = ["comeback", "run", "x", "--set", "workers=it's", "--set=n=3", "--out", "d", "--cluster=kind"]
            .map(String::from)
            .to_vec();
        let scenario = &result.scenarios[1];
        assert_eq!(
            again(&result, scenario, &scenario.trials[2]),
            r"comeback run scenarios/crash/crash-loop-after-config-change.yaml --seed 42 --trial 2 --set 'workers=it'\''s' --set=n=3 --cluster=kind"
        );
    }
}
