//! Makes what a submitted run needs on the cluster. What lies outside of the run's own namespace has an undo record in it before it is
//! there; everything else goes with the namespace. How the objects look is `objects`'.

use super::objects::{self, JobSettings};
use crate::cluster::kinds::Kind;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::engine::home::Home;
use crate::engine::inventory::Inventory;
use crate::engine::labels::{self, FIELD_MANAGER};
use crate::engine::permission::Permission;
use crate::fault::undo::journal::Journal;
use crate::fault::undo::{Remedy, UndoRecord};
use crate::observe::index::text;
use crate::observe::timeline::Reference;
use kube::api::{DynamicObject, PostParams};
use serde_json::Value;
use std::sync::Arc;

/// What stands in undo records in a fault's place.
pub const KEY: &str = "submit";

/// What is to be made.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The image of the pods.
    pub image: &'a str,
    /// How many shards.
    pub shards: u32,
    /// The packed suite.
    pub suite: Vec<Vec<u8>>,
    /// What the pods must be allowed.
    pub needed: &'a [Permission],
}

/// Makes everything, the Job last. What was made is found in the home, even where this fails half-way.
///
/// # Errors
/// The first refusal.
pub async fn make(client: &kube::Client, home: &Home, wanted: Wanted<'_>, inventory: &Inventory) -> Result<(), RequestError> {
    let journal = Journal::new(client.clone(), home.clone(), Arc::default());
    create(client, &objects::service_account(home)).await?;
    let settings = JobSettings { image: wanted.image, shards: wanted.shards, parts: wanted.suite.len() };
    for (n, part) in wanted.suite.into_iter().enumerate() {
        create(client, &objects::suite(home, n, part)).await?;
    }
    for role in objects::roles(home, wanted.needed) {
        if text(&role, "/metadata/namespace") != home.namespace {
            record(&journal, home, &role, inventory).await?;
        }
        create(client, &role).await?;
    }
    create(client, &objects::job(home, &settings)).await
}

/// Notes that an object is about to be made.
async fn record(journal: &Journal, home: &Home, object: &Value, inventory: &Inventory) -> Result<(), RequestError> {
    let target = reference(object);
    inventory.add(target.to_string());
    let record = UndoRecord {
        fault: 0,
        key: KEY.to_owned(),
        target,
        api_version: text(object, "/apiVersion").to_owned(),
        remedy: Remedy::Remove,
        run: home.run.clone(),
        before: None,
        changes: None,
        undoing: None,
        holds: None,
    };
    let mut held = journal.place(&record);
    journal.write(&mut held, &record).await
}

fn reference(object: &Value) -> Reference {
    Reference {
        kind: text(object, "/kind").to_owned(),
        namespace: text(object, "/metadata/namespace").to_owned(),
        name: text(object, "/metadata/name").to_owned(),
        uid: String::new(),
    }
}

async fn create(client: &kube::Client, object: &Value) -> Result<(), RequestError> {
    let target = reference(object);
    let what = format!("creating {target}");
    let kind = Kind::known(None, &target.kind).ok_or_else(|| RequestError::of(&what, "its kind is not in the table"))?;
    let api = kind.api(client, &target.namespace);
    let run = text(object, &format!("/metadata/labels/{}", labels::RUN.replace('/', "~1"))).to_owned();
    let object: DynamicObject =
        serde_json::from_value(object.clone()).map_err(|error| RequestError::of(&what, error.to_string()))?;
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match retried(&what, REQUEST_BUDGET, || api.create(&parameters, &object)).await {
        Ok(_) => Ok(()),
        // An earlier attempt may have been carried out without its answer reaching us.
        Err(error) if error.is_already_there() => {
            let present = retried(&what, REQUEST_BUDGET, || api.get(&target.name)).await?;
            let ours = present.metadata.labels.as_ref().and_then(|labels| labels.get(labels::RUN)) == Some(&run);
            if ours { Ok(()) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}
