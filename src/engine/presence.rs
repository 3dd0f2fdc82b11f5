//! The presence of a run on a real cluster: its home and its lease, from before the first trial until after the last, on a
//! thread of its own, so that no trial's waiting delays a renewal. Also finds out what earlier runs left.

use super::cleanup::{self, Scope};
use super::home::{self, Home};
use super::labels;
use super::permission::Permission;
use super::sight::Sight;
use super::{RunRequest, lease, permission, preflight};
use crate::cluster::request::RequestError;
use crate::cluster::{Cluster, Session, TrialContext};
use crate::fault::undo::journal;
use crate::observe::timeline::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Who announces itself.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Where.
    pub cluster: Arc<dyn Cluster>,
    /// The run's id.
    pub run: String,
    /// Namespaces of others that it may use.
    pub allowed: Vec<String>,
    /// What it will have to be allowed.
    pub needed: Vec<Permission>,
    /// Whether it reaches nodes by privileged pods, which live beside its records.
    pub privileged: bool,
}

/// A run that is there.
#[derive(Debug)]
pub struct Presence {
    /// Where its records go.
    pub home: Home,
    /// When the server answered.
    pub(super) sight: Sight,
    /// Set when the lease is gone: somebody cleaned up after this run, which must not go on.
    pub lost: Arc<AtomicBool>,
    end: oneshot::Sender<()>,
    thread: JoinHandle<Ended>,
}

/// What there is to say at the end.
#[derive(Debug, Default)]
pub struct Ended {
    /// What could not be removed.
    pub leftovers: Vec<Reference>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Announces a run. `None` on virtual time: such a cluster ends with its trial.
///
/// # Errors
/// The cluster refuses: nothing was begun, and nothing is left.
pub(super) fn begin(request: &RunRequest) -> Result<Option<Presence>, String> {
    if request.cluster.is_virtual_time() {
        return Ok(None);
    }
    let plans: Vec<_> = request.plans.iter().map(AsRef::as_ref).collect();
    let announced = Announced {
        cluster: Arc::clone(&request.cluster),
        run: request.id.clone(),
        allowed: request.safety.namespaces.clone(),
        needed: permission::needed(&plans, &request.safety.namespaces, request.cluster.node_pods().is_some()),
        privileged: request.cluster.node_pods().is_some() && plans.iter().any(|plan| permission::reaches_machines(plan)),
    };
    announce(announced).map(Some)
}

/// Announces a run of any kind on a cluster in real time.
///
/// # Errors
/// The cluster refuses: nothing was begun, and nothing is left.
pub fn announce(announced: Announced) -> Result<Presence, String> {
    let (tell, ready) = mpsc::channel();
    let (end, ended) = oneshot::channel();
    let lost = Arc::new(AtomicBool::new(false));
    let sight = Sight::default();
    let Announced { cluster, run, allowed, needed, privileged } = announced;
    let keeper = Keeper { cluster, run, allowed, needed, privileged, lost: Arc::clone(&lost), sight: sight.clone() };
    let thread = std::thread::Builder::new()
        .name("lease".to_owned())
        .spawn(move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(keeper.keep(&tell, ended)),
            Err(error) => {
                let _ = tell.send(Err(format!("no runtime for the run's lease: {error}")));
                Ended::default()
            }
        })
        .map_err(|error| format!("no thread for the run's lease: {error}"))?;
    match ready.recv() {
        Ok(Ok(home)) => Ok(Presence { home, sight, lost, end, thread }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err("the thread of the run's lease ended at once".to_owned()),
    }
}

impl Presence {
    /// Ends the run's presence: removes lease and home, verified, unless a fault could not be undone.
    #[must_use]
    pub fn end(self) -> Ended {
        let _ = self.end.send(());
        self.thread.join().unwrap_or_else(|_| Ended {
            warnings: vec!["the thread of the run's lease panicked: this is a bug in comeback".to_owned()],
            leftovers: vec![Reference { kind: "Namespace".to_owned(), name: self.home.namespace, ..Reference::default() }],
        })
    }
}

struct Keeper {
    cluster: Arc<dyn Cluster>,
    run: String,
    allowed: Vec<String>,
    needed: Vec<Permission>,
    privileged: bool,
    lost: Arc<AtomicBool>,
    sight: Sight,
}

impl Keeper {
    async fn keep(self, tell: &mpsc::Sender<Result<Home, String>>, mut ended: oneshot::Receiver<()>) -> Ended {
        let (session, home) = match self.announce().await {
            Ok(announced) => announced,
            Err(error) => {
                let _ = tell.send(Err(error));
                return Ended::default();
            }
        };
        let _ = tell.send(Ok(home.clone()));
        let mut others = std::pin::pin!(left_by_others(&session.client, &home.run));
        let mut found: Option<Vec<String>> = None;
        let mut renewal = tokio::time::interval(lease::RENEWED_EVERY);
        loop {
            tokio::select! {
                biased;
                _ = &mut ended => break,
                _ = renewal.tick() => self.renew(&session, &home).await,
                stale = &mut others, if found.is_none() => found = Some(stale),
            }
        }
        let mut end = leave(&session.client, &home).await;
        end.warnings.extend(found.unwrap_or_default().into_iter().map(|run| {
            format!("run {run} has ended without cleaning up; `comeback cleanup --run {run}` (or `--stale`) removes what it left")
        }));
        end
    }

