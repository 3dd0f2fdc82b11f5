//! Reading and writing single objects of any kind, with conflicts retried and errors put into words.
//! Which objects, and what to write, is the steps' business.

use super::{Done, FIELD_MANAGER, Healing, owner};
use crate::cluster::kinds::resolve;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::detect::Subject;
use crate::heal::action::ActionOutcome;
use crate::heal::diff;
use crate::observe::index::text;
use kube::api::{Api, DynamicObject, PostParams};
use serde_json::Value;

/// How often a write is tried again after a conflict.
const CONFLICTS: usize = 5;

/// What went wrong, as an audit record says it.
pub(super) struct Trouble {
    pub outcome: ActionOutcome,
    pub text: String,
    /// The server's code, 0 without an answer.
    pub code: u16,
}

impl From<RequestError> for Trouble {
    fn from(error: RequestError) -> Self {
        // Overload, or a conflict that outlasted the retries, may pass; so may silence. Any other answer is a refusal.
        let passing = error.code == 0 || error.code >= 500 || matches!(error.code, 408 | 409 | 429);
        let outcome = if passing { ActionOutcome::Failed } else { ActionOutcome::Refused };
        Self { outcome, text: error.to_string(), code: error.code }
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Self {
        Self { outcome: ActionOutcome::Failed, text: format!("an object could not be read: {error}"), code: 0 }
    }
}

impl Trouble {
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self { outcome: ActionOutcome::Refused, text: text.into(), code: 0 }
    }

    pub(super) fn on(self, subject: Subject) -> Done {
        Done::nothing(subject, self.outcome, self.text)
    }
}

impl Healing<'_> {
    /// The objects of a kind in the trial's namespace; cluster-scoped kinds are nobody's own.
    pub(super) async fn api(&self, kind: &str, api_version: Option<&str>) -> Result<Api<DynamicObject>, Trouble> {
        let found = resolve(self.client, api_version.filter(|version| !version.is_empty()), kind).await?;
        if !found.namespaced {
            return Err(Trouble::refused(format!("{kind} is cluster-scoped; only objects of the trial's namespace are changed")));
        }
        Ok(found.api(self.client, self.namespace))
    }

    /// Reads one object.
    pub(super) async fn read(&self, api: &Api<DynamicObject>, subject: &Subject) -> Result<Value, Trouble> {
        let what = format!("reading {} {}", subject.kind, subject.name);
        Ok(serde_json::to_value(retried(&what, REQUEST_BUDGET, || api.get(&subject.name)).await?)?)
    }

    /// Tells of a change that is about to be made.
    pub(super) async fn announced(&self, before: &Value, after: &Value) -> Result<(), Trouble> {
        match self.announce {
            Some(announce) => Ok(announce(before, after).await?),
            None => Ok(()),
        }
    }

    /// The subject of an object in the trial's namespace.
    pub(super) fn subject(&self, kind: &str, name: &str, uid: &str) -> Subject {
        Subject {
            cluster: self.index.cluster().to_owned(),
            namespace: self.namespace.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            container: None,
        }
    }

    /// Reads, changes and writes an object under its resourceVersion; a conflict reads it again. A `uid` that is given must be the
    /// object's: another object of the same name is left alone.
    pub(super) async fn change(
        &self,
        subject: &Subject,
        mut edit: impl FnMut(&mut Value) -> Result<(), String>,
    ) -> Result<(Value, Value), Trouble> {
        let api = self.api(&subject.kind, None).await?;
        let what = format!("changing {} {}", subject.kind, subject.name);
        let mut conflicts = 0;
        loop {
            let before = self.read(&api, subject).await?;
            if !subject.uid.is_empty() && text(&before, "/metadata/uid") != subject.uid {
                return Err(Trouble::refused(format!("{} {} is another object by now", subject.kind, subject.name)));
            }
            if let Some(why) = owner::refusal(&before, self.run) {
                return Err(Trouble::refused(why));
            }
            let mut after = before.clone();
            edit(&mut after).map_err(Trouble::refused)?;
            if after == before {
                return Ok((before.clone(), before));
            }
            self.announced(&before, &after).await?;
            let object: DynamicObject = serde_json::from_value(after.clone())?;
            let params = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
            match retried(&what, REQUEST_BUDGET, || api.replace(&subject.name, &params, &object)).await {
                // What the server stored, with its defaults, is what is compared and recorded.
                Ok(stored) => return Ok((before, serde_json::to_value(stored)?)),
                Err(error) if error.is_conflict() && conflicts < CONFLICTS => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The record of a change: nothing differs means nothing had to be done.
pub(super) fn changed(subject: Subject, before: &Value, after: &Value, replaces: Vec<String>) -> Done {
    match diff::changed(before, after) {
        None => Done::nothing(subject, ActionOutcome::NoOp, "it is as it should be already"),
        Some((before, after)) => {
            Done { subject, outcome: ActionOutcome::Acted, note: None, before: Some(before), after: Some(after), replaces }
        }
    }
}
