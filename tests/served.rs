//! The embedded cluster served over TLS, and real clients that use it.
//! A program that is not at hand is named in one line on stderr; nothing else is skipped.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what cannot be started or asked fails the test")]

#[path = "served/client.rs"]
mod client;
#[path = "served/control_plane.rs"]
mod control_plane;
#[path = "served/frames.rs"]
mod frames;
#[path = "served/go_client.rs"]
mod go_client;
#[path = "served/kubectl.rs"]
mod kubectl;
#[path = "served/port_forward.rs"]
mod port_forward;
#[path = "served/programs.rs"]
mod programs;
#[path = "served/prometheus.rs"]
mod prometheus;
#[path = "served/raw.rs"]
mod raw;
#[path = "served/server.rs"]
mod server;
#[path = "served/statuses.rs"]
mod statuses;
