//! Replays a recording's manifest and actions on the embedded cluster and records what it shows, in the same form.

use crate::recording::{Action, Fact, Recording};
use comeback::sim::api::{ApiServer, DeleteOptions, Subresource, resource};
use comeback::sim::cluster::Simulation;
use comeback::sim::profile::Profile;
use comeback::sim::store::ChangeKind;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Runs one seed for as long as the recording.
pub fn replay(recording: &Recording, seed: u64) -> Vec<Fact> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let simulation = Simulation::start(seed, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
        // The recorded cluster had been up for a while, too.
        tokio::time::sleep(Duration::from_secs(30)).await;
        let api = Arc::clone(&simulation.api);
        let namespace = create_namespace(&api, &recording.manifest).await;
        let facts = Arc::new(Mutex::new(Vec::new()));
        let begin = tokio::time::Instant::now();
        for kind in [resource::PODS, resource::EVENTS, resource::DEPLOYMENTS, resource::REPLICA_SETS] {
            let mut watch = api.watch(kind, Some(&namespace));
            let facts = Arc::clone(&facts);
            tokio::spawn(async move {
                while let Some(item) = watch.next().await {
                    let change = match item.kind {
                        ChangeKind::Added => "ADDED",
                        ChangeKind::Modified => "MODIFIED",
                        ChangeKind::Deleted => "DELETED",
                    };
                    let at = begin.elapsed().as_secs_f64();
                    let fact =
                        Fact { at, kind: kind.plural.to_owned(), change: change.to_owned(), object: (*item.object).clone() };
                    facts.lock().unwrap().push(fact);
                }
            });
        }
        for object in recording.manifest["items"].as_array().unwrap().iter().filter(|object| object["kind"] != "Namespace") {
            let kind = resource::by_kind(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap()).unwrap();
            api.create(kind, &namespace, object.clone()).unwrap();
        }
        for action in &recording.actions {
            tokio::time::sleep_until(begin + Duration::from_secs_f64(action.at)).await;
            act(&api, &namespace, action);
        }
        tokio::time::sleep_until(begin + Duration::from_secs_f64(recording.length)).await;
        assert!(simulation.limits.since(0).is_empty(), "the simulation met a limit: {:?}", simulation.limits.since(0));

        facts.lock().unwrap().clone()
    })
}

async fn create_namespace(api: &Arc<ApiServer>, manifest: &Value) -> String {
    let object = manifest["items"].as_array().unwrap().iter().find(|object| object["kind"] == "Namespace").unwrap();
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    api.create(resource::NAMESPACES, "", object.clone()).unwrap();
    let mut accounts = api.watch(resource::SERVICE_ACCOUNTS, Some(&name));
    accounts.next().await.unwrap();
    name
}

/// Carries out one recorded kubectl command.
fn act(api: &Arc<ApiServer>, namespace: &str, action: &Action) {
    let command = action.command.strip_prefix("kubectl -n $NS ").unwrap_or(&action.command);
    let pods: Vec<String> = api
        .list(resource::PODS, Some(namespace))
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    if let Some(rest) = command.strip_prefix("delete --wait=false ") {
        let options = DeleteOptions { grace_seconds: rest.contains("--grace-period=0").then_some(0), ..DeleteOptions::default() };
        let chosen = if rest.contains("--all") { pods.as_slice() } else { &pods[..1] };
        for pod in chosen {
            api.delete(resource::PODS, namespace, pod, &options).unwrap();
        }
    } else if let Some(replicas) = command.strip_prefix("scale deploy/app --replicas=") {
        let replicas: u32 = replicas.parse().unwrap();
        api.modify(resource::DEPLOYMENTS, namespace, "app", Subresource::Main, |app| app["spec"]["replicas"] = json!(replicas))
            .unwrap();
    } else if let Some(image) = command.strip_prefix("set image deploy/app app=") {
        let change = |app: &mut Value| app["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        api.modify(resource::DEPLOYMENTS, namespace, "app", Subresource::Main, change).unwrap();
    } else {
        panic!("no replay of this action yet: {command}");
    }
}
