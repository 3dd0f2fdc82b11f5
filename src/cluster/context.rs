//! A cluster behind a kubeconfig context: found, guarded against production, asked what it is, and connected to per trial.
//! `kind` uses the same with a kubeconfig of its own.

use super::fingerprint;
use super::incluster;
use super::machine::Machines;
use super::machine::container::Containers;
use super::machine::host::{self, Hosts};
use super::openshift;
use super::request::{RequestError, retried};
use super::select::ClusterOptions;
use super::{Cluster, ClusterError, Requests, Session, TrialClock, TrialContext};
use crate::measure::result::ClusterInfo;
use crate::scenario::Plan;
use crate::scenario::model::Need;
use crate::sim::limits::Limits;
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::sync::Arc;
use std::time::Duration;
use tower::util::MapRequestLayer;

/// A connection that is not made by then is not made at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the minute between two bookmarks of an idle watch, so that only dead connections are cut.
const READ_TIMEOUT: Duration = Duration::from_secs(75);
/// What the name or server of a production cluster contains, where nothing else is said, and the word for no protection.
const PROTECTED: &str = "prod";
const UNPROTECTED: &str = "none";
/// How long a server may take to show that it is there.
const REACHABLE_WITHIN: Duration = Duration::from_secs(10);

/// A real cluster.
#[derive(Clone, Debug)]
pub struct Context {
    config: kube::Config,
    kubeconfig: Kubeconfig,
    info: ClusterInfo,
    capabilities: Vec<Need>,
    /// The machines of its nodes, or why they cannot be reached.
    machines: Result<Reach, String>,
}

/// How machines are reached.
#[derive(Clone, Debug)]
enum Reach {
    Containers(Containers),
    /// By pods of this image.
    Pods(String),
}

impl Context {
    /// Connects to a context of the user's kubeconfig (`$KUBECONFIG`, else `~/.kube/config`); the current one without a name.
    /// In a pod without a kubeconfig the pod's own service account is the context. A context whose name or server contains one of the
    /// protected parts is refused unless it is among those that are allowed. Blocking.
    ///
    /// # Errors
    /// No kubeconfig, unknown or refused context, unreachable server, refused credentials; each says what to do.
    pub fn connect(name: Option<&str>, options: &ClusterOptions) -> Result<Self, ClusterError> {
        let node_image = options.node_image.as_deref();
        if let Some(own) = incluster::kubeconfig().filter(|_| name.is_none_or(|name| name == incluster::CONTEXT)) {
            return Self::from_kubeconfig(own?, incluster::CONTEXT, "context", incluster::CONTEXT, node_image);
        }
        let kubeconfig = Kubeconfig::read().map_err(|error| {
            ClusterError::new(format!(
                "no usable kubeconfig: {error}. Set KUBECONFIG or write ~/.kube/config, or run on the embedded cluster with `--cluster embedded`"
            ))
        })?;
        let name = choose(&kubeconfig, name)?;
        refuse_production(&kubeconfig, &name, &options.allowed_contexts, &options.protected)?;
        Self::from_kubeconfig(kubeconfig, &name, "context", &name, node_image)
    }

    /// Connects to one context of a given kubeconfig. Blocking.
    pub(super) fn from_kubeconfig(
        kubeconfig: Kubeconfig,
        context: &str,
        provider: &str,
        name: &str,
        node_image: Option<&str>,
    ) -> Result<Self, ClusterError> {
        super::block_on(async {
            let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
            let known = Kubeconfig { current_context: Some(context.to_owned()), ..kubeconfig.clone() };
            let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .map_err(|error| ClusterError::new(format!("context {context:?} of the kubeconfig cannot be used: {error}")))?;
            config.connect_timeout = Some(CONNECT_TIMEOUT);
            config.read_timeout = Some(READ_TIMEOUT);
            config.reset_reader_on_write = true;
            // Our own retries have deadlines and no jitter; the client's would hide outages that we measure.
            config.default_retry = false;
            let server = config.cluster_url.to_string();
            let client = client_of(&config, context, &Requests::default())?;
            let version = retried("asking for its version", REACHABLE_WITHIN, || client.apiserver_version())
                .await
                .map_err(|error| unreachable_server(context, &server, &error))?;
            let told = fingerprint::of(&client, &version.git_version).await;
            let machines = machines_of(&told.nodes, node_image);
            let mut capabilities = told.capabilities;
            let groups = client.list_api_groups().await.map(|groups| groups.groups).unwrap_or_default();
            for (name, need) in
                [("metrics.k8s.io", Need::Metrics), ("chaos-mesh.org", Need::ChaosMesh), ("config.openshift.io", Need::Openshift)]
            {
                if groups.iter().any(|group| group.name == name) {
                    capabilities.push(need);
                }
            }
            let mut fingerprint = told.fingerprint;
            if capabilities.contains(&Need::Openshift) {
                fingerprint.properties.insert("openshift".to_owned(), openshift::version(&client).await);
                if !capabilities.contains(&Need::Exec) && openshift::may_request_projects(&client).await {
                    // As a project's administrator, which is made certain when the first is there.
                    capabilities.push(Need::Exec);
                }
            }
            if machines.is_ok() {
                capabilities.push(Need::NodeControl);
            }
            let info = ClusterInfo { provider: provider.to_owned(), name: name.to_owned(), fingerprint };
            Ok(Self { config, kubeconfig: known, info, capabilities, machines })
        })?
    }
}

