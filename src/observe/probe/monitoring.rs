//! Which Prometheus a condition means: the one of its `url`, or the one that OpenShift brings along, which only users may ask.
//! How it is asked is `web`'s.

use super::route;
use super::web::Server;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::observe::watch::plain;
use crate::scenario::{Condition, Plan};
use kube::api::{Api, DynamicObject};
use secrecy::SecretString;

/// Where OpenShift serves what its Prometheus has stored (the Route of its cluster-monitoring-operator).
pub const NAMESPACE: &str = "openshift-monitoring";
const ROUTE: &str = "thanos-querier";

/// The Prometheus of the cluster itself, or why there is none to ask.
#[derive(Clone, Debug)]
pub struct Monitoring(Result<Server, String>);

impl Monitoring {
    /// Finds it, if a condition of the plan wants it.
    ///
    /// # Errors
    /// It is not there, may not be found, or there is no token to ask it with.
    pub async fn of(client: &kube::Client, token: Option<&SecretString>, plan: &Plan) -> Result<Self, RequestError> {
        let what = format!("looking for the Prometheus of this cluster (Route {NAMESPACE}/{ROUTE})");
        if !is_wanted(plan) {
            return Ok(Self(Err(format!("{what}: no condition asks it"))));
        }
        let routes: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &route::resource());
        let found = retried(&what, REQUEST_BUDGET, || routes.get_opt(ROUTE)).await?;
        let url = found.and_then(|found| route::url(&plain(found, &route::resource()), ""));
        let refused = |why: &str| RequestError::of(&what, format!("{why}; give the condition a `url`"));
        let url = url.ok_or_else(|| refused("there is none that a router has admitted"))?;
        let token = token.ok_or_else(|| refused("the kubeconfig has no token to ask it with (`oc login` writes one)"))?;
        Server::with_token(&url, token).map(|server| Self(Ok(server))).map_err(|why| refused(&why))
    }

    /// The server that a condition asks.
    ///
    /// # Errors
    /// Why none can be asked.
    pub fn server(&self, url: Option<&str>) -> Result<Server, String> {
        url.map_or_else(|| self.0.clone(), Server::at)
    }
}

/// Whether a condition of a plan asks the cluster's own Prometheus.
#[must_use]
pub fn is_wanted(plan: &Plan) -> bool {
    plan.tried().iter().any(Condition::asks_the_clusters_own)
}

/// A condition's server in words, for plans and explanations.
#[must_use]
pub fn shown(url: Option<&str>) -> &str {
    url.unwrap_or("OpenShift's own Prometheus")
}

#[cfg(test)]
mod tests;
