//! What is shown on stderr while a run goes on: bars on a terminal, plain lines elsewhere, nothing when asked for silence.
//! Results are not printed here.

mod bars;

use super::format;
use super::style::{Palette, Tone, trial_mark};
use crate::event::RunEvent;
use crate::measure::judge::Waiting;
use crate::measure::result::TrialResult;
use crate::scenario::Plan;
use bars::Bars;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

/// Where and how progress is shown.
pub enum Sink {
    /// Nowhere.
    Hidden,
    /// Bars and spinners on the terminal behind stderr.
    Bars,
    /// A line per finished trial; with `phases`, one per phase too.
    Lines {
        /// Where to; usually stderr.
        out: Box<dyn Write + Send>,
        /// Whether each phase is told.
        phases: bool,
    },
}

/// Follows a run.
pub struct Progress {
    palette: Palette,
    plans: Vec<Arc<Plan>>,
    total: usize,
    done: usize,
    unexpected: usize,
    /// What each running trial was last seen to wait for.
    waiting: BTreeMap<(usize, u32), (&'static str, String)>,
    show: Show,
}

enum Show {
    Hidden,
    Bars(Bars),
    Lines { out: Box<dyn Write + Send>, phases: bool },
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("done", &self.done).field("total", &self.total).finish_non_exhaustive()
    }
}

impl Progress {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(sink: Sink, palette: Palette) -> Self {
        let show = match sink {
            Sink::Hidden => Show::Hidden,
            Sink::Bars => Show::Bars(Bars::new()),
            Sink::Lines { out, phases } => Show::Lines { out, phases },
        };
        Self { palette, plans: Vec::new(), total: 0, done: 0, unexpected: 0, waiting: BTreeMap::new(), show }
    }

    /// Shows one event.
    pub fn handle(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Started { id, seed, cluster, plans } => {
                self.plans.clone_from(plans);
                self.total = plans.iter().map(|plan| plan.trials as usize).sum();
                let simulated = cluster.fingerprint.simulated;
                let where_to =
                    if simulated { "the simulated cluster".to_owned() } else { format!("{} {}", cluster.provider, cluster.name) };
                let text = format!(
                    "run {id}: {} in {} on {where_to}, seed {seed}",
                    format::count(self.total, "trial"),
                    format::count(plans.len(), "scenario")
                );
                self.line(&text);
                if let Show::Bars(bars) = &mut self.show {
                    bars.begin(self.total, !simulated);
                }
            }
            RunEvent::TrialStarted { scenario, trial } => {
                let name = self.name(*scenario, *trial);
                self.phase(*scenario, *trial, &name, "starting");
            }
            RunEvent::TrialPhase { scenario, trial, phase } => {
                let name = self.name(*scenario, *trial);
                self.phase(*scenario, *trial, &name, phase);
            }
            RunEvent::TrialWaits { scenario, trial, waiting } => self.waits((*scenario, *trial), waiting),
            RunEvent::TrialRequests { scenario, trial, requests } => {
                let name = self.name(*scenario, *trial);
                if let Show::Lines { out, phases: true } = &mut self.show {
                    write_line(out, &format!("{name}: {requests} requests to the API server"));
                }
            }
            RunEvent::TrialFinished { scenario, result } => self.finished(*scenario, result),
            RunEvent::Warning(text) => {
                let text = format!("{} {}", self.palette.paint(Tone::Doubt, "warning:"), format::plain(text));
                self.always(&text);
            }
            RunEvent::ScenarioFinished { .. } => {}
            RunEvent::Finished(_) => self.clear(),
        }
    }

    /// Removes the bars, so that what follows stands on a clean terminal.
    pub fn clear(&mut self) {
        if let Show::Bars(bars) = &mut self.show {
            bars.clear();
        }
    }

    fn name(&self, scenario: usize, trial: u32) -> String {
        let Some(plan) = self.plans.get(scenario) else { return format!("trial {trial}") };
        let name = format::plain(&plan.name);
        if plan.trials > 1 { format!("{name} trial {trial}") } else { name }
    }

    fn phase(&mut self, scenario: usize, trial: u32, name: &str, phase: &str) {
        match &mut self.show {
            Show::Bars(bars) => bars.phase((scenario, trial), name, phase),
            Show::Lines { out, phases: true } => write_line(out, &format!("{name}: {phase}")),
            Show::Lines { .. } | Show::Hidden => {}
        }
    }

    /// On bars each time, as a line only when something else is waited for or seen.
    fn waits(&mut self, (scenario, trial): (usize, u32), waiting: &Waiting) {
        let name = self.name(scenario, trial);
        let text = format::plain(&waiting.to_string());
        let said = (waiting.phase, waiting.state.clone());
        let new = self.waiting.insert((scenario, trial), said.clone()).is_none_or(|before| before != said);
        if new || matches!(self.show, Show::Bars(_)) {
            self.phase(scenario, trial, &name, &text);
        }
    }

    fn finished(&mut self, scenario: usize, trial: &TrialResult) {
        self.done += 1;
        self.waiting.remove(&(scenario, trial.index));
        let expect: &[_] = self.plans.get(scenario).map_or(&[], |plan| &plan.expect);
        let expected = expect.contains(&trial.verdict);
        let (mark, tone) = trial_mark(trial.verdict, expect);
        self.unexpected += usize::from(!expected);
        let what = match &trial.durations.to_recover {
            Some(time) if expected => format!("{} ({})", trial.verdict, format::measured(time)),
            _ if expected => trial.verdict.to_string(),
            _ => format!("{}: {}", trial.verdict, format::plain(&trial.reason)),
        };
        let what = what + &format::retries(trial, expect).map(|retries| format!("; {retries}")).unwrap_or_default();
        let digits = self.total.to_string().len();
        let mark = self.palette.paint(tone, mark);
        let line = format!("[{:>digits$}/{}] {mark} {}: {what}", self.done, self.total, self.name(scenario, trial.index));
        match &mut self.show {
            Show::Bars(bars) => bars.finished((scenario, trial.index), self.unexpected, (!expected).then_some(line.as_str())),
            Show::Lines { out, .. } => write_line(out, &line),
            Show::Hidden => {}
        }
    }

    /// A line where lines are shown.
    fn line(&mut self, text: &str) {
        if let Show::Lines { out, .. } = &mut self.show {
            write_line(out, text);
        }
    }

    /// A line that is not lost among the bars.
    fn always(&mut self, text: &str) {
        match &mut self.show {
            Show::Bars(bars) => bars.print(text),
            Show::Lines { out, .. } => write_line(out, text),
            Show::Hidden => {}
        }
    }
}

