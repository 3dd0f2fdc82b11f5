//! One TCP connection: two flows of bytes, closing, resetting, and what a partition holds up.
//! How it comes into being is `connect` and `listener`.

mod flow;

use super::error::NetError;
use super::hinder::Hindrance;
use crate::sim::random::Random;
use bytes::Bytes;
use flow::{Flow, Segment};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// What sender and receiver together hold of bytes that nobody has read (bytes): Linux' first send and receive buffers.
const WINDOW: usize = 208 * 1024;
/// The first retransmission of data comes after this, each later one after the double (`TCP_RTO_MIN`).
const FIRST_RETRANSMISSION: Duration = Duration::from_millis(200);
/// No two retransmissions are farther apart (`TCP_RTO_MAX`).
const LONGEST_RETRANSMISSION: Duration = Duration::from_mins(2);
/// Unacknowledged data ends a connection after this (`tcp_retries2` = 15).
const GIVE_UP: Duration = Duration::from_millis(924_600);

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Its address.
    pub(super) address: SocketAddrV4,
    /// The node it is on.
    pub(super) node: String,
    /// The pod, absent for the node itself.
    pub(super) uid: Option<String>,
}

#[derive(Debug)]
struct Inner {
    flows: [Flow; 2],
    open: bool,
    /// Sides whose machine was switched off.
    forgotten: [bool; 2],
}

impl Inner {
    /// Lets arrive what has arrived by now.
    fn settle(&mut self) -> Instant {
        let now = Instant::now();
        let open = self.open;
        for flow in &mut self.flows {
            if flow.resumes.is_some_and(|at| at <= now) {
                flow.arrive();
            } else if open && flow.resumes.is_none() {
                flow.come_in(now);
            }
        }
        now
    }
}

/// What both ends share.
#[derive(Debug)]
pub(super) struct Connection {
    ends: [End; 2],
    inner: Mutex<Inner>,
    changed: Notify,
    random: Random,
}

/// When held-up bytes, first sent at `sent`, are sent again at or after `now`.
fn next_retransmission(sent: Instant, now: Instant) -> Instant {
    let (mut at, mut pause) = (sent + FIRST_RETRANSMISSION, FIRST_RETRANSMISSION);
    while at < now {
        pause = (pause * 2).min(LONGEST_RETRANSMISSION);
        at += pause;
    }
    at
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the two ends: 0 has connected, 1 has accepted.
    pub(super) fn end(&self, side: usize) -> &End {
        &self.ends[side]
    }

    /// Whether neither end has begun to close it.
    fn is_established(&self) -> bool {
        let inner = self.lock();
        inner.flows.iter().all(|flow| !flow.finished && !flow.unread && !flow.reset)
    }

    /// The addresses of an established connection, this namespace's first, if one of its ends is there.
    pub(super) fn seen_from(&self, address: Ipv4Addr) -> Vec<(SocketAddrV4, SocketAddrV4)> {
        if !self.is_established() {
            return Vec::new();
        }
        let sides = [(0, 1), (1, 0)].into_iter().map(|(here, there)| (self.ends[here].address, self.ends[there].address));
        sides.filter(|(here, _)| *here.ip() == address).collect()
    }

    /// Whether packets pass between the ends now.
    pub(super) fn set_open(&self, open: bool) {
        {
            let mut inner = self.lock();
            if inner.open == open {
                return;
            }
            inner.open = open;
            let now = Instant::now();
            let forgotten = inner.forgotten;
            for (side, flow) in inner.flows.iter_mut().enumerate() {
                flow.resumes = match (open, flow.held_since()) {
                    (true, Some(sent)) => Some(next_retransmission(sent, now)),
                    (true, None) => {
                        flow.finish_arrived = flow.finished;
                        None
                    }
                    (false, _) => None,
                };
                if open && forgotten[1 - side] && (flow.held_since().is_some() || flow.finished) {
                    flow.broken = true;
                }
            }
            if open && forgotten.contains(&true) {
                for side in 0..2 {
                    let broken = inner.flows[side].broken;
                    inner.flows[1 - side].reset |= broken;
                }
            }
        }
        self.changed.notify_waiters();
    }

    /// What happens to packets of both ways from now on.
    pub(super) fn hinder(&self, hindrances: [Hindrance; 2]) {
        let mut inner = self.lock();
        inner.settle();
        for (flow, hindrance) in inner.flows.iter_mut().zip(hindrances) {
            flow.hindrance = hindrance;
        }
    }

    /// What the random draws of one side's packets depend on.
    fn entity(&self, side: usize) -> String {
        format!("{} to {}", self.ends[side].address, self.ends[1 - side].address)
    }

    /// The machine of one side lost its memory of the connection.
    pub(super) fn forget(&self, node: &str) {
        let mut inner = self.lock();
        for side in 0..2 {
            if self.ends[side].node == node {
                inner.forgotten[side] = true;
            }
        }
    }
}

/// One end of a TCP connection. Dropping it closes the connection as the kernel does: with a reset when bytes were left unread.
#[derive(Debug)]
pub struct Stream {
    connection: Arc<Connection>,
    side: usize,
}

