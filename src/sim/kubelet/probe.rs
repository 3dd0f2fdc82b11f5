//! Running one probe once: exec and TCP as the kubelet does, with its texts.
//! When probes run and what their results mean lives in `prober`.

use super::instance::Instance;
use super::pod::PodRecord;
use crate::sim::limits::{Limit, LimitKind};
use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::time::Duration;
use tokio::time::sleep;

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It passed.
    Success,
    /// It failed, with its output.
    Failure(String),
    /// It could not be made; the result is thrown away.
    Error(String),
    /// The embedded cluster cannot make it, and has said so.
    Unsupported,
}

/// Runs a probe against an instance.
pub(super) async fn run(record: &PodRecord, container: &Container, instance: &Instance, probe: &Probe, kind: &str) -> Attempt {
    let timeout = Duration::from_secs(u64::try_from(probe.timeout_seconds.unwrap_or(1).max(1)).unwrap_or(1));
    if let Some(exec) = &probe.exec {
        let command = exec.command.clone().unwrap_or_default();
        return self::exec(record, instance, &command, timeout).await;
    }
    if let Some(tcp) = &probe.tcp_socket {
        let address = record.state().sandbox.as_ref().map(|sandbox| sandbox.ip.clone()).unwrap_or_default();
        let host = tcp.host.clone().filter(|host| !host.is_empty()).unwrap_or(address);
        let Some(port) = port_number(container, &tcp.port) else {
            return Attempt::Error(format!("couldn't find port: {:?} in container", tcp.port));
        };
        // No program of the interpreter listens, and each that would (`nc -l`, `httpd`, an unknown image) reports a limit when
        // it is run; other addresses than the pod's own are a limit, too (`unsupported`). So nothing can be there.
        return Attempt::Failure(format!("dial tcp {host}:{port}: connect: connection refused"));
    }
    let action = if probe.grpc.is_some() { "grpc" } else { "httpGet" };
    record.agent.limits.report(Limit {
        kind: LimitKind::Program,
        uid: record.uid.clone(),
        subject: super::start::subject(record, container),
        construct: format!("{action} {} probe", kind.to_lowercase()),
        position: None,
        help: "use an exec probe, or run this scenario on a real cluster".to_owned(),
    });
    Attempt::Unsupported
}

async fn exec(record: &PodRecord, instance: &Instance, command: &[String], timeout: Duration) -> Attempt {
    let Some(process) = &instance.process else { return Attempt::Error("container is not running".to_owned()) };
    let started = tokio::time::Instant::now();
    sleep(record.latency("exec", record.agent.profile.latencies.exec)).await;
    if process.exit().get().is_some() {
        let text = "rpc error: code = Unknown desc = failed to exec in container: container is in CONTAINER_EXITED state";
        return Attempt::Error(text.to_owned());
    }
    match process.exec(command, &[], Some(timeout.saturating_sub(started.elapsed()))).await {
        Ok(Some(result)) => {
            if result.code == 0 {
                return Attempt::Success;
            }
            let mut output = String::from_utf8_lossy(&result.stdout).into_owned();
            output.push_str(&String::from_utf8_lossy(&result.stderr));
            Attempt::Failure(output)
        }
        Ok(None) => {
            let seconds = timeout.as_secs();
            Attempt::Failure(format!("command timed out: \"{}\" timed out after {seconds}s", command.join(" ")))
        }
        Err(failure) => {
            let id = record.agent.api.random.hex(&record.uid, "exec", record.state().draw(), 64);
            Attempt::Error(format!(
                "rpc error: code = Unknown desc = failed to exec in container: failed to start exec \"{id}\": OCI runtime exec failed: exec failed: unable to start container process: {}",
                failure.message
            ))
        }
    }
}

fn port_number(container: &Container, port: &IntOrString) -> Option<i32> {
    match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => container
            .ports
            .iter()
            .flatten()
            .find(|port| port.name.as_deref() == Some(name))
            .map(|port| port.container_port)
            .or_else(|| name.parse().ok()),
    }
}
