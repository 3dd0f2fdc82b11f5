//! Who sends a request: users, and the credentials that prove them.
//! What a user may do is decided elsewhere.

use super::status::ApiError;
use http::{HeaderMap, header};
use std::collections::BTreeMap;

/// A user, as the server knows one after authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name (`kubernetes-admin`, `system:serviceaccount:NAMESPACE:NAME`).
    pub name: String,
    /// The groups, in order.
    pub groups: Vec<String>,
}

impl User {
    /// A user of a name and groups; everybody who is known is in `system:authenticated`, too.
    #[must_use]
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain(["system:authenticated"]).map(ToOwned::to_owned).collect();
        Self { name: name.to_owned(), groups }
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

    /// The sender of a request; `None` when it shows nothing. The certificate comes first, as kube-apiserver has it.
    ///
    /// # Errors
    /// 401 for a token that stands for nobody.
    pub(super) fn authenticate(&self, peer: &Peer, headers: &HeaderMap) -> Result<Option<User>, ApiError> {
        if let Some(user) = &peer.certificate {
            return Ok(Some(user.clone()));
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match shown.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
                self.tokens.get(token.trim()).cloned().map(Some).ok_or_else(ApiError::unauthorized)
            }
            _ => Ok(None),
        }
    }
}
