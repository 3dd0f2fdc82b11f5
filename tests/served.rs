//! The embedded cluster served over TLS, and real clients that use it.
//! A program that is not at hand is named in one line on stderr; nothing else is skipped.

#[path = "served/client.rs"]
mod client;
#[path = "served/server.rs"]
mod server;
