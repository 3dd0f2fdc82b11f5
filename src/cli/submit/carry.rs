//! Carries a submitted run through: announces it, makes what it needs, follows it, fetches what was stored, and removes everything,
//! whatever happens meanwhile.

use super::{Attempt, Ended, Refusal, Signal};
use crate::cluster::{Cluster, TrialContext};
use crate::engine::Stop;
use crate::engine::cleanup::{self, Scope};
use crate::engine::home::Home;
use crate::engine::inventory::Inventory;
use crate::engine::permission::Permission;
use crate::engine::presence::{self, Announced};
use crate::engine::shard::{self, Part};
use crate::engine::submit::follow::{self, Following};
use crate::engine::submit::make::{self, Wanted};
use crate::engine::submit::store::{Piece, Store};
use crate::engine::submit::{self, Stopped, Submission};
use crate::exit_code::ExitCode;
use crate::measure::outcome;
use crate::measure::result::RunResult;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

/// What is to be carried through.
pub(super) struct Order<'a> {
    pub cluster: &'a Arc<dyn Cluster>,
    pub submission: &'a Submission,
    pub image: &'a str,
    pub suite: Vec<Vec<u8>>,
    pub needed: Vec<Permission>,
    pub inventory: &'a Inventory,
    /// Whether what the pods write is told, too.
    pub verbose: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub pieces: Vec<Piece>,
    pub attempts: Vec<Attempt>,
    /// Whether a signal or the time limit ended it: then unfinished shards are nobody's fault.
    pub stopped: bool,
    /// What went wrong, and what it means for the exit code.
    reasons: Vec<(ExitCode, String)>,
}

impl Carried {
    fn fail(&mut self, code: ExitCode, why: impl Into<String>) {
        self.reasons.push((code, why.into()));
    }

    /// What went wrong first.
    pub(super) fn why(&self) -> Option<String> {
        self.reasons.first().map(|(_, why)| why.clone())
    }

    /// How the command ends where there is no result.
    pub(super) fn unfinished(&self, error: &str) -> Option<Refusal> {
        let code = ExitCode::strongest(self.reasons.iter().map(|(code, _)| *code));
        let mut all: Vec<&str> = self.reasons.iter().map(|(_, why)| why.as_str()).collect();
        if !all.contains(&error) {
            all.push(error);
        }
        (!self.reasons.is_empty()).then(|| (code, all.join("\n")))
    }

    pub(super) fn add_reasons(&self, result: &mut RunResult) {
        for (code, why) in &self.reasons {
            outcome::add_reason(result, *code, why.clone());
        }
    }
}

