//! What a client has sent on one forwarded connection and the pod has not taken yet. It is bounded, and a connection that takes
//! nothing does not hold up the others. Frames are `spdy`'s, the connection itself is `forward`'s.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// Bytes that may wait on one connection, beside those that the connection itself holds. One frame must fit in.
pub(super) const ROOM: u32 = 256 * 1024;
const _: () = assert!(super::spdy::LARGEST <= ROOM as usize, "a frame must fit into an empty lane");
/// How long a full lane may be without movement. SPDY as kubectl speaks it has no window, so that meanwhile all wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// The client's end. Dropping it resets the connection.
#[derive(Debug)]
pub(super) struct Entry {
    pieces: Option<mpsc::UnboundedSender<Piece>>,
    room: Arc<Semaphore>,
    moved: Arc<Mutex<Instant>>,
    _alive: oneshot::Sender<()>,
}

/// The pod's end.
#[derive(Debug)]
pub(super) struct Exit(mpsc::UnboundedReceiver<Piece>);

/// Resolves when the client has given up the connection.
pub(super) type Reset = oneshot::Receiver<()>;

/// Bytes that wait, and the room that they take until they are dropped.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    moved: Arc<Mutex<Instant>>,
    _room: OwnedSemaphorePermit,
}

impl Piece {
    /// The bytes, for the pod. The piece is to be dropped when the pod has them.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// What became of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// They wait for the pod, or nobody wants them any more.
    Done,
    /// There is no room, and nothing moves.
    Stalled,
}

/// A lane for one connection.
pub(super) fn lane() -> (Entry, Exit, Reset) {
    let (sender, pieces) = mpsc::unbounded_channel();
    let (alive, reset) = oneshot::channel();
    let moved = Arc::new(Mutex::new(Instant::now()));
    let room = Arc::new(Semaphore::new(ROOM as usize));
    (Entry { pieces: Some(sender), room, moved, _alive: alive }, Exit(pieces), reset)
}

impl Entry {
    /// Hands over what came from the client. Waits for room as long as the pod takes something now and then.
    pub(super) async fn send(&self, bytes: Vec<u8>) -> Sent {
        let Some(pieces) = self.pieces.as_ref().filter(|_| !bytes.is_empty()) else { return Sent::Done };
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(ROOM);
        loop {
            let patience = *self.moved.lock().unwrap_or_else(PoisonError::into_inner) + PATIENCE;
            let room = Arc::clone(&self.room).acquire_many_owned(size);
            match tokio::select! {
                biased;
                room = timeout_at(patience, room) => room,
                () = pieces.closed() => return Sent::Done,
            } {
                Ok(Ok(room)) => {
                    // Without a receiver nobody wants them.
                    let _ = pieces.send(Piece { bytes, moved: Arc::clone(&self.moved), _room: room });
                    return Sent::Done;
                }
                Err(_) if *self.moved.lock().unwrap_or_else(PoisonError::into_inner) + PATIENCE > patience => {}
                Ok(Err(_)) | Err(_) => return Sent::Stalled,
            }
        }
    }

    /// Nothing more will be sent.
    pub(super) fn finish(&mut self) {
        self.pieces = None;
    }
}

impl Exit {
    /// What waits; `None` when the client has finished.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn holds_so_much_and_gives_up_only_what_does_not_move() {
        let (mut entry, mut exit, _reset) = lane();
        let half = || vec![1; ROOM as usize / 2];
        assert_eq!((entry.send(half()).await, entry.send(half()).await), (Sent::Done, Sent::Done));
        let begun = Instant::now();
        assert_eq!(entry.send(half()).await, Sent::Stalled);
        assert_eq!(begun.elapsed(), PATIENCE);
        // What has been standing still for long holds nobody up a second time.
        assert_eq!(entry.send(half()).await, Sent::Stalled);
        assert_eq!(begun.elapsed(), PATIENCE);

        let slow = tokio::spawn(async move {
            let mut taken = 0;
            while let Some(mut piece) = exit.next().await {
                tokio::time::sleep(PATIENCE / 2).await;
                taken += piece.take().len();
            }
            taken
        });
        tokio::time::sleep(PATIENCE).await;
        for _ in 0..8 {
            assert_eq!(entry.send(half()).await, Sent::Done);
        }
        entry.finish();
        assert_eq!(slow.await.unwrap(), 10 * half().len());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_any_more_falls_away_at_once() {
        let (entry, exit, _reset) = lane();
        entry.send(vec![1; ROOM as usize]).await;
        let waiting = tokio::spawn(async move { entry.send(vec![1]).await });
        tokio::task::yield_now().await;
        drop(exit);
        assert_eq!(waiting.await.unwrap(), Sent::Done);
    }
}
