//! PUT and the four kinds of PATCH, status and scale.

use super::*;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};

pub(super) fn deployments(client: &kube::Client) -> Api<Deployment> {
    Api::namespaced(client.clone(), "shop")
}

pub(super) fn deployment(name: &str) -> Deployment {
    typed(json!({
        "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [
                {"name": "c", "image": "busybox:1.36", "env": [{"name": "A", "value": "1"}]},
                {"name": "d", "image": "busybox:1.36"},
            ]},
        }},
    }))
}

fn image(deployment: &Deployment, index: usize) -> String {
    deployment.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers[index].image.clone().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stale_put_conflicts_and_an_equal_one_writes_nothing() {
    let (api, client) = cluster();
    let all = deployments(&client);
    let made = all.create(&PostParams::default(), &deployment("a")).await.unwrap();
    let mut next = made.clone();
    next.spec.as_mut().unwrap().replicas = Some(3);
    let changed = all.replace("a", &PostParams::default(), &next).await.unwrap();
    assert_eq!(changed.metadata.generation, Some(2));
    let status = refused(all.replace("a", &PostParams::default(), &next).await);
    assert_eq!(
        status["message"],
        "Operation cannot be fulfilled on deployments.apps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
    let revision = api.store.revision();
    let same = all.replace("a", &PostParams::default(), &changed).await.unwrap();
    assert_eq!((same.metadata.resource_version.clone(), api.store.revision()), (changed.metadata.resource_version, revision));

    let mut status_only = same.clone();
    status_only.spec.as_mut().unwrap().replicas = Some(9);
    status_only.status = Some(typed(json!({"readyReplicas": 2})));
    status_only.metadata.resource_version = None;
    let written = all.replace_status("a", &PostParams::default(), &status_only).await.unwrap();
    assert_eq!((written.spec.unwrap().replicas, written.status.unwrap().ready_replicas), (Some(3), Some(2)));
    assert_eq!(written.metadata.generation, Some(2));
}

#[rstest::rstest]
#[case::json(Patch::Json(typed(json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "new"}]))), ["new", "busybox:1.36"])]
#[case::merge(Patch::Merge(json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "new"}, {"name": "d", "image": "x"}]}}}})), ["new", "x"])]
#[case::strategic(Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [{"name": "d", "image": "new"}]}}}})), ["busybox:1.36", "new"])]
#[tokio::test(start_paused = true)]
async fn patches_change_what_they_name(#[case] patch: Patch<Value>, #[case] images: [&str; 2]) {
    let (_api, client) = cluster();
    let all = deployments(&client);
    all.create(&PostParams::default(), &deployment("a")).await.unwrap();
    let patched = all.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!([image(&patched, 0), image(&patched, 1)], images);
    assert_eq!(patched.metadata.generation, Some(2));
}

#[rstest::rstest]
#[case(Patch::Json(typed(json!([{"op": "test", "path": "/spec/replicas", "value": 7}]))), 422, "the server rejected our request due to an error in our request")]
#[case(Patch::Merge(json!({"metadata": {"resourceVersion": "1"}})), 409, "the object has been modified")]
#[case(Patch::Merge(json!({"metadata": {"name": "b"}})), 400, "the name of the object (b) does not match the name on the URL (a)")]
#[case(Patch::Merge(json!({"spec": {"replicas": -1}})), 422, "spec.replicas: Invalid value: -1: must be greater than or equal to 0")]
#[case(Patch::Merge(json!({"spec": {"selector": {"matchLabels": {"app": "b"}}, "template": {"metadata": {"labels": {"app": "b"}}}}})), 422, "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable")]
#[tokio::test(start_paused = true)]
async fn bad_patches_are_refused(#[case] patch: Patch<Value>, #[case] code: u16, #[case] message: &str) {
    let (_api, client) = cluster();
    let all = deployments(&client);
    all.create(&PostParams::default(), &deployment("a")).await.unwrap();
    let status = refused(all.patch("a", &PatchParams::default(), &patch).await);
    assert_eq!(status["code"], code);
    assert!(status["message"].as_str().unwrap().contains(message), "{status}");
}

#[tokio::test(start_paused = true)]
async fn pods_are_mostly_immutable() {
    let (_api, client) = cluster();
    let pods = pods(&client);
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let image = json!({"spec": {"containers": [{"name": "c", "image": "other"}]}});
    let patched = pods.patch("a", &PatchParams::default(), &Patch::Strategic(image)).await.unwrap();
    assert_eq!(patched.metadata.generation, Some(2));
    let policy = json!({"spec": {"restartPolicy": "Never"}});
    let status = refused(pods.patch("a", &PatchParams::default(), &Patch::Merge(policy)).await);
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .starts_with("Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields")
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_finalizer_removes_the_object() {
    let (_api, client) = cluster();
    let maps = config_maps(&client);
    let mut map = config_map("a", json!({}));
    map.metadata.finalizers = Some(vec!["example.com/wait".to_owned()]);
    maps.create(&PostParams::default(), &map).await.unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let more = json!({"metadata": {"finalizers": ["example.com/wait", "example.com/more"]}});
    let status = refused(maps.patch("a", &PatchParams::default(), &Patch::Merge(more)).await);
    assert_eq!(status["code"], 422);
    let none = json!({"metadata": {"finalizers": null}});
    maps.patch("a", &PatchParams::default(), &Patch::Merge(none)).await.unwrap();
    assert_eq!(refused(maps.get("a").await)["code"], 404);
}

#[tokio::test(start_paused = true)]
async fn scale_reads_and_writes_replicas() {
    let (_api, client) = cluster();
    let all = deployments(&client);
    all.create(&PostParams::default(), &deployment("a")).await.unwrap();
    let scale = all.get_scale("a").await.unwrap();
    assert_eq!(scale.status.unwrap().selector.as_deref(), Some("app=a"));
    let five = Patch::Merge(json!({"spec": {"replicas": 5}}));
    assert_eq!(all.patch_scale("a", &PatchParams::default(), &five).await.unwrap().spec.unwrap().replicas, Some(5));
    assert_eq!(all.get("a").await.unwrap().spec.unwrap().replicas, Some(5));
    let negative = Patch::Merge(json!({"spec": {"replicas": -1}}));
    let status = refused(all.patch_scale("a", &PatchParams::default(), &negative).await);
    assert_eq!(
        status["message"],
        "Scale.autoscaling \"a\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing() {
    let (api, client) = cluster();
    let all = deployments(&client);
    all.create(&PostParams::default(), &deployment("a")).await.unwrap();
    let revision = api.store.revision();
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let shown = all.patch("a", &dry, &Patch::Merge(json!({"spec": {"replicas": 4}}))).await.unwrap();
    assert_eq!((shown.metadata.generation, shown.spec.unwrap().replicas), (Some(2), Some(4)));
    assert_eq!(api.store.revision(), revision);
}
