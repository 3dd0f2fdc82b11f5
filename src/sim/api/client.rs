//! The two ways in for clients: an unmodified `kube::Client` in process, and the service behind a served cluster's connections.
//! The service behind it is `rest`.

use super::authentication::Credentials;
use super::rest::RestService;
use super::server::ApiServer;
use super::status::ApiError;
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
/// time-outs that a client asks for are its own, real time.
pub(in crate::sim) fn served(simulation: &Simulation, credentials: Credentials, speed: f64) -> RestService {
    RestService::new(Arc::clone(&simulation.api), simulation.runtime.clone(), &simulation.profile).guarded(credentials, speed)
}

#[cfg(test)]
mod tests;
