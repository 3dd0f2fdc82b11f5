//! The rules, one file for each family of causes. Each says what one pod or object shows; `combine` decides what leads.
//! Rules about duration also say when they would fire.

mod admission;
mod completed;
mod config;
mod crash;
mod dependency;
mod eviction;
mod image;
mod node;
mod oom;
mod probe;
mod readiness;
mod schedule;
mod security;
mod service;
mod setup;
mod start;
mod termination;
mod workload;

use super::case::{Case, Sign};
use super::objects::Objects;
use std::time::Duration;

/// Everything that a pod shows.
pub fn signs(case: &Case<'_>, signs: &mut Vec<Sign>) {
    signs.extend(schedule::sign(case));
    signs.extend(node::sign(case));
    signs.extend(setup::sign(case));
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
        signs.extend(completed::sign(case, container));
        signs.extend(security::sign(case, container));
        signs.extend(readiness::sign(case, container));
        signs.extend(dependency::sign(case, container));
    }
}

/// Everything that other objects show, and pods that are on their way out.
pub fn object_signs(objects: &Objects<'_>, signs: &mut Vec<Sign>) {
    node::signs(objects, signs);
    admission::signs(objects, signs);
    service::signs(objects, signs);
    eviction::signs(objects, signs);
    workload::signs(objects, signs);
    termination::signs(objects, signs);
}

/// When rules about duration would fire for a pod; past times included.
pub fn deadlines(case: &Case<'_>) -> Vec<Duration> {
    let containers = case.pod.containers.values();
    let of_containers = containers.flat_map(|container| [readiness::due(case, container), image::due(case, container)]).flatten();
    schedule::due(case).into_iter().chain(setup::due(case)).chain(of_containers).collect()
}

/// When rules about duration would fire for other objects; past times included.
pub fn object_deadlines(objects: &Objects<'_>) -> Vec<Duration> {
    [admission::due(objects), service::due(objects), termination::due(objects)].concat()
}
