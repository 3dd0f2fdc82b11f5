//! Which of the nodes that fit is best: the default plugins with their default weights.
//! What makes a node unfit is in `filter`.

use super::super::controllers::object::{integer, list, text};
use super::cache::Cache;
use super::filter::{matches_term, tolerates};
use super::info::{NodeInfo, PodInfo};
use super::resources::Bundle;
use super::{neighbours, spread};

/// Images smaller than this per pod count for nothing, in bytes.
const SMALL_IMAGES: i64 = 23 * 1024 * 1024;
/// Images larger than this per container count for no more, in bytes.
const LARGE_IMAGE: i64 = 1000 * 1024 * 1024;

/// The score of each node of `nodes`.
pub(super) fn scores(cache: &mut Cache, pod: &PodInfo, nodes: &[usize]) -> Vec<i64> {
    let spread = spread::scores(cache, pod, nodes);
    let liked = neighbours::scores(cache, pod, nodes);
    let present: Vec<&NodeInfo> = nodes.iter().filter_map(|id| cache.nodes.get(*id)).collect();
    let avoided = normal(present.iter().map(|node| avoided_taints(pod, node)).collect(), true);
    let preferred = normal(present.iter().map(|node| preference(pod, node)).collect(), false);
    let images = image_names(pod);
    let at = |scores: &Option<Vec<i64>>, place: usize| scores.as_ref().and_then(|scores| scores.get(place)).copied().unwrap_or(0);
    present
        .iter()
        .enumerate()
        .map(|(place, node)| {
            least_allocated(pod, node)
                + balance(pod, node)
                + 3 * avoided.get(place).copied().unwrap_or(0)
                + 2 * preferred.get(place).copied().unwrap_or(0)
                + 2 * at(&spread, place)
                + 2 * at(&liked, place)
                + image_locality(cache, &images, node)
        })
        .collect()
}

/// Brings scores to 0..100 by the largest; `reverse` makes the largest the worst.
fn normal(raw: Vec<i64>, reverse: bool) -> Vec<i64> {
    let most = raw.iter().max().copied().unwrap_or(0);
    let scaled = |score: i64| if most == 0 { 0 } else { 100 * score / most };
    raw.into_iter().map(|score| if reverse { 100 - scaled(score) } else { scaled(score) }).collect()
}

fn avoided_taints(pod: &PodInfo, node: &NodeInfo) -> i64 {
    let avoided = node.taints.iter().filter(|taint| text(taint, "/effect") == "PreferNoSchedule" && !tolerates(pod, taint));
    i64::try_from(avoided.count()).unwrap_or(i64::MAX)
}

fn preference(pod: &PodInfo, node: &NodeInfo) -> i64 {
    if !pod.choosy {
        return 0;
    }
    list(&pod.object, "/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution")
        .iter()
        .filter(|term| matches_term(&term["preference"], node))
        .map(|term| integer(term, "/weight"))
        .sum()
}

fn least_allocated(pod: &PodInfo, node: &NodeInfo) -> i64 {
    let free =
        |offered: i64, used: i64| if used > offered { 0 } else { 100 * (offered / 1000 - used / 1000) / (offered / 1000).max(1) };
    let milli = |offered: i64, used: i64| if used > offered || offered == 0 { 0 } else { 100 * (offered - used) / offered };
    let (offered, used) = (&node.allocatable, &node.usual);
    let mut parts = Vec::with_capacity(2);
    if offered.cpu > 0 {
        parts.push(milli(offered.cpu, used.cpu + pod.usual.cpu));
    }
    if offered.memory > 0 {
        parts.push(free(offered.memory, used.memory + pod.usual.memory));
    }
    parts.iter().sum::<i64>() / i64::try_from(parts.len().max(1)).unwrap_or(1)
}

/// Better when the pod makes the shares of cpu and memory more alike; nothing for a pod that requests nothing.
fn balance(pod: &PodInfo, node: &NodeInfo) -> i64 {
    if pod.requests.cpu == 0 && pod.requests.memory == 0 {
        return 0;
    }
    let after = evenness(node, |used: &Bundle| (used.cpu + pod.requests.cpu, used.memory + pod.requests.memory));
    let before = evenness(node, |used: &Bundle| (used.cpu, used.memory));
    50 + (50 + after - before) / 2
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "shares between 0 and 1, a score to 100")]
fn evenness(node: &NodeInfo, used: impl Fn(&Bundle) -> (i64, i64)) -> i64 {
    let (cpu, memory) = used(&node.requested);
    let share = |used: i64, offered: i64| (offered > 0).then(|| (used as f64 / offered as f64).min(1.0));
    let deviation = match (share(cpu, node.allocatable.cpu), share(memory, node.allocatable.memory)) {
        (Some(cpu), Some(memory)) => ((cpu - memory) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * 100.0) as i64
}

fn image_names(pod: &PodInfo) -> Vec<String> {
    let containers = list(&pod.object, "/spec/initContainers").iter().chain(list(&pod.object, "/spec/containers"));
    containers
        .map(|container| {
            let image = text(container, "/image");
            let tagged = image.rsplit('/').next().is_some_and(|last| last.contains(':'));
            if tagged { image.to_owned() } else { format!("{image}:latest") }
        })
        .collect()
}

/// Images that are on the node already, the less the fewer nodes have them.
fn image_locality(cache: &Cache, images: &[String], node: &NodeInfo) -> i64 {
    let nodes = i64::try_from(cache.nodes.len().max(1)).unwrap_or(1);
    let sum: i64 = images
        .iter()
        .filter_map(|image| Some((image, node.images.get(image)?)))
        .map(|(image, size)| size * cache.nodes_with_image(image) / nodes)
        .sum();
    let most = LARGE_IMAGE * i64::try_from(images.len().max(1)).unwrap_or(1);
    100 * (sum.clamp(SMALL_IMAGES, most) - SMALL_IMAGES) / (most - SMALL_IMAGES)
}
