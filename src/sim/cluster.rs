//! One simulated cluster, put together: API server, nodes, scheduler and controllers on one clock and one seed.
//! How each part behaves lives in its own module.

use super::api::ApiServer;
use super::clock::Clock;
use super::kubelet::{self, Runtime};
use super::limits::Limits;
use super::profile::Profile;
use super::random::Random;
use super::{controllers, scheduler};
use std::sync::Arc;

/// A running simulated cluster. Its parts are tasks of the tokio runtime that it was started on and end with it.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The API server, for clients and for tests.
    pub api: Arc<ApiServer>,
    /// What the simulation could not do faithfully so far.
    pub limits: Limits,
    /// The containers of all nodes.
    pub runtime: Runtime,
    /// The source of every random choice.
    pub random: Random,
    /// The clock; it shows the epoch at the start.
    pub clock: Clock,
    /// What this cluster was set to.
    pub profile: Profile,
}

impl Simulation {
    /// Starts a cluster whose clock shows `epoch` now. Equal seeds, epochs and profiles make equal clusters. Must be called
    /// inside a tokio runtime, current-thread and usually with a paused clock.
    #[must_use]
    pub fn start(seed: u64, epoch: jiff::Timestamp, profile: Profile) -> Self {
        let (clock, random) = (Clock::starting_at(epoch), Random::new(seed));
        let (limits, runtime) = (Limits::default(), Runtime::default());
        let api = ApiServer::with_limits(clock, random, limits.clone());
        // Refused by nothing: the store is empty.
        let _ = api.bootstrap();
        controllers::start(&api, &profile, &limits);
        scheduler::start(&api, &profile);
        for node in &profile.nodes {
            kubelet::start(&api, node, &profile, &runtime, &limits);
        }
        Self { api, limits, runtime, random, clock, profile }
    }
}
