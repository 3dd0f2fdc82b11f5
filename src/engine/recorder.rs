//! Writes a trial's observations as they happen and feeds them to the judge: one way in for everything that is seen or done.

use crate::cluster::TrialClock;
use crate::measure::Judge;
use crate::observe::timeline::{Fact, Observation, Source};
use crate::scenario::Plan;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The only writer of a timeline.
#[derive(Debug)]
pub struct Recorder {
    judge: Judge,
    file: File,
    clock: TrialClock,
    seq: u64,
    last: Duration,
    line: Vec<u8>,
    failed: Option<String>,
}

impl Recorder {
    /// Creates the timeline's file.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, plan: Arc<Plan>, clock: TrialClock) -> Result<Self, String> {
        let file =
            super::private::create(path).map_err(|error| format!("cannot write the timeline {}: {error}", path.display()))?;
        Ok(Self { judge: Judge::new(plan), file, clock, seq: 0, last: Duration::ZERO, line: Vec::new(), failed: None })
    }

    /// Appends an observation, stamped now.
    pub fn record(&mut self, source: Source, fact: Fact) {
        let at = self.clock.elapsed().max(self.last);
        self.last = at;
        let observation = Observation { seq: self.seq, at, source, fact };
        self.seq += 1;
        self.write(&observation);
        self.judge.observe(&observation);
    }

    fn write(&mut self, observation: &Observation) {
        self.line.clear();
        let written = serde_json::to_writer(&mut self.line, observation).map_err(std::io::Error::from).and_then(|()| {
            self.line.push(b'\n');
            self.file.write_all(&self.line)
        });
        if let Err(error) = written {
            self.failed.get_or_insert(format!("the timeline could not be written: {error}"));
        }
    }

    /// The judge, with time moved on to now.
    pub fn judge(&mut self) -> &Judge {
        self.judge.advance(self.clock.elapsed());
        &self.judge
    }

    /// The trial's clock.
    #[must_use]
    pub const fn clock(&self) -> TrialClock {
        self.clock
    }

    /// Why the timeline is not whole on disk, if it is not: a verdict that cannot be judged again is an error.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Ends recording.
    #[must_use]
    pub fn into_judge(self) -> Judge {
        self.judge
    }
}
