//! A command in a container, through the API's exec: its exit code and what it said.
//! What failing means is the caller's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::AttachedProcess;
use kube::client::UpgradeConnectionError;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much of an output is kept.
const KEPT: usize = 2_000;

/// A command whose connection has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; absent: the connection ended before it did, or it could not be started.
    pub code: Option<i32>,
    /// What the server says where there is no exit code.
    pub message: Option<String>,
    /// The beginning of its standard output.
    pub stdout: String,
    /// The beginning of its standard error.
    pub stderr: String,
}

/// Reads the output to its end, then the status: that is sent last.
pub async fn finish(process: &mut AttachedProcess) -> Ended {
    let status = process.take_status();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let (stdout, stderr) = futures::join!(read(stdout), read(stderr));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    Ended { code: status.as_ref().and_then(code), message: status.and_then(|status| status.message), stdout, stderr }
}

fn code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"))?.message.as_ref()?.parse().ok()
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

/// Whether a command could not be run because there is no such pod.
#[must_use]
pub fn is_without_pod(error: &kube::Error) -> bool {
    match error {
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code)) => *code == 404,
        kube::Error::Api(status) => status.code == 404,
        _ => false,
    }
}
