//! The faults `exec` and `killContainer`: a command in a container of a pod, through the API's exec.
//! A command that fails is an error, unless its container ended by it: then the fault did what such faults do.

use super::{FaultError, Prepared, Prey};
use crate::cluster::request::{RequestError, is_transient};
use crate::cluster::wait;
use crate::observe::index::text;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams, AttachedProcess, DynamicObject};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A command that has not ended by then is an error.
const ENDS_WITHIN: Duration = Duration::from_mins(1);
/// How long the kubelet may take to show that a container ended.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);
/// How much of a command's output is kept.
const KEPT: usize = 2_000;

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
        Ok::<_, kube::Error>(finish(&mut process).await)
    })
    .await;
    let failure = match ended {
        Err(_) => format!("{what}: it had not ended after {} s; let it run in the background (`&`)", ENDS_WITHIN.as_secs()),
        Ok(Err(error)) if is_transient(&error) => RequestError::new(&what, &error).to_string(),
        Ok(Err(error)) => return Err(RequestError::new(&what, &error).into()),
        Ok(Ok((Some(status), _))) if status.status.as_deref() == Some("Success") => return Ok(()),
        Ok(Ok((Some(status), output))) => format!("{what}: {}{output}", exit_of(&status)),
        Ok(Ok((None, output))) => format!("{what}: the connection ended without an exit code{output}"),
    };
    if ended_by_it(client, prepared, prey, &container).await { Ok(()) } else { Err(FaultError::Command(failure)) }
}

/// Reads the output to its end, then the status: that is sent last.
async fn finish(process: &mut AttachedProcess) -> (Option<Status>, String) {
    let status = process.take_status();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let (stdout, stderr) = futures::join!(read(stdout), read(stderr));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let output = if stderr.trim().is_empty() { stdout } else { stderr };
    let output = output.trim();
    (status, if output.is_empty() { String::new() } else { format!(" ({output})") })
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let (mut kept, mut buffer) = (Vec::new(), [0u8; 1024]);
    while let Ok(n) = stream.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        let room = KEPT.saturating_sub(kept.len()).min(n);
        kept.extend_from_slice(&buffer[..room]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn exit_of(status: &Status) -> String {
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes.filter(|cause| cause.reason.as_deref() == Some("ExitCode")).find_map(|cause| cause.message.as_deref());
    code.map_or_else(|| status.message.clone().unwrap_or_default(), |code| format!("exit code {code}"))
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