    async fn announce(&self) -> Result<(Session, Home), String> {
        let context = TrialContext { seed: 0, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
        let session = self.cluster.open(&context).await.map_err(|error| error.message)?;
        let home = home::establish(&session.client, &self.run, &self.allowed, self.privileged)
            .await
            .map_err(|error| error.to_string())?;
        let begun = async {
            if home.project {
                // What a project's administrator may do is known only now.
                let missing = preflight::missing(&session.client, &permission::inside(&self.needed, &home.namespace)).await;
                let missing = missing.map_err(|error| error.to_string())?;
                if !missing.is_empty() {
                    return Err(preflight::refusal(&missing));
                }
            }
            lease::acquire(&session.client, &home, session.clock.now()).await.map_err(|error| error.to_string())
        };
        if let Err(error) = begun.await {
            let left = home::remove(&session.client, &home).await;
            let left: Vec<_> = left.iter().map(ToString::to_string).collect();
            let also = if left.is_empty() { String::new() } else { format!("; left behind: {}", left.join(", ")) };
            return Err(format!("{error}{also}"));
        }
        Ok((session, home))
    }

    async fn renew(&self, session: &Session, home: &Home) {
        let renewed = lease::renew(&session.client, home, session.clock.now()).await;
        // A refusal is an answer; what a failing server says tells nothing of its watches.
        if renewed.as_ref().map_or_else(|error| (400..500).contains(&error.code), |()| true) {
            self.sight.answered();
        }
        match renewed {
            Ok(()) => {}
            Err(error) if error.is_not_found() => {
                if !self.lost.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the lease of this run is gone: somebody cleaned up after it; no further trial is begun");
                }
            }
            // The next one comes soon.
            Err(error) => tracing::debug!("{error}"),
        }
    }
}

/// Removes lease and home, unless records are left: they are needed to undo what could not be undone.
async fn leave(client: &kube::Client, home: &Home) -> Ended {
    let own = journal::read(client, &home.namespace, Some(&home.run)).await;
    let outstanding = match own {
        Ok(records) => records.into_iter().map(|written| written.record.target).collect(),
        // Gone with its namespace: somebody cleaned up.
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Ended { leftovers: home.own.iter().cloned().collect(), warnings: vec![error.to_string()] },
    };
    if !outstanding.is_empty() {
        let warning = format!("the undo records in namespace {} are kept: not every fault could be undone", home.namespace);
        return Ended { leftovers: outstanding, warnings: vec![warning] };
    }
    Ended { leftovers: home::remove(client, home).await, warnings: Vec::new() }
}

/// The ids of other runs that left something and do not live any more. Takes as long as a lease lasts; what may not be seen is
/// nobody's to report.
async fn left_by_others(client: &kube::Client, own: &str) -> Vec<String> {
    let Ok(found) = cleanup::find(client, &Scope::All, &[]).await else { return Vec::new() };
    // The parts of a submitted run are its own, and those of one are no strangers to each other.
    let whole = |run: &str| labels::submission_of(run).unwrap_or(run).to_owned();
    let runs: BTreeSet<_> = found.into_iter().map(|left| left.run).filter(|run| whole(run) != whole(own)).collect();
    let looks = runs.into_iter().map(|run| async move {
        let stale: Result<bool, RequestError> = lease::is_stale(client, &home::name(&run), &run).await;
        stale.unwrap_or(false).then_some(run)
    });
    futures::future::join_all(looks).await.into_iter().flatten().collect()
}
