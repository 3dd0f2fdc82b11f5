//! A pipe between two simulated processes: 64 KiB, both ends block, a closed end is seen.
//! Ends close when their last holder is dropped.

use super::data::Data;
use super::errno::Errno;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

const CAPACITY: u64 = 64 * 1024;

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Data>,
    size: u64,
    writer_gone: bool,
    reader_gone: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that is read.
#[derive(Debug)]
pub struct Reader(Arc<Shared>);

/// The end that is written.
#[derive(Debug)]
pub struct Writer(Arc<Shared>);

/// A new pipe.
#[must_use]
pub fn pipe() -> (Reader, Writer) {
    let shared = Arc::new(Shared::default());
    (Reader(Arc::clone(&shared)), Writer(shared))
}

impl Reader {
    /// Up to `limit` bytes; empty when every writer is gone.
    pub async fn read(&self, limit: u64) -> Data {
        loop {
            let changed = self.0.changed.notified();
            {
                let mut state = self.0.lock();
                if let Some(front) = state.queue.front_mut() {
                    let taken = front.take(limit);
                    if front.is_empty() {
                        state.queue.pop_front();
                    }
                    state.size -= taken.len();
                    drop(state);
                    self.0.changed.notify_waiters();
                    return taken;
                }
                if state.writer_gone {
                    return Data::Bytes(Vec::new());
                }
            }
            changed.await;
        }
    }
}

impl Writer {
    /// Writes everything, waiting while the pipe is full.
    pub async fn write(&self, mut data: Data) -> Result<(), Errno> {
        while !data.is_empty() {
            let changed = self.0.changed.notified();
            {
                let mut state = self.0.lock();
                if state.reader_gone {
                    return Err(Errno::BrokenPipe);
                }
                // A run of equal or random bytes costs nothing to hold, so it passes in one piece.
                let room = if matches!(data, Data::Fill(..) | Data::Noise { .. }) && state.size < CAPACITY {
                    data.len()
                } else {
                    CAPACITY.saturating_sub(state.size)
                };
                if room > 0 {
                    let taken = data.take(room);
                    state.size += taken.len();
                    state.queue.push_back(taken);
                    drop(state);
                    self.0.changed.notify_waiters();
                    continue;
                }
            }
            changed.await;
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.lock().reader_gone = true;
        self.0.changed.notify_waiters();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().writer_gone = true;
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocks_closes_and_breaks() {
        let (reader, writer) = pipe();
        let task = tokio::spawn(async move { writer.write(Data::Bytes(vec![7; 200_000])).await });
        let mut total = 0;
        loop {
            let data = reader.read(u64::MAX).await;
            if data.is_empty() {
                break;
            }
            assert!(data.len() <= CAPACITY);
            total += data.len();
        }
        assert_eq!(total, 200_000);
        assert_eq!(task.await.unwrap(), Ok(()));
        let (reader, writer) = pipe();
        drop(reader);
        assert_eq!(writer.write(Data::Bytes(vec![1])).await, Err(Errno::BrokenPipe));
    }
}
