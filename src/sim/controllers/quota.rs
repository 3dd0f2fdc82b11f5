//! The quota controller: what a `ResourceQuota`'s status says is in use, from a recount of the namespace.
//! Refusing what exceeds it is the API server's admission.

use super::context::Context;
use super::object::{is_pod_finished, key, namespace};
use super::queue::Key;
use crate::json::At as _;
use crate::sim::api::resource::{
    CONFIG_MAPS, DEPLOYMENTS, PERSISTENT_VOLUME_CLAIMS, PODS, REPLICA_SETS, RESOURCE_QUOTAS, SECRETS, SERVICES,
};
use crate::sim::api::{Subresource, WatchItem, quota_usage};
use crate::sim::store::ChangeKind;
use serde_json::{Value, json};
use std::sync::Arc;

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(RESOURCE_QUOTAS, |_, item| vec![key(&item.object)]);
    for resource in [PODS, CONFIG_MAPS, SECRETS, SERVICES, PERSISTENT_VOLUME_CLAIMS, DEPLOYMENTS, REPLICA_SETS] {
        context.inform(resource, concerned);
    }
    let context = Arc::clone(context);
    let tasks = context.api.gate.control_plane.clone();
    tasks.spawn(async move {
        loop {
            let key = context.queue.next().await;
            recount(&context, &key).await;
        }
    });
}

/// The quotas of a namespace when something in it began or ceased to count.
fn concerned(context: &Context, item: &WatchItem) -> Vec<Key> {
    let ended = item.previous.as_deref().is_some_and(|before| !is_pod_finished(before)) && is_pod_finished(&item.object);
    if item.kind == ChangeKind::Modified && !ended {
        return Vec::new();
    }
    context.api.list(RESOURCE_QUOTAS, Some(namespace(&item.object))).iter().map(|quota| key(quota)).collect()
}

async fn recount(context: &Context, key: &Key) {
    let Ok(quota) = context.api.get(RESOURCE_QUOTAS, &key.0, &key.1) else { return };
    let Some(hard) = quota.at("/spec/hard").and_then(Value::as_object) else { return };
    let used = quota_usage(&context.api, &key.0, &quota);
    let status = json!({"hard": hard, "used": used});
    if quota.get("status") == Some(&status) {
        return;
    }
    context.before_write(key).await;
    // A quota that vanished needs no status.
    let _ = context.api.modify(RESOURCE_QUOTAS, &key.0, &key.1, Subresource::Status, |quota| quota["status"] = status);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Cluster, deployment};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_status_follows_the_namespace() {
        let cluster = Cluster::start();
        let hard = json!({"pods": "9", "requests.cpu": "2", "limits.memory": "4Gi", "count/deployments.apps": "3"});
        cluster.create(RESOURCE_QUOTAS, json!({"metadata": {"name": "q"}, "spec": {"hard": hard}}));
        cluster.pass(0.1).await;
        let used = |cluster: &Cluster| cluster.get(RESOURCE_QUOTAS, "q")["status"]["used"].clone();
        assert_eq!(
            used(&cluster),
            json!({"pods": "0", "requests.cpu": "0", "limits.memory": "0", "count/deployments.apps": "0"})
        );
        let mut app = deployment(2, "v1");
        app["spec"]["template"]["spec"]["containers"][0]["resources"] =
            json!({"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "64Mi"}});
        cluster.create(DEPLOYMENTS, app);
        cluster.pass(2.0).await;
        let expected = json!({"pods": "2", "requests.cpu": "500m", "limits.memory": "128Mi", "count/deployments.apps": "1"});
        assert_eq!(used(&cluster), expected);
        cluster.change(DEPLOYMENTS, "app", |app| app["spec"]["replicas"] = json!(1));
        cluster.pass(2.0).await;
        assert_eq!(used(&cluster)["pods"], "1");
    }
}
