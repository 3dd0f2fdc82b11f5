//! The controllers of the simulated control plane, one file each; started together.
//! Each reads watches and writes through [`ApiServer`], after the latencies of its profile.

use super::api::ApiServer;
use super::limits::Limits;
use super::profile::Profile;
use std::sync::Arc;

/// Starts every controller; they run until the runtime ends.
pub fn start(_api: &Arc<ApiServer>, _profile: &Profile, _limits: &Limits) {}