impl Order<'_> {
    /// Carries it through; everything is removed when this returns, or named as left.
    pub(super) fn carry(mut self, stop: &Stop, tell: &mut dyn FnMut(&str)) -> Carried {
        let mut carried = Carried::default();
        let announced = Announced {
            cluster: Arc::clone(self.cluster),
            run: self.submission.id.clone(),
            allowed: Vec::new(),
            needed: self.needed.clone(),
            privileged: false,
        };
        let presence = match presence::announce(announced) {
            Ok(presence) => presence,
            Err(error) => {
                carried.fail(ExitCode::Environment, error);
                return carried;
            }
        };
        let home = presence.home.clone();
        let namespace = format!("namespace {}", home.namespace);
        self.inventory.add(&namespace);
        let cluster = Arc::clone(self.cluster);
        let done = on(&cluster, async |client| {
            self.work(&client, &home, stop, &mut carried, tell).await;
            tell("removing what was made");
            clean(&client, &home, &self.submission.allow_namespace, &mut carried).await;
            Ok::<_, String>(())
        });
        if let Err(error) = done {
            carried.fail(ExitCode::Environment, error);
        }
        let ended = presence.end();
        if ended.leftovers.is_empty() {
            self.inventory.remove(&namespace);
        } else {
            let left: Vec<_> = ended.leftovers.iter().map(ToString::to_string).collect();
            carried.fail(ExitCode::Leftovers, format!("left behind: {}", left.join(", ")));
        }
        carried
    }

    async fn work(&mut self, client: &kube::Client, home: &Home, stop: &Stop, carried: &mut Carried, tell: &mut dyn FnMut(&str)) {
        let wanted = Wanted {
            image: self.image,
            shards: self.submission.shards,
            suite: std::mem::take(&mut self.suite),
            needed: &self.needed,
        };
        if let Err(error) = make::make(client, home, wanted, self.inventory).await {
            carried.fail(ExitCode::Environment, error.to_string());
            return;
        }
        let mut following = Following::new(self.image.to_owned(), expected(self.submission), self.verbose);
        match follow::follow(client, home, &mut following, stop, tell).await {
            Ok(Ended::Over) => {}
            Ok(Ended::Stuck(why)) => carried.fail(ExitCode::Environment, why),
            Ok(Ended::Stopped) => {
                carried.stopped = true;
                match *stop.borrow() {
                    Some(Signal::Terminate) => carried.fail(ExitCode::Terminated, "stopped by SIGTERM"),
                    Some(Signal::TimedOut) => carried.fail(ExitCode::Inconclusive, "--timeout has passed"),
                    Some(Signal::Interrupt) | None => carried.fail(ExitCode::Interrupted, "stopped by SIGINT"),
                }
            }
            Err(error) => carried.fail(ExitCode::Environment, error.to_string()),
        }
        for failed in following.failures() {
            carried.fail(ExitCode::Environment, format!("the cluster gave the run up: {failed}"));
        }
        carried.attempts = following.attempts().cloned().collect();
        // The pods finish what they store, and clean up after themselves.
        match submit::stop(client, home).await {
            Ok(Stopped::Gone | Stopped::None) => {}
            Ok(Stopped::Ending) => tell("the pods of the run are still ending"),
            Err(error) => carried.fail(ExitCode::Leftovers, error.to_string()),
        }
        let store = Store::new(client.clone(), home.namespace.clone(), home.run.clone());
        match store.pieces(None).await {
            Ok(pieces) => carried.pieces = pieces,
            Err(error) => carried.fail(ExitCode::Environment, error.to_string()),
        }
    }
}

/// How many trials each shard has.
fn expected(submission: &Submission) -> BTreeMap<u32, usize> {
    let of = submission.shards;
    let trials = |index| {
        let (plans, _) = shard::cut(&submission.plans.plans, Part { index, of }).ok()?;
        Some((index, plans.iter().map(|plan| plan.trials as usize).sum()))
    };
    (1..=of).filter_map(trials).collect()
}

/// Removes what the pods' runs left, and what lies outside of the home; the home itself goes with the run's presence.
async fn clean(client: &kube::Client, home: &Home, allowed: &[String], carried: &mut Carried) {
    let found = match cleanup::find(client, &Scope::Run(home.run.clone()), allowed).await {
        Ok(found) => found,
        Err(error) => {
            carried.fail(ExitCode::Leftovers, error.to_string());
            return;
        }
    };
    let (own, parts): (Vec<_>, Vec<_>) = found.into_iter().partition(|left| left.run == home.run);
    let mut done = cleanup::clean_all(client, parts, allowed).await;
    for own in own {
        done.push((own.run.clone(), cleanup::clean_around(client, &own).await));
    }
    for (target, why) in done.into_iter().flat_map(|(_, cleaned)| cleaned.left) {
        carried.fail(ExitCode::Leftovers, format!("left behind: {target}: {why}"));
    }
}

/// Works with a client of the cluster.
pub(in crate::cli) fn on<T, E: Display>(
    cluster: &Arc<dyn Cluster>,
    work: impl AsyncFnOnce(kube::Client) -> Result<T, E>,
) -> Result<T, String> {
    let done = crate::cluster::block_on(async {
        let context = TrialContext { seed: 0, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
        let session = cluster.open(&context).await.map_err(|error| error.to_string())?;
        work(session.client).await.map_err(|error| error.to_string())
    });
    done.map_err(|error| error.to_string())?
}