impl Cluster for Context {
    fn info(&self) -> ClusterInfo {
        self.info.clone()
    }

    fn capabilities(&self) -> Vec<Need> {
        // Other programs reach it as we do.
        self.capabilities.iter().copied().chain([Need::Programs, Need::Prometheus]).collect()
    }

    fn why_not(&self, need: Need) -> Option<String> {
        match need {
            Need::NodeControl => self.machines.as_ref().err().cloned(),
            Need::CgroupV1 => Some("no kubelet says that it has cgroups of version 1, or its metrics may not be read".to_owned()),
            Need::CgroupV2 => Some("its kubelets say that they have cgroups of version 1".to_owned()),
            Need::OwnMachines => Some("memory and disks of nodes are used up on the embedded cluster alone".to_owned()),
            Need::PrivateRegistry => Some("private.invalid is part of the embedded cluster".to_owned()),
            _ => None,
        }
    }

    fn node_pods(&self) -> Option<String> {
        match &self.machines {
            Ok(Reach::Pods(image)) => Some(image.clone()),
            _ => None,
        }
    }

    fn cannot(&self, plan: &Plan) -> Option<String> {
        self.node_pods().and_then(|_| host::cannot(plan))
    }

    fn is_virtual_time(&self) -> bool {
        false
    }

    fn kubeconfig(&self) -> Option<Kubeconfig> {
        Some(self.kubeconfig.clone())
    }

    fn open<'a>(&'a self, trial: &'a TrialContext) -> BoxFuture<'a, Result<Session, ClusterError>> {
        async move {
            let requests = Requests::default();
            let client = client_of(&self.config, &self.info.name, &requests)?;
            let clock = TrialClock::starting_at(wall_clock());
            let machines: Option<Arc<dyn Machines>> = match (&self.machines, &trial.home) {
                (Ok(Reach::Containers(containers)), _) => Some(Arc::new(containers.clone())),
                (Ok(Reach::Pods(image)), Some(home)) => {
                    Some(Arc::new(Hosts { client: client.clone(), namespace: home.clone(), image: image.clone() }))
                }
                _ => None,
            };
            let (token, guard) = (self.config.auth_info.token.clone(), Arc::new(()));
            Ok(Session { client, token, clock, limits: Limits::default(), machines, requests: Some(requests), guard })
        }
        .boxed()
    }
}

#[expect(clippy::disallowed_methods, reason = "a real cluster's trials begin at the wall clock's time")]
fn wall_clock() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn client_of(config: &kube::Config, name: &str, requests: &Requests) -> Result<kube::Client, ClusterError> {
    let requests = requests.clone();
    let counted = MapRequestLayer::new(move |request: http::Request<kube::client::Body>| {
        requests.sent();
        request
    });
    let builder = ClientBuilder::try_from(config.clone()).map_err(|error| {
        let error = RequestError::new("making a client", &error);
        ClusterError::new(format!("context {name:?} cannot be used: {}", error.message))
    })?;
    Ok(builder.with_layer(&counted).build())
}

/// How the machines of the nodes are reached, if one may be broken: a node that takes pods and does not run the control plane. Containers
/// of this computer come before pods, which must have been allowed.
fn machines_of(nodes: &[fingerprint::NodeTold], node_image: Option<&str>) -> Result<Reach, String> {
    let found = Containers::behind(nodes.iter().map(|node| node.provider_id.as_str()));
    let found = found.unwrap_or_else(|| Err("its nodes are no containers of kind".to_owned()));
    let found = match (found, node_image) {
        (Ok(containers), _) => Reach::Containers(containers),
        (Err(_), Some(image)) => Reach::Pods(image.to_owned()),
        (Err(why), None) => {
            return Err(format!("{why}; if you mean it, `--allow node-access` breaks them by short-lived privileged pods"));
        }
    };
    if nodes.iter().any(|node| node.takes_pods && !node.control_plane) {
        return Ok(found);
    }
    Err("every node that takes pods runs the control plane, the last of which is never broken".to_owned())
}

