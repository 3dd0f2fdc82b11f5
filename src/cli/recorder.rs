//! `run --history`: writes each trial to the history while the run goes on, on a thread of its own, so that a slow or dead database holds
//! up nothing. It fails softly: results stay in the run directory, and a warning names the command that adds them later.

use crate::event::RunEvent;
use crate::history::record::{RunRecord, ScenarioRecord};
use crate::history::{Access, Address, History, HistoryError, labels, time};
use crate::measure::result::{Run, RunResult, TrialResult};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long the end of a run waits for a history that has not yet taken everything.
const PATIENCE: Duration = Duration::from_mins(1);

/// Takes in events of a run for its history.
#[derive(Debug)]
pub(super) struct Recorder {
    messages: Sender<Message>,
    done: Receiver<Result<(), String>>,
    address: Address,
    directory: PathBuf,
}

#[derive(Debug)]
enum Message {
    Event(Box<RunEvent>),
    End(Box<RunResult>),
}

impl Recorder {
    /// Begins; the history is opened on the thread.
    pub(super) fn new(address: Address, run: Run, directory: &Path, labels: BTreeMap<String, String>) -> Self {
        let (messages, inbox) = channel();
        let (report, done) = channel();
        let target = address.clone();
        std::thread::spawn(move || {
            // Nobody listens any more where the run gave up waiting.
            let _ = report.send(Writer::new(target, run, labels).work(&inbox));
        });
        Self { messages, done, address, directory: directory.to_owned() }
    }

    /// Takes in an event.
    pub(super) fn handle(&self, event: &RunEvent) {
        let wanted =
            matches!(event, RunEvent::Started { .. } | RunEvent::TrialFinished { .. } | RunEvent::ScenarioFinished { .. });
        if wanted {
            // A thread that has ended says why at the end.
            let _ = self.messages.send(Message::Event(Box::new(event.clone())));
        }
    }

    /// Writes what is missing, and says what could not be written.
    pub(super) fn finish(self, result: &RunResult) -> Option<String> {
        let _ = self.messages.send(Message::End(Box::new(result.clone())));
        drop(self.messages);
        let reason = match self.done.recv_timeout(PATIENCE) {
            Ok(Ok(())) => return None,
            Ok(Err(reason)) => reason,
            Err(RecvTimeoutError::Timeout) => {
                format!("{} has not taken everything within {} s", self.address, PATIENCE.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => "the thread that writes it ended early".to_owned(),
        };
        Some(format!(
            "the history is not complete: {reason}; all results are in {directory}, and `comeback history import {directory} \
             --history {address}` adds them",
            directory = self.directory.display(),
            address = self.address
        ))
    }
}

/// The thread's side.
struct Writer {
    address: Address,
    history: Option<History>,
    run: Run,
    labels: BTreeMap<String, String>,
    record: Option<RunRecord>,
    scenarios: Vec<ScenarioRecord>,
    written: BTreeSet<(String, u32)>,
    failures: usize,
}

/// After so many failures the rest is left to the end of the run.
const TRIES: usize = 2;

impl Writer {
    fn new(address: Address, run: Run, labels: BTreeMap<String, String>) -> Self {
        Self { address, history: None, run, labels, record: None, scenarios: Vec::new(), written: BTreeSet::new(), failures: 0 }
    }

    fn work(mut self, inbox: &Receiver<Message>) -> Result<(), String> {
        while let Ok(message) = inbox.recv() {
            match message {
                Message::Event(event) => {
                    if self.failures < TRIES
                        && let Err(error) = self.take(&event)
                    {
                        tracing::debug!("history: {error}");
                        self.failures += 1;
                    }
                    if let RunEvent::Started { plans, .. } = &*event {
                        self.scenarios = plans.iter().map(|plan| ScenarioRecord::from(&**plan)).collect();
                    }
                }
                Message::End(result) => return self.end(&result).map_err(|error| error.to_string()),
            }
        }
        Err("the run did not come to its end".to_owned())
    }

    fn open(&mut self) -> Result<&mut History, HistoryError> {
        if self.history.is_none() {
            self.history = Some(History::open(&self.address, Access::Write)?);
        }
        self.history.as_mut().ok_or_else(|| HistoryError::Missing { address: self.address.to_string() })
    }

    fn take(&mut self, event: &RunEvent) -> Result<(), HistoryError> {
        match event {
            RunEvent::Started { cluster, plans, .. } => {
                self.labels.extend(labels::images(plans));
                let record = RunRecord {
                    id: self.run.id.clone(),
                    version: self.run.version.clone(),
                    started: time::micros(&self.run.started_at).unwrap_or_default(),
                    finished: None,
                    seed: self.run.seed,
                    command: self.run.command.clone(),
                    provider: cluster.provider.clone(),
                    cluster: cluster.name.clone(),
                    fingerprint: cluster.fingerprint.clone(),
                    complete: false,
                    outcome: None,
                    exit_code: None,
                    expected_trials: plans.iter().map(|plan| plan.trials as usize).sum(),
                    labels: self.labels.clone(),
                };
                self.record = Some(record.clone());
                let scenarios: Vec<ScenarioRecord> = plans.iter().map(|plan| ScenarioRecord::from(&**plan)).collect();
                let history = self.open()?;
                history.put_run(&record)?;
                scenarios.iter().try_for_each(|scenario| history.put_scenario(&record, scenario))
            }
            RunEvent::TrialFinished { scenario, result } => match self.scenarios.get(*scenario).cloned() {
                Some(scenario) => self.put_trial(&scenario, result),
                None => Ok(()),
            },
            RunEvent::ScenarioFinished { result } => {
                let Some(run) = self.record.clone() else { return Ok(()) };
                let known = self.scenarios.iter().find(|known| known.name == result.name).cloned();
                let scenario = known.map_or_else(|| ScenarioRecord::from(&**result), |known| known.ended(result));
                self.open()?.put_scenario(&run, &scenario)
            }
            _ => Ok(()),
        }
    }

    fn put_trial(&mut self, scenario: &ScenarioRecord, trial: &TrialResult) -> Result<(), HistoryError> {
        let Some(run) = self.record.clone() else { return Ok(()) };
        self.open()?.put_trial(&run, scenario, trial)?;
        self.written.insert((scenario.name.clone(), trial.index));
        self.failures = 0;
        Ok(())
    }

    /// Whatever the history has not taken yet: what failed before, and what no event told of.
    fn end(&mut self, result: &RunResult) -> Result<(), HistoryError> {
        let mut record = RunRecord::of(result, self.labels.clone()).map_err(HistoryError::RunDirectory)?;
        record.complete = false;
        self.record = Some(record.clone());
        self.open()?.put_run(&record)?;
        for scenario in &result.scenarios {
            let known = self.scenarios.iter().find(|known| known.name == scenario.name).cloned();
            let told = known.map_or_else(|| ScenarioRecord::from(scenario), |known| known.ended(scenario));
            self.open()?.put_scenario(&record, &told)?;
            for trial in &scenario.trials {
                if !self.written.contains(&(scenario.name.clone(), trial.index)) {
                    self.put_trial(&told, trial)?;
                }
            }
        }
        record.complete = result.complete;
        self.open()?.put_run(&record)
    }
}
