//! Create, read, list, delete.

use super::*;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams, Preconditions};
use kube::core::{ApiResource, GroupVersionKind};

#[tokio::test(start_paused = true)]
async fn creates_reads_lists_and_deletes() {
    let (api, client) = cluster();
    let pods = pods(&client);
    let made = pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    pods.create(&PostParams::default(), &pod("b")).await.unwrap();
    let names: Vec<_> =
        pods.list(&ListParams::default()).await.unwrap().items.iter().map(|p| p.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(pods.get("a").await.unwrap().metadata.uid, made.metadata.uid);
    let status = refused(pods.create(&PostParams::default(), &pod("a")).await);
    assert_eq!(status["message"], "pods \"a\" already exists");

    // Not scheduled: gone at once.
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(refused(pods.get("a").await)["reason"], "NotFound");

    // Scheduled: waits for its grace, its end in the future.
    api.bind("shop", "b", "node").unwrap();
    let going = pods.delete("b", &DeleteParams::default()).await.unwrap().left().unwrap();
    let at = going.metadata.deletion_timestamp.unwrap().0;
    assert_eq!(at.duration_since(api.clock.now()).as_secs(), 29);
    assert_eq!((going.metadata.deletion_grace_period_seconds, going.metadata.generation), (Some(30), Some(2)));
    let again = pods.delete("b", &DeleteParams::default().grace_period(5)).await.unwrap().left().unwrap();
    assert_eq!(again.metadata.deletion_grace_period_seconds, Some(5));
    let longer = pods.delete("b", &DeleteParams::default().grace_period(60)).await.unwrap().left().unwrap();
    assert_eq!(longer.metadata.deletion_grace_period_seconds, Some(5));
    pods.delete("b", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert_eq!(refused(pods.get("b").await)["code"], 404);
}

#[tokio::test(start_paused = true)]
async fn preconditions_and_finalizers_hold() {
    let (_api, client) = cluster();
    let maps = config_maps(&client);
    let mut map = config_map("a", json!({}));
    map.metadata.finalizers = Some(vec!["example.com/wait".to_owned()]);
    maps.create(&PostParams::default(), &map).await.unwrap();
    let other = DeleteParams {
        preconditions: Some(Preconditions { uid: Some("other".into()), resource_version: None }),
        ..DeleteParams::default()
    };
    let status = refused(maps.delete("a", &other).await);
    assert_eq!(status["reason"], "Conflict");
    assert!(status["message"].as_str().unwrap().contains("the UID in the precondition (other) does not match the UID in record"));

    let going = maps.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(going.metadata.deletion_grace_period_seconds, Some(0));
    assert!(maps.get("a").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn pages_are_of_one_revision() {
    let (_api, client) = cluster();
    let maps = config_maps(&client);
    for name in ["a", "b", "c", "d", "e"] {
        maps.create(&PostParams::default(), &config_map(name, json!({}))).await.unwrap();
    }
    let first = maps.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    maps.delete("c", &DeleteParams::default()).await.unwrap();
    maps.create(&PostParams::default(), &config_map("d2", json!({}))).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    let rest = maps.list(&ListParams::default().limit(10).continue_token(&token)).await.unwrap();
    let names: Vec<_> = rest.items.iter().map(|map| map.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["c", "d", "e"]);
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
}

#[tokio::test(start_paused = true)]
async fn selectors_choose_or_are_refused() {
    let (_api, client) = cluster();
    let maps = config_maps(&client);
    for (name, tier) in [("a", "web"), ("b", "db"), ("c", "web")] {
        maps.create(&PostParams::default(), &config_map(name, json!({"tier": tier}))).await.unwrap();
    }
    let count = async |params: ListParams| maps.list(&params).await.unwrap().items.len();
    assert_eq!(count(ListParams::default().labels("tier=web")).await, 2);
    assert_eq!(count(ListParams::default().labels("tier notin (web)")).await, 1);
    assert_eq!(count(ListParams::default().fields("metadata.name=b")).await, 1);
    assert_eq!(count(ListParams::default().labels("tier=web").fields("metadata.name!=a")).await, 1);
    let status = refused(maps.list(&ListParams::default().labels("a b c")).await);
    assert_eq!(status["message"], "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
    let status = refused(maps.list(&ListParams::default().fields("spec.foo=1")).await);
    assert_eq!(status["message"], "field label not supported: spec.foo");
}

#[tokio::test(start_paused = true)]
async fn unknown_kinds_are_served_once_one_was_created() {
    let (api, client) = cluster();
    let widget = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    let widgets: Api<DynamicObject> = Api::namespaced_with(client, "shop", &widget);
    assert_eq!(refused(widgets.list(&ListParams::default()).await)["code"], 404);
    let object = DynamicObject::new("w", &widget).data(json!({"spec": {"size": 3}}));
    let made = widgets.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!((made.data["spec"]["size"].as_i64(), made.metadata.generation), (Some(3), Some(1)));
    assert_eq!(widgets.list(&ListParams::default()).await.unwrap().items.len(), 1);
    assert_eq!(api.resources().last().unwrap().kind, "Widget");
}

#[tokio::test(start_paused = true)]
async fn namespaces_must_exist_and_not_be_going() {
    let (_api, client) = cluster();
    let elsewhere: Api<ConfigMap> = Api::namespaced(client.clone(), "nowhere");
    let status = refused(elsewhere.create(&PostParams::default(), &config_map("a", json!({}))).await);
    assert_eq!(status["message"], "namespaces \"nowhere\" not found");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let status = refused(namespaces.delete("default", &DeleteParams::default()).await);
    assert_eq!(status["message"], "namespaces \"default\" is forbidden: this namespace may not be deleted");
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    let status = refused(config_maps(&client).create(&PostParams::default(), &config_map("a", json!({}))).await);
    assert_eq!(status["details"]["causes"][0]["reason"], "NamespaceTerminating");
}
