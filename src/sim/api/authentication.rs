//! Who sends a request: users, and the credentials that prove them.
//! What a user may do is decided in `authorization`; tokens of service accounts are made in `token`.

use super::server::ApiServer;
use super::status::ApiError;
use http::{HeaderMap, header};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A user, as the server knows one after authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name (`kubernetes-admin`, `system:serviceaccount:NAMESPACE:NAME`).
    pub name: String,
    /// The uid, where the user has one.
    pub uid: String,
    /// The groups, in order.
    pub groups: Vec<String>,
    /// What else is known.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// A user of a name and groups; everybody who is known is in `system:authenticated`, too.
    #[must_use]
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain(["system:authenticated"]).map(ToOwned::to_owned).collect();
        Self { name: name.to_owned(), groups, ..Self::default() }
    }

    /// The sender of a request without credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()], ..Self::default() }
    }

    /// The user of a client in process: it is trusted with everything.
    #[must_use]
    pub fn trusted() -> Self {
        Self::new("system:admin", &["system:masters"])
    }

    /// `UserInfo` of reviews.
    pub(super) fn info(&self) -> Value {
        let mut info = json!({"username": self.name});
        if !self.uid.is_empty() {
            info["uid"] = json!(self.uid);
        }
        info["groups"] = json!(self.groups);
        if !self.extra.is_empty() {
            info["extra"] = json!(self.extra);
        }
        info
    }
}

/// Who is at the other end of a served connection; an extension of its requests.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The holder of the client certificate that was shown.
    pub certificate: Option<User>,
}

/// The bearer tokens that are valid for as long as a cluster is served.
#[derive(Clone, Default)]
pub struct Credentials {
    tokens: BTreeMap<String, User>,
}

impl std::fmt::Debug for Credentials {
    /// Without the tokens: they are secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("users", &self.tokens.values().collect::<Vec<_>>()).finish()
    }
}

impl Credentials {
    /// Tokens and whom they stand for.
    #[must_use]
    pub fn new(tokens: impl IntoIterator<Item = (String, User)>) -> Self {
        Self { tokens: tokens.into_iter().collect() }
    }

    /// The sender of a request. The certificate comes first, as kube-apiserver has it.
    ///
    /// # Errors
    /// 401 for a token that stands for nobody.
    pub(super) fn authenticate(&self, api: &ApiServer, peer: &Peer, headers: &HeaderMap) -> Result<User, ApiError> {
        if let Some(user) = &peer.certificate {
            return Ok(user.clone());
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match shown.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
                self.holder(api, token.trim()).ok_or_else(ApiError::unauthorized)
            }
            _ => Ok(User::anonymous()),
        }
    }

    /// Whom a bearer token stands for.
    pub(super) fn holder(&self, api: &ApiServer, token: &str) -> Option<User> {
        self.tokens.get(token).cloned().or_else(|| api.tokens().holder(api, token))
    }
}

/// The user that a request wants to be instead (`Impersonate-User` and its kin).
///
/// # Errors
/// 400 for groups, a uid or extras without a user.
pub(super) fn impersonated(headers: &HeaderMap) -> Result<Option<User>, ApiError> {
    let texts = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(ToOwned::to_owned).collect()
    };
    let first = |name: &str| texts(name).into_iter().next().unwrap_or_default();
    let (name, uid, mut groups) = (first("impersonate-user"), first("impersonate-uid"), texts("impersonate-group"));
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for header in headers.keys().filter_map(|header| header.as_str().strip_prefix("impersonate-extra-")) {
        extra.insert(header.replace("%2f", "/"), texts(&format!("impersonate-extra-{header}")));
    }
    if name.is_empty() {
        if groups.is_empty() && uid.is_empty() && extra.is_empty() {
            return Ok(None);
        }
        return Err(ApiError::internal("requested impersonating groups, a uid or extras without impersonating a user"));
    }
    if groups.is_empty()
        && let Some((namespace, _)) = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
    {
        groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    let everybody = if name == "system:anonymous" { "system:unauthenticated" } else { "system:authenticated" };
    if !groups.iter().any(|group| group == everybody) {
        groups.push(everybody.to_owned());
    }
    Ok(Some(User { name, uid, groups, extra }))
}
