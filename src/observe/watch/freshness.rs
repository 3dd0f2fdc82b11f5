//! How late a watch delivers: a watch that stays open and silent, and then delivers what it held back, shows no failure.
//! Only delays of one clock against itself are compared, so that a cluster whose clock is wrong is no later than another.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A state that arrives later than this after the quickest one was held back somewhere. Stamps are whole seconds, so that up to
/// one second of it is nobody's delay.
const LATE: Duration = Duration::from_secs(3);
/// The server's stamps are cut to whole seconds.
const RESOLUTION: Duration = Duration::from_secs(1);

/// The least delay between a server's stamp and its arrival here, of all watches of a trial.
#[derive(Clone, Debug)]
pub(super) struct Freshness {
    begun: Instant,
    least: Arc<AtomicI64>,
}

impl Freshness {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), least: Arc::new(AtomicI64::new(i64::MAX)) }
    }

    /// A state stamped so has arrived now. When it is late: how long ago it may have come about, at most.
    pub(super) fn arrived(&self, stamp: Timestamp) -> Option<Duration> {
        let now = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let delay = now.saturating_sub(stamp.as_millisecond());
        let least = self.least.fetch_min(delay, Ordering::Relaxed).min(delay);
        let excess = Duration::from_millis(u64::try_from(delay.saturating_sub(least)).unwrap_or_default());
        (excess > LATE).then_some(excess + RESOLUTION)
    }
}

/// When an object was last written, by the server's clock: the newest of its creation, its managers' stamps and the request to
/// delete it, which is nobody's field.
pub(super) fn written(metadata: &ObjectMeta) -> Option<Timestamp> {
    let managed = metadata.managed_fields.iter().flatten().filter_map(|entry| entry.time.as_ref());
    managed.chain(&metadata.creation_timestamp).map(|time| time.0).chain(doomed(metadata)).max()
}

/// When its deletion was asked for: the stamp in the object is when its grace ends.
fn doomed(metadata: &ObjectMeta) -> Option<Timestamp> {
    let ends = metadata.deletion_timestamp.as_ref()?.0;
    ends.checked_sub(Duration::from_secs(metadata.deletion_grace_period_seconds.unwrap_or_default().try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};

    #[test]
    fn a_request_to_delete_is_a_write() {
        let at = |second: i64| Time(Timestamp::from_second(second).unwrap());
        let managed = ManagedFieldsEntry { time: Some(at(20)), ..ManagedFieldsEntry::default() };
        let mut metadata = ObjectMeta { creation_timestamp: Some(at(10)), ..ObjectMeta::default() };
        assert_eq!(written(&metadata), Some(at(10).0));
        metadata.managed_fields = Some(vec![managed]);
        assert_eq!(written(&metadata), Some(at(20).0));
        metadata.deletion_timestamp = Some(at(80));
        assert_eq!(written(&metadata), Some(at(80).0));
        metadata.deletion_grace_period_seconds = Some(30);
        assert_eq!(written(&metadata), Some(at(50).0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_later_than_the_quickest_was_held_back() {
        let freshness = Freshness::new();
        let server = |second: i64| Timestamp::from_second(1_000 + second).unwrap();
        // An old object of a first list says nothing yet.
        assert_eq!(freshness.arrived(server(-500)), None);
        assert_eq!(freshness.arrived(server(0)), None);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(freshness.clone().arrived(server(17)), None);
        assert_eq!(freshness.arrived(server(8)), Some(Duration::from_secs(13)));
        // The server's clock is ahead of what was believed.
        assert_eq!(freshness.arrived(server(30)), None);
        assert_eq!(freshness.arrived(server(20)), Some(Duration::from_secs(11)));
    }
}
