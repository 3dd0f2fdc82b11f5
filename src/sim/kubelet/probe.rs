//! Running one probe once: exec, HTTP, TCP and gRPC as the kubelet does, with its texts.
//! When probes run and what their results mean lives in `prober`.

use super::containerd::SILENT;
use super::http_get::{self, GetError};
use super::instance::Instance;
use super::pod::PodRecord;
use crate::sim::network::grpc::{self, Health};
use crate::sim::network::http::Response;
use k8s_openapi::api::core::v1::{Container, GRPCAction, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It passed.
    Success,
    /// It failed, with its output.
    Failure(String),
    /// It could not be made; the result is thrown away.
    Error(String),
    /// It broke off; the result is thrown away, too, but called a failure.
    BrokenOff(String),
    /// It passed, with something to say.
    Warning(String),
}

/// Runs a probe against an instance.
pub(super) async fn run(record: &PodRecord, container: &Container, instance: &Instance, probe: &Probe) -> Attempt {
    let timeout = Duration::from_secs(u64::try_from(probe.timeout_seconds.unwrap_or(1).max(1)).unwrap_or(1));
    if let Some(exec) = &probe.exec {
        let command = exec.command.clone().unwrap_or_default();
        return self::exec(record, instance, &command, timeout).await;
    }
    if let Some(get) = &probe.http_get {
        return http(http_get::get(record, container, get, "probe", Some(timeout)).await);
    }
    if let Some(tcp) = &probe.tcp_socket {
        return self::tcp(record, container, tcp, timeout).await;
    }
    if let Some(grpc) = &probe.grpc {
        return self::grpc(record, grpc, timeout).await;
    }
    Attempt::Error(format!("missing probe handler for {}:{}", record.full_name(), container.name))
}

fn http(result: Result<Response, GetError>) -> Attempt {
    match result {
        Ok(response) if (200..300).contains(&response.status) => Attempt::Success,
        Ok(response) if (300..400).contains(&response.status) => {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            Attempt::Warning(format!("Probe terminated redirects, Response body: {body}"))
        }
        Ok(response) => Attempt::Failure(format!("HTTP probe failed with statuscode: {}", response.status)),
        Err(GetError::Failed(why)) => Attempt::Failure(why),
        Err(GetError::Invalid(why)) => Attempt::Error(why),
        Err(GetError::Body(why)) => Attempt::BrokenOff(why),
    }
}

async fn tcp(record: &PodRecord, container: &Container, tcp: &TCPSocketAction, timeout: Duration) -> Attempt {
    let port = match port_number(container, &tcp.port) {
        Ok(port) => port,
        Err(why) => return Attempt::Error(why),
    };
    let network = &record.agent.network;
    let own = address(record);
    let host = tcp.host.clone().filter(|host| !host.is_empty()).unwrap_or(own);
    let to = match http_get::resolve(network, &host) {
        Ok(address) => SocketAddrV4::new(address, port),
        Err(why) => return Attempt::Failure(why),
    };
    match tokio::time::timeout(timeout, network.connect(to)).await {
        Ok(Ok(_stream)) => Attempt::Success,
        Ok(Err(error)) => Attempt::Failure(format!("dial tcp {to}: connect: {}", error.go())),
        Err(_) => Attempt::Failure(format!("dial tcp {to}: i/o timeout")),
    }
}

async fn grpc(record: &PodRecord, action: &GRPCAction, timeout: Duration) -> Attempt {
    let Ok((ip, port)) = address(record).parse::<Ipv4Addr>().map(|ip| (ip, u16::try_from(action.port).unwrap_or(0))) else {
        return Attempt::Error("the pod has no address".to_owned());
    };
    let to = SocketAddrV4::new(ip, port);
    let seconds = timeout.as_secs();
    let service = action.service.as_deref().unwrap_or_default();
    match grpc::check(&record.agent.network, to, service, Instant::now() + timeout).await {
        Ok(Health::Serving) => Attempt::Success,
        Ok(Health::NotServing) => Attempt::Failure("service unhealthy (responded with \"NOT_SERVING\")".to_owned()),
        Ok(Health::Unknown) => {
            Attempt::Failure("error: health rpc probe failed: rpc error: code = NotFound desc = unknown service".to_owned())
        }
        // The client tries again and again to connect until its time is over.
        Err(grpc::CheckError::NotConnected) => {
            let text = format!("timeout: failed to connect service \"{to}\" within {seconds}s: context deadline exceeded");
            Attempt::Failure(text)
        }
        Err(grpc::CheckError::NoAnswer) => Attempt::Failure(format!("timeout: health rpc did not complete within {seconds}s")),
    }
}

fn address(record: &PodRecord) -> String {
    record.state().sandbox.as_ref().map(|sandbox| sandbox.ip.clone()).unwrap_or_default()
}

async fn exec(record: &PodRecord, instance: &Instance, command: &[String], timeout: Duration) -> Attempt {
    let Some(process) = &instance.process else { return Attempt::Error("container is not running".to_owned()) };
    if !record.agent.host.containerd.get() {
        return Attempt::Error(SILENT.to_owned());
    }
    let started = Instant::now();
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

/// The number of a port, named or not.
///
/// # Errors
/// The kubelet's text for a name that no port of the container has.
pub(super) fn port_number(container: &Container, port: &IntOrString) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let named = container.ports.iter().flatten().find(|port| port.name.as_deref() == Some(name));
            match named.map(|port| port.container_port).or_else(|| name.parse().ok()) {
                Some(number) => number,
                None => return Err(format!("strconv.Atoi: parsing {name:?}: invalid syntax")),
            }
        }
    };
    u16::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| format!("invalid port number: {number}"))
}
