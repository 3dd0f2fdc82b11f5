//! Bars on a terminal: one for the run, a spinner for each running trial with its phase.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::time::Duration;

/// More running trials than this are not shown one by one.
const SPINNERS: usize = 12;
const TICK: Duration = Duration::from_millis(120);

/// The bars of one run.
pub(super) struct Bars {
    all: MultiProgress,
    run: ProgressBar,
    trials: BTreeMap<(usize, u32), ProgressBar>,
    /// Trials on a real cluster take minutes: their spinners turn by themselves.
    slow: bool,
}

impl Bars {
    /// No bar yet.
    pub(super) fn new() -> Self {
        let all = MultiProgress::new();
        Self { run: ProgressBar::hidden(), all, trials: BTreeMap::new(), slow: false }
    }

    /// The bar of the run appears.
    pub(super) fn begin(&mut self, total: usize, slow: bool) {
        self.slow = slow;
        let bar = ProgressBar::new(total as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:24.green} {pos}/{len} trials{msg} {elapsed}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        self.run = self.all.add(bar);
        self.run.enable_steady_tick(TICK);
    }

    /// A trial is in a phase.
    pub(super) fn phase(&mut self, key: (usize, u32), name: &str, phase: &str) {
        if !self.trials.contains_key(&key) {
            if self.trials.len() >= SPINNERS {
                return;
            }
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}") {
                bar.set_style(style);
            }
            let bar = self.all.insert_before(&self.run, bar);
            bar.set_prefix(name.to_owned());
            if self.slow {
                bar.enable_steady_tick(TICK);
            }
            self.trials.insert(key, bar);
        }
        if let Some(bar) = self.trials.get(&key) {
            bar.set_message(phase.to_owned());
        }
    }

    /// A trial ended; `line` is worth keeping on the screen.
    pub(super) fn finished(&mut self, key: (usize, u32), unexpected: usize, line: Option<&str>) {
        if let Some(bar) = self.trials.remove(&key) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        if let Some(line) = line {
            self.print(line);
        }
        if unexpected > 0 {
            self.run.set_message(format!(", {unexpected} not as expected,"));
        }
        self.run.inc(1);
    }

    /// A line above the bars.
    pub(super) fn print(&self, line: &str) {
        // A terminal that is gone is no reason to end a run.
        let _ = self.all.println(line);
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        for bar in std::mem::take(&mut self.trials).into_values() {
            bar.finish_and_clear();
        }
        self.run.finish_and_clear();
        let _ = self.all.clear();
    }
}
