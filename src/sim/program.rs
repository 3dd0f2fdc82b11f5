//! Containers as programs: a shell interpreter over a modelled file system, memory and signals, on tokio's clock.
//! Knows nothing of pods, probes or restarts: that is `kubelet`.

mod awk;
pub mod command;
pub mod console;
pub mod container;
pub mod data;
pub mod descriptor;
pub mod errno;
pub mod filesystem;
pub mod log;
pub mod machine;
pub mod model;
pub mod node_disk;
pub mod node_memory;
pub mod pipe;
pub mod process;
pub mod processor;
pub mod session;
pub mod shell;
pub mod signals;
mod system_files;

pub use container::{Container, ContainerSpec, ExecResult, Exit, Signal, StartFailure};
pub use filesystem::FileSystem;
pub use log::{ContainerLog, LogLine};

#[cfg(test)]
mod trial;

#[cfg(test)]
mod endings;
