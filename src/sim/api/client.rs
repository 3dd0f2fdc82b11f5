//! An unmodified `kube::Client` on the simulated API server, in process.
//! The service behind it is `rest`.

use super::rest::RestService;
use super::server::ApiServer;
use super::status::ApiError;
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

#[cfg(test)]
mod tests;
