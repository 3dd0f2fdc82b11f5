//! Tests of what a slice shows of its pods.

use super::super::testing::{Cluster, deployment, set_ready};
use super::*;
use crate::sim::api::DeleteOptions;
use crate::sim::api::resource::DEPLOYMENTS;

fn shown(cluster: &Cluster) -> Vec<(bool, bool, bool)> {
    let slices = cluster.all(ENDPOINT_SLICES);
    assert_eq!(slices.len(), 1);
    let state = |endpoint: &Value| ["ready", "serving", "terminating"].map(|name| endpoint["conditions"][name] == true);
    list(&slices[0], "/endpoints").iter().map(state).map(|[ready, serving, terminating]| (ready, serving, terminating)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_slice_follows_readiness_and_deletion() {
    let cluster = Cluster::start();
    let ports = json!([{"port": 80, "targetPort": 8080}]);
    cluster.create(SERVICES, json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "app"}, "ports": ports}}));
    cluster.pass(0.1).await;
    assert_eq!(shown(&cluster), []);
    cluster.create(DEPLOYMENTS, deployment(1, "v1"));
    cluster.pass(1.0).await;
    assert_eq!(shown(&cluster), [(true, true, false)]);
    let slice = &cluster.all(ENDPOINT_SLICES)[0];
    assert_eq!(slice["ports"], json!([{"name": "", "protocol": "TCP", "port": 8080}]));
    assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], "web");
    let pod = name(&cluster.all(PODS)[0]).to_owned();
    set_ready(&cluster.api, "shop", &pod, false);
    cluster.pass(0.1).await;
    assert_eq!(shown(&cluster), [(false, false, false)]);
    set_ready(&cluster.api, "shop", &pod, true);
    cluster.api.delete(PODS, "shop", &pod, &DeleteOptions::default()).unwrap();
    cluster.pass(0.1).await;
    assert_eq!(shown(&cluster), [(false, true, true)]);
    cluster.pass(1.0).await;
    assert_eq!(shown(&cluster), [(true, true, false)], "its replacement");
}

#[tokio::test(start_paused = true)]
async fn a_slice_goes_with_its_service() {
    let cluster = Cluster::start();
    let ports = json!([{"port": 80}]);
    cluster.create(SERVICES, json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "app"}, "ports": ports}}));
    cluster.pass(0.1).await;
    cluster.api.delete(SERVICES, "shop", "web", &DeleteOptions::default()).unwrap();
    cluster.pass(1.0).await;
    assert_eq!(cluster.all(ENDPOINT_SLICES), Vec::<Value>::new());
}
