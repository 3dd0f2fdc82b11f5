//! The API server: the request pipeline (defaulting, validation, admission, store) and its REST face.
//! Controllers, scheduler and kubelets call [`ApiServer`] directly; clients come through `rest`.

pub mod resource;
pub mod server;
pub mod status;

pub use resource::Resource;
pub use server::{ApiServer, DeleteOptions, Propagation, Subresource, Watch, WatchItem};
pub use status::ApiError;
