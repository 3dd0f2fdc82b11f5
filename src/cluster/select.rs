//! Which cluster `--cluster` means, and connecting to it.
//! The clusters themselves live beside this file.

use super::context::Context;
use super::embedded::Embedded;
use super::kind::{self, Kind};
use super::{Cluster, ClusterError};
use crate::engine::ledger::Ledger;
use crate::scenario::model::KindCluster;
use crate::sim::profile::ProfileChoice;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// The value of `--cluster`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClusterChoice {
    /// The embedded cluster.
    #[default]
    Embedded,
    /// A kind cluster by name.
    Kind(String),
    /// A context of the kubeconfig; `None`: the current one.
    Context(Option<String>),
}

impl FromStr for ClusterChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (provider, name) = match text.split_once(':') {
            Some((_, "")) => return Err(format!("{text:?} has no name after the colon")),
            Some((provider, name)) => (provider, Some(name)),
            None => (text, None),
        };
        match (provider, name) {
            ("embedded", None) => Ok(Self::Embedded),
            ("embedded", Some(_)) => Err("the embedded cluster has no name: write `embedded`".to_owned()),
            ("kind", name) => Ok(Self::Kind(name.unwrap_or(kind::DEFAULT_NAME).to_owned())),
            ("context", name) => Ok(Self::Context(name.map(ToOwned::to_owned))),
            _ => Err(format!("unknown cluster {text:?}: expected embedded, kind, kind:NAME, context or context:NAME")),
        }
    }
}

impl std::fmt::Display for ClusterChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Kind(name) => write!(f, "kind:{name}"),
            Self::Context(None) => f.write_str("context"),
            Self::Context(Some(name)) => write!(f, "context:{name}"),
        }
    }
}

/// What connecting may be told beside the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterOptions {
    /// What a kind cluster that has to be created looks like.
    pub kind: KindCluster,
    /// Images of the workloads, loaded into a kind cluster where they are on this computer.
    pub images: Vec<String>,
    /// Where the logs of a kind cluster go whose creation failed.
    pub logs: Option<PathBuf>,
    /// Whether what takes long is told on stderr.
    pub progress: bool,
    /// The image of the privileged pods by which machines of nodes may be reached that are no containers of this computer; none where
    /// that was not allowed.
    pub node_image: Option<String>,
    /// Contexts that may be used although they look like production.
    pub allowed_contexts: Vec<String>,
    /// Parts of names and servers that look like production; empty: `prod`.
    pub protected: Vec<String>,
    /// The ledger in which the creation of a kind cluster is noted, so that `cleanup` finds it after a crash.
    pub ledger: Option<PathBuf>,
    /// The run that connects, noted there with it.
    pub run: Option<String>,
    /// What the embedded cluster imitates.
    pub profile: ProfileChoice,
}

/// Connects to the chosen cluster, creating it if it is a kind cluster that does not exist. Blocking: call it outside of
/// asynchronous runtimes, and [`Cluster::close`] at the end.
///
/// # Errors
/// What is missing or unreachable, and what to do about it.
pub fn connect(choice: &ClusterChoice, options: &ClusterOptions) -> Result<Arc<dyn Cluster>, ClusterError> {
    Ok(match choice {
        ClusterChoice::Embedded => Arc::new(Embedded::new(options.profile.profile())),
        ClusterChoice::Kind(name) => {
            let ledger = options.ledger.clone().map(Ledger::at);
            Arc::new(Kind::connect(name, options, ledger.as_ref())?)
        }
        ClusterChoice::Context(name) => Arc::new(Context::connect(name.as_deref(), options)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("embedded", ClusterChoice::Embedded)]
    #[case("kind", ClusterChoice::Kind("comeback".to_owned()))]
    #[case("kind:ci", ClusterChoice::Kind("ci".to_owned()))]
    #[case("context", ClusterChoice::Context(None))]
    #[case("context:shop/api:6443/me", ClusterChoice::Context(Some("shop/api:6443/me".to_owned())))]
    fn choices_are_read(#[case] text: &str, #[case] choice: ClusterChoice) {
        assert_eq!(text.parse(), Ok(choice));
    }

    #[rstest]
    #[case("kind:")]
    #[case("embedded:x")]
    #[case("minikube")]
    #[case("")]
    fn others_are_refused(#[case] text: &str) {
        assert!(text.parse::<ClusterChoice>().is_err());
    }
}
