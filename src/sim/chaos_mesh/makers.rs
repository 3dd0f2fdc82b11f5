//! The kinds of Chaos Mesh that make others: `Schedule` again and again, `Workflow` in an order of steps.
//! What they make acts as if somebody had made it by hand; their own kinds do nothing to pods.

mod schedule;
mod workflow;

use super::{inject, text};
use crate::sim::api::Resource;
use crate::sim::api::server::DeleteOptions;
use crate::sim::cluster::Simulation;
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::store::Object;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) use schedule::run as schedule;
pub(super) use workflow::run as workflow;

/// The kinds that both may make.
const MADE: [(&str, &str); 3] = [("PodChaos", "podchaos"), ("NetworkChaos", "networkchaos"), ("StressChaos", "stresschaos")];
/// How often the controller looks whether what it waits for has happened; a change of the object itself is seen at once.
const LOOK: Duration = Duration::from_secs(1);

/// An object that makes others.
pub(super) struct Maker {
    pub(super) simulation: Simulation,
    pub(super) recorder: crate::sim::events::EventRecorder,
    pub(super) resource: Resource,
    pub(super) object: Object,
}

impl Maker {
    fn spec(&self) -> &Value {
        self.object.get("spec").unwrap_or(&Value::Null)
    }

    fn namespace(&self) -> &str {
        text(&self.object, "/metadata/namespace")
    }

    fn name(&self) -> &str {
        text(&self.object, "/metadata/name")
    }

    /// The object as it is now; none where it is gone, or on its way out.
    fn now(&self) -> Option<Object> {
        let found = self.simulation.api.get(self.resource, self.namespace(), self.name()).ok()?;
        let same = text(&found, "/metadata/uid") == text(&self.object, "/metadata/uid");
        (same && text(&found, "/metadata/deletionTimestamp").is_empty()).then_some(found)
    }

    /// Returns when the object is gone.
    async fn until_gone(&self) {
        let mut watch = self.simulation.api.watch(self.resource, Some(self.namespace()));
        while self.now().is_some() && watch.next().await.is_some() {}
    }

    /// Says that a part of it is not simulated, and waits for its end.
    async fn refuse(&self, construct: String) {
        self.simulation.limits.report(Limit {
            kind: LimitKind::Kind,
            uid: text(&self.object, "/metadata/uid").to_owned(),
            subject: format!("{}/{}", self.namespace(), self.name()),
            construct,
            position: None,
            help: "run this scenario on a real cluster with Chaos Mesh".to_owned(),
        });
        self.until_gone().await;
    }

    /// An owner reference to an object of Chaos Mesh.
    fn owner(kind: &str, owner: &Value) -> Value {
        json!([{ "apiVersion": "chaos-mesh.org/v1alpha1", "kind": kind, "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true }])
    }

    /// Makes an object; its name, or why not.
    fn make(&self, resource: Resource, metadata: Value, spec: &Value) -> Result<Object, String> {
        let object =
            json!({ "apiVersion": "chaos-mesh.org/v1alpha1", "kind": resource.kind, "metadata": metadata, "spec": spec });
        self.simulation.api.create(resource, self.namespace(), object).map_err(|error| error.message)
    }

    fn delete(&self, resource: Resource, name: &str) {
        // One that is gone already is what is wanted.
        let _ = self.simulation.api.delete(resource, self.namespace(), name, &DeleteOptions::default());
    }
}

/// The specification of what is to be made, from where it is embedded under the name of its kind.
///
/// # Errors
/// What of it is not simulated.
fn embedded<'a>(simulation: &Simulation, maker: &str, kind: &str, from: &'a Value) -> Result<(Resource, &'a Value), String> {
    let Some((kind, plural)) = MADE.iter().find(|(known, _)| *known == kind) else {
        return Err(format!("{maker} of {}", if kind.is_empty() { "nothing" } else { kind }));
    };
    let key = format!("{}{}", kind[..1].to_lowercase(), &kind[1..]);
    let spec = from.get(&key).ok_or_else(|| format!("{maker} of {kind} without {key}"))?;
    inject::is_simulated(kind, spec).map_err(|what| format!("{maker} of {what}"))?;
    Ok((simulation.api.learn("chaos-mesh.org", "v1alpha1", kind, plural, true), spec))
}