/// The context that is asked for, else the current one.
fn choose(kubeconfig: &Kubeconfig, name: Option<&str>) -> Result<String, ClusterError> {
    let mut known: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    known.sort_unstable();
    let listed = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    let Some(name) = name.or(kubeconfig.current_context.as_deref()).filter(|name| !name.is_empty()) else {
        return Err(ClusterError::new(format!(
            "the kubeconfig has no current context ({listed}); name one with `--cluster context:NAME`"
        )));
    };
    if known.contains(&name) {
        return Ok(name.to_owned());
    }
    let near = known.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let hint = near
        .filter(|near| strsim::jaro_winkler(near, name) > 0.85)
        .map_or(String::new(), |near| format!("; did you mean {near}?"));
    Err(ClusterError::new(format!("the kubeconfig has no context {name:?} ({listed}){hint}")))
}

/// Refuses what looks like production, unless it was named on purpose.
fn refuse_production(kubeconfig: &Kubeconfig, name: &str, allowed: &[String], protected: &[String]) -> Result<(), ClusterError> {
    if allowed.iter().any(|context| context == name) {
        return Ok(());
    }
    let cluster = kubeconfig.contexts.iter().find(|context| context.name == name).and_then(|context| context.context.as_ref());
    let cluster = cluster.map_or("", |context| context.cluster.as_str());
    let server = kubeconfig
        .clusters
        .iter()
        .find(|known| known.name == cluster)
        .and_then(|known| known.cluster.as_ref()?.server.as_deref());
    let by_default = [PROTECTED.to_owned()];
    let protected = if protected.is_empty() { &by_default } else { protected };
    let looks = |text: &str, part: &&String| text.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
    let part = protected.iter().filter(|part| !part.is_empty() && part.as_str() != UNPROTECTED);
    let part = part.into_iter().find(|part| looks(name, part) || server.is_some_and(|server| looks(server, part)));
    if let Some(part) = part {
        return Err(ClusterError::new(format!(
            "context {name:?} (server {}) looks like production (it contains {part:?}): comeback breaks workloads on purpose. If you mean it, add `--allow-context {name}`",
            server.unwrap_or("unknown")
        )));
    }
    Ok(())
}

fn unreachable_server(context: &str, server: &str, error: &RequestError) -> ClusterError {
    ClusterError::new(match error.code {
        401 => format!(
            "the server of context {context:?} ({server}) refused the credentials: token expired? Log in again (on OpenShift: `oc login`)"
        ),
        403 => format!("the user of context {context:?} may not use {server}: {}", error.message),
        0 => format!(
            "the server of context {context:?} ({server}) cannot be reached: {}. Is the cluster running, and a VPN or proxy needed?",
            error.message
        ),
        _ => format!("the server of context {context:?} ({server}) does not work: {}", error.message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
apiVersion: v1
kind: Config
current-context: dev
clusters:
- { name: a, cluster: { server: 'https://dev.example:6443' } }
- { name: b, cluster: { server: 'https://api.PROD.example:6443' } }
contexts:
- { name: dev, context: { cluster: a, user: u } }
- { name: shop, context: { cluster: b, user: u } }
- { name: my-prod, context: { cluster: a, user: u } }
users:
- { name: u, user: {} }
";

    fn kubeconfig() -> Kubeconfig {
        Kubeconfig::from_yaml(CONFIG).unwrap()
    }

    #[test]
    fn the_current_context_is_the_default_and_unknown_ones_are_listed() {
        assert_eq!(choose(&kubeconfig(), None).unwrap(), "dev");
        assert_eq!(choose(&kubeconfig(), Some("shop")).unwrap(), "shop");
        let message = choose(&kubeconfig(), Some("my-prd")).unwrap_err().message;
        insta::assert_snapshot!(message, @r#"the kubeconfig has no context "my-prd" (it has dev, my-prod, shop); did you mean my-prod?"#);
    }

    #[test]
    fn production_by_name_or_server_needs_permission() {
        let config = kubeconfig();
        assert!(refuse_production(&config, "dev", &[], &[]).is_ok());
        let live = ["LIVE".to_owned(), "dev.example".to_owned()];
        assert!(refuse_production(&config, "dev", &[], &live).unwrap_err().message.contains("dev.example"));
        assert!(refuse_production(&config, "my-prod", &["my-prod".to_owned()], &live).is_ok());
        assert!(refuse_production(&config, "my-prod", &[], &["none".to_owned()]).is_ok());
        for name in ["shop", "my-prod"] {
            let message = refuse_production(&config, name, &[], &[]).unwrap_err().message;
            assert!(message.contains(&format!("--allow-context {name}")), "{message}");
            assert!(refuse_production(&config, name, &["dev".to_owned()], &[]).is_err());
            assert!(refuse_production(&config, name, &[name.to_owned()], &[]).is_ok());
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let yaml = CONFIG.replace("https://dev.example:6443", "https://127.0.0.1:9");
        let error = Context::from_kubeconfig(Kubeconfig::from_yaml(&yaml).unwrap(), "dev", "context", "dev", None).unwrap_err();
        assert!(error.message.contains("https://127.0.0.1:9") && error.message.contains("cannot be reached"), "{error}");
    }
}
