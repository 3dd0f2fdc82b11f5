//! The results of a submitted run on the submitter's side: checked against what the pods said, put together by the same code as
//! `comeback judge` puts shards together, and left as one usual run directory.

use super::follow::Attempt;
use super::store::{Piece, digest};
use super::{Submission, Summary};
use crate::engine::shard::{self, Part};
use crate::engine::{private, saved};
use crate::exit_code::ExitCode;
use crate::measure::outcome;
use crate::measure::result::{ExitReason, Run, RunResult, Shard, TrialResult};
use crate::scenario::Plan;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the shards lie until they are put together, in the run directory.
const SHARDS: &str = "shards";

/// Puts everything that was stored together; `None` where nothing was. What is wrong with it is a reason of the result. Where the run was
/// `stopped` on purpose, shards that are not finished are only told of.
///
/// # Errors
/// The run directory cannot be written, or the shards do not fit together.
pub fn collect(
    directory: &Path,
    submission: &Submission,
    started_at: &str,
    (pieces, attempts): (Vec<Piece>, &[Attempt]),
    stopped: bool,
) -> Result<Option<RunResult>, String> {
    let mut of_shards: BTreeMap<u32, Vec<Piece>> = BTreeMap::new();
    for piece in pieces {
        of_shards.entry(piece.shard).or_default().push(piece);
    }
    let (mut problems, mut unfinished) = (Vec::new(), Vec::new());
    let mut directories = Vec::new();
    for index in 1..=submission.shards {
        let mut said = attempts.iter().filter(|attempt| attempt.shard == index);
        let summary = said.clone().find_map(Attempt::summary);
        let of = submission.shards;
        let Some(pieces) = of_shards.get(&index) else {
            unfinished.push(format!("shard {index}/{of} has no results{}", said.next_back().map(told).unwrap_or_default()));
            continue;
        };
        if let Some(summary) = &summary
            && let Some(wrong) = differs(summary, pieces)
        {
            problems.push(format!("shard {index}/{of}: {wrong}"));
        }
        let part = directory.join(SHARDS).join(index.to_string());
        pieces.iter().try_for_each(|piece| piece.restore(&part))?;
        if pieces.iter().all(|piece| piece.trial.is_some()) {
            unfinished
                .push(format!("shard {index}/{of} did not come to its end{}", said.next_back().map(told).unwrap_or_default()));
            cut_short(&part, submission, Part { index, of }, started_at, pieces)?;
        }
        directories.push(part);
    }
    if directories.is_empty() {
        return Ok(None);
    }
    let never = |reference: &str| Err(format!("a submitted run has no baseline, and this one names {reference}"));
    let mut result = saved::judge_shards(&directories, &never)?;
    result.run = Run {
        id: submission.id.clone(),
        version: submission.version.clone(),
        started_at: started_at.to_owned(),
        seed: submission.seed,
        command: submission.command.clone(),
        ..result.run
    };
    result.complete &= unfinished.is_empty() && problems.is_empty();
    if stopped {
        result.warnings.append(&mut unfinished);
    }
    for problem in problems.into_iter().chain(unfinished) {
        outcome::add_reason(&mut result, ExitCode::Environment, problem);
    }
    flatten(directory, submission, &mut result)?;
    Ok(Some(result))
}

/// How an attempt ended, behind what came of it.
fn told(attempt: &Attempt) -> String {
    let said = attempt.message.as_deref().map(|said| format!(": {said}")).unwrap_or_default();
    attempt.ended.as_ref().map(|how| format!(": its pod {} ended ({how}){said}", attempt.pod)).unwrap_or_default()
}

/// What is stored must be what the pod said that it had stored.
fn differs(summary: &Summary, pieces: &[Piece]) -> Option<String> {
    let found = digest(pieces);
    (found != summary.results)
        .then(|| format!("its results are not what its pod stored: {found} was collected, {} was said", summary.results))
}

