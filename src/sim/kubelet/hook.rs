//! The lifecycle hooks of containers: postStart and preStop.
//! What follows from their failure is the business of `start` and `terminate`.

use super::instance::Instance;
use super::pod::PodRecord;
use super::start::subject;
use crate::sim::limits::{Limit, LimitKind};
use k8s_openapi::api::core::v1::{Container, LifecycleHandler};
use std::time::Duration;
use tokio::time::sleep;

/// Runs the postStart hook, if there is one.
///
/// # Errors
/// The message with which the container then waits.
pub(super) async fn post_start(record: &PodRecord, container: &Container, instance: &Instance) -> Result<(), String> {
    match container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref()) {
        Some(handler) => run(record, container, instance, handler, "postStart", None).await,
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
        Some(handler) => run(record, container, instance, handler, "preStop", Some(grace)).await,
        None => Ok(()),
    }
}

async fn run(
    record: &PodRecord,
    container: &Container,
    instance: &Instance,
    handler: &LifecycleHandler,
    which: &str,
    limit: Option<Duration>,
) -> Result<(), String> {
    if let Some(pause) = &handler.sleep {
        let pause = Duration::from_secs(u64::try_from(pause.seconds).unwrap_or_default());
        sleep(limit.map_or(pause, |limit| pause.min(limit))).await;
        return Ok(());
    }
    let (Some(exec), Some(process)) = (&handler.exec, &instance.process) else {
        record.agent.limits.report(Limit {
            kind: LimitKind::Program,
            uid: record.uid.clone(),
            subject: subject(record, container),
            construct: format!("{which} hook over the network (httpGet, tcpSocket)"),
            position: None,
            help: "use an exec or sleep hook, or run this scenario on a real cluster".to_owned(),
        });
        return Ok(());
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
