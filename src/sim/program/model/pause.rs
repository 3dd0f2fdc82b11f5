//! `registry.k8s.io/pause`: waits until it is told to end.
//! Nothing else.

use super::Model;
use super::server::{Ended, complain, handle, until_signal};
use crate::sim::program::command::Invocation;
use crate::sim::program::signals;
use futures::future::BoxFuture;

/// The model.
pub const MODEL: Model = Model {
    name: "pause",
    images: &[
        "registry.k8s.io/pause",
        "k8s.gcr.io/pause",
        "gcr.io/google_containers/pause",
        "gcr.io/google-containers/pause",
        "*/mirrored-pause",
    ],
    summary: "Kubernetes' pause container: waits; SIGTERM ends it with 0.",
    ports: &[],
    entrypoint: &["/pause"],
    arguments: &[],
    shell: false,
    stop_signal: signals::TERM,
    options: &[],
    programs: &[("pause", run)],
};

fn run(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        handle(&call, &[signals::TERM, signals::INT]);
        let Ended::Signal(signal) = until_signal(&call, std::future::pending::<()>()).await else { return 0 };
        let name = if signal == signals::INT { "Interrupt" } else { "Terminated" };
        complain(&call, &format!("Shutting down, got signal: {name}")).await;
        0
    })
}
