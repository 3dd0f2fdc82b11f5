//! Tokens of service accounts: signed, bound to objects, and valid for a while of simulated time.
//! Who may ask for one is decided in `authorization`.

use super::authentication::User;
use super::defaults::base64;
use super::resource::{self, NODES, PODS, SECRETS, SERVICE_ACCOUNTS};
use super::server::ApiServer;
use super::status::ApiError;
use crate::sim::random::Random;
use rcgen::{KeyPair, SigningKey};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The issuer, and the audience of tokens for the API itself.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// What signs the tokens of one cluster.
pub struct TokenAuthority {
    key: Option<KeyPair>,
    /// The tokens in pods, by pod and audience, with the time at which each is made anew.
    projected: Mutex<BTreeMap<(String, String), (i64, String)>>,
}

impl std::fmt::Debug for TokenAuthority {
    /// Without the key: it is a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TokenAuthority").finish_non_exhaustive()
    }
}

/// What a token is bound to: it ends with the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// `pod`, `secret` or `node`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl TokenAuthority {
    /// An authority with a secret of its own: equal secrets sign equally.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        /// PKCS #8 of an Ed25519 key, up to the 32 bytes of its secret.
        const HEAD: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        let key = [HEAD.as_slice(), &secret].concat();
        let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key.as_slice().into(), &rcgen::PKCS_ED25519);
        Self { key: key.ok(), projected: Mutex::default() }
    }

    /// The authority of a cluster in process, from its seed.
    pub(super) fn seeded(random: Random) -> Self {
        let mut secret = [0; 32];
        for (n, part) in (0_u64..).zip(secret.chunks_mut(8)) {
            part.copy_from_slice(&random.bits("kube-apiserver", "token key", n).to_le_bytes());
        }
        Self::new(secret)
    }

    /// A token for a service account.
    ///
    /// # Errors
    /// 404 without the service account.
    pub fn issue(
        &self,
        api: &ApiServer,
        account: (&str, &str),
        audiences: &[String],
        valid: Duration,
        bound: Option<&Bound>,
    ) -> Result<String, ApiError> {
        let (namespace, name) = account;
        let uid = match api.get(SERVICE_ACCOUNTS, namespace, name) {
            Ok(account) => account["metadata"]["uid"].clone(),
            // A bare server has pods without accounts.
            Err(_) if !api.is_bootstrapped() => Value::Null,
            Err(error) => return Err(error),
        };
        let subject = format!("system:serviceaccount:{namespace}:{name}");
        let now = api.clock.now().as_second();
        let jti = api.random.uid(&format!("token {subject}"), api.ordinal(&format!("token {subject}")));
        let mut about = json!({"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}});
        if let Some(bound) = bound {
            about[bound.kind] = json!({"name": bound.name, "uid": bound.uid});
        }
        let audiences = if audiences.is_empty() { vec![ISSUER.to_owned()] } else { audiences.to_vec() };
        let expires = now.saturating_add_unsigned(valid.as_secs());
        let claims = json!({
            "aud": audiences, "exp": expires, "iat": now, "iss": ISSUER, "jti": jti, "kubernetes.io": about, "nbf": now, "sub": subject,
        });
        let signed =
            format!("{}.{}", url_base64(br#"{"alg":"EdDSA","kid":"comeback"}"#), url_base64(claims.to_string().as_bytes()));
        let signature = self.sign(&signed).ok_or_else(|| ApiError::internal("tokens cannot be signed"))?;
        Ok(format!("{signed}.{signature}"))
    }

    /// The token that a pod finds in its volume: the same until four fifths of its time are over.
    ///
    /// # Errors
    /// 404 without the service account.
    pub fn projected(
        &self,
        api: &ApiServer,
        account: (&str, &str),
        audiences: &[String],
        valid: Duration,
        bound: &Bound,
    ) -> Result<String, ApiError> {
        /// Tokens that are remembered before those of pods that are gone are looked for.
        const MANY: usize = 4_096;
        let key = (bound.uid.clone(), audiences.join(" "));
        let now = api.clock.now().as_second();
        let mut projected = self.projected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, token)) = projected.get(&key).filter(|(until, _)| now < *until) {
            return Ok(token.clone());
        }
        let token = self.issue(api, account, audiences, valid, Some(bound))?;
        if projected.len() >= MANY {
            projected.retain(|_, (until, _)| now < *until);
        }
        projected.insert(key, (now.saturating_add_unsigned(valid.as_secs() / 5 * 4), token.clone()));
        Ok(token)
    }

    fn sign(&self, text: &str) -> Option<String> {
        Some(url_base64(&self.key.as_ref()?.sign(text.as_bytes()).ok()?))
    }

    /// The user that a token stands for, if it is one of ours, not expired, and what it is bound to still exists.
    pub(super) fn holder(&self, api: &ApiServer, token: &str) -> Option<User> {
        self.review(api, token, ISSUER)
    }

    /// The same for another audience.
    pub(super) fn review(&self, api: &ApiServer, token: &str, audience: &str) -> Option<User> {
        let (signed, signature) = token.rsplit_once('.')?;
        // Ed25519 signatures are a function of key and text: signing again is verifying.
        if self.sign(signed)? != signature {
            return None;
        }
        let (_, claims) = signed.split_once('.')?;
        let claims: Value = serde_json::from_slice(&url_bytes(claims)?).ok()?;
        let text = |pointer: &str| claims.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if claims["exp"].as_i64()? <= api.clock.now().as_second() || !claims["aud"].as_array()?.iter().any(|one| one == audience)
        {
            return None;
        }
        let (namespace, name) = (text("/kubernetes.io/namespace"), text("/kubernetes.io/serviceaccount/name"));
        let alive = |resource, namespace: &str, kind: &str| {
            let object = api.get(resource, namespace, text(&format!("/kubernetes.io/{kind}/name")));
            object.is_ok_and(|object| object["metadata"]["uid"] == text(&format!("/kubernetes.io/{kind}/uid")))
        };
        let uid = text("/kubernetes.io/serviceaccount/uid");
        let mut extra = [("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("JTI={}", text("/jti"))])];
        if !alive(SERVICE_ACCOUNTS, namespace, "serviceaccount") {
            return None;
        }
        let mut more = Vec::new();
        for (kind, resource, space) in [("pod", PODS, namespace), ("secret", SECRETS, namespace), ("node", NODES, "")] {
            if claims["kubernetes.io"].get(kind).is_none() {
                continue;
            }
            if !alive(resource, space, kind) {
                return None;
            }
            if kind != "secret" {
                for part in ["name", "uid"] {
                    let value = text(&format!("/kubernetes.io/{kind}/{part}")).to_owned();
                    more.push((format!("authentication.kubernetes.io/{kind}-{part}"), vec![value]));
                }
            }
        }
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let extra = std::mem::take(&mut extra).into_iter().chain(more).collect();
        Some(User { uid: uid.to_owned(), extra, ..User::new(&format!("system:serviceaccount:{namespace}:{name}"), &groups) })
    }
}

/// What is bound by a `boundObjectRef`.
///
/// # Errors
/// 404 without the object, 409 when it is another one.
pub(super) fn bound_to(api: &ApiServer, namespace: &str, reference: &Value) -> Result<Option<Bound>, ApiError> {
    let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, resource, namespace): (_, resource::Resource, _) = match text("kind") {
        "" => return Ok(None),
        "Pod" => ("pod", PODS, namespace),
        "Secret" => ("secret", SECRETS, namespace),
        "Node" => ("node", NODES, ""),
        other => return Err(ApiError::bad_request(format!("cannot bind token to object of kind \"{other}\""))),
    };
    let object = api.get(resource, namespace, text("name"))?;
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    if !text("uid").is_empty() && text("uid") != uid {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
            text("uid")
        );
        return Err(ApiError::conflict(resource, text("name"), &why));
    }
    Ok(Some(Bound { kind, name: text("name").to_owned(), uid: uid.to_owned() }))
}

fn url_base64(bytes: &[u8]) -> String {
    base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn url_bytes(text: &str) -> Option<Vec<u8>> {
    let padded = format!("{}{}", text.replace('-', "+").replace('_', "/"), "=".repeat((4 - text.len() % 4) % 4));
    Some(serde_json::from_value::<k8s_openapi::ByteString>(Value::String(padded)).ok()?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::api::server::DeleteOptions;
    use crate::sim::clock::Clock;
    use std::sync::Arc;

    fn server() -> Arc<ApiServer> {
        let api = ApiServer::new(Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()), Random::new(1));
        api.create(SERVICE_ACCOUNTS, "shop", json!({"metadata": {"name": "bob"}})).unwrap();
        api
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_stands_for_its_account_until_it_expires() {
        let api = server();
        let token = api.tokens().issue(&api, ("shop", "bob"), &[], Duration::from_mins(10), None).unwrap();
        let holder = api.tokens().holder(&api, &token).unwrap();
        assert_eq!(holder.name, "system:serviceaccount:shop:bob");
        assert_eq!(holder.groups, ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]);
        assert_eq!(api.tokens().review(&api, &token, "elsewhere"), None);
        tokio::time::sleep(Duration::from_secs(599)).await;
        assert!(api.tokens().holder(&api, &token).is_some());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(api.tokens().holder(&api, &token), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_token_another_key_and_a_new_account_of_the_same_name_are_refused() {
        let api = server();
        let token = api.tokens().issue(&api, ("shop", "bob"), &[], Duration::from_mins(10), None).unwrap();
        let (head, rest) = token.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        let forged = String::from_utf8(url_bytes(claims).unwrap()).unwrap().replace("bob", "eve");
        assert_eq!(api.tokens().holder(&api, &format!("{head}.{}.{signature}", url_base64(forged.as_bytes()))), None);
        assert_eq!(TokenAuthority::new([7; 32]).holder(&api, &token), None);
        for nonsense in ["", ".", "a.b.c", "a"] {
            assert_eq!(api.tokens().holder(&api, nonsense), None);
        }
        api.delete(SERVICE_ACCOUNTS, "shop", "bob", &DeleteOptions::default()).unwrap();
        api.create(SERVICE_ACCOUNTS, "shop", json!({"metadata": {"name": "bob"}})).unwrap();
        assert_eq!(api.tokens().holder(&api, &token), None);
    }
}
