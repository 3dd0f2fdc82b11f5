//! Event recorders: what controllers, scheduler and kubelets say about objects, correlated as client-go's recorder does.
//! Which events are said, and when, is the business of their callers.

mod correlator;
pub(crate) mod expiry;

use super::api::resource::EVENTS;
use super::api::{ApiServer, Subresource};
use super::latest;
use super::tasks::Tasks;
use crate::json::At as _;
use correlator::{Correlator, Decision};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Median time of one event's way through the broadcaster into the store (recordings: 2 to 8 ms after the write it tells of).
const EVENT_WRITE: Duration = Duration::from_millis(4);

/// How often, and after which pause, a write is tried while the server cannot be reached.
const TRIES: u32 = 12;
const RETRY: Duration = Duration::from_secs(10);

/// Whether an event tells of something expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// Information.
    Normal,
    /// Something that may need attention.
    Warning,
}

impl EventType {
    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The object that an event is about: an `ObjectReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRef {
    /// `v1` or `group/version`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// The version of the object that the reporter looked at; empty when it is not known.
    pub resource_version: String,
    /// The part of the object that is meant, such as `spec.containers{app}`.
    pub field_path: Option<String>,
}

impl ObjectRef {
    /// A reference to a stored object.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.at(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            resource_version: text("/metadata/resourceVersion"),
            field_path: None,
        }
    }

    /// The same reference to a part of the object.
    #[must_use]
    pub fn with_field_path(mut self, field_path: impl Into<String>) -> Self {
        self.field_path = Some(field_path.into());
        self
    }

    fn to_value(&self) -> Value {
        let mut value = json!({"kind": self.kind, "name": self.name});
        for (key, text) in [
            ("uid", Some(&self.uid)),
            ("namespace", Some(&self.namespace)),
            ("apiVersion", Some(&self.api_version)),
            ("resourceVersion", Some(&self.resource_version)),
            ("fieldPath", self.field_path.as_ref()),
        ] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                value[key] = json!(text);
            }
        }
        value
    }
}

/// One event as its reporter states it, before correlation.
#[derive(Clone, Debug)]
struct Report {
    object: ObjectRef,
    kind: EventType,
    reason: String,
    message: String,
    at: jiff::Timestamp,
}

/// The recorder of one process (a kubelet, a controller, the scheduler): it aggregates similar events, counts equal ones and
/// filters spam, each process for itself. Clones share that memory.
#[derive(Clone, Debug)]
pub struct EventRecorder {
    api: Arc<ApiServer>,
    reports: mpsc::UnboundedSender<Report>,
}

impl EventRecorder {
    /// A recorder for `component` (on `host`, for kubelets). Must be called inside a tokio runtime; it writes until its last
    /// clone is dropped.
    #[must_use]
    pub fn new(api: Arc<ApiServer>, component: &str, host: Option<&str>) -> Self {
        let tasks = api.gate.control_plane.clone();
        let (recorder, sink, receiver) = Self::unstarted(api, component, host.unwrap_or_default(), None);
        tasks.spawn(sink.run(receiver));
        recorder
    }

    /// The recorder of the kubelet of `host`: one of that node's `tasks`, which writes only while `link` says that the API
    /// server can be reached.
    pub(crate) fn of_kubelet(api: Arc<ApiServer>, host: &str, tasks: &Tasks, link: latest::Receiver<bool>) -> Self {
        let (recorder, sink, receiver) = Self::unstarted(api, "kubelet", host, Some(link));
        tasks.spawn(sink.run(receiver));
        recorder
    }

    fn unstarted(
        api: Arc<ApiServer>,
        component: &str,
        host: &str,
        link: Option<latest::Receiver<bool>>,
    ) -> (Self, Sink, mpsc::UnboundedReceiver<Report>) {
        let (reports, receiver) = mpsc::unbounded_channel();
        let sink = Sink { api: Arc::clone(&api), component: component.to_owned(), host: host.to_owned(), written: 0, link };
        (Self { api, reports }, sink, receiver)
    }

    /// Reports an event. Returns at once; the write follows some milliseconds later, stamped with the time of this call.
    /// Like the real recorder it gives up silently when the write is refused (a namespace that is going away).
    pub fn event(&self, object: &ObjectRef, kind: EventType, reason: &str, message: &str) {
        let report = Report {
            object: object.clone(),
            kind,
            reason: reason.to_owned(),
            message: message.to_owned(),
            at: self.api.clock.now(),
        };
        // The sink ends only with the runtime; then nobody reads events any more.
        let _ = self.reports.send(report);
    }
}

/// The writing end: one task per recorder, so events keep their order.
struct Sink {
    api: Arc<ApiServer>,
    component: String,
    host: String,
    written: u64,
    link: Option<latest::Receiver<bool>>,
}

impl Sink {
    async fn run(mut self, mut reports: mpsc::UnboundedReceiver<Report>) {
        let mut correlator = Correlator::default();
        let identity = format!("{}/{}", self.component, self.host);
        while let Some(report) = reports.recv().await {
            let decision = correlator.correlate(&report);
            let Some(decision) = decision else { continue };
            let latency = self.api.random.lognormal(
                &identity,
                "event-write",
                self.written,
                EVENT_WRITE,
                crate::sim::profile::spread::CONTROL_PLANE,
            );
            self.written += 1;
            tokio::time::sleep(latency).await;
            if !self.reaches_the_server(&identity).await {
                continue;
            }
            let name = self.write(&report, &decision);
            correlator.wrote(&decision, name);
        }
    }

    /// Tries until the server can be reached, as client-go does: twelve times, ten seconds apart, the first wait a random
    /// part of that. False when the event is given up.
    async fn reaches_the_server(&self, identity: &str) -> bool {
        let Some(link) = &self.link else { return true };
        for attempt in 0..TRIES {
            if link.get() {
                return true;
            }
            let part = if attempt == 0 { self.api.random.unit(identity, "event-retry", self.written) } else { 1.0 };
            tokio::time::sleep(RETRY.mul_f64(part)).await;
        }
        link.get()
    }

    /// Patches the event that is there, or creates it (also when the one that was counted up has vanished).
    fn write(&self, report: &Report, decision: &Decision) -> Option<String> {
        let namespace = if report.object.namespace.is_empty() { "default" } else { &report.object.namespace };
        let last = super::clock::format_seconds(report.at);
        if let Some(name) = &decision.name {
            let patched = self.api.modify(EVENTS, namespace, name, Subresource::Main, |event| {
                event["count"] = json!(decision.count);
                event["lastTimestamp"] = json!(last);
                event["message"] = json!(decision.message);
            });
            if patched.is_ok() {
                return Some(name.clone());
            }
        }
        let mut source = json!({"component": self.component});
        if !self.host.is_empty() {
            source["host"] = json!(self.host);
        }
        // The real aggregator builds its event afresh and forgets these two.
        let (reporter, instance) = if decision.aggregate { ("", "") } else { (self.component.as_str(), self.host.as_str()) };
        let mut stamp = report.at.as_nanosecond();
        loop {
            let name = format!("{}.{stamp:016x}", report.object.name);
            let event = json!({
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": report.object.to_value(),
                "reason": report.reason,
                "message": decision.message,
                "source": source,
                "firstTimestamp": super::clock::format_seconds(decision.first),
                "lastTimestamp": last,
                "count": decision.count,
                "type": report.kind.as_str(),
                "eventTime": null,
                "reportingComponent": reporter,
                "reportingInstance": instance,
            });
            match self.api.create(EVENTS, namespace, event) {
                Ok(_) => return Some(name),
                // Two reporters at the same nanosecond happen on a simulated clock only.
                Err(error) if error.reason == "AlreadyExists" => stamp += 1,
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
