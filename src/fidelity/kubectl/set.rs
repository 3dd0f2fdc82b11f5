//! `kubectl set image` and `set resources`: patches of a workload's containers.

use super::command::Line;
use super::{Kubectl, STRATEGIC, refusal};
use crate::fidelity::Error;
use serde_json::{Map, Value, json};

impl Kubectl {
    /// `set image KIND/NAME CONTAINER=IMAGE...`
    pub(super) async fn set_image(&self, line: &Line) -> Result<(), Error> {
        let (images, words): (Vec<&String>, Vec<&String>) = line.words.iter().skip(2).partition(|word| word.contains('='));
        let own = Line::parse(&words.into_iter().cloned().collect::<Vec<_>>())?;
        let target = super::Target { namespace: line.namespace.clone(), ..own.target(0)? };
        let containers: Vec<Value> = images
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, image)| json!({"name": name, "image": image}))
            .collect();
        self.changed(&target.path(), STRATEGIC, &json!({"spec": {"template": {"spec": {"containers": containers}}}})).await
    }

    /// `set resources KIND/NAME --limits=... --requests=...`, on every container.
    pub(super) async fn set_resources(&self, line: &Line) -> Result<(), Error> {
        let target = line.target(2)?;
        let object = self.get(&target.path()).await.map_err(refusal(format!("reading {}", target.path())))?;
        let mut resources = Map::new();
        for (option, field) in [("--limits", "limits"), ("--requests", "requests")] {
            if let Some(list) = line.option(option) {
                let amounts = list.split(',').filter_map(|pair| pair.split_once('='));
                let amounts: Map<String, Value> = amounts.map(|(name, amount)| (name.to_owned(), json!(amount))).collect();
                resources.insert(field.to_owned(), Value::Object(amounts));
            }
        }
        let all = object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
        let containers: Vec<Value> =
            all.into_iter().flatten().map(|container| json!({"name": container["name"], "resources": resources})).collect();
        self.changed(&target.path(), STRATEGIC, &json!({"spec": {"template": {"spec": {"containers": containers}}}})).await
    }
}
