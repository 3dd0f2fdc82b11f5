//! The memory of one event recorder: aggregation, counting and the spam filter, in client-go's order.
//! Pure: it decides, `events` writes.

use super::{ObjectRef, Report};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// From this many different messages on, similar events become one (client-go `defaultAggregateMaxEvents`).
const AGGREGATE_FROM: usize = 10;
/// Similar events further apart than this do not belong together (`defaultAggregateIntervalInSeconds`).
const AGGREGATE_WITHIN: SignedDuration = SignedDuration::from_secs(600);
/// Events of one type on one object that may be written in a row (`defaultSpamBurst`).
const SPAM_BURST: f64 = 25.0;
/// Seconds after which one more may be written (`defaultSpamQPS` is 1/300).
const SPAM_REFILL_SECONDS: f64 = 300.0;

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision {
    /// The event object to count up, if this recorder wrote one before.
    pub name: Option<String>,
    /// The count to write.
    pub count: u64,
    /// When the first of these events happened.
    pub first: Timestamp,
    /// The message to write.
    pub message: String,
    /// Whether it stands for many similar events.
    pub aggregate: bool,
    key: Key,
}

/// (object, type, reason, message); the message is absent for an aggregate.
type Key = (Subject, &'static str, String, Option<String>);
/// What identifies an object to the correlator: its resourceVersion does not.
type Subject = (String, String, String, String, String, String);

#[derive(Debug)]
struct Similar {
    messages: BTreeSet<String>,
    last: Timestamp,
}

#[derive(Debug)]
struct Seen {
    name: Option<String>,
    count: u64,
    first: Timestamp,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// What one recorder remembers.
#[derive(Debug, Default)]
pub(super) struct Correlator {
    similar: BTreeMap<(Subject, &'static str, String), Similar>,
    seen: BTreeMap<Key, Seen>,
    buckets: BTreeMap<(Subject, &'static str), Bucket>,
}

impl Correlator {
    /// What to write for a report; nothing when the spam filter holds it back (it counts all the same).
    pub(super) fn correlate(&mut self, report: &Report) -> Option<Decision> {
        let whole = subject(&report.object, false);
        let kind = report.kind.as_str();
        let similar = self
            .similar
            .entry((whole.clone(), kind, report.reason.clone()))
            .or_insert_with(|| Similar { messages: BTreeSet::new(), last: report.at });
        if report.at.duration_since(similar.last) > AGGREGATE_WITHIN {
            similar.messages.clear();
        }
        similar.messages.insert(report.message.clone());
        similar.last = report.at;
        let aggregate = similar.messages.len() >= AGGREGATE_FROM;
        let (key, message) = if aggregate {
            similar.messages.pop_first();
            let message = format!("(combined from similar events): {}", report.message);
            ((whole.clone(), kind, report.reason.clone(), None), message)
        } else {
            let part = subject(&report.object, true);
            ((part, kind, report.reason.clone(), Some(report.message.clone())), report.message.clone())
        };
        let seen = self.seen.entry(key.clone()).or_insert_with(|| Seen { name: None, count: 0, first: report.at });
        seen.count += 1;
        let decision = Decision { name: seen.name.clone(), count: seen.count, first: seen.first, message, aggregate, key };
        self.take_token((whole, kind), report.at).then_some(decision)
    }

    /// Remembers the object that a decision was written to.
    pub(super) fn wrote(&mut self, decision: &Decision, name: Option<String>) {
        if let (Some(seen), Some(name)) = (self.seen.get_mut(&decision.key), name) {
            seen.name = Some(name);
        }
    }

    fn take_token(&mut self, key: (Subject, &'static str), at: Timestamp) -> bool {
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: SPAM_BURST, at });
        let refill = at.duration_since(bucket.at).as_secs_f64() / SPAM_REFILL_SECONDS;
        bucket.tokens = (bucket.tokens + refill).min(SPAM_BURST);
        bucket.at = at;
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}

fn subject(object: &ObjectRef, with_field_path: bool) -> Subject {
    (
        object.kind.clone(),
        object.namespace.clone(),
        object.name.clone(),
        object.uid.clone(),
        object.api_version.clone(),
        object.field_path.clone().filter(|_| with_field_path).unwrap_or_default(),
    )
}
