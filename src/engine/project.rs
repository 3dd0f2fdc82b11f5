//! Namespaces where nobody may create one directly: OpenShift's projects, asked for by a `ProjectRequest`, marked, found and removed.
//! When that way is taken is `namespace`'s and `home`'s; what a clean-up does is `cleanup`'s.
//!
//! Whoever asks for a project may not label it. Two things show whose it is: its description, which the request sets at once, and a
//! `ConfigMap` of ours in it with the run's label and the project's uid. A project is ours when that record names its very uid, or
//! when there is no record yet (the run died in between), its description fits its name, and nothing runs in it. All else is
//! somebody's.

use super::home;
use super::labels::{self, dns_label};
use super::namespace::own_kind;
use crate::cluster::kinds::Kind;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, pause, retried};
use crate::observe::timeline::Reference;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams, Preconditions};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// The name of the record in a project.
const RECORD: &str = "comeback-project";
/// Annotation of a project: what its request said of it.
const DESCRIPTION: &str = "openshift.io/description";
/// How long the rights to a new project may take to reach all servers.
const USABLE_WITHIN: Duration = Duration::from_secs(20);
/// A project that was not seen for so long is not only late: lists of projects follow the rights to them.
const UNSEEN_FOR: Duration = Duration::from_secs(3);
/// Between two looks at a project that is going: its rights, and with them any watch, go with it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whose a project is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The run's label value.
    pub run: String,
    /// The scenario's label value and the trial; `None` for a run's home.
    pub trial: Option<(String, u32)>,
}

impl Mark {
    /// In a project's description.
    fn text(&self) -> String {
        let (run, rest) = (&self.run, self.trial.as_ref());
        let rest = rest.map_or_else(
            || format!("{}=true", labels::HOME),
            |(scenario, trial)| format!("{}={scenario} {}={trial}", labels::SCENARIO, labels::TRIAL),
        );
        format!("{}={run} {rest}", labels::RUN)
    }

    fn parse(description: &str) -> Option<Self> {
        let pairs: Vec<_> = description.split(' ').filter_map(|pair| pair.split_once('=')).collect();
        let of = |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let trial = match (of(labels::HOME), of(labels::SCENARIO), of(labels::TRIAL)) {
            (Some("true"), None, None) => None,
            (None, Some(scenario), Some(trial)) => Some((scenario.to_owned(), trial.parse().ok()?)),
            _ => return None,
        };
        let mark = Self { run: of(labels::RUN)?.to_owned(), trial };
        (mark.text() == description).then_some(mark)
    }

    /// Whether a project of this name can bear the mark.
    fn fits(&self, name: &str) -> bool {
        match &self.trial {
            None => name == home::name(&self.run),
            Some((scenario, trial)) => {
                let rest = name.strip_prefix(&format!("cb-{}-{trial}-", dns_label(scenario, 40)));
                rest.is_some_and(|rest| rest.len() == 5 && !rest.contains('-'))
            }
        }
    }
}

/// A project of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    /// Whose it is.
    pub mark: Mark,
    /// Its namespace.
    pub namespace: Reference,
}

fn projects(client: &kube::Client) -> Api<DynamicObject> {
    Kind::project().api(client, "")
}

fn reference(name: &str, uid: Option<String>) -> Reference {
    Reference { kind: "Namespace".to_owned(), namespace: String::new(), name: name.to_owned(), uid: uid.unwrap_or_default() }
}

fn mark_of(object: &DynamicObject) -> Option<Mark> {
    let mark = Mark::parse(object.metadata.annotations.as_ref()?.get(DESCRIPTION)?)?;
    mark.fits(object.metadata.name.as_deref()?).then_some(mark)
}

