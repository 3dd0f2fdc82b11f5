//! What an OpenShift tells of itself. That it is one, its API groups say; nothing goes by names of clusters or servers.
//! Projects are `engine`'s, Routes `observe`'s.

use super::fingerprint;
use super::kinds::Kind;
use super::request::retried;
use serde_json::{Value, json};
use std::time::Duration;

const ASK_WITHIN: Duration = Duration::from_secs(5);
/// The one object of its kind.
const CLUSTER_VERSION: &str = "version";

/// The release, for the fingerprint; ordinary users may not read it.
pub(super) async fn version(client: &kube::Client) -> String {
    let unknown = || "version may not be read".to_owned();
    let Some(kind) = Kind::known(None, "ClusterVersion") else { return unknown() };
    let api = kind.api(client, "");
    let answer = retried("reading the ClusterVersion", ASK_WITHIN, || api.get(CLUSTER_VERSION)).await;
    answer.ok().and_then(|found| release(&found.data)).unwrap_or_else(unknown)
}

/// The newest release that was installed whole; what is only begun is not what runs.
fn release(cluster_version: &Value) -> Option<String> {
    let history = cluster_version.pointer("/status/history")?.as_array()?;
    let completed = history.iter().find(|update| update.get("state").is_some_and(|state| state == "Completed"))?;
    completed.get("version")?.as_str().map(ToOwned::to_owned)
}

/// Whether the user may ask for projects.
pub(super) async fn may_request_projects(client: &kube::Client) -> bool {
    let attributes = json!({ "verb": "create", "group": "project.openshift.io", "resource": "projectrequests" });
    fingerprint::may(client, &attributes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_that_goes_on_is_not_what_runs() {
        let update = |state: &str, version: &str| json!({ "state": state, "version": version });
        let status = json!({ "status": { "history": [update("Partial", "4.20.1"), update("Completed", "4.19.9"), update("Completed", "4.19.2")] } });
        assert_eq!(release(&status).as_deref(), Some("4.19.9"));
        assert_eq!(release(&json!({ "status": { "history": [update("Partial", "4.20.1")] } })), None);
        assert_eq!(release(&json!({})), None);
    }
}
