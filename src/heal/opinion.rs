//! A second opinion on a finding: the coordination engine's anomaly endpoint is asked once, bounded in time and bytes, and whatever it
//! does makes no error. What it says is a note, never evidence. The transport is `http`'s.

use super::http::{Ask, ask, headers, host_of};
use crate::detect::Finding;
use crate::observe::Index;
use crate::report::{format, layout};
use crate::scenario::second_opinion::{Feature, SecondOpinion};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// The longest text of an engine that is repeated, in characters.
const LONGEST: usize = 200;

/// What an engine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Says {
    /// It finds an anomaly, too.
    Anomaly,
    /// It finds none.
    Normal,
    /// It gave no answer that could be understood.
    Unanswered,
}

/// A second opinion on a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opinion {
    /// Its host.
    pub by: String,
    /// The cause that was found.
    pub cause: String,
    /// The pod that it was found on.
    pub pod: String,
    /// What it says.
    pub says: Says,
    /// What else it says, or why it could not be understood.
    pub text: String,
}

impl fmt::Display for Opinion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self.says {
            Says::Anomaly => "an anomaly, too",
            Says::Normal => "no anomaly",
            Says::Unanswered => "no answer that could be used",
        };
        write!(f, "second opinion of {} on {} of pod {}: {said}", self.by, self.cause, self.pod)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

/// What the model is told of a finding; none where it is not about a pod.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "exit codes are small")]
pub fn instance(settings: &SecondOpinion, finding: &Finding, index: &Index) -> Option<Vec<f64>> {
    let pod = index.pod(&finding.subject.uid)?;
    let wanted = finding.subject.container.as_deref();
    let container = pod.containers.values().find(|container| wanted.is_none_or(|name| container.name == name))?;
    let number = |feature: &Feature| match feature {
        Feature::Restarts => f64::from(container.restart_count),
        Feature::ExitCode => container.exits.last().map_or(0.0, |exit| exit.exit_code as f64),
        Feature::Ready => f64::from(u8::from(container.ready)),
        Feature::Age => index.now().saturating_sub(pod.first_seen).as_secs_f64(),
    };
    Some(settings.features.iter().map(number).collect())
}

/// Asks for a second opinion, once.
pub async fn second_opinion(settings: &SecondOpinion, finding: &Finding, instance: Vec<f64>) -> Opinion {
    let (says, text) = match asked(settings, &instance).await {
        Ok(answer) => answer,
        Err(why) => (Says::Unanswered, why),
    };
    let (by, cause, pod) = (host_of(&settings.url), finding.cause.clone(), finding.subject.name.clone());
    Opinion { by, cause, pod, says, text: layout::cut(&format::plain(&text), LONGEST) }
}

async fn asked(settings: &SecondOpinion, instance: &[f64]) -> Result<(Says, String), String> {
    let answer = ask(Ask {
        url: format!("{}/api/v1/detect", settings.url.trim_end_matches('/')),
        headers: headers(&settings.headers)?,
        body: Some(json!({ "model": settings.model, "instances": [instance] })),
        within: settings.within,
    })
    .await?;
    if !answer.is_success() {
        return Err(answer.refusal());
    }
    let body = answer.json()?;
    let says = said_by(&body).ok_or_else(|| format!("its answer has neither `is_anomaly` nor one prediction: {body}"))?;
    let more = ["severity", "confidence", "recommended_action", "explanation"];
    let more = more.iter().filter_map(|key| match body.get(key)? {
        Value::String(text) => Some(format!("{key} {text}")),
        Value::Number(number) => Some(format!("{key} {number}")),
        _ => None,
    });
    Ok((says, more.collect::<Vec<_>>().join(", ")))
}

/// The verdict: the client's `is_anomaly`, or the one prediction of the model's server, of which an isolation forest answers -1 for what is
/// unlike the rest and 1 for what is like it.
fn said_by(body: &Value) -> Option<Says> {
    let of = |anomaly: bool| if anomaly { Says::Anomaly } else { Says::Normal };
    if let Some(answer) = body.get("is_anomaly") {
        return answer.as_bool().map(of);
    }
    let [one] = body.get("predictions")?.as_array()?.as_slice() else { return None };
    match one.as_i64()? {
        -1 => Some(Says::Anomaly),
        1 => Some(Says::Normal),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
