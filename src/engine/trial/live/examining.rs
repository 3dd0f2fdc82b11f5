//! The detector programs of a trial: what they are told, and when they are asked. Running them is `examiner`'s.

use super::Live;
use crate::detect::user::protocol;
use crate::engine::trial::examiner::{Examiner, Place};
use crate::json::At as _;
use crate::observe::index::text;
use crate::observe::probe::pod::NAME as PROBE;
use crate::observe::timeline::Fact;
use crate::scenario::Detector;
use serde_json::Value;
use std::sync::Arc;

/// What was seen since programs were last asked: an object, and whether it is gone.
type News = Vec<(Arc<Value>, bool)>;

/// The programs of a trial.
#[derive(Debug, Default)]
pub(super) struct Examining {
    programs: Vec<Examiner>,
    news: News,
}

impl Examining {
    /// Notes what is new, where there is somebody to be told.
    pub(super) fn note(&mut self, fact: &Fact) {
        let (object, gone) = match fact {
            Fact::Object(object) => (object, false),
            Fact::Deleted(object) => (object, true),
            _ => return,
        };
        let is_event = text(object, "/kind") == "Event";
        if !self.programs.is_empty() && !is_event && text(object, "/metadata/name") != PROBE {
            self.news.push((Arc::clone(object), gone));
        }
    }
}

impl Live<'_> {
    /// Starts the detector programs of the plan.
    ///
    /// # Errors
    /// One could not be started.
    pub(in crate::engine::trial) fn start_programs(&mut self, place: &Place) -> Result<(), String> {
        for detector in &self.plan.detectors {
            if let Detector::Program(program) = detector {
                let started = Examiner::start(program, place).map_err(|why| format!("a detector program: {why}"))?;
                self.examining.programs.push(started);
            }
        }
        Ok(())
    }

    /// Tells each program what is new of its kinds and takes in what it finds. What one does wrong ends the trial as an `error`.
    pub(super) async fn ask_programs(&mut self) {
        let news = std::mem::take(&mut self.examining.news);
        if news.is_empty() {
            return;
        }
        // They are taken out while they are asked: the trial goes on taking in what is seen.
        let mut programs = std::mem::take(&mut self.examining.programs);
        let mut later = Vec::new();
        for (position, program) in programs.iter_mut().enumerate() {
            let kind = |object: &Value| object.at("/kind").and_then(Value::as_str).unwrap_or_default().to_owned();
            let own: Vec<_> = news.iter().filter(|(object, _)| program.detector().reads(&kind(object))).collect();
            if own.is_empty() {
                continue;
            }
            let lines =
                own.iter().map(|(object, gone)| if *gone { protocol::gone(object) } else { protocol::seen(object) }).collect();
            for (object, _) in &own {
                self.own.forget(position, text(object, "/metadata/uid"));
            }
            match self.unless_stopped(program.ask(lines)).await {
                Some(Ok(found)) => later.extend(found.into_iter().map(|found| (position, found))),
                Some(Err(why)) => return self.fail(&why),
                None => return,
            }
        }
        for (position, found) in later {
            if let Err(why) = self.own.answer(position, found, self.recorder.judge().index()) {
                self.fail(&format!("a detector program: {why}"));
                return;
            }
        }
        self.examining.programs = programs;
    }
}