/// Asks for a project. `None` where the cluster has no projects.
///
/// # Errors
/// The server's refusal, a project of that name that is not ours, no rights in it in time; then nothing is left of it.
pub(super) async fn request(client: &kube::Client, name: &str, mark: &Mark) -> Result<Option<Reference>, RequestError> {
    let what = format!("asking for project {name}");
    let wanted = json!({ "apiVersion": "project.openshift.io/v1", "kind": "ProjectRequest", "metadata": { "name": name },
        "displayName": "comeback", "description": mark.text() });
    let wanted: DynamicObject = serde_json::from_value(wanted).map_err(|error| RequestError::of(&what, error.to_string()))?;
    let api = Kind::project_request().api(client, "");
    let parameters = PostParams::default();
    let made = match retried(&what, REQUEST_BUDGET, || api.create(&parameters, &wanted)).await {
        Ok(made) => made,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) if error.is_already_there() => {
            // An earlier attempt of this very request may have been carried out without its answer reaching us.
            let known = projects(client);
            let present = retried(&what, REQUEST_BUDGET, || known.get(name)).await;
            match present {
                Ok(present) if mark_of(&present).as_ref() == Some(mark) && present.metadata.deletion_timestamp.is_none() => {
                    present
                }
                _ => return Err(RequestError { message: format!("{}; it is not this run's", error.message), ..error }),
            }
        }
        Err(error) => return Err(error),
    };
    let namespace = reference(name, made.metadata.uid);
    if let Err(error) = sign(client, &namespace, mark).await {
        let left = if remove(client, &namespace, super::namespace::REMOVED_WITHIN).await.unwrap_or(false) {
            ""
        } else {
            "; it is left behind"
        };
        return Err(RequestError { message: format!("{}{left}", error.message), ..error });
    }
    Ok(Some(namespace))
}

