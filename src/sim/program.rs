//! Containers as programs: a shell interpreter over a modelled file system, memory and signals, on tokio's clock.
//! Knows nothing of pods, probes or restarts: that is `kubelet`.

pub mod container;
pub mod filesystem;
pub mod log;

pub use container::{Container, ContainerSpec, ExecResult, Exit, Signal, StartFailure};
pub use filesystem::FileSystem;
pub use log::{ContainerLog, LogLine};
