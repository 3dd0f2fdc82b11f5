//! Before a run on a real cluster changes anything: may it do what it will have to do? Asked of the server itself.
//! What it will have to do is `permission`'s.

use super::permission::{self, Permission, Scope};
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::api::{Api, PostParams};
use serde_json::json;

/// How many questions are asked at once.
const AT_ONCE: usize = 16;

/// What this user needs of what is `needed`: where it may create no namespace and may ask for projects, rights to these instead.
///
/// # Errors
/// The server does not answer such questions.
pub async fn of_user(client: &kube::Client, needed: Vec<Permission>) -> Result<Vec<Permission>, RequestError> {
    let Some(create) = needed.iter().find(|one| one.is_to_make_namespaces()) else { return Ok(needed) };
    if may(client, create).await? {
        return Ok(needed);
    }
    let by_projects = permission::by_projects(&needed);
    let request = by_projects.iter().find(|one| one.resource == "projectrequests");
    // A rule of `*` covers groups that the server does not have.
    let groups = retried("asking for API groups", REQUEST_BUDGET, || client.list_api_groups()).await?.groups;
    let has_projects = groups.iter().any(|group| group.name == "project.openshift.io");
    match request {
        Some(request) if has_projects && may(client, request).await? => Ok(by_projects),
        _ => Ok(needed),
    }
}

/// Those of the permissions that the user does not have, in their order.
///
/// # Errors
/// The server does not answer such questions.
pub async fn missing(client: &kube::Client, permissions: &[Permission]) -> Result<Vec<Permission>, RequestError> {
    let asked = stream::iter(permissions.iter().cloned())
        .map(|permission| async move { Ok::<_, RequestError>((may(client, &permission).await?, permission)) })
        .buffered(AT_ONCE);
    asked.try_filter_map(|(may, permission)| async move { Ok((!may).then_some(permission)) }).try_collect().await
}

async fn may(client: &kube::Client, permission: &Permission) -> Result<bool, RequestError> {
    let what = format!("asking whether this user may {permission}");
    let (resource, subresource) = permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
    let namespace = match &permission.scope {
        Scope::Cluster => "",
        Scope::Namespace(namespace) => namespace,
    };
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": { "resourceAttributes": {
            "verb": permission.verb, "group": permission.group, "resource": resource, "subresource": subresource, "namespace": namespace,
        } },
    });
    let review: SelfSubjectAccessReview =
        serde_json::from_value(review).map_err(|error| RequestError::of(&what, error.to_string()))?;
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let parameters = PostParams::default();
    let answer = retried(&what, REQUEST_BUDGET, || reviews.create(&parameters, &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// The refusal of a run that lacks permissions.
#[must_use]
pub fn refusal(missing: &[Permission]) -> String {
    let list: Vec<_> = missing.iter().map(|permission| format!("\n  {permission}")).collect();
    format!(
        "the user of this context may not do what these scenarios need:{}\nNothing was changed. `comeback rbac PATH...` prints the role that is needed",
        list.concat()
    )
}
