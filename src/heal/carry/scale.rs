//! The step `scale`: more replicas, or another number for a while. Which workload is meant is the finding's.

use super::object::{Trouble, changed};
use super::{Done, Healing};
use crate::detect::{Finding, Subject};
use crate::heal::action::ActionOutcome;
use crate::json::At as _;
use crate::scenario::duration::format;
use crate::scenario::heal::Scale;
use serde_json::{Value, json};
use std::time::Duration;

impl Healing<'_> {
    pub(super) async fn scale(&self, finding: &Finding, step: &Scale) -> Done {
        let workload = self.workload(finding);
        if !matches!(workload.kind.as_str(), "Deployment" | "StatefulSet") {
            let note = format!("{} {} has no number of replicas to change", workload.kind, workload.name);
            return Done::nothing(workload, ActionOutcome::Refused, note);
        }
        match self.set_replicas(&workload, |present| wanted(step, present)).await {
            Err(trouble) => trouble.on(workload),
            Ok((before, after)) => {
                let done = changed(workload.clone(), &spec(&before), &spec(&after), Vec::new());
                match step.for_.filter(|_| done.outcome == ActionOutcome::Acted) {
                    None => done,
                    Some(lasts) => {
                        let all = self.pods_of(finding);
                        self.and_back(workload, replicas(&before), lasts, Done { replaces: all, ..done }).await
                    }
                }
            }
        }
    }

    /// Puts the number of replicas back after a while; the record shows the number that it had in between.
    async fn and_back(&self, workload: Subject, count: u64, lasts: Duration, done: Done) -> Done {
        tokio::time::sleep(lasts).await;
        let lasted = format(lasts);
        match self.set_replicas(&workload, |_| Ok(count)).await {
            Ok(_) => Done { note: Some(format!("{count} replicas again after {lasted}")), ..done },
            Err(trouble) => {
                let note = format!("it could not be given back its {count} replicas after {lasted}: {}", trouble.text);
                Done { note: Some(note), outcome: ActionOutcome::Failed, ..done }
            }
        }
    }

    async fn set_replicas(
        &self,
        workload: &Subject,
        wanted: impl Fn(u64) -> Result<u64, String>,
    ) -> Result<(Value, Value), Trouble> {
        let edit = |object: &mut Value| {
            let count = wanted(replicas(object))?;
            let spec = object.get_mut("spec").and_then(Value::as_object_mut).ok_or_else(|| "it has no spec".to_owned())?;
            spec.insert("replicas".to_owned(), json!(count));
            Ok(())
        };
        self.change(workload, edit).await
    }
}

/// The number of replicas that a step leads to.
fn wanted(step: &Scale, present: u64) -> Result<u64, String> {
    let most = u64::from(step.at_most);
    match (step.replicas, step.for_) {
        (Some(replicas), Some(_)) => Ok(u64::from(replicas)),
        (Some(replicas), None) if u64::from(replicas) < present => {
            Err(format!("it has {present} replicas, and fewer ({replicas}) would hide the failure: `for` makes it pass"))
        }
        (Some(replicas), None) => Ok(u64::from(replicas)),
        (None, _) if present >= most => Err(format!("it has {present} replicas, and {most} is the most that is allowed")),
        (None, _) => {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small count"
            )]
            let more = (present as f64 * step.factor.unwrap_or(1.5)).ceil() as u64;
            Ok(more.clamp(present + 1, most))
        }
    }
}

fn replicas(workload: &Value) -> u64 {
    workload.at("/spec/replicas").and_then(Value::as_u64).unwrap_or(1)
}

fn spec(workload: &Value) -> Value {
    json!({ "spec": { "replicas": replicas(workload) } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(json!({}), 2, Ok(3))]
    #[case(json!({}), 1, Ok(2))]
    #[case(json!({ "factor": 1.01 }), 4, Ok(5))]
    #[case(json!({ "factor": 100.0 }), 4, Ok(10))]
    #[case(json!({ "atMost": 4 }), 4, Err("4 is the most"))]
    #[case(json!({ "replicas": 6 }), 4, Ok(6))]
    #[case(json!({ "replicas": 1 }), 4, Err("would hide the failure"))]
    #[case(json!({ "replicas": 0, "for": "10s" }), 4, Ok(0))]
    fn replicas_grow_within_their_bound(#[case] step: Value, #[case] present: u64, #[case] is: Result<u64, &str>) {
        let step: Scale = serde_json::from_value(step).unwrap();
        match (wanted(&step, present), is) {
            (Ok(found), Ok(is)) => assert_eq!(found, is),
            (Err(found), Err(is)) => assert!(found.contains(is), "{found}"),
            other => panic!("{other:?}"),
        }
    }
}
