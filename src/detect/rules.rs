//! The rules, one file for each family of causes. Each says what one pod shows; `combine` decides what leads.
//! Rules about duration also say when they would fire.

mod config;
mod crash;
mod image;
mod node;
mod oom;
mod probe;
mod readiness;
mod schedule;
mod start;

use super::case::{Case, Sign};
use std::time::Duration;

/// Everything that a pod shows.
pub fn signs<'a>(case: &Case<'a>, signs: &mut Vec<Sign<'a>>) {
    signs.extend(schedule::sign(case));
    signs.extend(node::sign(case));
    for container in case.pod.containers.values() {
        signs.extend(oom::sign(case, container));
        if case.pod.is_finished() {
            continue;
        }
        signs.extend(config::sign(case, container));
        signs.extend(image::sign(case, container));
        signs.extend(start::sign(case, container));
        signs.extend(probe::sign(case, container));
        signs.extend(crash::sign(case, container));
        signs.extend(readiness::sign(case, container));
    }
}

/// When rules about duration would fire for a pod; past times included.
pub fn deadlines(case: &Case<'_>) -> Vec<Duration> {
    let readiness = case.pod.containers.values().filter_map(|container| readiness::due(case, container));
    schedule::due(case).into_iter().chain(readiness).collect()
}
