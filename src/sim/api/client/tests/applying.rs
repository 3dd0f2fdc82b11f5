//! Server-side apply: ownership, conflicts, force, removal.

use super::changing::{deployment, deployments};
use super::*;
use kube::api::{Patch, PatchParams, PostParams};

fn of(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec})
}

fn template(containers: Value) -> Value {
    json!({"template": {"spec": {"containers": containers}}})
}

#[tokio::test(start_paused = true)]
async fn a_change_of_anothers_field_conflicts_until_forced() {
    let (_api, client) = cluster();
    let all = deployments(&client);
    let post = PostParams { field_manager: Some("first".into()), ..PostParams::default() };
    all.create(&post, &deployment("a")).await.unwrap();
    let wanted = of(template(json!([{"name": "c", "image": "other"}])));
    let status = refused(all.patch("a", &PatchParams::apply("second"), &Patch::Apply(&wanted)).await);
    assert_eq!(
        status["message"],
        "Apply failed with 1 conflict: conflict with \"first\" using apps/v1: .spec.template.spec.containers[name=\"c\"].image"
    );
    assert_eq!(status["details"]["causes"][0]["reason"], "FieldManagerConflict");
    let forced = all.patch("a", &PatchParams::apply("second").force(), &Patch::Apply(&wanted)).await.unwrap();
    let owners = forced.metadata.managed_fields.unwrap();
    assert_eq!(owners.iter().map(|owner| owner.manager.clone().unwrap()).collect::<Vec<_>>(), ["second", "first"]);
    // The first now conflicts with the second.
    let back = of(template(json!([{"name": "c", "image": "busybox:1.36"}])));
    assert_eq!(refused(all.patch("a", &PatchParams::apply("first"), &Patch::Apply(&back)).await)["code"], 409);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_applied_goes_unless_another_owns_it() {
    let (_api, client) = cluster();
    let maps = config_maps(&client);
    let apply = async |manager: &str, data: Value, labels: Value| {
        let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "labels": labels}, "data": data});
        maps.patch("m", &PatchParams::apply(manager), &Patch::Apply(&wanted)).await.unwrap()
    };
    apply("one", json!({"a": "1", "b": "2", "c": "3"}), json!({"x": "y"})).await;
    apply("two", json!({"b": "2"}), json!({})).await;
    let after = apply("one", json!({"a": "1"}), json!({})).await;
    assert_eq!(serde_json::to_value(after.data).unwrap(), json!({"a": "1", "b": "2"}));
    assert_eq!(after.metadata.labels, None);
}

#[tokio::test(start_paused = true)]
async fn applying_the_same_again_writes_nothing_and_defaults_are_nobodys() {
    let (api, client) = cluster();
    let all = deployments(&client);
    let mut wanted = serde_json::to_value(deployment("a")).unwrap();
    wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "0.5"}});
    all.patch("a", &PatchParams::apply("me"), &Patch::Apply(&wanted)).await.unwrap();
    let revision = api.store.revision();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let again = all.patch("a", &PatchParams::apply("me"), &Patch::Apply(&wanted)).await.unwrap();
    assert_eq!((api.store.revision(), again.metadata.generation), (revision, Some(1)));
    // A container that is dropped goes with its defaulted fields.
    wanted["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().pop();
    let fewer = all.patch("a", &PatchParams::apply("me"), &Patch::Apply(&wanted)).await.unwrap();
    assert_eq!(fewer.spec.unwrap().template.spec.unwrap().containers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn malformed_applies_are_refused() {
    let (_api, client) = cluster();
    let all = deployments(&client);
    let unknown = of(json!({"foo": 1}));
    let status = refused(all.patch("a", &PatchParams::apply("me"), &Patch::Apply(&unknown)).await);
    assert_eq!(
        status["message"],
        "failed to create typed patch object (shop/a; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema"
    );
    let mut scalar = of(json!({}));
    scalar["metadata"] = json!("s}");
    let status = refused(all.patch("a", &PatchParams::apply("me"), &Patch::Apply(&scalar)).await);
    let why = "failed to create typed patch object (/; apps/v1, Kind=Deployment): .metadata: expected map, got &{s}}";
    assert_eq!((&status["message"], status.get("reason")), (&json!(why), None), "as kind says it");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
    let status = refused(all.patch("a", &PatchParams::apply("me"), &Patch::Apply(&pod)).await);
    assert_eq!(status["message"], "invalid object type: /v1, Kind=Pod");
}

#[tokio::test(start_paused = true)]
async fn kubectl_takes_over_what_it_applied_by_itself_before() {
    const LAST: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let (api, client) = cluster();
    let all = deployments(&client);
    let wanted = |replicas: u32| {
        let mut object = serde_json::to_value(deployment("a")).unwrap();
        object["spec"]["replicas"] = json!(replicas);
        object
    };
    let mut first = wanted(3);
    first["metadata"]["annotations"] = json!({LAST: wanted(3).to_string()});
    let manager = PostParams { field_manager: Some("kubectl-client-side-apply".to_owned()), ..PostParams::default() };
    all.create(&manager, &typed(first)).await.unwrap();
    let others = refused(all.patch("a", &PatchParams::apply("else"), &Patch::Apply(&wanted(2))).await);
    assert_eq!(others["reason"], "Conflict");
    let applied = all.patch("a", &PatchParams::apply("kubectl"), &Patch::Apply(&wanted(2))).await.unwrap();
    assert_eq!(applied.spec.unwrap().replicas, Some(2));
    let noted: Value = serde_json::from_str(&applied.metadata.annotations.unwrap()[LAST]).unwrap();
    assert_eq!(noted["spec"]["replicas"], 2);
    // Then it hands its old fields over to its new manager.
    let mut owners = api.get(resource::DEPLOYMENTS, "shop", "a").unwrap()["metadata"]["managedFields"].clone();
    owners.as_array_mut().unwrap().retain(|owner| owner["manager"] == "kubectl");
    let patch = json!({"metadata": {"managedFields": owners}});
    all.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    let stored = api.get(resource::DEPLOYMENTS, "shop", "a").unwrap();
    let managers: Vec<&str> =
        stored["metadata"]["managedFields"].as_array().unwrap().iter().map(|owner| owner["manager"].as_str().unwrap()).collect();
    assert_eq!(managers, ["kubectl"]);
}
