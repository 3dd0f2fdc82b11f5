//! `Workflow` of Chaos Mesh: steps in series or side by side, each until its deadline, at which what it made is deleted.
//! Of the kinds of steps, `Serial`, `Parallel`, `Suspend` and the experiments that are simulated.

use super::{MADE, Maker, embedded};
use crate::sim::api::Resource;
use crate::sim::api::server::Subresource;
use crate::sim::chaos_mesh::{select, text};
use crate::sim::clock::format_seconds;
use crate::sim::store::Object;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde_json::{Value, json};

/// What a step made, deleted when the step is over, however that comes.
struct Made<'a> {
    maker: &'a Maker,
    resource: Resource,
    name: String,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.maker.delete(self.resource, &self.name);
    }
}

/// Goes through the steps until all are over or the object is gone.
pub(in crate::sim::chaos_mesh) async fn run(maker: Maker) {
    let entry = text(maker.spec(), "/entry").to_owned();
    if let Err(construct) = check(&maker) {
        return maker.refuse(construct).await;
    }
    tokio::select! {
        biased;
        () = maker.until_gone() => return,
        () = async {
            tell(&maker, false);
            step(&maker, &entry, None).await;
            tell(&maker, true);
        } => {}
    }
    maker.until_gone().await;
}

fn template<'a>(maker: &'a Maker, name: &str) -> Option<&'a Value> {
    maker.spec().get("templates")?.as_array()?.iter().find(|template| text(template, "/name") == name)
}

/// Whether every step can be done here.
fn check(maker: &Maker) -> Result<(), String> {
    let templates = maker.spec().get("templates").and_then(Value::as_array).ok_or("Workflow without templates")?;
    let entry = text(maker.spec(), "/entry");
    template(maker, entry).ok_or_else(|| format!("Workflow without its entry {entry:?}"))?;
    for one in templates {
        if let Some(deadline) = one.get("deadline")
            && deadline.as_str().and_then(select::duration).is_none()
        {
            return Err(format!("Workflow with the deadline {deadline}"));
        }
        match text(one, "/templateType") {
            "Serial" | "Parallel" => {
                let children = one.get("children").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
                for child in children {
                    // A step that has a later one among its own would never end.
                    let before = templates.iter().take_while(|other| !std::ptr::eq(*other, one));
                    if template(maker, child).is_none() || before.into_iter().any(|other| text(other, "/name") == child) {
                        return Err(format!(
                            "Workflow whose step {} has {child:?}, which is no later template",
                            text(one, "/name")
                        ));
                    }
                }
            }
            "Suspend" if one.get("deadline").is_some() => {}
            kind if MADE.iter().any(|(known, _)| *known == kind) => {
                embedded(&maker.simulation, "Workflow", kind, one)?;
            }
            kind => return Err(format!("Workflow with a {kind} step")),
        }
    }
    Ok(())
}

/// One step, and all within it.
fn step<'a>(maker: &'a Maker, name: &'a str, parent: Option<Object>) -> BoxFuture<'a, ()> {
    async move {
        let Some(template) = template(maker, name) else { return };
        let Some(node) = node(maker, template, parent.as_ref()) else { return };
        let deadline = template.get("deadline").and_then(Value::as_str).and_then(select::duration);
        let children = || template.get("children").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let work = async {
            match text(template, "/templateType") {
                "Serial" => {
                    for child in children() {
                        step(maker, child, Some(Object::clone(&node))).await;
                    }
                }
                "Parallel" => drop(join_all(children().map(|child| step(maker, child, Some(Object::clone(&node))))).await),
                "Suspend" => std::future::pending().await,
                kind => {
                    let _made = experiment(maker, kind, template, &node);
                    // It lasts until its deadline, whatever becomes of it.
                    std::future::pending::<()>().await;
                }
            }
        };
        let over = if let Some(deadline) = deadline {
            tokio::time::timeout(deadline, work).await.is_err()
        } else {
            work.await;
            false
        };
        conclude(maker, &node, over);
    }
    .boxed()
}

/// The object that stands for a step.
fn node(maker: &Maker, template: &Value, parent: Option<&Object>) -> Option<Object> {
    let resource = nodes(maker);
    let (kind, owner) = parent.map_or(("Workflow", &maker.object), |parent| ("WorkflowNode", parent));
    let metadata = json!({ "generateName": format!("{}-", text(template, "/name")), "ownerReferences": Maker::owner(kind, owner),
        "labels": { "chaos-mesh.org/workflow": maker.name(), "chaos-mesh.org/controlled-by": owner["metadata"]["name"] } });
    let mut spec = json!({ "templateName": template["name"], "workflowName": maker.name(), "type": template["templateType"],
        "startTime": format_seconds(maker.simulation.api.clock.now()) });
    if let Some(children) = template.get("children") {
        spec["children"] = children.clone();
    }
    maker.make(resource, metadata, &spec).ok()
}

fn nodes(maker: &Maker) -> Resource {
    maker.simulation.api.learn("chaos-mesh.org", "v1alpha1", "WorkflowNode", "workflownodes", true)
}

fn experiment<'a>(maker: &'a Maker, kind: &str, template: &Value, node: &Object) -> Option<Made<'a>> {
    let (resource, spec) = embedded(&maker.simulation, "Workflow", kind, template).ok()?;
    let metadata = json!({ "generateName": format!("{}-", text(node, "/metadata/name")),
        "ownerReferences": Maker::owner("WorkflowNode", node),
        "labels": { "chaos-mesh.org/workflow": maker.name(), "chaos-mesh.org/controlled-by": node["metadata"]["name"] } });
    let made = maker.make(resource, metadata, spec).ok()?;
    let name = text(&made, "/metadata/name").to_owned();
    write(
        maker,
        node,
        &json!({ "conditions": [{ "type": "ChaosInjected", "status": "True", "reason": "ChaosCRCreated" }],
        "chaosResource": { "apiGroup": "chaos-mesh.org", "kind": kind, "name": name } }),
    );
    Some(Made { maker, resource, name })
}

/// A step is over: by its deadline, or because all within it are.
fn conclude(maker: &Maker, node: &Object, over: bool) {
    let (exceeded, why) = if over { ("True", "NodeDeadlineExceed") } else { ("False", "NodeDeadlineNotExceed") };
    write(
        maker,
        node,
        &json!({ "conditions": [{ "type": "Accomplished", "status": if over { "False" } else { "True" }, "reason": "" },
        { "type": "DeadlineExceed", "status": exceeded, "reason": why }] }),
    );
}

fn write(maker: &Maker, node: &Object, status: &Value) {
    let name = text(node, "/metadata/name");
    let _ = maker.simulation.api.modify(nodes(maker), maker.namespace(), name, Subresource::Main, |object| {
        object["status"] = status.clone();
    });
}

/// What the Workflow says of itself.
fn tell(maker: &Maker, accomplished: bool) {
    let now = format_seconds(maker.simulation.api.clock.now());
    let uid = text(&maker.object, "/metadata/uid");
    let _ = maker.simulation.api.modify(maker.resource, maker.namespace(), maker.name(), Subresource::Main, |object| {
        if text(object, "/metadata/uid") != uid {
            return;
        }
        let condition =
            |type_: &str, holds: bool| json!({ "type": type_, "status": if holds { "True" } else { "False" }, "reason": "" });
        if !object["status"].is_object() {
            object["status"] = json!({ "startTime": now });
        }
        object["status"]["conditions"] = json!([condition("Accomplished", accomplished), condition("Scheduled", true)]);
        if accomplished {
            object["status"]["endTime"] = json!(now);
        }
    });
}
