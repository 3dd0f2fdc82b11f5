//! The API server: the request pipeline (defaulting, validation, admission, store) and its REST face.
//! Controllers, scheduler and kubelets call [`ApiServer`] directly; clients come through [`client`].

mod client;
mod defaults;
mod delete;
mod field;
mod list;
mod namespace;
mod pipeline;
mod pod_defaults;
pub mod quantity;
pub mod resource;
mod rest;
pub mod select;
pub mod server;
pub mod status;

pub use client::client;
pub use field::FieldError;
pub use resource::Resource;
pub use server::{ApiServer, DeleteOptions, Propagation, Subresource, Watch, WatchItem};
pub use status::ApiError;
