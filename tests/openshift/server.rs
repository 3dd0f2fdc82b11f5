//! What the served OpenShift itself answers to an ordinary user.

use super::cluster::OpenShift;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::wait::conditions::is_deleted;
use serde_json::json;
use std::time::Duration;

fn names(objects: &kube::core::ObjectList<kube::api::DynamicObject>) -> Vec<&str> {
    objects.iter().filter_map(|object| object.metadata.name.as_deref()).collect()
}

#[test]
fn an_ordinary_user_asks_for_projects_sees_only_these_and_deletes_them() {
    let cluster = OpenShift::start(20.0);
    cluster.world.runtime.block_on(async {
        let make = PostParams::default();
        let groups: Vec<_> = cluster.developer.list_api_groups().await.unwrap().groups.into_iter().map(|group| group.name).collect();
        for group in ["project.openshift.io", "route.openshift.io", "config.openshift.io", "security.openshift.io", "image.openshift.io"] {
            assert!(groups.iter().any(|name| name == group), "{group}");
        }
        let namespace = serde_json::from_value(json!({ "metadata": { "name": "mine" } })).unwrap();
        let refused = cluster.mine("", "Namespace", "namespaces", None).create(&make, &namespace).await.unwrap_err().to_string();
        let why = "namespaces is forbidden: User \"developer\" cannot create resource \"namespaces\" in API group \"\" at the cluster scope";
        assert!(refused.contains(why), "{refused}");

        let requests = cluster.mine("project.openshift.io", "ProjectRequest", "projectrequests", None);
        let request = |name: &str| serde_json::from_value(json!({ "metadata": { "name": name }, "description": "d" })).unwrap();
        let made = requests.create(&make, &request("mine")).await.unwrap();
        let annotations = made.metadata.annotations.unwrap();
        assert_eq!(made.types.unwrap().kind, "Project");
        assert_eq!((annotations["openshift.io/requester"].as_str(), annotations["openshift.io/description"].as_str()), ("developer", "d"));
        assert!(annotations["openshift.io/sa.scc.uid-range"].ends_with("/10000"));
        let again = requests.create(&make, &request("mine")).await.unwrap_err().to_string();
        assert!(again.contains("project.project.openshift.io \"mine\" already exists"), "{again}");
        let reserved = requests.create(&make, &request("kube-mine")).await.unwrap_err().to_string();
        assert!(reserved.contains("cannot request a project starting with \"kube-\""), "{reserved}");

        let projects = cluster.mine("project.openshift.io", "Project", "projects", None);
        assert_eq!(names(&projects.list(&ListParams::default()).await.unwrap()), ["mine"]);
        assert!(projects.get("shop").await.unwrap_err().to_string().contains("forbidden"));
        assert!(projects.delete("shop", &DeleteParams::default()).await.unwrap_err().to_string().contains("forbidden"));
        // A namespace's own DELETE is no project member's right.
        let namespaces = cluster.mine("", "Namespace", "namespaces", None);
        assert!(namespaces.get("mine").await.is_ok());
        assert!(namespaces.delete("mine", &DeleteParams::default()).await.unwrap_err().to_string().contains("forbidden"));

        let all: Api<Namespace> = Api::all(cluster.world.client.clone());
        let uid = all.get("mine").await.unwrap().metadata.uid.unwrap();
        projects.delete("mine", &DeleteParams::default()).await.unwrap();
        let gone = await_condition(all, "mine", is_deleted(&uid));
        tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap().unwrap();
        assert!(projects.list(&ListParams::default()).await.unwrap().items.is_empty());
    });
}