/// Writes what a shard's pod would have written at its end.
fn cut_short(part: &Path, submission: &Submission, which: Part, started_at: &str, pieces: &[Piece]) -> Result<(), String> {
    let (plans, shard) = shard::cut(&submission.plans.plans, which)?;
    saved::save_plans(part, &saved::SavedPlans { plans: plans.clone(), ..submission.plans.clone() })?;
    let result = incomplete(submission, shard, &plans, started_at, pieces);
    let text = serde_json::to_vec(&result).map_err(|error| error.to_string())?;
    let file = part.join("result.json");
    private::write(&file, &text).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

fn incomplete(submission: &Submission, shard: Shard, plans: &[Arc<Plan>], started_at: &str, pieces: &[Piece]) -> RunResult {
    let of = |plan: &Arc<Plan>| {
        let trials = pieces.iter().filter_map(|piece| piece.trial.as_ref()).filter(|trial| trial.scenario == plan.name);
        let mut trials: Vec<TrialResult> = trials.map(|trial| trial.result.clone()).collect();
        trials.sort_by_key(|trial| trial.index);
        outcome::scenario(plan, trials, None, None)
    };
    let scenarios: Vec<_> = plans.iter().map(of).collect();
    let run = Run {
        id: submission.id.clone(),
        version: submission.version.clone(),
        started_at: started_at.to_owned(),
        finished_at: None,
        seed: submission.seed,
        command: submission.command.clone(),
        shard: Some(shard),
    };
    let cluster = pieces.first().map(|piece| piece.cluster.clone()).unwrap_or_default();
    let exit_reasons = vec![ExitReason {
        code: ExitCode::Inconclusive.code(),
        name: ExitCode::Inconclusive,
        reason: "the shard did not come to its end".to_owned(),
    }];
    RunResult { exit_reasons, ..outcome::incomplete(run, cluster, plans, scenarios) }
}

/// Makes one usual run directory of the shards': no trial is in two, so that no two files have one name.
fn flatten(directory: &Path, submission: &Submission, result: &mut RunResult) -> Result<(), String> {
    saved::save_plans(directory, &submission.plans)?;
    let shards = directory.join(SHARDS);
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path} cannot be put into the run directory: {error}")
    };
    let within = |text: &str| -> Option<PathBuf> {
        Path::new(text).strip_prefix(&shards).ok()?.components().skip(1).collect::<PathBuf>().into()
    };
    let trials = result.scenarios.iter_mut().flat_map(|scenario| &mut scenario.trials);
    let attempts = trials.flat_map(|trial| {
        let TrialResult { timeline, evidence, retries, .. } = trial;
        std::iter::once((timeline, evidence)).chain(retries.iter_mut().map(|retry| (&mut retry.timeline, &mut retry.evidence)))
    });
    for path in attempts.flat_map(|(timeline, evidence)| std::iter::once(timeline).chain(evidence)) {
        let Some(relative) = within(path) else { continue };
        let (from, to) = (PathBuf::from(&*path), directory.join(&relative));
        if from.exists() {
            private::create_dir_all(to.parent().unwrap_or(directory))
                .and_then(|()| std::fs::rename(&from, &to))
                .map_err(failed(&from))?;
        }
        *path = relative.to_string_lossy().into_owned();
    }
    std::fs::remove_dir_all(&shards).map_err(failed(&shards))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::saved::{SavedPlans, judge_run};
    use crate::engine::submit::store::Trial;
    use crate::measure::result::ClusterInfo;
    use crate::report::fixture;
    use crate::scenario::Verdict;

    fn submission() -> Submission {
        Submission {
            id: "r".to_owned(),
            version: "1".to_owned(),
            seed: 7,
            shards: 2,
            plans: SavedPlans { plans: vec![fixture::plan("a", 3), fixture::plan("b", 1)], ..SavedPlans::default() },
            command: vec!["comeback".to_owned(), "submit".to_owned()],
            ..Submission::default()
        }
    }

    /// A trial that never began: it is its own evidence.
    fn piece(shard: u32, scenario: &str, index: u32) -> Piece {
        let result = TrialResult::without_measurements(index, 1, Verdict::Error, "the apply was refused");
        let position = usize::from(scenario == "b");
        let name = format!("evidence/{scenario}-{index}/missing.txt");
        let trial = Some(Trial { scenario: scenario.to_owned(), position, result });
        let files = BTreeMap::from([(name, super::super::store::Content::of(Vec::new()))]);
        Piece { shard, attempt: format!("r-s{shard}-a"), cluster: ClusterInfo::default(), trial, files }
    }

    fn attempt(shard: u32, message: Option<String>) -> Attempt {
        Attempt { pod: format!("p{shard}"), shard, ran: true, ended: Some("exit code 137".to_owned()), message }
    }

    #[test]
    fn what_was_finished_counts_once_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let pieces = vec![piece(1, "a", 0), piece(1, "a", 1), piece(2, "a", 2)];
        let attempts = [attempt(1, None), attempt(2, None)];
        let result = collect(folder.path(), &submission(), "2026-01-01T00:00:00Z", (pieces, &attempts), false).unwrap().unwrap();
        let trials: Vec<_> = result
            .scenarios
            .iter()
            .flat_map(|scenario| scenario.trials.iter().map(|trial| (scenario.name.as_str(), trial.index)))
            .collect();
        assert_eq!(trials, [("a", 0), ("a", 1), ("a", 2)]);
        assert_eq!((result.complete, result.expected.trials, result.run.shard, result.run.id.as_str()), (false, 4, None, "r"));
        let reasons: Vec<_> = result.exit_reasons.iter().map(|reason| reason.reason.as_str()).collect();
        assert!(reasons.contains(&"shard 1/2 did not come to its end: its pod p1 ended (exit code 137)"), "{reasons:?}");
        assert!(reasons.contains(&"3 of 4 trials were run"), "{reasons:?}");
        assert_eq!(outcome::exit_code(&result), ExitCode::Environment);
        // One run directory, as every command reads it.
        assert!(folder.path().join("plans.json").exists() && !folder.path().join(SHARDS).exists());
        private::write(&folder.path().join("result.json"), &serde_json::to_vec(&result).unwrap()).unwrap();
        let again = judge_run(folder.path(), &|_| Err(String::new())).unwrap();
        assert_eq!(again.scenarios, result.scenarios);
    }

    #[test]
    fn what_a_time_limit_cut_off_is_nobodys_fault() {
        let folder = tempfile::tempdir().unwrap();
        let (pieces, attempts) = (vec![piece(1, "a", 0), piece(1, "a", 1)], [attempt(1, None), attempt(2, None)]);
        let result = collect(folder.path(), &submission(), "2026-01-01T00:00:00Z", (pieces, &attempts), true).unwrap().unwrap();
        assert_eq!((outcome::exit_code(&result), result.complete), (ExitCode::Inconclusive, false));
        let told = ["shard 1/2 did not come to its end", "shard 2/2 has no results"];
        assert!(told.iter().all(|told| result.warnings.iter().any(|warning| warning.contains(told))), "{:?}", result.warnings);
    }

    #[test]
    fn other_results_than_the_pod_stored_are_an_error_and_a_trial_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pieces = vec![piece(1, "a", 0), piece(2, "a", 2)];
        let summary = Summary {
            shard: 1,
            attempt: "r-s1-a".into(),
            verdicts: BTreeMap::new(),
            taken_over: 0,
            exit_code: 0,
            results: digest(&pieces[1..]),
        };
        let attempts = [attempt(1, Some(serde_json::to_string(&summary).unwrap()))];
        let result = collect(folder.path(), &submission(), "2026-01-01T00:00:00Z", (pieces, &attempts), false).unwrap().unwrap();
        assert!(
            result.exit_reasons.iter().any(|reason| reason.reason.contains("not what its pod stored")),
            "{:?}",
            result.exit_reasons
        );
        assert_eq!(outcome::exit_code(&result), ExitCode::Environment);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(collect(folder.path(), &submission(), "", (Vec::new(), &[]), false).unwrap(), None);
    }
}
