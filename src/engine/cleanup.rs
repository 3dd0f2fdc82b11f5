//! Finishes what earlier runs left on a cluster: undoes their faults, removes what they made, verifies, and says what it could not.
//! Only what carries a run's label, or what an undo record names, is touched. A running trial cleans up after itself.

use super::home::{self, Home};
use super::labels::{self, dns_label};
use super::lease;
use super::namespace::{self, REMOVED_WITHIN};
use super::project;
use super::submit::{self, Stopped};
use crate::cluster::machine::anywhere::Anywhere;
use crate::cluster::machine::host::Hosts;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::fault::machine;
use crate::fault::undo::{Undone, journal, undo_all};
use crate::observe::probe::pod;
use crate::observe::timeline::Reference;
use futures::{StreamExt, stream};
use journal::Written;
use kube::api::ListParams;
use std::collections::BTreeMap;

/// How many namespaces are removed at once.
const AT_ONCE: usize = 8;

/// Which runs are cleaned up after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The run of this id, with the runs of its pods if it was submitted.
    Run(String),
    /// Runs whose lease has run out.
    Stale,
    /// Every run, running ones too.
    All,
}

/// One namespace that a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The namespace.
    pub namespace: Reference,
    /// The scenario's label value; `None` for the run's own home.
    pub scenario: Option<String>,
}

/// Everything that one run left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Left {
    /// The run's label value.
    pub run: String,
    /// Its namespaces, by name.
    pub namespaces: Vec<Found>,
    /// Where its lease and records lie: its own home, and namespaces of others that it was allowed to use.
    pub homes: Vec<Home>,
    /// Its undo records, oldest first.
    pub records: Vec<Written>,
    /// The image of the pods by which machines of nodes are mended that are no containers of this computer; absent: the usual one.
    pub node_image: Option<String>,
}

/// What a clean-up did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Objects that are as before again.
    pub undone: Vec<Reference>,
    /// What the run had made outside of its namespaces for its pods, gone now.
    pub withdrawn: Vec<Reference>,
    /// Namespaces that are gone now.
    pub removed: Vec<Found>,
    /// What is still there or not as before, and why: exit code 5.
    pub left: Vec<(Reference, String)>,
}

/// What runs left on a cluster, by run. Records and leases are looked for in the runs' own homes and in the `allowed` namespaces.
///
/// # Errors
/// Namespaces may not be listed and none are `allowed`, or the server does not answer.
pub async fn find(client: &kube::Client, scope: &Scope, allowed: &[String]) -> Result<Vec<Left>, RequestError> {
    let of_run = match scope {
        Scope::Run(id) => Some(dns_label(id, 63)),
        Scope::Stale | Scope::All => None,
    };
    let mut runs: BTreeMap<String, Left> = BTreeMap::new();
    // Projects of users who may not label them are found by their marks.
    let projects = project::find(client, of_run.as_deref()).await?;
    let mut found = match labelled(client, of_run.as_deref()).await {
        Ok(found) => found,
        Err(error) if error.code == 403 && (!allowed.is_empty() || projects.is_some()) => Vec::new(),
        Err(error) => return Err(error),
    };
    for project in projects.unwrap_or_default() {
        let scenario = project.mark.trial.map(|(scenario, _)| scenario);
        if found.iter().all(|(_, known)| known.namespace != project.namespace) {
            found.push((project.mark.run, Found { namespace: project.namespace, scenario }));
        }
    }
    for (run, found) in found {
        let left = entry(&mut runs, &run);
        if found.scenario.is_none() {
            let (namespace, own) = (found.namespace.name.clone(), Some(found.namespace.clone()));
            left.homes.push(Home { run, namespace, own, project: false });
        }
        left.namespaces.push(found);
    }
    for namespace in allowed {
        for run in leases_in(client, namespace, of_run.as_deref()).await? {
            entry(&mut runs, &run).homes.push(Home { run: run.clone(), namespace: namespace.clone(), own: None, project: false });
        }
        let records = journal::read(client, namespace, None).await?;
        for written in records.into_iter().filter(|written| of_run.as_ref().is_none_or(|run| labels::is_of(&written.run, run))) {
            entry(&mut runs, &written.run.clone()).records.push(written);
        }
    }
    for left in runs.values_mut() {
        for home in left.homes.iter().filter(|home| home.own.is_some()) {
            match journal::read(client, &home.namespace, Some(&left.run)).await {
                Ok(records) => left.records.extend(records),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        left.records.sort_by_key(|written| written.held.number);
    }
    Ok(runs.into_values().collect())
}

fn entry<'a>(runs: &'a mut BTreeMap<String, Left>, run: &str) -> &'a mut Left {
    runs.entry(run.to_owned()).or_insert_with(|| Left { run: run.to_owned(), ..Left::default() })
}

