//! The log of one container run: lines with their times, readable while they are written.
//! Tail, since and timestamps are the API's business.

use super::console::{Source, Taps};
use super::data::{Data, to_usize};
use super::node_disk::NodeDisk;
use crate::sim::clock::Clock;
use crate::sim::latest;
use jiff::Timestamp;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest piece that containerd writes as one line of its log file (bytes).
const LONGEST_PIECE: usize = 16 * 1024;

/// What the runtime writes before each line of its log file, and the newline after it (bytes): time, stream, tag.
const LINE_HEAD: u64 = 41;
/// What a file's blocks are rounded up to (bytes).
const BLOCK: u64 = 4_096;
/// The most that the kubelet lets a container's log files take (bytes): five files of 10 MiB, of which it deletes the oldest.
const LARGEST_LOG: u64 = 50 * 1024 * 1024;
/// How many lines a second containerd takes from a container: `yes` in a container of kind (Kubernetes 1.36.2, containerd 2.3.7, two cores
/// that were busy otherwise) had 350,616,948 bytes of its log written in about 14 s, 43 bytes a line.
const LINE_RATE: f64 = 600_000.0;
/// Lines that fit into the pipe to the runtime before the writer waits (64 KiB of short lines, and what the runtime buffers).
const BURST: u32 = 20_000;

/// One line that a program wrote to standard output or error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When its newline was written.
    pub at: Timestamp,
    /// The text without its newline.
    pub text: String,
}

/// The kubelet starts a new file at this size (`containerLogMaxSize`, 10Mi), and readers see the newest file only.
const LARGEST_FILE: u64 = 10 * 1024 * 1024;

/// The shared log of one container run: its newest file.
#[derive(Clone, Debug)]
pub struct ContainerLog {
    file: Arc<Mutex<File>>,
    length: latest::Sender<(usize, bool)>,
    bytes: Arc<AtomicU64>,
    disk: NodeDisk,
}

#[derive(Debug, Default)]
struct File {
    lines: Vec<LogLine>,
    /// How many lines older files have.
    before: usize,
    bytes: u64,
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
        Self { file: Arc::default(), length: latest::Sender::new((0, false)), bytes: Arc::default(), disk }
    }

    /// Bytes of its files on the disk.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed).min(LARGEST_LOG).div_ceil(BLOCK) * BLOCK
    }

    /// Appends a line; the one that fills a file begins the next. It is lost where the disk is full.
    pub fn push(&self, line: LogLine) {
        let bytes = line.text.len() as u64 + LINE_HEAD;
        if self.bytes_on_disk() < LARGEST_LOG && self.disk.grow(bytes).is_err() {
            return;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.bytes += bytes;
        if file.bytes > LARGEST_FILE {
            file.bytes = bytes;
            file.before += file.lines.len();
            file.lines.clear();
        }
        file.lines.push(line);
        self.length.send_modify(|(length, _)| *length = file.before + file.lines.len());
    }

    /// Marks the end: the container is dead, no line follows.
    pub fn close(&self) {
        self.length.send_modify(|(_, closed)| *closed = true);
    }

    /// All lines from the `from`-th on, as far as the newest file has them.
    #[must_use]
    pub fn since(&self, from: usize) -> Vec<LogLine> {
        self.after(from).0
    }

    /// What `since` gives, and the position after it.
    #[must_use]
    pub fn after(&self, from: usize) -> (Vec<LogLine>, usize) {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = file.lines.get(from.saturating_sub(file.before)..).unwrap_or_default().to_vec();
        (lines, file.before + file.lines.len())
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
    /// Lines that the runtime has taken and the writer has not waited for.
    unpaid: AtomicU32,
}

impl Stream {
    /// A stream into `log`.
    #[must_use]
    pub fn new(log: ContainerLog, clock: Clock) -> Self {
        let (taps, source) = (Taps::default(), Source::Output);
        Self { log, clock, partial: Mutex::new(Some(Vec::new())), taps, source, tty: false, unpaid: AtomicU32::new(0) }
    }

    /// The same stream, shown to attached clients as this source; on a terminal lines end with a carriage return.
    #[must_use]
    pub(super) fn shown(self, taps: Taps, source: Source, tty: bool) -> Self {
        Self { taps, source, tty, ..self }
    }

    /// Appends bytes, and waits where the runtime cannot take lines so fast. A program that only writes lets time pass by this.
    pub async fn accept(&self, data: Data) {
        self.write(data);
        if self.unpaid.load(Ordering::Relaxed) >= BURST {
            let lines = self.unpaid.swap(0, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs_f64(f64::from(lines) / LINE_RATE)).await;
        }
    }

    /// Appends bytes; every newline ends a line. Nothing is accepted after `finish`.
    fn write(&self, mut data: Data) {
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
        self.unpaid.fetch_add(1, Ordering::Relaxed);
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

    #[tokio::test(start_paused = true)]
    async fn whoever_only_writes_waits_and_fills_no_memory() {
        let log = ContainerLog::default();
        let stream = Stream::new(log.clone(), Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
        let began = tokio::time::Instant::now();
        for _ in 0..1000 {
            stream.accept(Data::Bytes(b"y\n".repeat(600))).await;
        }
        let waited = began.elapsed().as_millis();
        assert!((950..=1000).contains(&waited), "600,000 lines in {waited} ms");
        let (written, _) = log.subscribe().get();
        assert_eq!(written, 600_000);
        let kept = log.since(0).len();
        assert!(kept < 600_000 && kept as u64 * (LINE_HEAD + 1) <= LARGEST_FILE, "{kept}");
        assert_eq!(log.since(599_999).len(), 1);
        assert_eq!(log.since(600_000).len(), 0);
    }
}
