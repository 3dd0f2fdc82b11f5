//! The disk of one node, shared by images, logs, containers and volumes: what still fits, and when it becomes short.
//! What takes how much is known to whoever keeps it (`Meter`); what a kubelet does about it lives in `kubelet`.
//!
//! Nothing is summed up at each write. A writer takes from what is left until the next mark; when that is used up, everything
//! is counted anew. What is given back shows in the next count.

use super::errno::Errno;
use crate::sim::latest;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Who knows what a disk holds.
pub trait Meter: std::fmt::Debug + Send + Sync {
    /// Bytes that everything on the disk takes now.
    fn used(&self) -> u64;
}

#[derive(Debug)]
struct Inner {
    capacity: u64,
    /// With less than one of these left (bytes, descending), a writer tells that the disk is short.
    marks: Vec<u64>,
    meter: Mutex<Option<Weak<dyn Meter>>>,
    /// Bytes that can be written before everything must be counted again.
    slack: AtomicU64,
    /// How often the disk was found short by a writer.
    shortages: latest::Sender<u64>,
}

/// The disk of one node. Clones are the same.
#[derive(Clone, Debug)]
pub struct NodeDisk {
    inner: Arc<Inner>,
}

impl Default for NodeDisk {
    /// A disk without an end, for containers that have no node.
    fn default() -> Self {
        Self::new(u64::MAX, &[])
    }
}

impl NodeDisk {
    /// A disk of `capacity` bytes that becomes short with less than one of `marks` (bytes, descending) left.
    #[must_use]
    pub fn new(capacity: u64, marks: &[u64]) -> Self {
        let inner = Inner {
            capacity,
            marks: marks.to_vec(),
            meter: Mutex::new(None),
            slack: AtomicU64::new(if capacity == u64::MAX { u64::MAX } else { 0 }),
            shortages: latest::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Who counts what it holds.
    pub(in crate::sim) fn measured_by(&self, meter: Weak<dyn Meter>) {
        *self.inner.meter.lock().unwrap_or_else(PoisonError::into_inner) = Some(meter);
    }

    /// Its size in bytes.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.inner.capacity
    }

    /// Bytes in use now, counted anew.
    #[must_use]
    pub fn used(&self) -> u64 {
        let meter = self.inner.meter.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Weak::upgrade);
        let used = meter.map_or(0, |meter| meter.used());
        if self.inner.capacity < u64::MAX {
            self.inner.slack.store(self.slack(used), Ordering::Relaxed);
        }
        used
    }

    /// Bytes until the next mark, or until the disk is full.
    fn slack(&self, used: u64) -> u64 {
        let left = self.inner.capacity.saturating_sub(used);
        let next = self.inner.marks.iter().find(|mark| left >= **mark).copied().unwrap_or(0);
        left - next
    }

    /// Bytes that are left, counted anew.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.inner.capacity.saturating_sub(self.used())
    }

    /// A receiver that changes when the disk becomes short.
    #[must_use]
    pub fn shortages(&self) -> latest::Receiver<u64> {
        self.inner.shortages.subscribe()
    }

    /// Something is about to grow by `bytes`. No lock of what the meter looks at may be held.
    ///
    /// # Errors
    /// ENOSPC when that does not fit.
    pub fn grow(&self, bytes: u64) -> Result<(), Errno> {
        let take = |slack: u64| slack.checked_sub(bytes);
        if bytes == 0 || self.inner.slack.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            return Ok(());
        }
        let after = self.used().saturating_add(bytes);
        if self.inner.marks.first().is_some_and(|mark| self.inner.capacity.saturating_sub(after) < *mark) {
            self.inner.shortages.send_modify(|count| *count += 1);
        }
        if after > self.inner.capacity {
            return Err(Errno::NoSpace);
        }
        self.inner.slack.store(self.slack(after), Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Sum(AtomicU64, AtomicU64);

    impl Meter for Sum {
        fn used(&self) -> u64 {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn counts_seldom_and_says_once_that_it_is_short() {
        let sum = Arc::new(Sum::default());
        let disk = NodeDisk::new(1_000_000, &[150_000]);
        let meter: Arc<dyn Meter> = Arc::<Sum>::clone(&sum);
        disk.measured_by(Arc::downgrade(&meter));
        let mut shortages = disk.shortages();
        let _ = shortages.get_and_mark();
        let write = |bytes: u64| {
            let done = disk.grow(bytes);
            if done.is_ok() {
                sum.0.fetch_add(bytes, Ordering::Relaxed);
            }
            done
        };
        for _ in 0..8_500 {
            write(100).unwrap();
        }
        assert_eq!(shortages.get_and_mark(), 0);
        assert!(sum.1.load(Ordering::Relaxed) < 5, "counted {} times", sum.1.load(Ordering::Relaxed));
        for _ in 0..1_500 {
            write(100).unwrap();
        }
        assert_eq!(shortages.get_and_mark(), 1);
        assert_eq!(write(1), Err(Errno::NoSpace));
        // What was given back is found by the next count.
        sum.0.store(500_000, Ordering::Relaxed);
        assert_eq!(write(100_000), Ok(()));
        assert_eq!(disk.available(), 400_000);
    }
}
