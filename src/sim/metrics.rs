//! What monitoring reads: metrics of containers as kubelets serve them, metrics of objects as kube-state-metrics serves them,
//! and `metrics.k8s.io` as metrics-server does. Computed when asked for; nothing is sampled while nobody asks.
//! Paths and rights are the API's; all times and counters are those of the simulation.

pub mod exposition;
pub mod kube_state;
pub mod kubelet;
pub mod usage;

mod workload_state;

#[cfg(test)]
mod tests;