async fn labelled(client: &kube::Client, run: Option<&str>) -> Result<Vec<(String, Found)>, RequestError> {
    let api = namespace::namespaces(client)?;
    let parameters = ListParams::default().labels(labels::RUN);
    let listed = retried("listing namespaces", REQUEST_BUDGET, || {
        let (api, parameters) = (api.clone(), parameters.clone());
        async move { api.list(&parameters).await }
    })
    .await?;
    let mut found: Vec<_> = listed
        .items
        .into_iter()
        .filter_map(|object| {
            let metadata = object.metadata;
            let known = metadata.labels.unwrap_or_default();
            // A server's answer is not trusted to have honoured the selector: only what carries our labels is touched.
            let of = known.get(labels::RUN).filter(|of| run.is_none_or(|run| labels::is_of(of, run)))?.clone();
            let scenario = known.get(labels::SCENARIO).cloned();
            if scenario.is_none() && !known.contains_key(labels::HOME) {
                return None;
            }
            let name = metadata.name?;
            let uid = metadata.uid?;
            Some((
                of,
                Found { namespace: Reference { kind: "Namespace".to_owned(), namespace: String::new(), name, uid }, scenario },
            ))
        })
        .collect();
    found.sort_by(|(_, a), (_, b)| a.namespace.cmp(&b.namespace));
    Ok(found)
}

/// The runs that have a lease in a namespace.
async fn leases_in(client: &kube::Client, namespace: &str, run: Option<&str>) -> Result<Vec<String>, RequestError> {
    let api = namespace::own_kind("Lease")?.api(client, namespace);
    let parameters = ListParams::default().labels(labels::RUN);
    let what = format!("listing leases in {namespace}");
    let listed = retried(&what, REQUEST_BUDGET, || {
        let (api, parameters) = (api.clone(), parameters.clone());
        async move { api.list(&parameters).await }
    })
    .await?;
    let run_of = |lease: kube::api::DynamicObject| {
        lease.metadata.labels?.remove(labels::RUN).filter(|of| run.is_none_or(|run| labels::is_of(of, run)))
    };
    let mut runs: Vec<_> = listed.items.into_iter().filter_map(run_of).collect();
    runs.sort();
    Ok(runs)
}

/// Those of the runs whose lease has run out, and the ids of those that still live. Takes as long as a lease lasts. The parts of a
/// submitted run go with it: whoever submitted it collects their results and cleans up after them, and without it nobody does.
///
/// # Errors
/// A lease may not be read, or the server gives no answers.
pub async fn stale_only(client: &kube::Client, found: Vec<Left>) -> Result<(Vec<Left>, Vec<String>), RequestError> {
    let looks = found.into_iter().map(|left| async move {
        let namespace = left.homes.first().map_or_else(|| home::name(&left.run), |home| home.namespace.clone());
        let stale = lease::is_stale(client, &namespace, &left.run).await?;
        Ok::<_, RequestError>((left, stale))
    });
    let looks = futures::future::join_all(looks).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let known: BTreeMap<String, bool> = looks.iter().map(|(left, stale)| (left.run.clone(), *stale)).collect();
    let (mut stale, mut live) = (Vec::new(), Vec::new());
    for (left, own) in looks {
        let whole = labels::submission_of(&left.run).and_then(|submission| known.get(submission));
        if *whole.unwrap_or(&own) { stale.push(left) } else { live.push(left.run) }
    }
    Ok((stale, live))
}

/// Undoes and removes what runs left, and verifies it. Of submitted runs the pods go first, which clean up after themselves, then what
/// is left of their runs, then what let them act.
pub async fn clean_all(client: &kube::Client, found: Vec<Left>, allowed: &[String]) -> Vec<(String, Cleaned)> {
    let mut done = Vec::new();
    let is_part = |left: &Left| labels::submission_of(&left.run).is_some();
    let (mut parts, wholes): (Vec<_>, Vec<_>) = found.into_iter().partition(is_part);
    let mut running = BTreeMap::new();
    for left in &wholes {
        let still = match stop_pods(client, left).await {
            // Until they had ended, its pods went on making and removing.
            (true, still) => match find(client, &Scope::Run(left.run.clone()), allowed).await {
                Ok(now) => {
                    parts.retain(|part| !labels::is_of(&part.run, &left.run));
                    parts.extend(now.into_iter().filter(is_part));
                    still
                }
                Err(error) => still.into_iter().chain([(submit::job(&left.run), error.to_string())]).collect(),
            },
            (false, still) => still,
        };
        running.insert(left.run.clone(), still);
    }
    for left in parts {
        done.push((left.run.clone(), clean(client, left).await));
    }
    for left in wholes {
        let run = left.run.clone();
        let still = running.remove(&run).unwrap_or_default();
        let cleaned = if still.is_empty() { clean(client, left).await } else { Cleaned { left: still, ..Cleaned::default() } };
        done.push((run, cleaned));
    }
    done
}

