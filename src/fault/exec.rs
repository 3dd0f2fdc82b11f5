//! The faults `exec` and `killContainer`: a command in a container of a pod, through the API's exec.
//! A command that fails is an error, unless its container ended by it: then the fault did what such faults do.

use super::{FaultError, Prepared, Prey};
use crate::cluster::exec::{self, Ended};
use crate::cluster::request::{RequestError, is_transient};
use crate::cluster::wait;
use crate::observe::index::text;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, DynamicObject};
use std::time::Duration;

/// A command that has not ended by then is an error.
const ENDS_WITHIN: Duration = Duration::from_mins(1);
/// How long the kubelet may take to show that a container ended.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// Runs the command in one pod and waits for its end.
pub(super) async fn run(
    client: &kube::Client,
    prepared: &Prepared,
    prey: &Prey,
    named: Option<&str>,
    command: &[String],
) -> Result<(), FaultError> {
    let pod = &prey.reference.name;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &prepared.namespace);
    let container = container(prey, named)?;
    let what = format!("running `{}` in {pod}/{container}", command.join(" "));
    let parameters = AttachParams::default().container(&container).stdin(false).stdout(true).stderr(true);
    let ended = tokio::time::timeout(ENDS_WITHIN, async {
        // Not repeated once it may have begun: a command is not idempotent.
        let mut process = pods.exec(pod, command.iter().map(String::as_str), &parameters).await?;
        Ok::<_, kube::Error>(exec::finish(&mut process).await)
    })
    .await;
    let failure = match ended {
        Err(_) => format!("{what}: it had not ended after {} s; let it run in the background (`&`)", ENDS_WITHIN.as_secs()),
        Ok(Err(error)) if is_transient(&error) => RequestError::new(&what, &error).to_string(),
        Ok(Err(error)) => return Err(RequestError::new(&what, &error).into()),
        Ok(Ok(Ended { code: Some(0), .. })) => return Ok(()),
        Ok(Ok(ended)) => {
            let end = match (ended.code, &ended.message) {
                (Some(code), _) => format!("exit code {code}"),
                (None, Some(message)) => message.clone(),
                (None, None) => "the connection ended without an exit code".to_owned(),
            };
            format!("{what}: {end}{}", output(&ended))
        }
    };
    if ended_by_it(client, prepared, prey, &container).await { Ok(()) } else { Err(FaultError::Command(failure)) }
}

/// Starts the command that holds what the fault takes from one pod.
pub(super) async fn hold(client: &kube::Client, prepared: &Prepared, prey: &Prey) -> Result<(), FaultError> {
    let Some((script, named)) = prepared.fault.holding() else { return Ok(()) };
    let pods: Api<Pod> = Api::namespaced(client.clone(), &prepared.namespace);
    prepared.holds.start(&pods, &prey.reference.name, &container(prey, named)?, &script).await
}

/// What it said, in brackets.
fn output(ended: &Ended) -> String {
    let said = if ended.stderr.trim().is_empty() { ended.stdout.trim() } else { ended.stderr.trim() };
    if said.is_empty() { String::new() } else { format!(" ({said})") }
}

/// The container that is meant: the named one, else the pod's first.
fn container(prey: &Prey, named: Option<&str>) -> Result<String, FaultError> {
    let containers = prey.before.as_ref().and_then(|pod| pod.pointer("/spec/containers")?.as_array());
    let names: Vec<_> = containers.into_iter().flatten().map(|container| text(container, "/name")).collect();
    let found = named.map_or_else(|| names.first().copied(), |named| names.contains(&named).then_some(named));
    found.map(ToOwned::to_owned).ok_or_else(|| {
        let named = named.unwrap_or("any container");
        FaultError::NoTarget(format!("pod {} does not have {named} (it has {})", prey.reference.name, names.join(", ")))
    })
}

/// Whether the container shows another instance, or an end, since the fault was prepared; a pod that is gone ended, too.
async fn ended_by_it(client: &kube::Client, prepared: &Prepared, prey: &Prey, container: &str) -> bool {
    let instance = |pod: &serde_json::Value| {
        let statuses = pod.pointer("/status/containerStatuses").and_then(serde_json::Value::as_array);
        let status = statuses.into_iter().flatten().find(|status| text(status, "/name") == container);
        status.filter(|status| status.pointer("/state/running").is_some()).map(|status| text(status, "/containerID").to_owned())
    };
    let Some(before) = prey.before.as_ref().and_then(instance) else { return false };
    let changed = |pod: Option<&DynamicObject>| {
        pod.is_none_or(|pod| {
            let Ok(pod) = serde_json::to_value(pod) else { return false };
            text(&pod, "/metadata/uid") != prey.reference.uid || instance(&pod).as_ref() != Some(&before)
        })
    };
    let pods = prey.kind.api(client, &prepared.namespace);
    wait::until(&pods, &prey.reference.name, SHOWN_WITHIN, changed).await.unwrap_or(false)
}

#[cfg(test)]
mod tests;
