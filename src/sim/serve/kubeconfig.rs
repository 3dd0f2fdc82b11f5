//! The kubeconfig of a served cluster: how a client finds it, whom it trusts and as whom it comes.
//! Where the file lies is the command line's business.

use crate::sim::api::base64;
use std::net::SocketAddr;

/// The first line of every kubeconfig that is written here: such a file may be replaced.
pub const MARK: &str = "# Written by `comeback cluster serve`; removed when it ends.";

/// The name of the context, the cluster and the user.
pub const CONTEXT: &str = "comeback";

/// The name of the context and the user without rights to the cluster, on an OpenShift.
pub const DEVELOPER: &str = "comeback-developer";

/// What a kubeconfig is made of.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    /// Where the server listens.
    pub(super) address: SocketAddr,
    /// The authority's certificate, PEM.
    pub(super) authority: &'a str,
    /// The administrator's certificate, PEM.
    pub(super) certificate: &'a str,
    /// Its key, PEM.
    pub(super) key: &'a str,
    /// The administrator's bearer token.
    pub(super) token: &'a str,
    /// The bearer token of the ordinary user, where there is one.
    pub(super) developer: Option<&'a str>,
}

impl Contents<'_> {
    /// The file.
    pub(super) fn render(&self) -> String {
        let encode = |pem: &str| base64(pem.as_bytes());
        let (context, user) = self.developer.map_or_else(Default::default, |token| {
            let context = format!("- name: {DEVELOPER}\n  context:\n    cluster: {CONTEXT}\n    user: {DEVELOPER}\n");
            (context, format!("- name: {DEVELOPER}\n  user:\n    token: {token}\n"))
        });
        format!(
            "{MARK}\napiVersion: v1\nkind: Config\ncurrent-context: {CONTEXT}\n\
             clusters:\n- name: {CONTEXT}\n  cluster:\n    server: https://{}\n    certificate-authority-data: {}\n\
             contexts:\n- name: {CONTEXT}\n  context:\n    cluster: {CONTEXT}\n    user: {CONTEXT}\n{context}\
             users:\n- name: {CONTEXT}\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n    token: {}\n{user}",
            self.address,
            encode(self.authority),
            encode(self.certificate),
            encode(self.key),
            self.token,
        )
    }
}
