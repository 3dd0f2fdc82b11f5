//! WATCH: the events of a collection as newline-delimited JSON, with bookmarks, an end, and 410 inside the stream.
//! Reads the store's log; keeps nothing per watcher but its position.

use super::Rest;
use super::body::{self, ResponseBody};
use super::read;
use super::route::ObjectPath;
use super::show::EventWriter;
use crate::sim::api::face::Served;
use crate::sim::api::list::ListOptions;
use crate::sim::api::resource::Resource;
use crate::sim::api::server::ApiServer;
use crate::sim::api::status::ApiError;
use crate::sim::heartbeat::Witness;
use crate::sim::latest;
use crate::sim::store::{Change, ChangeKind, Expired, Part};
use bytes::Bytes;
use futures::stream;
use http::Response;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a bookmark is sent.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);
/// How long before the end of the watch the last bookmark is sent.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// Opens a watch.
pub(super) fn watch(rest: &Rest, path: &ObjectPath, query: &[(String, String)]) -> Result<Response<ResponseBody>, ApiError> {
    let served = read::served(rest, path)?;
    let options = read::options(rest, served, query)?;
    options.check(true)?;
    let watcher = Watcher::open(rest, served, path.clone(), options);
    Ok(body::stream(
        "application/json",
        stream::unfold(watcher, |mut watcher| async move { Some((watcher.next().await?, watcher)) }),
    ))
}

/// One open watch.
#[derive(Debug)]
struct Watcher {
    api: Arc<ApiServer>,
    resource: Resource,
    writer: EventWriter,
    part: Part,
    path: ObjectPath,
    options: ListOptions,
    revision: u64,
    ready: VecDeque<Bytes>,
    latest: latest::Receiver<u64>,
    ends: Instant,
    bookmark: Instant,
    ended: bool,
    /// While nodes or leases are watched, heartbeats are written.
    _witness: Option<Witness>,
}

impl Watcher {
    fn open(rest: &Rest, served: Served, path: ObjectPath, options: ListOptions) -> Self {
        let resource = served.resource;
        let begun = Instant::now();
        let api = Arc::clone(&rest.api);
        let witness = api.heartbeats.watch(resource);
        let ends = begun + timeout(&api, resource, options.timeout_seconds).mul_f64(rest.speed);
        let part = part_of(&path, &options);
        let latest = api.store.subscribe_part(resource, &part);
        let writer = EventWriter::new(&api, path.form, served);
        let revision = options.revision.unwrap_or(0);
        let mut watcher = Self {
            api,
            resource,
            writer,
            part,
            path,
            options,
            revision,
            ready: VecDeque::new(),
            latest,
            ends,
            bookmark: next_bookmark(begun, begun, ends),
            ended: false,
            _witness: witness,
        };
        if watcher.options.send_initial_events.unwrap_or(revision == 0) {
            watcher.send_present();
        } else if revision == 0 {
            watcher.revision = watcher.api.store.revision();
        }
        watcher
    }

    /// The present objects as ADDED events; then, where asked, the bookmark that says that these were all.
    fn send_present(&mut self) {
        let (revision, objects) = self.api.store.list(self.resource, self.path.namespace.as_deref());
        self.revision = revision;
        for object in objects {
            if self.options.selects(&object) {
                let line = self.event("ADDED", &object);
                self.ready.push_back(line);
            }
        }
        if self.options.send_initial_events == Some(true) && self.options.bookmarks {
            let bookmark = self.bookmark_event(true);
            self.ready.push_back(bookmark);
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.api.gate.passed().await;
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.latest.mark_unchanged();
            match self.api.store.changes_of_part(self.resource, &self.part, self.revision) {
                Ok(changes) if !changes.is_empty() => self.take(changes),
                Ok(_) => self.wait().await,
                Err(Expired { requested, oldest }) => {
                    self.ended = true;
                    return Some(line("ERROR", &ApiError::expired_watch(requested, oldest).to_status()));
                }
            }
        }
    }

    fn take(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.revision = change.revision;
            if self.is_elsewhere(&change.object) {
                continue;
            }
            let is = change.kind != ChangeKind::Deleted && self.options.selects(&change.object);
            let was = change.previous.as_ref().is_some_and(|previous| self.options.selects(previous));
            let event = match (was, is) {
                (false, false) => continue,
                (false, true) if change.kind == ChangeKind::Added => self.logged("ADDED", &change),
                (false, true) => self.event("ADDED", &change.object),
                (true, true) => self.logged("MODIFIED", &change),
                (true, false) if change.kind == ChangeKind::Deleted => self.logged("DELETED", &change),
                (true, false) => {
                    let mut last = change.previous.as_deref().cloned().unwrap_or_default();
                    last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                    self.event("DELETED", &last)
                }
            };
            self.ready.push_back(event);
        }
    }

    /// Waits for a change, the next bookmark or the end.
    async fn wait(&mut self) {
        let until = if self.options.bookmarks { self.bookmark.min(self.ends) } else { self.ends };
        tokio::select! {
            biased;
            _ = self.latest.changed() => {}
            () = tokio::time::sleep_until(until) => {
                let now = Instant::now();
                self.ended = now >= self.ends;
                if !self.ended {
                    // What was written up to now is known to be sent: nothing of this resource is newer.
                    self.revision = self.revision.max(self.api.store.revision());
                    let bookmark = self.bookmark_event(false);
                    self.ready.push_back(bookmark);
                    self.bookmark = next_bookmark(self.bookmark, now, self.ends);
                }
            }
        }
    }

    fn is_elsewhere(&self, object: &Value) -> bool {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        self.path.namespace.is_some() && namespace != self.path.namespace.as_deref()
    }

    fn event(&mut self, kind: &str, object: &Value) -> Bytes {
        if self.writer.shares_encoding() {
            return line(kind, object);
        }
        line(kind, &self.writer.write(&self.api, object))
    }

    /// The event of a change as it was logged: encoded once for all watches that show it so.
    fn logged(&mut self, kind: &str, change: &Change) -> Bytes {
        if self.writer.shares_encoding() {
            return change.line();
        }
        self.event(kind, &change.object)
    }

    fn bookmark_event(&mut self, initial_events_end: bool) -> Bytes {
        line("BOOKMARK", &self.writer.bookmark(&self.api, self.revision, initial_events_end))
    }
}

/// The narrowest part of the resource that holds everything that is asked for.
fn part_of(path: &ObjectPath, options: &ListOptions) -> Part {
    match (options.fields.equals("/spec/nodeName"), &path.namespace) {
        (Some(node), _) if path.plural == "pods" && !node.is_empty() => Part::Node(node.to_owned()),
        (_, Some(namespace)) => Part::Namespace(namespace.clone()),
        _ => Part::All,
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}

fn next_bookmark(last: Instant, now: Instant, ends: Instant) -> Instant {
    let regular = last + BOOKMARK_EVERY;
    let before_end = ends - LAST_BOOKMARK.min(ends.duration_since(now));
    if now < before_end { regular.min(before_end) } else { regular }
}

/// The watch's own length, or one between 30 and 60 minutes.
fn timeout(api: &ApiServer, resource: Resource, asked: Option<u64>) -> Duration {
    const SHORTEST: Duration = Duration::from_mins(30);
    if let Some(seconds) = asked.filter(|seconds| *seconds > 0) {
        Duration::from_secs(seconds)
    } else {
        let entity = format!("watch {}", resource.qualified());
        api.random.between(&entity, "timeout", api.ordinal(&entity), SHORTEST, 2 * SHORTEST)
    }
}
