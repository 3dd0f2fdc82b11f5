//! Commands in containers that hold something for as long as their connection lives: memory, a file. Letting go closes their
//! input, by which they end and give it back; so does the end of comeback itself, however that comes.

use super::FaultError;
use crate::cluster::exec;
use crate::cluster::request::RequestError;
use crate::scenario::fault::stress::HOLDING;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, AttachedProcess};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::oneshot;

/// How long a command may take to have what it holds.
const HOLDS_WITHIN: Duration = Duration::from_mins(1);
/// How long it may take to give it back: a container without processor time is slow in everything.
const ENDS_WITHIN: Duration = Duration::from_mins(1);

/// What the commands of one fault hold, by pod. Copies are the same.
#[derive(Clone, Debug, Default)]
pub struct Holds {
    held: Arc<Mutex<Vec<(String, Held)>>>,
}

impl PartialEq for Holds {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.held, &other.held)
    }
}

#[derive(Debug)]
struct Held {
    let_go: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Holds {
    /// Starts a command in a pod, and returns when it has what it holds, or has ended its own container by that.
    ///
    /// # Errors
    /// It could not be started, ended at once, or did not get so far in time.
    pub async fn start(&self, pods: &Api<Pod>, pod: &str, container: &str, script: &str) -> Result<(), FaultError> {
        let what = format!("holding in {pod}/{container}");
        let parameters = AttachParams::default().container(container).stdin(true).stdout(false).stderr(true);
        let mut process =
            pods.exec(pod, ["sh", "-c", script], &parameters).await.map_err(|error| RequestError::new(&what, &error))?;
        let failed = |why: String| FaultError::Command(format!("{what}: {why}"));
        let Some(stderr) = process.stderr() else { return Err(failed("no connection to its output".to_owned())) };
        let mut lines = BufReader::new(stderr).lines();
        let mut said = Vec::new();
        let begun = tokio::time::timeout(HOLDS_WITHIN, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.trim() == HOLDING {
                    return true;
                }
                said.push(line);
            }
            false
        })
        .await;
        match begun {
            Ok(true) => {}
            Ok(false) => {
                let ended = exec::finish(&mut process).await;
                // Killed, and its container with it: that is what such a fault is for.
                return match (ended.code, ended.message) {
                    (Some(137), _) | (None, None) => Ok(()),
                    (Some(code), _) => Err(failed(format!("it ended with exit code {code}: {}", said.join("; ")))),
                    (None, Some(message)) => Err(failed(message)),
                };
            }
            Err(_) => return Err(failed(format!("it had not begun after {} s", HOLDS_WITHIN.as_secs()))),
        }
        let ((let_go, release), (tell, ended)) = (oneshot::channel(), oneshot::channel());
        tokio::spawn(async move {
            hold(process, release).await;
            let _ = tell.send(());
        });
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push((pod.to_owned(), Held { let_go, ended }));
        Ok(())
    }

    /// Lets go of what is held in a pod; whether there was anything.
    ///
    /// # Errors
    /// The command did not end.
    pub async fn let_go(&self, pod: &str) -> Result<bool, RequestError> {
        let held = {
            let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let place = all.iter().position(|(of, _)| of == pod);
            place.map(|place| all.swap_remove(place).1)
        };
        let Some(held) = held else { return Ok(false) };
        // It may have ended by itself, with its container.
        let _ = held.let_go.send(());
        match tokio::time::timeout(ENDS_WITHIN, held.ended).await {
            Ok(_) => Ok(true),
            Err(_) => {
                Err(RequestError::of("letting go", format!("the command in {pod} has not ended; its connection was closed")))
            }
        }
    }
}

/// Keeps the connection until it is to be let go, or ends by itself.
async fn hold(mut process: AttachedProcess, release: oneshot::Receiver<()>) {
    let stdin = process.stdin();
    let status = process.take_status();
    let ended = async {
        if let Some(status) = status {
            status.await;
        }
    };
    tokio::pin!(ended);
    tokio::select! {
        biased;
        // Also when the trial goes away without a word.
        _ = release => {}
        () = &mut ended => return,
    }
    if let Some(mut stdin) = stdin {
        // Dropping it alone tells nobody.
        let _ = stdin.shutdown().await;
    }
    drop(tokio::time::timeout(ENDS_WITHIN, ended).await);
}
