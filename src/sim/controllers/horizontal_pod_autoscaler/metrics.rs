//! What pods use, as a metrics server would tell it: processor rates between two samples, memory at the last one.
//! Samples are taken when an autoscaler looks, so that nothing is measured for nobody.

use super::super::object::{name, uid};
use crate::sim::kubelet::Runtime;
use crate::sim::store::Object;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What one container of a pod uses, in thousandths of a core and of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// Processor.
    pub(super) cpu: i64,
    /// Memory.
    pub(super) memory: i64,
}

/// What the containers of pods use, by the pod's name and the container's.
pub(super) type Measured = BTreeMap<String, BTreeMap<String, Use>>;

/// Processor time of one instance of a container at some time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Timestamp,
    restart: u32,
    processor: Duration,
}

/// The last samples of an autoscaler's pods.
#[derive(Debug, Default)]
pub(super) struct Samples(BTreeMap<(String, String), Sample>);

impl Samples {
    /// Samples the pods. A pod that has a container without two samples of the same instance is not measured yet.
    pub(super) fn take(&mut self, runtime: &Runtime, pods: &[Object], now: Timestamp) -> Measured {
        let (mut measured, mut next) = (Measured::new(), BTreeMap::new());
        for pod in pods {
            let mut containers = Some(BTreeMap::new());
            for usage in runtime.usage(uid(pod)) {
                let place = (uid(pod).to_owned(), usage.container.clone());
                let before = self.0.get(&place).filter(|before| before.restart == usage.restart && before.at < now);
                let rate = before.map(|before| {
                    let used = usage.processor.saturating_sub(before.processor).as_nanos();
                    let passed = now.duration_since(before.at).unsigned_abs().as_nanos().max(1);
                    i64::try_from((used * 1000).div_ceil(passed)).unwrap_or(i64::MAX)
                });
                let memory = i64::try_from(usage.memory).unwrap_or(i64::MAX).saturating_mul(1000);
                match (rate, &mut containers) {
                    (Some(cpu), Some(containers)) => {
                        containers.insert(usage.container.clone(), Use { cpu, memory });
                    }
                    _ => containers = None,
                }
                next.insert(place, Sample { at: now, restart: usage.restart, processor: usage.processor });
            }
            if let Some(containers) = containers.filter(|containers| !containers.is_empty()) {
                measured.insert(name(pod).to_owned(), containers);
            }
        }
        self.0 = next;
        measured
    }
}