/// Writes the record into a new project, as soon as its rights are there.
async fn sign(client: &kube::Client, namespace: &Reference, mark: &Mark) -> Result<(), RequestError> {
    let name = &namespace.name;
    let what = format!("marking project {name}");
    let record = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": RECORD, "labels": { labels::RUN: mark.run }, "annotations": { labels::VERSION: env!("CARGO_PKG_VERSION") } },
        "data": { "uid": namespace.uid, "mark": mark.text() },
    });
    let record: DynamicObject = serde_json::from_value(record).map_err(|error| RequestError::of(&what, error.to_string()))?;
    let api = own_kind("ConfigMap")?.api(client, name);
    let parameters = PostParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let begun = Instant::now();
    for n in 0.. {
        match retried(&what, REQUEST_BUDGET, || api.create(&parameters, &record)).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_already_there() => return Ok(()),
            // The rights reach the servers a moment after the project.
            Err(error) if error.code == 403 && begun.elapsed() < USABLE_WITHIN => tokio::time::sleep(pause(n)).await,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether a namespace bears the mark of a run, by its description alone: for one whose creation was never answered.
pub(super) fn is_marked(namespace: &DynamicObject, run: &str) -> bool {
    mark_of(namespace).is_some_and(|mark| mark.run == run)
}

/// Whether a namespace bears the mark of a run's home.
pub(super) fn is_home(namespace: &DynamicObject) -> bool {
    mark_of(namespace).is_some_and(|mark| mark.trial.is_none())
}

/// The projects of runs (of one run) that the user may see. `None` where the cluster has none, or they may not be listed.
///
/// # Errors
/// The server does not answer.
pub(super) async fn find(client: &kube::Client, run: Option<&str>) -> Result<Option<Vec<Owned>>, RequestError> {
    let Some(listed) = list(client).await? else { return Ok(None) };
    let mut owned = Vec::new();
    for project in listed {
        let name = project.metadata.name.clone().unwrap_or_default();
        // A look into each project of a large cluster would be long: ours are called so.
        if !name.starts_with("cb-") {
            continue;
        }
        if let Some(mark) =
            whose(client, &project, &name).await?.filter(|mark| run.is_none_or(|run| labels::is_of(&mark.run, run)))
        {
            owned.push(Owned { mark, namespace: reference(&name, project.metadata.uid) });
        }
    }
    owned.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    Ok(Some(owned))
}

async fn list(client: &kube::Client) -> Result<Option<Vec<DynamicObject>>, RequestError> {
    let (api, all) = (projects(client), ListParams::default());
    match retried("listing projects", REQUEST_BUDGET, || api.list(&all)).await {
        Ok(listed) => Ok(Some(listed.items)),
        Err(error) if matches!(error.code, 403 | 404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whose a project is: nobody's of ours unless that is certain.
async fn whose(client: &kube::Client, project: &DynamicObject, name: &str) -> Result<Option<Mark>, RequestError> {
    let described = mark_of(project);
    let what = format!("reading the mark of project {name}");
    let records = own_kind("ConfigMap")?.api(client, name);
    match retried(&what, REQUEST_BUDGET, || records.get_opt(RECORD)).await {
        Ok(Some(record)) => {
            let data = |field: &str| record.data.pointer(&format!("/data/{field}")).and_then(serde_json::Value::as_str);
            let its_own = data("uid").is_some() && data("uid") == project.metadata.uid.as_deref();
            let mark = data("mark").and_then(Mark::parse).filter(|mark| its_own && mark.fits(name));
            // An administrator's template may leave the description out; another one is another's.
            Ok(mark.filter(|mark| described.as_ref().is_none_or(|described| described == mark)))
        }
        Ok(None) => {
            let Some(mark) = described else { return Ok(None) };
            let (pods, all) = (own_kind("Pod")?.api(client, name), ListParams::default());
            let empty = retried(&what, REQUEST_BUDGET, || pods.list(&all)).await?.items.is_empty();
            if !empty {
                tracing::warn!(
                    "project {name} is described as run {}'s, but has no record of ours, and pods: it is left alone",
                    mark.run
                );
            }
            Ok(empty.then_some(mark))
        }
        Err(error) if error.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the user's projects have none of this name, and not only for a moment: then what may not be read is not there.
pub(super) async fn is_unseen(client: &kube::Client, name: &str) -> Result<bool, RequestError> {
    let begun = Instant::now();
    loop {
        let Some(listed) = list(client).await? else { return Ok(false) };
        if listed.iter().any(|project| project.metadata.name.as_deref() == Some(name)) {
            return Ok(false);
        }
        if begun.elapsed() >= UNSEEN_FOR {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Deletes a project of this uid and waits until it is gone; false when it is still there after `within`. The last that its user can
/// see of it is that the rights to it are gone, which go with what is in it.
///
/// # Errors
/// The server's refusal.
pub(super) async fn remove(client: &kube::Client, namespace: &Reference, within: Duration) -> Result<bool, RequestError> {
    let name = &namespace.name;
    let what = format!("removing project {name}");
    let api = projects(client);
    let begun = Instant::now();
    let parameters = DeleteParams {
        preconditions: Some(Preconditions { uid: Some(namespace.uid.clone()), resource_version: None }),
        ..DeleteParams::background()
    };
    match retried(&what, REQUEST_BUDGET, || api.delete(name, &parameters)).await {
        Ok(_) => {}
        Err(error) if error.is_not_found() => return Ok(true),
        // It is on its way out already, or was replaced: the looks tell.
        Err(error) if error.is_conflict() => {}
        Err(error) => return Err(error),
    }
    while begun.elapsed() < within {
        match retried(&what, REQUEST_BUDGET, || api.get(name)).await {
            Ok(present) if present.metadata.uid.as_deref() == Some(&namespace.uid) => tokio::time::sleep(LOOK_EVERY).await,
            Ok(_) => return Ok(true),
            Err(error) if matches!(error.code, 403 | 404) => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(trial: Option<(&str, u32)>) -> Mark {
        Mark { run: "20260101-abc".to_owned(), trial: trial.map(|(scenario, trial)| (scenario.to_owned(), trial)) }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is() {
        for mark in [mark(None), mark(Some(("pod-deleted", 3)))] {
            assert_eq!(Mark::parse(&mark.text()), Some(mark.clone()));
            assert_eq!(Mark::parse(&format!("{} and more", mark.text())), None);
        }
        for other in ["", "our shop", "comeback.dev/run=a", "comeback.dev/run=a comeback.dev/home=true comeback.dev/trial=1"] {
            assert_eq!(Mark::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_mark_fits_the_names_that_its_run_makes() {
        let long = "a-scenario-with-a-very-long-name-that-goes-on-and-on";
        let identity = super::super::namespace::Identity { run: "20260101-abc", scenario: long, trial: 3, seed: 7 };
        assert!(mark(Some((&dns_label(long, 63), 3))).fits(&identity.name()));
        assert!(!mark(Some((&dns_label(long, 63), 4))).fits(&identity.name()));
        assert!(!mark(Some(("shop", 3))).fits("cb-shop-3-abcde-f"));
        assert!(mark(None).fits("cb-run-20260101-abc"));
        assert!(!mark(None).fits("cb-run-20260101-abd") && !mark(None).fits("shop"));
    }
}
