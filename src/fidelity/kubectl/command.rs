//! One kubectl command line: its options, and the verbs that are a request or two.
//! Verbs with a procedure of their own have modules of their own.

use super::names::{Target, targets};
use super::{JSON_PATCH, Kubectl, MERGE, STRATEGIC, manifest, refusal, resource_of};
use crate::fidelity::Error;
use crate::fidelity::action::FIRST_POD;
use crate::fidelity::recording::Recording;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A command line taken apart.
#[derive(Debug)]
pub(super) struct Line {
    /// `-n`.
    pub(super) namespace: String,
    /// What is no option, the verb first.
    pub(super) words: Vec<String>,
    options: BTreeMap<String, String>,
}

/// Options whose value is the next word.
const WITH_VALUE: [&str; 7] = ["-n", "--namespace", "-p", "--patch", "-f", "--subresource", "--type"];

impl Line {
    pub(super) fn parse(words: &[String]) -> Result<Self, Error> {
        let mut line = Self { namespace: "default".to_owned(), words: Vec::new(), options: BTreeMap::new() };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if !word.starts_with('-') {
                line.words.push(word.clone());
                continue;
            }
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None if WITH_VALUE.contains(&word.as_str()) => {
                    let missing = || Error::new(format!("kubectl {}: {word} has no value", words.join(" ")));
                    (word.as_str(), rest.next().ok_or_else(missing)?.clone())
                }
                None => (word.as_str(), "true".to_owned()),
            };
            match name {
                "-n" | "--namespace" => line.namespace = value,
                "--patch" => drop(line.options.insert("-p".to_owned(), value)),
                _ => drop(line.options.insert(name.to_owned(), value)),
            }
        }
        Ok(line)
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    fn required(&self, name: &str) -> Result<&str, Error> {
        self.option(name).ok_or_else(|| Error::new(format!("kubectl {}: expected {name}", self.words.join(" "))))
    }

    /// The one object that the words after `from` name.
    pub(super) fn target(&self, from: usize) -> Result<Target, Error> {
        let words = self.words.get(from..).unwrap_or_default();
        targets(words, &self.namespace)?
            .into_iter()
            .next()
            .filter(|target| !target.name.is_empty())
            .ok_or_else(|| Error::new(format!("kubectl {}: expected the name of an object", self.words.join(" "))))
    }
}

/// Carries out a command line of a recording.
///
/// # Errors
/// What the server refused, or what this kubectl does not know.
pub async fn run(kubectl: &Kubectl, words: &[String], recording: &Recording) -> Result<(), Error> {
    let mut line = Line::parse(words)?;
    if line.words.iter().any(|word| word == FIRST_POD) {
        let pod = format!("pod/{}", kubectl.first_pod(&line.namespace).await?);
        line.words.iter_mut().filter(|word| *word == FIRST_POD).for_each(|word| word.clone_from(&pod));
    }
    let verbs: Vec<&str> = line.words.iter().map(String::as_str).collect();
    match verbs.as_slice() {
        ["apply", ..] => kubectl.apply(manifest(recording, line.required("-f")?)?).await,
        ["delete", ..] => kubectl.delete_all(&line).await,
        ["scale", ..] => {
            let replicas: u32 = line
                .required("--replicas")?
                .parse()
                .map_err(|_| Error::new(format!("kubectl {}: --replicas is no number", line.words.join(" "))))?;
            let path = format!("{}/scale", line.target(1)?.path());
            kubectl.changed(&path, MERGE, &json!({"spec": {"replicas": replicas}})).await
        }
        ["patch", ..] => {
            let media_type = match line.option("--type").unwrap_or("strategic") {
                "json" => JSON_PATCH,
                "merge" => MERGE,
                _ => STRATEGIC,
            };
            let body: Value = serde_json::from_str(line.required("-p")?)
                .map_err(|error| Error::new(format!("kubectl {}: the patch is no JSON: {error}", line.words.join(" "))))?;
            let subresource = line.option("--subresource").map(|name| format!("/{name}")).unwrap_or_default();
            kubectl.changed(&format!("{}{subresource}", line.target(1)?.path()), media_type, &body).await
        }
        ["set", "image", ..] => kubectl.set_image(&line).await,
        ["set", "resources", ..] => kubectl.set_resources(&line).await,
        ["rollout", "restart", ..] => kubectl.restart(&line.target(2)?).await,
        ["rollout", "undo", ..] => kubectl.undo(&line.target(2)?).await,
        ["create", "configmap", name] => kubectl.create_data("cm", name, &line).await,
        ["create", "secret", "generic", name] => kubectl.create_data("secrets", name, &line).await,
        ["cordon", node] => kubectl.cordon(node, true).await,
        ["uncordon", node] => kubectl.cordon(node, false).await,
        ["drain", node] => kubectl.drain(node, &line).await,
        _ => Err(Error::new(format!("this kubectl command cannot be replayed yet: {}", words.join(" ")))),
    }
}

impl Kubectl {
    pub(super) async fn changed(&self, path: &str, media_type: &str, body: &Value) -> Result<(), Error> {
        self.patch(path, media_type, body).await.map(drop).map_err(refusal(format!("the patch of {path}")))
    }

    async fn delete_all(&self, line: &Line) -> Result<(), Error> {
        let mut all = targets(line.words.get(1..).unwrap_or_default(), &line.namespace)?;
        if line.option("--all").is_some() {
            let Some(kind) = all.first().cloned() else { return Ok(()) };
            let list = self.get(&kind.collection()).await.map_err(refusal(format!("listing {}", kind.collection())))?;
            let names =
                list["items"].as_array().into_iter().flatten().filter_map(|item| item.pointer("/metadata/name")?.as_str());
            all = names.map(|name| Target { name: name.to_owned(), ..kind.clone() }).collect();
        }
        let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
        if let Some(grace) = line.option("--grace-period").and_then(|grace| grace.parse::<i64>().ok()).filter(|grace| *grace >= 0)
        {
            options["gracePeriodSeconds"] = json!(grace);
        }
        for target in all {
            self.delete(&target.path(), &options).await.map_err(refusal(format!("deleting {}", target.path())))?;
        }
        Ok(())
    }

    async fn create_data(&self, kind: &str, name: &str, line: &Line) -> Result<(), Error> {
        let resource = resource_of(kind)?;
        let target = Target { resource, namespace: line.namespace.clone(), name: name.to_owned() };
        let (key, value) = line.required("--from-literal")?.split_once('=').unwrap_or_default();
        let field = if resource.kind == "Secret" { "stringData" } else { "data" };
        let object = json!({
            "apiVersion": resource.api_version(), "kind": resource.kind,
            "metadata": {"name": name, "namespace": line.namespace}, field: {key: value},
        });
        self.post(&target.collection(), &object).await.map(drop).map_err(refusal(format!("creating {}", target.path())))
    }
}
