//! The two ways in for clients: an unmodified `kube::Client` in process, and the service behind a served cluster's connections.
//! The service behind it is `rest`.

use super::authentication::Credentials;
use super::authorization::bootstrap;
use super::rest::RestService;
use super::server::ApiServer;
use super::status::ApiError;
use super::token::TokenAuthority;
use crate::sim::cluster::Simulation;
use crate::sim::kubelet::Runtime;
use crate::sim::profile::Profile;
use std::sync::Arc;

/// A client of the cluster whose containers `runtime` knows. Answers take the profile's latencies.
/// Build and use it on one tokio runtime.
///
/// # Errors
/// When the namespaces of a fresh cluster cannot be created.
pub fn client(api: Arc<ApiServer>, runtime: Runtime, profile: &Profile) -> Result<kube::Client, ApiError> {
    api.bootstrap()?;
    Ok(kube::Client::new(RestService::new(api, runtime, profile), "default"))
}

/// The service for requests from outside, in which every request says who sends it. `speed` is that of the simulated clock:
/// time-outs that a client asks for are its own, real time. Tokens are signed with `secret`.
///
/// # Errors
/// When the roles of a new cluster cannot be created: a bug.
pub(in crate::sim) fn served(
    simulation: &Simulation,
    credentials: Credentials,
    secret: [u8; 32],
    speed: f64,
) -> Result<RestService, ApiError> {
    simulation.api.sign_with(TokenAuthority::new(secret));
    bootstrap::create(&simulation.api)?;
    if simulation.profile.openshift {
        bootstrap::create_for_openshift(&simulation.api)?;
    }
    let service = RestService::new(Arc::clone(&simulation.api), simulation.runtime.clone(), &simulation.profile);
    Ok(service.guarded(credentials, speed))
}

#[cfg(test)]
mod tests;
