//! What belongs to a trial beside its own row: stamps, findings, actions.

use super::super::record::{RunRecord, ScenarioRecord};
use super::{Written, json, stamps, text, whole};
use crate::measure::result::{How, TrialResult};
use crate::report::format;
use sqlx::AnyConnection;

/// Writes it; `known`: an earlier upload's goes first.
pub(super) async fn put(
    connection: &mut AnyConnection,
    run: &RunRecord,
    scenario: &ScenarioRecord,
    trial: &TrialResult,
    known: bool,
) -> Written {
    let (run, scenario, index) = (run.id.as_str(), text(&scenario.name), i64::from(trial.index));
    if known {
        for statement in [
            "DELETE FROM stamps WHERE run_id = $1 AND scenario = $2 AND trial = $3",
            "DELETE FROM findings WHERE run_id = $1 AND scenario = $2 AND trial = $3",
            "DELETE FROM actions WHERE run_id = $1 AND scenario = $2 AND trial = $3",
        ] {
            let query = sqlx::query(statement).bind(run.to_owned()).bind(scenario.clone()).bind(index);
            query.execute(&mut *connection).await?;
        }
    }
    for (name, stamp) in stamps(trial) {
        sqlx::query(
            "INSERT INTO stamps (run_id, scenario, trial, name, at, earliest, server) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(run.to_owned())
        .bind(scenario.clone())
        .bind(index)
        .bind(name)
        .bind(stamp.at)
        .bind(stamp.earliest)
        .bind(stamp.server.clone())
        .execute(&mut *connection)
        .await?;
    }
    for (ordinal, finding) in trial.findings.iter().enumerate() {
        let evidence: Vec<String> =
            finding.evidence.iter().take(5).map(|one| text(&format!("{}: {}", one.source, one.text))).collect();
        sqlx::query(
            "INSERT INTO findings (run_id, scenario, trial, ordinal, cause, namespace, kind, name, container, workload, at, \
             first_seen, last_seen, signals, confidence, leading_one, evidence) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(run.to_owned())
        .bind(scenario.clone())
        .bind(index)
        .bind(whole(ordinal))
        .bind(text(&finding.cause))
        .bind(text(&finding.subject.namespace))
        .bind(text(&finding.subject.kind))
        .bind(text(&finding.subject.name))
        .bind(finding.subject.container.as_deref().map(text))
        .bind(text(&finding.group))
        .bind(finding.at.as_secs_f64())
        .bind(finding.first_seen.as_secs_f64())
        .bind(finding.last_seen.as_secs_f64())
        .bind(i64::from(finding.count))
        .bind(json(&finding.confidence).replace('"', ""))
        .bind(i64::from(finding.leading))
        .bind(json(&evidence))
        .execute(&mut *connection)
        .await?;
    }
    for (ordinal, action) in trial.actions.iter().enumerate() {
        sqlx::query(
            "INSERT INTO actions (run_id, scenario, trial, ordinal, id, step, cause, kind, name, at, outcome, reason) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(run.to_owned())
        .bind(scenario.clone())
        .bind(index)
        .bind(whole(ordinal))
        .bind(text(&action.id))
        .bind(text(&action.step))
        .bind(text(&action.cause))
        .bind(text(&action.subject.kind))
        .bind(text(&action.subject.name))
        .bind(action.at.as_secs_f64())
        .bind(format::outcome(action.outcome))
        .bind(text(&action.reason))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// As the contract writes it.
pub(super) const fn how(how: How) -> &'static str {
    match how {
        How::Healed => "healed",
        How::Mitigated => "mitigated",
    }
}
