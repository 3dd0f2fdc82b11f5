//! Listening: the kernel's queue of connections that nobody has accepted yet.
//! Which listener a connection reaches is decided in `connect`.

use super::namespace::NetworkNamespace;
use super::stream::Stream;
use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many connections the kernel completes before somebody accepts them (busybox asks for 9; the kernel adds one).
const MOST_WAITING: usize = 10;

/// Connections that wait to be accepted.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: Mutex<VecDeque<Stream>>,
    arrived: Notify,
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Stream>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another connection would be completed; else its SYN is dropped.
    pub(super) fn has_room(&self) -> bool {
        self.lock().len() < MOST_WAITING
    }

    pub(super) fn push(&self, stream: Stream) {
        self.lock().push_back(stream);
        self.arrived.notify_one();
    }
}

/// A listening socket. Dropping it frees the port and resets what was not accepted.
#[derive(Debug)]
pub struct Listener {
    namespace: Arc<NetworkNamespace>,
    at: SocketAddrV4,
    backlog: Arc<Backlog>,
}

impl Listener {
    pub(super) fn new(namespace: Arc<NetworkNamespace>, at: SocketAddrV4, backlog: Arc<Backlog>) -> Self {
        Self { namespace, at, backlog }
    }

    /// Where it listens.
    #[must_use]
    pub fn local(&self) -> SocketAddrV4 {
        self.at
    }

    /// The next connection.
    pub async fn accept(&self) -> Stream {
        loop {
            let next = {
                let mut waiting = self.backlog.lock();
                let next = waiting.pop_front();
                if !waiting.is_empty() {
                    self.backlog.arrived.notify_one();
                }
                next
            };
            match next {
                Some(stream) => return stream,
                None => self.backlog.arrived.notified().await,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.namespace.stop_listening(self.at.port());
        let waiting = std::mem::take(&mut *self.backlog.lock());
        for stream in waiting {
            stream.abort();
        }
    }
}
