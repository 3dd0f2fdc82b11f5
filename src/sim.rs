//! The embedded cluster: a simulated Kubernetes behind a tower service, on tokio's (usually paused) clock.
//! Knows nothing of the harness: scenarios, timelines and verdicts live elsewhere.

pub mod api;
mod chaos_mesh;
pub mod clock;
pub mod cluster;
pub mod controllers;
pub mod cron;
pub mod events;
pub mod heartbeat;
pub mod kubelet;
pub mod latest;
pub mod limits;
pub mod metrics;
pub mod network;
mod openshift;
pub mod profile;
pub mod program;
pub mod random;
pub mod scheduler;
pub mod serve;
pub mod store;
pub mod tasks;
