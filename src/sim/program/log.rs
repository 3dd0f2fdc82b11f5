//! The log of one container run: lines with their times, readable while they are written.
//! Tail, since and timestamps are the API's business.

use super::console::{Source, Taps};
use super::data::{Data, to_usize};
use super::node_disk::NodeDisk;
use crate::sim::clock::Clock;
use crate::sim::latest;
use jiff::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest piece that containerd writes as one line of its log file (bytes).
const LONGEST_PIECE: usize = 16 * 1024;

/// What the runtime writes before each line of its log file, and the newline after it (bytes): time, stream, tag.
const LINE_HEAD: u64 = 41;
/// What a file's blocks are rounded up to (bytes).
const BLOCK: u64 = 4_096;
/// The most that the kubelet lets a container's log files take (bytes): five files of 10 MiB, of which it deletes the oldest.
const LARGEST_LOG: u64 = 50 * 1024 * 1024;

/// One line that a program wrote to standard output or error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When its newline was written.
    pub at: Timestamp,
    /// The text without its newline.
    pub text: String,
}

/// The shared, append-only log of one container run.
#[derive(Clone, Debug)]
pub struct ContainerLog {
    lines: Arc<Mutex<Vec<LogLine>>>,
    length: latest::Sender<(usize, bool)>,
    bytes: Arc<AtomicU64>,
    disk: NodeDisk,
}

impl Default for ContainerLog {
    fn default() -> Self {
        Self::on(NodeDisk::default())
    }
}

impl ContainerLog {
    /// An empty log on this disk.
    #[must_use]
    pub fn on(disk: NodeDisk) -> Self {
        Self { lines: Arc::default(), length: latest::Sender::new((0, false)), bytes: Arc::default(), disk }
    }

    /// Bytes of its files on the disk.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed).min(LARGEST_LOG).div_ceil(BLOCK) * BLOCK
    }

    /// Appends a line; it is lost where the disk is full.
    pub fn push(&self, line: LogLine) {
        let bytes = line.text.len() as u64 + LINE_HEAD;
        if self.bytes_on_disk() < LARGEST_LOG && self.disk.grow(bytes).is_err() {
            return;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
        self.length.send_modify(|(length, _)| *length = lines.len());
    }

    /// Marks the end: the container is dead, no line follows.
    pub fn close(&self) {
        self.length.send_modify(|(_, closed)| *closed = true);
    }

    /// All lines from the `from`-th on.
    #[must_use]
    pub fn since(&self, from: usize) -> Vec<LogLine> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(from..).unwrap_or_default().to_vec()
    }

    /// Changes with every line (number of lines, whether the log is closed).
    #[must_use]
    pub fn subscribe(&self) -> latest::Receiver<(usize, bool)> {
        self.length.subscribe()
    }
}

/// One of the two output streams of PID 1: bytes in, lines out.
#[derive(Debug)]
pub struct Stream {
    log: ContainerLog,
    clock: Clock,
    partial: Mutex<Option<Vec<u8>>>,
    taps: Taps,
    source: Source,
    /// Lines end as a terminal ends them.
    tty: bool,
}

impl Stream {
    /// A stream into `log`.
    #[must_use]
    pub fn new(log: ContainerLog, clock: Clock) -> Self {
        let (taps, source) = (Taps::default(), Source::Output);
        Self { log, clock, partial: Mutex::new(Some(Vec::new())), taps, source, tty: false }
    }

    /// The same stream, shown to attached clients as this source; on a terminal lines end with a carriage return.
    #[must_use]
    pub(super) fn shown(self, taps: Taps, source: Source, tty: bool) -> Self {
        Self { taps, source, tty, ..self }
    }

    /// Appends bytes; every newline ends a line. Nothing is accepted after `finish`.
    pub fn write(&self, mut data: Data) {
        let mut guard = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(partial) = guard.as_mut() else { return };
        while !data.is_empty() {
            let bytes = data.take(65_536).into_bytes();
            self.taps.show(self.source, &bytes);
            for byte in bytes {
                if byte == b'\n' {
                    if self.tty {
                        partial.push(b'\r');
                    }
                    self.emit(std::mem::take(partial));
                } else {
                    partial.push(byte);
                    if partial.len() >= LONGEST_PIECE {
                        self.emit(std::mem::take(partial));
                    }
                }
            }
        }
    }

    /// Writes a last line that has no newline, and accepts no more.
    pub fn finish(&self) {
        let mut guard = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(partial) = guard.take().filter(|partial| !partial.is_empty()) {
            self.emit(partial);
        }
    }

    fn emit(&self, bytes: Vec<u8>) {
        let text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        self.log.push(LogLine { at: self.clock.now(), text });
    }
}

/// The longest stream of equal bytes that is worth writing out (bytes).
#[must_use]
pub fn is_reasonable(data: &Data) -> bool {
    to_usize(data.len()) <= 16 * 1024 * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn splits_lines_and_keeps_the_last() {
        let log = ContainerLog::default();
        let stream = Stream::new(log.clone(), Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
        stream.write(Data::Bytes(b"one\ntw".to_vec()));
        stream.write(Data::Bytes(b"o\nthree".to_vec()));
        stream.finish();
        stream.write(Data::Bytes(b"late\n".to_vec()));
        let texts: Vec<_> = log.since(0).into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["one", "two", "three"]);
    }
}
