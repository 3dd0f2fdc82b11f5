//! The lifecycle hooks of containers: postStart and preStop.
//! What follows from their failure is the business of `start` and `terminate`.

use super::http_get::{self, GetError};
use super::instance::Instance;
use super::pod::PodRecord;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::time::Duration;
use tokio::time::sleep;

/// Runs the postStart hook, if there is one.
///
/// # Errors
/// The message with which the container then waits.
pub(super) async fn post_start(record: &PodRecord, container: &Container, instance: &Instance) -> Result<(), String> {
    match container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref()) {
        Some(handler) => run(record, container, instance, handler, None).await,
        None => Ok(()),
    }
}

/// Runs the preStop hook, if there is one, for at most the grace that is left.
///
/// # Errors
/// What went wrong.
pub(super) async fn pre_stop(
    record: &PodRecord,
    container: &Container,
    instance: &Instance,
    grace: Duration,
) -> Result<(), String> {
    match container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref()) {
        Some(handler) => run(record, container, instance, handler, Some(grace)).await,
        None => Ok(()),
    }
}

async fn run(
    record: &PodRecord,
    container: &Container,
    instance: &Instance,
    handler: &LifecycleHandler,
    limit: Option<Duration>,
) -> Result<(), String> {
    if let Some(pause) = &handler.sleep {
        let pause = Duration::from_secs(u64::try_from(pause.seconds).unwrap_or_default());
        sleep(limit.map_or(pause, |limit| pause.min(limit))).await;
        return Ok(());
    }
    if let Some(get) = &handler.http_get {
        let asked = http_get::get(record, container, get, "lifecycle", limit).await;
        // Whatever the answer says, there was one.
        let (Err(GetError::Failed(why) | GetError::Invalid(why)), path) = (asked, get.path.as_deref().unwrap_or("/")) else {
            return Ok(());
        };
        let (name, pod) = (&container.name, record.full_name());
        return Err(format!("HTTP lifecycle hook ({path}) for Container \"{name}\" in Pod \"{pod}\" failed - error: {why}"));
    }
    let (Some(exec), Some(process)) = (&handler.exec, &instance.process) else {
        return Err(format!("Cannot run handler: invalid handler: {}", as_go(handler)));
    };
    let command = exec.command.clone().unwrap_or_default();
    sleep(record.latency("exec", record.agent.profile.latencies.exec)).await;
    let (error, output) = match process.exec(&command, &[], limit).await {
        Ok(Some(result)) if result.code == 0 => return Ok(()),
        Ok(Some(result)) => {
            let stderr = String::from_utf8_lossy(&result.stderr).into_owned();
            let output = format!("{}{stderr}", String::from_utf8_lossy(&result.stdout));
            (format!("command '{}' exited with {}: {stderr}", command.join(" "), result.code), output)
        }
        Ok(None) => ("context deadline exceeded".to_owned(), String::new()),
        Err(failure) => (format!("failed to exec in container: {}", failure.message), String::new()),
    };
    Err(format!(
        "Exec lifecycle hook ([{}]) for Container \"{}\" in Pod \"{}\" failed - error: {error}, message: {output:?}",
        command.join(" "),
        container.name,
        record.full_name()
    ))
}

/// A handler that the kubelet does not run (`tcpSocket` is only kept for old manifests), as Go prints it.
fn as_go(handler: &LifecycleHandler) -> String {
    let tcp = handler.tcp_socket.as_ref().map_or_else(
        || "nil".to_owned(),
        |tcp| {
            let port = match &tcp.port {
                IntOrString::Int(number) => format!("{{0 {number} }}"),
                IntOrString::String(name) => format!("{{1 0 {name}}}"),
            };
            format!("&TCPSocketAction{{Port:{port},Host:{},}}", tcp.host.as_deref().unwrap_or_default())
        },
    );
    format!("&LifecycleHandler{{Exec:nil,HTTPGet:nil,TCPSocket:{tcp},Sleep:nil,}}")
}
