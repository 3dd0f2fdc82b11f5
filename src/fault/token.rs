//! The fault `expireToken`: the service account whose tokens are meant, making it anew, and what shows that older tokens are refused.
//! How it is undone says `undo`: the account is made again, where it is missing.

use super::inject::delete;
use super::prepare::{Scene, existing};
use super::undo::fresh;
use super::{FaultError, Prepared, Prey};
use crate::cluster::kinds::Kind;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::cluster::wait;
use crate::engine::labels::FIELD_MANAGER;
use crate::observe::index::text;
use crate::scenario::Target;
use crate::scenario::fault::ExpireToken;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenReview};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// How long a deleted account may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// The server remembers for 10 s that a token was good.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);
const ASKED_EVERY: Duration = Duration::from_millis(500);
/// How long the token is good that is issued to be refused (seconds); no server issues shorter ones.
const ISSUED_FOR: u64 = 600;
/// The type of Secrets that hold tokens without an end: they would go with the account, and nobody would make them again.
const TOKEN_SECRET: &str = "kubernetes.io/service-account-token";

/// The account that a fault means.
///
/// # Errors
/// It is not there, or has tokens that would be lost for good.
pub(super) async fn account(scene: Scene<'_>, fault: &ExpireToken) -> Result<Prey, FaultError> {
    let name = match (&fault.service_account, fault.target().as_ref().and_then(Target::workload)) {
        (Some(name), _) => name.clone(),
        (None, Some((kind, name))) => {
            let owner = existing(scene, None, kind, name).await?.before.unwrap_or_default();
            match text(&owner, "/spec/template/spec/serviceAccountName") {
                "" => "default".to_owned(),
                name => name.to_owned(),
            }
        }
        (None, None) => return Err(FaultError::NoTarget("`expireToken` names no service account".to_owned())),
    };
    let prey = existing(scene, None, "ServiceAccount", &name).await?;
    let Some(kind) = Kind::known(None, "Secret") else { return Ok(prey) };
    let (api, parameters) = (kind.api(scene.client, scene.namespace), ListParams::default());
    let secrets = retried("listing secrets with tokens", REQUEST_BUDGET, || api.list(&parameters)).await?;
    let lost = secrets.items.iter().find(|secret| {
        let of = secret.metadata.annotations.as_ref().and_then(|all| all.get("kubernetes.io/service-account.name"));
        secret.data.get("type").and_then(Value::as_str) == Some(TOKEN_SECRET) && of == Some(&name)
    });
    match lost.and_then(|secret| secret.metadata.name.as_deref()) {
        Some(secret) => Err(FaultError::NoTarget(format!(
            "the Secret {secret} holds a token of service account {name} and would be lost with it for good"
        ))),
        None => Ok(prey),
    }
}

/// A token of the account as it is before.
pub(super) async fn issue(client: &kube::Client, prepared: &Prepared, prey: &Prey) -> Result<String, FaultError> {
    let name = &prey.reference.name;
    let what = format!("asking for a token of service account {name}");
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &prepared.namespace);
    let asked: TokenRequest = read(&what, json!({ "spec": { "audiences": [], "expirationSeconds": ISSUED_FOR } }))?;
    let parameters = PostParams::default();
    let issued = retried(&what, REQUEST_BUDGET, || accounts.create_token_request(name, &parameters, &asked)).await?;
    let token = issued.status.and_then(|status| status.token).filter(|token| !token.is_empty());
    token.ok_or_else(|| RequestError::of(&what, "the server gave none").into())
}

/// Deletes the account and makes it again.
pub(super) async fn renew(client: &kube::Client, prepared: &Prepared, prey: &Prey) -> Result<(), FaultError> {
    delete(client, prepared, prey, None).await?;
    let name = &prey.reference.name;
    let what = format!("making service account {name} again");
    let api = prey.kind.api(client, &prepared.namespace);
    let gone = |found: Option<&DynamicObject>| {
        found.is_none_or(|found| found.metadata.uid.as_deref() != Some(prey.reference.uid.as_str()))
    };
    if !wait::until(&api, name, GONE_WITHIN, gone).await? {
        return Err(RequestError::of(&what, "the old one is still being deleted: a finalizer holds it").into());
    }
    let Some(account) = prey.before.as_ref().and_then(fresh) else {
        return Err(RequestError::of(&what, "its state before is not known").into());
    };
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match retried(&what, REQUEST_BUDGET, || api.create(&parameters, &account)).await {
        Ok(_) => Ok(()),
        // That of the name `default` is made by the cluster itself.
        Err(error) if error.is_already_there() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until the server refuses a token.
///
/// # Errors
/// It still takes it, or does not answer such questions.
pub(super) async fn refused(client: &kube::Client, token: &str) -> Result<String, FaultError> {
    let what = "asking whether a token of before is refused";
    let reviews: Api<TokenReview> = Api::all(client.clone());
    let review: TokenReview = read(what, json!({ "metadata": {}, "spec": { "token": token } }))?;
    let (parameters, deadline) = (PostParams::default(), Instant::now() + REFUSED_WITHIN);
    loop {
        let answer = retried(what, REQUEST_BUDGET, || reviews.create(&parameters, &review)).await?;
        if answer.status.is_some_and(|status| status.authenticated != Some(true)) {
            return Ok("a token that was issued before is refused".to_owned());
        }
        if Instant::now() >= deadline {
            let message = format!("a token of the account as it was before is still good after {} s", REFUSED_WITHIN.as_secs());
            return Err(FaultError::Command(message));
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

fn read<T: serde::de::DeserializeOwned>(what: &str, value: Value) -> Result<T, FaultError> {
    serde_json::from_value(value).map_err(|error| RequestError::of(what, error.to_string()).into())
}
