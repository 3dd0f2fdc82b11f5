//! `Schedule` of Chaos Mesh: an object each time, unless the last is still at work; finished ones beyond the history are removed.
//! The times are `sim::cron`'s.

use super::{LOOK, MADE, Maker, embedded};
use crate::sim::api::Resource;
use crate::sim::api::server::Subresource;
use crate::sim::chaos_mesh::text;
use crate::sim::clock::format_seconds;
use crate::sim::cron::Schedule;
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::store::Object;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// Spawns what the object says until it is gone.
pub(in crate::sim::chaos_mesh) async fn run(maker: Maker) {
    let spec = maker.spec();
    let schedule = match Schedule::parse(text(spec, "/schedule")) {
        Ok(schedule) => schedule,
        Err(error) => {
            let message = format!("Failed to get run time: unparseable schedule: {} : {error}", text(spec, "/schedule"));
            say(&maker, EventType::Warning, "Failed", &message);
            return;
        }
    };
    let (resource, made) = match embedded(&maker.simulation, "Schedule", text(spec, "/type"), spec) {
        Ok(found) => found,
        Err(construct) => return maker.refuse(construct).await,
    };
    tokio::select! {
        biased;
        () = maker.until_gone() => {}
        () = spawn(&maker, &schedule, resource, made) => {}
        () = collect(&maker, resource) => {}
    }
}

fn say(maker: &Maker, type_: EventType, reason: &str, message: &str) {
    maker.recorder.event(&ObjectRef::of(&maker.object), type_, reason, message);
}

/// Makes an object whenever it is time.
async fn spawn(maker: &Maker, schedule: &Schedule, resource: Resource, made: &Value) {
    let clock = &maker.simulation.api.clock;
    let mut last: Timestamp = text(&maker.object, "/metadata/creationTimestamp").parse().unwrap_or_else(|_| clock.now());
    let forbids = text(maker.spec(), "/concurrencyPolicy") != "Allow";
    while let Some(next) = schedule.next(last, &jiff::tz::TimeZone::UTC) {
        let left = Duration::try_from(next.duration_since(clock.now())).unwrap_or_default();
        tokio::time::sleep(left).await;
        last = clock.now();
        if forbids && let Some(running) = children(maker, resource).iter().find(|child| !is_finished(child)) {
            let message = format!("Forbid spawning new job because: {} is still running", text(running, "/metadata/name"));
            say(maker, EventType::Warning, "Forbid", &message);
            continue;
        }
        let metadata = json!({ "generateName": format!("{}-", maker.name()), "labels": { "managed-by": maker.name() },
            "ownerReferences": Maker::owner("Schedule", &maker.object) });
        match maker.make(resource, metadata, made) {
            Err(error) => say(maker, EventType::Warning, "Failed", &format!("Failed to create new object: {error}")),
            Ok(child) => {
                say(maker, EventType::Normal, "Spawned", &format!("Create new object: {}", text(&child, "/metadata/name")));
                report(maker, resource, last);
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Removes finished objects beyond the history, the oldest first.
async fn collect(maker: &Maker, resource: Resource) {
    let limit = maker.spec().get("historyLimit").and_then(Value::as_u64).unwrap_or(0);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    loop {
        let all = children(maker, resource);
        let beyond = all.len().saturating_sub(limit);
        for child in all.iter().take(beyond).filter(|child| is_finished(child)) {
            maker.delete(resource, text(child, "/metadata/name"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What it has made and what is still there, the oldest first.
fn children(maker: &Maker, resource: Resource) -> Vec<Object> {
    let own = |child: &Object| text(child, "/metadata/ownerReferences/0/uid") == text(&maker.object, "/metadata/uid");
    let mut found: Vec<Object> = maker.simulation.api.list(resource, Some(maker.namespace())).into_iter().filter(own).collect();
    let age = |child: &Object| text(child, "/metadata/creationTimestamp").to_owned();
    found.sort_by_key(|child| (age(child), text(child, "/metadata/name").to_owned()));
    found
}

/// Whether what lasts was taken back, or what is over in a moment has happened.
fn is_finished(child: &Object) -> bool {
    let records = child["status"]["experiment"]["containerRecords"].as_array().cloned().unwrap_or_default();
    let all = |phase: &str| records.iter().all(|record| record["phase"] == phase);
    let momentary = MADE[0].0 == text(child, "/kind") && matches!(text(child, "/spec/action"), "pod-kill" | "container-kill");
    if momentary {
        return !records.is_empty() && all("Injected");
    }
    child["status"]["experiment"]["desiredPhase"] == "Stop" && all("Not Injected")
}

/// Writes when it last made something, and what.
fn report(maker: &Maker, resource: Resource, at: Timestamp) {
    let active: Vec<Value> = children(maker, resource)
        .iter()
        .map(|child| {
            json!({ "apiVersion": "chaos-mesh.org/v1alpha1", "kind": resource.kind, "namespace": child["metadata"]["namespace"],
                "name": child["metadata"]["name"], "uid": child["metadata"]["uid"] })
        })
        .collect();
    let (resource, uid) = (maker.resource, text(&maker.object, "/metadata/uid"));
    let _ = maker.simulation.api.modify(resource, maker.namespace(), maker.name(), Subresource::Main, |object| {
        if text(object, "/metadata/uid") == uid {
            object["status"] = json!({ "active": active, "time": format_seconds(at) });
        }
    });
}
