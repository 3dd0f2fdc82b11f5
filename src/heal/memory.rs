//! What the healer keeps beyond its own life: each attempt, in a ConfigMap of the namespace that it acts in, so that one that starts anew
//! goes on with a ladder and does not begin it again. Where a ladder stands is decided in `decide`, from these as from its own actions.

use super::action::{ActionOutcome, ActionRecord};
use super::carry::Healing;
use super::decide::{Intent, Remedy};
use super::id::ActionId;
use super::policy::Policy;
use crate::cluster::kinds::Kind;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::engine::labels::{RUN, dns_label};
use crate::observe::index::text;
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Label: this object holds the attempts of a healer.
const HOLDS: &str = "comeback.dev/healer";
/// The key of the attempts.
const KEY: &str = "attempts";
/// What was done so long ago says nothing of what is wrong now.
const FORGOTTEN: Duration = Duration::from_hours(1);
/// The most attempts that are kept; older ones are forgotten.
const MOST: usize = 200;

/// One attempt as it is kept: what was changed, and the objects' contents, are the audit's alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Noted {
    /// When, by the server's clock.
    at: Timestamp,
    /// What.
    action: ActionRecord,
}

/// The attempts of a healer and of those before it.
#[derive(Clone, Debug)]
pub struct Memory {
    run: String,
    /// Those of this run, which its object holds.
    own: Vec<Noted>,
    /// Whether that object is there.
    is_there: bool,
    earlier: Vec<ActionRecord>,
}

impl Memory {
    /// Reads what healers before this one did in a namespace. `now` is the time since this one began, `clock` the server's at that moment:
    /// what came before this one began is taken for having been done then. An attempt at a step that its ladder does not have is left out.
    ///
    /// # Errors
    /// The server's refusal, or no answer: then nothing is known, and nothing should be done.
    pub async fn recall(
        client: &Client,
        namespace: &str,
        policy: &Policy,
        now: Duration,
        clock: Timestamp,
    ) -> Result<Self, RequestError> {
        let what = "reading what healers did before";
        let api = maps(client, namespace, what)?;
        let chosen = ListParams::default().labels(&format!("{HOLDS}={KEY}"));
        let found = retried(what, REQUEST_BUDGET, || api.list(&chosen)).await?;
        let run = dns_label(&policy.run, 63);
        let (mut own, mut is_there, mut all) = (Vec::new(), false, Vec::new());
        for map in found.items {
            let noted = noted_in(&map);
            if map.metadata.labels.as_ref().and_then(|labels| labels.get(RUN)) == Some(&run) {
                (own, is_there) = (noted.clone(), true);
            }
            all.extend(noted);
        }
        all.sort_by_key(|noted| noted.at);
        let earlier = all.into_iter().filter_map(|noted| {
            let age = Duration::try_from(clock.duration_since(noted.at)).unwrap_or_default();
            let fits = age < FORGOTTEN && is_of_its_ladder(&noted.action, policy);
            fits.then(|| ActionRecord { at: now.saturating_sub(age), ..noted.action })
        });
        let earlier = earlier.collect();
        Ok(Self { run, own, is_there, earlier })
    }

    /// What healers before this one did, oldest first.
    #[must_use]
    pub fn earlier(&self) -> &[ActionRecord] {
        &self.earlier
    }

    /// Carries an intent out, noted before: a healer that dies meanwhile leaves an attempt that its successor skips, never one that is
    /// made twice. What cannot be noted is not done.
    pub async fn carry_out(&mut self, healing: &Healing<'_>, intent: &Intent, clock: Timestamp) -> ActionRecord {
        let expected = expected(intent);
        if let Err(error) = self.note(healing, expected.clone(), clock).await {
            let reason = format!("it was not done, because it could not be noted: {error}");
            return ActionRecord { outcome: ActionOutcome::Failed, reason, ..expected };
        }
        let action = healing.carry_out(intent).await;
        if action.outcome != expected.outcome
            && let Err(error) = self.note(healing, action.clone(), clock).await
        {
            // It stays noted as done: a successor goes on after it.
            tracing::debug!("what came of an attempt could not be noted: {error}");
        }
        action
    }

    /// Writes an attempt down; one of the same id takes the place of what was written before.
    async fn note(&mut self, healing: &Healing<'_>, action: ActionRecord, at: Timestamp) -> Result<(), RequestError> {
        let what = "noting an attempt to heal";
        let api = maps(healing.client, healing.namespace, what)?;
        let mut own: Vec<Noted> = self.own.iter().filter(|noted| noted.action.id != action.id).cloned().collect();
        own.push(Noted {
            at,
            action: ActionRecord { reason: String::new(), before: None, after: None, replaces: Vec::new(), ..action },
        });
        let own = own.split_off(own.len().saturating_sub(MOST));
        let lines = own.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|error| RequestError::of(what, error.to_string()))?;
        let name = format!("comeback-healer-{}", self.run);
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": healing.namespace, "labels": {HOLDS: KEY, RUN: self.run}},
            "data": {KEY: lines.join("\n")},
        });
        let plain: DynamicObject =
            serde_json::from_value(object.clone()).map_err(|error| RequestError::of(what, error.to_string()))?;
        let params = PostParams { dry_run: false, field_manager: Some(super::FIELD_MANAGER.to_owned()) };
        if !self.is_there {
            if let Some(announce) = healing.announce {
                announce(&Value::Null, &object).await?;
            }
            match retried(what, REQUEST_BUDGET, || api.create(&params, &plain)).await {
                // A request whose answer was lost.
                Err(error) if error.is_already_there() => {}
                done => {
                    done?;
                    (self.own, self.is_there) = (own, true);
                    return Ok(());
                }
            }
        }
        // Without a resourceVersion it is written over: nobody else writes it.
        retried(what, REQUEST_BUDGET, || api.replace(&name, &params, &plain)).await?;
        (self.own, self.is_there) = (own, true);
        Ok(())
    }
}

fn maps(client: &Client, namespace: &str, what: &str) -> Result<Api<DynamicObject>, RequestError> {
    let kind = Kind::known(None, "ConfigMap").ok_or_else(|| RequestError::of(what, "ConfigMap is not a known kind"))?;
    Ok(kind.api(client, namespace))
}

/// The attempts that an object holds; what somebody else wrote into it is none.
fn noted_in(map: &DynamicObject) -> Vec<Noted> {
    let lines = text(&map.data, &format!("/data/{KEY}")).lines();
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The record of an attempt that succeeds.
fn expected(intent: &Intent) -> ActionRecord {
    intent.record(if intent.remedy == Remedy::Report { ActionOutcome::NoRemedy } else { ActionOutcome::Acted })
}

fn is_of_its_ladder(action: &ActionRecord, policy: &Policy) -> bool {
    let Some(id) = ActionId::parse(&action.id) else { return false };
    let ladder = policy.ladder(&id.cause);
    ladder.get(id.rung).map_or(id.rung == ladder.len() && action.step == "report", |step| step.key() == action.step)
}

#[cfg(test)]
mod tests;