/// Ends the pods of a submitted run: whether there were any, and what still runs.
async fn stop_pods(client: &kube::Client, left: &Left) -> (bool, Vec<(Reference, String)>) {
    let (mut there, mut still) = (false, Vec::new());
    for home in left.homes.iter().filter(|home| home.own.is_some()) {
        match submit::stop(client, home).await {
            Ok(Stopped::None) => {}
            Ok(Stopped::Gone) => there = true,
            Ok(Stopped::Ending) => still.push((submit::job(&home.run), "its pods are still ending".to_owned())),
            // Who may have no Jobs has submitted nothing.
            Err(error) if error.code == 403 => tracing::debug!("{error}"),
            Err(error) => still.push((submit::job(&home.run), error.to_string())),
        }
    }
    (there, still)
}

/// Undoes and removes what a run left, and verifies it. Its home goes last, and only if nothing in it is needed any more.
pub async fn clean(client: &kube::Client, left: Left) -> Cleaned {
    let mut cleaned = clean_around(client, &left).await;
    if !cleaned.left.is_empty() {
        // Records and labels are what the next attempt works from.
        return cleaned;
    }
    for home in &left.homes {
        let homes = left.namespaces.iter().filter(|found| found.scenario.is_none());
        let left = home::remove(client, home).await;
        match homes.into_iter().find(|found| Some(&found.namespace) == home.own.as_ref()) {
            Some(found) => cleaned.gone_or_left(found.clone(), left),
            None => cleaned.left.extend(left.into_iter().map(|left| (left, "it is still there".to_owned()))),
        }
    }
    cleaned
}

/// The same but for its home, which whoever lives in it removes.
pub async fn clean_around(client: &kube::Client, left: &Left) -> Cleaned {
    let mut cleaned = Cleaned::default();
    undo(client, left, &mut cleaned).await;
    let trials = left.namespaces.iter().filter(|found| found.scenario.is_some()).cloned();
    let run = &left.run;
    let results: Vec<_> = stream::iter(trials)
        .map(|found| async move {
            let left = namespace::remove(client, &found.namespace, run, REMOVED_WITHIN).await;
            (found, left)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    for (found, left) in results {
        cleaned.gone_or_left(found, left);
    }
    cleaned
}

impl Cleaned {
    fn gone_or_left(&mut self, found: Found, left: Vec<Reference>) {
        if left.is_empty() {
            self.removed.push(found);
        } else {
            self.left.extend(left.into_iter().map(|left| (left, "it is still there".to_owned())));
        }
    }
}

/// Undoes the faults that records tell of, newest first; a record goes when its fault is undone.
async fn undo(client: &kube::Client, left: &Left, cleaned: &mut Cleaned) {
    let records: Vec<_> = left.records.iter().map(|written| written.record.clone()).collect();
    // Machines are found again by what stands in their records: no others are needed here.
    let image = left.node_image.as_deref().unwrap_or(pod::IMAGE);
    let own = left.homes.iter().find_map(|home| Some(home.own.as_ref()?.name.clone()));
    let hosts = own.map(|namespace| Hosts { client: client.clone(), namespace, image: image.to_owned() });
    let done = undo_all(client, Some(&Anywhere { hosts }), &records).await;
    for (written, (target, undone)) in left.records.iter().rev().zip(done) {
        let forgotten = match &undone {
            Ok(undone) if undone.is_settled() => journal::forget(client, &written.held).await,
            _ => Ok(()),
        };
        match (undone, forgotten) {
            (Ok(Undone::LeftAlone(why)), _) => {
                let records = &written.held.namespace;
                let why = format!(
                    "not undone ({}): {why}; put it right by hand, then remove its record {records}/{}",
                    written.record.key,
                    written.held.names.join(", ")
                );
                cleaned.left.push((target, why));
            }
            (Err(error), _) => cleaned.left.push((target, format!("not undone: {error}"))),
            (Ok(_), Err(error)) => cleaned.left.push((target, format!("undone, but its record is still there: {error}"))),
            (Ok(Undone::Reverted), Ok(())) if written.record.key == submit::make::KEY => cleaned.withdrawn.push(target),
            (Ok(Undone::Reverted), Ok(())) => cleaned.undone.push(target),
            (Ok(Undone::AlreadyBack | Undone::Moot(_)), Ok(())) => {}
        }
    }
    for node in machine::broken_nodes(&records) {
        if let Err(why) = machine::wait_ready(client, &node.name, machine::READY_WITHIN).await {
            cleaned.left.push((node, why));
        }
    }
}

#[cfg(test)]
mod tests;