/// Progress that nobody reads any more (a closed stderr) is no reason to end a run.
fn write_line(out: &mut Box<dyn Write + Send>, text: &str) {
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_tell_each_trial_as_it_ends() {
        let buffer = Buffer::default();
        let sink = Sink::Lines { out: Box::new(buffer.clone()), phases: true };
        let mut progress = Progress::new(sink, Palette { colors: false });
        let result = fixture::run();
        let plans = vec![fixture::plan("crash-loop-after-config-change", 3)];
        let started = RunEvent::Started { id: result.run.id.clone(), seed: 42, cluster: result.cluster.clone(), plans };
        progress.handle(&started);
        progress.handle(&RunEvent::TrialPhase { scenario: 0, trial: 0, phase: "inject" });
        for waited in [11, 12].map(std::time::Duration::from_secs) {
            let of = std::time::Duration::from_mins(1);
            let waiting = Waiting { phase: "effect", state: "restarts: 0 of 1".into(), waited, of };
            progress.handle(&RunEvent::TrialWaits { scenario: 0, trial: 0, waiting });
        }
        progress.handle(&RunEvent::TrialRequests { scenario: 0, trial: 0, requests: 87 });
        progress.handle(&RunEvent::Warning("slow \u{1b}[2J disk".into()));
        for trial in &result.scenarios[1].trials {
            progress.handle(&RunEvent::TrialFinished { scenario: 0, result: Box::new(trial.clone()) });
        }
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        insta::assert_snapshot!(text, @r"
        run 20261121-080639-x7k2p: 3 trials in 1 scenario on the simulated cluster, seed 42
        crash-loop-after-config-change trial 0: inject
        crash-loop-after-config-change trial 0: effect: restarts: 0 of 1, 11s of 1m
        crash-loop-after-config-change trial 0: 87 requests to the API server
        warning: slow  disk
        [1/3] ✓ crash-loop-after-config-change trial 0: recovered (31s)
        [2/3] ✗ crash-loop-after-config-change trial 1: late: recovered after 1m20s, 20s after the RTO of 1m0s
        [3/3] ✗ crash-loop-after-config-change trial 2: unrecovered: `ready: {deployment: pool}` never held for 45s within 5m0s; last seen: 0 of 2 pods Ready, pool-6d5f7c9b8-4xk2p waiting for CrashLoopBackOff
        ");
    }
}