/// A new connection: the end that connected, and the end that will accept.
pub(super) fn pair(client: End, server: End, random: Random) -> (Stream, Stream, Arc<Connection>) {
    let inner = Inner { flows: [Flow::default(), Flow::default()], open: true, forgotten: [false; 2] };
    let connection = Arc::new(Connection { ends: [client, server], inner: Mutex::new(inner), changed: Notify::new(), random });
    let end = |side| Stream { connection: Arc::clone(&connection), side };
    (end(0), end(1), Arc::clone(&connection))
}

impl Stream {
    /// The address of this end.
    #[must_use]
    pub fn local(&self) -> SocketAddrV4 {
        self.connection.ends[self.side].address
    }

    /// The address of the other end.
    #[must_use]
    pub fn peer(&self) -> SocketAddrV4 {
        self.connection.ends[1 - self.side].address
    }

    /// Up to `limit` bytes, as soon as there are any; empty when the other end has finished.
    ///
    /// # Errors
    /// `Reset`, or `TimedOut` when bytes that were sent were not acknowledged for about 15 minutes.
    pub async fn read(&self, limit: usize) -> Result<Bytes, NetError> {
        loop {
            let changed = self.connection.changed.notified();
            let wake = {
                let mut inner = self.connection.lock();
                let now = inner.settle();
                let give_up = inner.flows[self.side].held_since().map(|since| since + GIVE_UP);
                let flow = &mut inner.flows[1 - self.side];
                if flow.arrived > 0 {
                    let taken = flow.take(limit);
                    drop(inner);
                    self.connection.changed.notify_waiters();
                    return Ok(taken);
                }
                if flow.reset {
                    return Err(NetError::Reset);
                }
                if flow.finish_arrived {
                    return Ok(Bytes::new());
                }
                if give_up.is_some_and(|at| at <= now) {
                    return Err(NetError::TimedOut);
                }
                let due = if inner.open { inner.flows[1 - self.side].next_due() } else { None };
                let resumes = inner.flows[1 - self.side].resumes;
                [resumes, give_up, due.filter(|_| resumes.is_none())].into_iter().flatten().min()
            };
            match wake {
                None => changed.await,
                Some(at) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    /// Writes everything, waiting while the other end does not read.
    ///
    /// # Errors
    /// `BrokenPipe` when the other end is gone, `TimedOut` when it did not answer for about 15 minutes.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Result<(), NetError> {
        let mut bytes: Bytes = bytes.into();
        while !bytes.is_empty() {
            let changed = self.connection.changed.notified();
            let give_up = {
                let mut inner = self.connection.lock();
                let (now, open) = (inner.settle(), inner.open);
                let (random, connection) = (self.connection.random, &self.connection);
                let flow = &mut inner.flows[self.side];
                if flow.broken || flow.finished {
                    return Err(NetError::BrokenPipe);
                }
                if flow.unread && open {
                    // Nobody is there: the first bytes are answered with a reset.
                    flow.broken = true;
                    inner.flows[1 - self.side].reset = true;
                    drop(inner);
                    self.connection.changed.notify_waiters();
                    return Ok(());
                }
                if flow.held_since().is_some_and(|since| since + GIVE_UP <= now) {
                    return Err(NetError::TimedOut);
                }
                let room = WINDOW.saturating_sub(flow.size).min(bytes.len());
                if room > 0 {
                    flow.size += room;
                    let due = flow.due(now, random, || connection.entity(self.side), room);
                    flow.queue.push_back(Segment { bytes: bytes.split_to(room), sent: now, due });
                    if open && flow.resumes.is_none() {
                        flow.come_in(now);
                    }
                    drop(inner);
                    self.connection.changed.notify_waiters();
                    continue;
                }
                flow.held_since().map(|since| since + GIVE_UP)
            };
            match give_up {
                None => changed.await,
                Some(at) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
            }
        }
        Ok(())
    }

    /// Sends no more; the other end reads to the end of what was written.
    pub fn finish(&self) {
        {
            let mut inner = self.connection.lock();
            let (now, open) = (inner.settle(), inner.open);
            let flow = &mut inner.flows[self.side];
            if !flow.finished && !flow.hindrance.is_none() {
                flow.due(now, self.connection.random, || self.connection.entity(self.side), 0);
            }
            flow.finished = true;
            if open && flow.resumes.is_none() {
                flow.come_in(now);
            }
        }
        self.connection.changed.notify_waiters();
    }

    /// Whether bytes, the end or an error wait to be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let mut inner = self.connection.lock();
        inner.settle();
        let flow = &inner.flows[1 - self.side];
        flow.arrived > 0 || flow.reset || flow.finish_arrived
    }

    /// Closes the connection with a reset.
    pub fn abort(&self) {
        {
            let mut inner = self.connection.lock();
            let lost = !inner.open || inner.forgotten[self.side];
            let [mine, theirs] = [self.side, 1 - self.side];
            inner.flows[mine].finished = true;
            inner.flows[theirs].unread = true;
            inner.flows[theirs].clear();
            if !lost {
                inner.flows[mine].reset = true;
                inner.flows[theirs].broken = true;
            }
        }
        self.connection.changed.notify_waiters();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let unread = {
            let inner = self.connection.lock();
            inner.forgotten[self.side] || inner.flows[1 - self.side].arrived > 0
        };
        if unread {
            self.abort();
        } else {
            self.connection.lock().flows[1 - self.side].unread = true;
            self.finish();
        }
    }
}
