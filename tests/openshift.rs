//! The harness on a served OpenShift, mostly as an ordinary user who may create no namespace: what the server does, and what a run,
//! its death and its clean-up leave.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what cannot be started or asked fails the test")]

#[path = "openshift/cluster.rs"]
mod cluster;
#[path = "openshift/harness.rs"]
mod harness;
#[path = "openshift/server.rs"]
mod server;
#[path = "kill/world.rs"]
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod world;
