//! Reading input as lines, counting the memory that an unfinished line takes.
//! A line of equal bytes that never ends is counted, not kept.

use super::Invocation;
use crate::sim::program::data::Data;
use crate::sim::program::descriptor::Descriptor;
use crate::sim::program::errno::Errno;

/// The longest line that is kept (bytes); a longer one is only counted and, should it end, reported as a limit.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// Lines of one input.
#[derive(Debug)]
pub struct Lines {
    input: Descriptor,
    buffer: Vec<u8>,
    start: usize,
    uncounted: u64,
    ended: bool,
}

impl Lines {
    /// Lines of an open file.
    #[must_use]
    pub fn new(input: Descriptor) -> Self {
        Self { input, buffer: Vec::new(), start: 0, uncounted: 0, ended: false }
    }

    /// The next line with its newline (the last may have none); `None` at the end.
    ///
    /// # Errors
    /// What reading failed with.
    pub async fn next(&mut self, call: &Invocation, held: u64) -> Result<Option<Vec<u8>>, Errno> {
        let mut searched = self.start;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let end = searched + at + 1;
                let line = self.buffer[self.start..end].to_vec();
                self.start = end;
                return Ok(Some(line));
            }
            if self.ended {
                if self.uncounted > 0 {
                    self.uncounted = 0;
                    call.unsupported("a line of more than 64 MiB").await;
                }
                let line = self.buffer.split_off(self.start);
                self.buffer.clear();
                self.start = 0;
                return Ok(if line.is_empty() { None } else { Some(line) });
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            searched = self.buffer.len();
            let limit = if matches!(self.input, Descriptor::Zero | Descriptor::Full) { 1024 * 1024 } else { 65_536 };
            let data = self.input.read(limit).await?;
            if data.is_empty() {
                self.ended = true;
            } else if self.buffer.len() > LONGEST_LINE {
                self.uncounted += data.len();
            } else {
                self.buffer.extend(data.into_bytes());
            }
            let size = self.buffer.len() as u64 + self.uncounted + held;
            if size > 128 * 1024 {
                call.process.hold(size).await;
            }
        }
    }
}

/// All lines of some files (or standard input), without their newlines. Messages go out for files that cannot be read.
pub async fn all(call: &Invocation, files: &[String]) -> (Vec<String>, i32) {
    let standard = ["-".to_owned()];
    let files = if files.is_empty() { &standard[..] } else { files };
    let (mut lines, mut status, mut held) = (Vec::new(), 0, 0);
    for file in files {
        let input = match call.open(file) {
            Ok(input) => input,
            Err(error) => {
                call.error(&format!("{file}: {error}")).await;
                status = 1;
                continue;
            }
        };
        let mut reader = Lines::new(input);
        loop {
            match reader.next(call, held).await {
                Ok(Some(line)) => {
                    held += line.len() as u64 + 16;
                    lines.push(text_of(&line));
                }
                Ok(None) => break,
                Err(error) => {
                    call.error(&format!("{file}: {error}")).await;
                    status = 1;
                    break;
                }
            }
        }
    }
    (lines, status)
}

/// A line without its newline, as text.
#[must_use]
pub fn text_of(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned()
}

/// Writes lines, each with a newline.
pub async fn print(call: &Invocation, lines: &[String]) -> i32 {
    let mut text = lines.join("\n");
    if !lines.is_empty() {
        text.push('\n');
    }
    call.write(Data::Bytes(text.into_bytes())).await
}
