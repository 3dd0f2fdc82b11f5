//! The bytes from one side of a connection to the other: what has arrived, what is on its way, what is held up.
//! Both sides together are `stream`'s.

use crate::sim::network::hinder::Hindrance;
use crate::sim::random::Random;
use bytes::Bytes;
use std::collections::VecDeque;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) bytes: Bytes,
    pub(super) sent: Instant,
    /// When it arrives, if no partition holds it up.
    pub(super) due: Instant,
}

/// The bytes from one side to the other.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) queue: VecDeque<Segment>,
    pub(super) size: usize,
    /// How many segments at the front have arrived; the others are on their way, or held up by a partition.
    pub(super) arrived: usize,
    /// What happens to packets on this way, and how many were hindered.
    pub(super) hindrance: Hindrance,
    hindered: u64,
    /// When the last of what was sent arrives, the end included.
    last_due: Option<Instant>,
    /// The writer will send no more.
    pub(super) finished: bool,
    pub(super) finish_arrived: bool,
    /// The reader is gone.
    pub(super) unread: bool,
    /// The reader will be told, after what has arrived, that the connection was reset.
    pub(super) reset: bool,
    /// The writer will be told so.
    pub(super) broken: bool,
    /// When held-up bytes arrive after a partition.
    pub(super) resumes: Option<Instant>,
}

impl Flow {
    pub(super) fn held_since(&self) -> Option<Instant> {
        self.queue.get(self.arrived).map(|segment| segment.sent)
    }

    pub(super) fn arrive(&mut self) {
        self.arrived = self.queue.len();
        self.finish_arrived = self.finished;
        self.resumes = None;
    }

    /// When what is sent now, so many bytes, arrives: never before what was sent earlier.
    pub(super) fn due(&mut self, now: Instant, random: Random, entity: impl FnOnce() -> String, bytes: usize) -> Instant {
        let earlier = self.last_due.map_or(now, |due| due.max(now));
        if self.hindrance.is_none() {
            return earlier;
        }
        self.hindered += 1;
        let due = earlier.max(now + self.hindrance.delay_of(random, &entity(), self.hindered, bytes));
        self.last_due = Some(due);
        due
    }

    /// When the next of what is on its way arrives, or the end.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match self.queue.get(self.arrived) {
            Some(segment) => Some(segment.due),
            None if self.finished && !self.finish_arrived => self.last_due,
            None => None,
        }
    }

    /// Lets arrive what is due.
    pub(super) fn come_in(&mut self, now: Instant) {
        while self.queue.get(self.arrived).is_some_and(|segment| segment.due <= now) {
            self.arrived += 1;
        }
        let all = self.arrived == self.queue.len() && self.last_due.is_none_or(|due| due <= now);
        self.finish_arrived |= self.finished && all;
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
        (self.size, self.arrived) = (0, 0);
    }

    /// Up to so many of the bytes that have arrived.
    pub(super) fn take(&mut self, limit: usize) -> Bytes {
        let Some(front) = self.queue.front_mut() else { return Bytes::new() };
        let count = front.bytes.len().min(limit);
        let taken = front.bytes.split_to(count);
        if front.bytes.is_empty() {
            self.queue.pop_front();
            self.arrived -= 1;
        }
        self.size -= taken.len();
        taken
    }
}
