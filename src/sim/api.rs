//! The API server: the request pipeline (defaulting, validation, admission, store) and its REST face.
//! Controllers, scheduler and kubelets call [`ApiServer`] directly; clients come through [`client`].

mod apply;
mod authentication;
mod authorization;
mod client;
mod custom;
mod decode;
mod defaults;
mod delete;
mod discovery;
mod event;
mod eviction;
mod face;
mod field;
mod fields;
pub mod gate;
mod kinds;
mod limit_range;
mod list;
mod namespace;
mod openapi;
pub(in crate::sim) mod openshift;
mod patch;
mod pipeline;
mod pod_defaults;
mod priority;
mod protobuf;
pub mod quantity;
mod quota;
#[cfg(test)]
mod recorded;
pub mod resource;
mod rest;
mod scale;
mod scaling;
mod schema;
pub mod select;
pub mod server;
pub mod status;
mod strategic;
mod table;
pub mod token;
mod update;
mod validate;

pub use authentication::{Credentials, Peer, User};
pub use client::client;
pub(in crate::sim) use client::served;
pub(in crate::sim) use defaults::{base64, default_class};
pub use field::FieldError;
pub(in crate::sim) use quota::used_of as quota_usage;
pub use resource::Resource;
pub(in crate::sim) use rest::{LARGEST_BODY, RestService};
pub use server::{ApiServer, DeleteOptions, Propagation, Subresource, Watch, WatchItem};
pub use status::ApiError;
