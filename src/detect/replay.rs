//! Recordings of a real cluster as observations, for tests: extracts of `fixtures/detect`, one object state a line.
//! As a stream, or as the single LIST that a client would get at a moment.

use crate::observe::Index;
use crate::observe::timeline::{Began, Fact, Observation, Source};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One recording.
#[derive(Deserialize)]
pub struct Recording {
    epoch: jiff::Timestamp,
    observations: Vec<(f64, String, Arc<Value>)>,
}

impl Recording {
    /// Reads `fixtures/detect/NAME.json`.
    pub fn read(name: &str) -> Self {
        let path = format!("{}/fixtures/detect/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The recording as a stream.
    pub fn stream(&self) -> Vec<Observation> {
        let mut stream = vec![Self::began(self.epoch)];
        stream.extend(self.observations.iter().map(|(at, how, object)| {
            let object = Arc::clone(object);
            let fact = if how == "gone" { Fact::Deleted(object) } else { Fact::Object(object) };
            seen(Duration::from_secs_f64(*at), fact)
        }));
        stream
    }

    /// What a LIST at this moment shows, to a client that never saw anything before.
    pub fn list_at(&self, moment: f64) -> Index {
        let mut present: BTreeMap<(String, String), Arc<Value>> = BTreeMap::new();
        for (_, how, object) in self.observations.iter().filter(|(at, _, _)| *at <= moment) {
            let key = (object["kind"].to_string(), object["metadata"]["uid"].to_string());
            if how == "gone" {
                present.remove(&key);
            } else {
                present.insert(key, Arc::clone(object));
            }
        }
        let mut index = Index::new("test");
        let now = self.epoch + jiff::SignedDuration::from_secs_f64(moment);
        index.apply(&Self::began(now));
        for object in present.into_values() {
            index.apply(&seen(Duration::ZERO, Fact::Object(object)));
        }
        index
    }

    fn began(epoch: jiff::Timestamp) -> Observation {
        let began = Began {
            scenario: "test".to_owned(),
            trial: 0,
            attempt: 0,
            seed: 0,
            run_label: "run".to_owned(),
            cluster: "test".to_owned(),
            namespace: "test".to_owned(),
            epoch,
        };
        seen(Duration::ZERO, Fact::Began(began))
    }
}

/// An observation without a position.
pub fn seen(at: Duration, fact: Fact) -> Observation {
    Observation { seq: 0, at, source: Source::Watch, fact }
}
