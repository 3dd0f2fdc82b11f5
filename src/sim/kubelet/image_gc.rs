//! Image garbage: which images of a node nobody uses, when they are deleted, and what is said when that frees too little.
//! Pulling lives in `image`, the store itself in `registry`.

use super::agent::{Agent, lock};
use super::disk::{GC_HIGH, GC_LOW};
use super::pod::PodRecord;
use crate::sim::events::EventType::Warning;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often images are looked for, and their garbage collected.
pub(super) const PERIOD: Duration = Duration::from_mins(5);
/// An image is kept for so long after it was first seen.
const LEAST_AGE: Duration = Duration::from_mins(2);

/// A disk's size as the kubelet writes it.
fn readable(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "disks are far below 2^53 bytes")]
    let size = bytes as f64;
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let unit = units.iter().rev().find(|(_, bits)| bytes >= 1 << bits);
    unit.map_or_else(|| format!("{bytes} B"), |(unit, bits)| format!("{:.1} {unit}", size / f64::from(*bits).exp2()))
}

impl Agent {
    /// The images of all containers that this node still has.
    fn images_in_use(&self) -> BTreeSet<String> {
        let served = self.records().into_iter().flat_map(|record| {
            let state = record.state();
            let kept = if state.collected { Vec::new() } else { state.instances.values().flatten().cloned().collect() };
            drop(state);
            kept
        });
        let left: Vec<_> = lock(&self.host.left).values().flat_map(|left| left.instances.values().flatten().cloned()).collect();
        served.chain(left).map(|instance| instance.image).collect()
    }

    /// A pod's containers are about to go: from now on nothing tells that their images are in use.
    pub(super) fn release_images(&self, record: &PodRecord) {
        let images: BTreeSet<String> = {
            let state = record.state();
            if state.collected {
                return;
            }
            state.instances.values().flatten().map(|instance| instance.image.clone()).collect()
        };
        let now = Instant::now();
        lock(&self.images).used(images.iter(), now);
    }

    /// Deletes images that no container uses, the least recently used first, until `wanted` bytes are free: how many are.
    pub(super) fn delete_images(&self, wanted: u64) -> u64 {
        let (in_use, now) = (self.images_in_use(), Instant::now());
        let mut images = lock(&self.images);
        images.detect(|pulled| self.image_gc.from(pulled).min(now));
        images.used(in_use.iter(), now);
        let mut freed = 0;
        for name in images.unused(&in_use, |seen| now.duration_since(seen) >= LEAST_AGE) {
            if freed >= wanted {
                break;
            }
            freed += images.remove(&name);
        }
        freed
    }

    /// Collects garbage every five minutes while the disk is fuller than the high threshold.
    pub(super) async fn serve_images(self: Arc<Self>) {
        let disk = self.host.disk.clone();
        let mut shortages = disk.shortages();
        let percent =
            || 100 - u64::try_from(u128::from(disk.available()) * 100 / u128::from(disk.capacity().max(1))).unwrap_or(0);
        let mut failed = false;
        loop {
            if percent() < GC_HIGH {
                failed = false;
                // The disk lives as long as its machine.
                let _short = shortages.changed().await;
            }
            sleep_until(self.image_gc.after(Instant::now())).await;
            let used = percent();
            if used < GC_HIGH {
                continue;
            }
            let capacity = disk.capacity();
            let wanted = (capacity / 100 * (100 - GC_LOW)).saturating_sub(disk.available());
            let freed = self.delete_images(wanted);
            if freed >= wanted {
                failed = false;
                continue;
            }
            let message = format!(
                "Insufficient free disk space on the node's image filesystem ({used}% of {} used). Failed to free sufficient space by deleting unused images (freed {freed} bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or other data.",
                readable(capacity)
            );
            self.node_event(Warning, "FreeDiskSpaceFailed", &message);
            // A first failure is only logged.
            if std::mem::replace(&mut failed, true) {
                self.node_event(Warning, "ImageGCFailed", &message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn sizes_are_written_as_the_kubelet_does() {
        assert_eq!(readable(1_000), "1000 B");
        assert_eq!(readable(10 << 30), "10.0 GiB");
        assert_eq!(readable(270_553_174_016), "252.0 GiB");
    }
}
