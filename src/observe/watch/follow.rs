//! One watch of one kind: a kube-rs watcher whose events become new states, ends, relists and, in the end, a failure.
//! Deletions that fell into a gap are found by comparing lists.

use super::freshness::{Freshness, written};
use super::redact::observed;
use super::{Seen, plain};
use crate::cluster::pages::PAGE;
use crate::cluster::request::{RequestError, pause};
use crate::cluster::wait::{may_recover, watch_error, with_pauses};
use crate::observe::timeline::Reference;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DynamicObject};
use kube::discovery::ApiResource;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// A watch that fails for longer than this leaves the trial blind for good.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// Errors further apart than this belong to different troubles: between them the watch ran, silently.
const TROUBLE_GAP: Duration = Duration::from_secs(12);
/// Seconds after which server and client renew a watch without news; it bounds how long a dead connection goes unnoticed.
const RENEWED_AFTER: u32 = 60;
/// A watch that reports an error may have been dead since its last renewal.
const RENEWAL: Duration = Duration::from_secs(RENEWED_AFTER as u64);

/// What arrives so soon after a late state was held back with it. Shorter than `measure::blind::CATCHING_UP`.
const BACKLOG: Duration = Duration::from_secs(1);

/// Sent once: the first list is complete, or cannot be had.
pub(super) type Ready = oneshot::Sender<Result<(), RequestError>>;

/// Follows one kind until the sink is closed or the watch fails for good.
pub(super) async fn follow(
    api: Api<DynamicObject>,
    resource: ApiResource,
    namespace: String,
    selector: Option<String>,
    sink: mpsc::UnboundedSender<Seen>,
    ready: Ready,
    freshness: Freshness,
) {
    let what = format!("watching {} in {namespace}", resource.plural);
    let config =
        watcher::Config { label_selector: selector, ..watcher::Config::default() }.timeout(RENEWED_AFTER).page_size(PAGE);
    drain(watcher::watcher(api, config), &resource, &what, &sink, ready, freshness).await;
}

/// How long the watch has been failing.
#[derive(Debug, Default)]
struct Trouble {
    span: Option<(Instant, Instant)>,
    errors: u32,
}

impl Trouble {
    /// Notes an error now; whether patience is at its end. `apart`: the watch may have run between this error and the last.
    fn is_over(&mut self, apart: bool) -> bool {
        let now = Instant::now();
        self.errors += 1;
        let since = match self.span {
            Some((since, last)) if !apart || now.duration_since(last) <= TROUBLE_GAP => since,
            _ => now,
        };
        self.span = Some((since, now));
        now.duration_since(since) >= PATIENCE
    }
}

/// What is known of one kind: which state of each object was shown last, by namespace and name. The objects themselves are the
/// index's: a namespace may have thousands.
#[derive(Debug)]
struct Known {
    kind: String,
    objects: BTreeMap<Key, State>,
    /// What the list that is being read has shown.
    listed: BTreeSet<Key>,
    /// What of it is new: it comes after what is found to be gone.
    news: Vec<(Key, State, Arc<Value>)>,
    complete: bool,
    freshness: Freshness,
    /// When a late state was last told of: what was held back with it comes with it.
    told_late: Option<Instant>,
}

/// Namespace and name, with a stroke between them, which neither may have.
type Key = Box<str>;

/// A state of an object, and when it was written.
#[derive(Debug)]
struct State {
    uid: Box<str>,
    version: Box<str>,
    written: Option<Timestamp>,
}

impl State {
    fn of(metadata: &ObjectMeta) -> (Key, Self) {
        let text = |field: &Option<String>| Box::<str>::from(field.as_deref().unwrap_or_default());
        let state = Self { uid: text(&metadata.uid), version: text(&metadata.resource_version), written: written(metadata) };
        (format!("{}/{}", text(&metadata.namespace), text(&metadata.name)).into_boxed_str(), state)
    }

    fn is(&self, other: &Self) -> bool {
        (&self.uid, &self.version) == (&other.uid, &other.version)
    }
}

async fn drain(
    stream: impl Stream<Item = watcher::Result<Event<DynamicObject>>>,
    resource: &ApiResource,
    what: &str,
    sink: &mpsc::UnboundedSender<Seen>,
    ready: Ready,
    freshness: Freshness,
) {
    let mut stream = std::pin::pin!(with_pauses(stream));
    let mut ready = Some(ready);
    let mut known = Known::new(&resource.kind, freshness);
    let mut trouble = Trouble::default();
    let mut last_news = Instant::now();
    while let Some(event) = stream.next().await {
        if sink.is_closed() {
            return;
        }
        match event {
            Ok(event) => {
                // `Init` only says that a list is about to be tried, and its items come before it is complete.
                let mut blind = None;
                if !matches!(event, Event::Init | Event::InitApply(_)) {
                    let trouble = std::mem::take(&mut trouble);
                    blind = trouble.span.filter(|_| known.complete).map(|(first, _)| Seen::Blind {
                        kind: resource.kind.clone(),
                        lasted: last_news.max(first.checked_sub(RENEWAL).unwrap_or(last_news)).elapsed(),
                    });
                    last_news = Instant::now();
                }
                for seen in blind.into_iter().chain(known.fold(event, resource)) {
                    // The engine is gone: so is the trial.
                    if sink.send(seen).is_err() {
                        return;
                    }
                }
                if known.complete
                    && let Some(ready) = ready.take()
                {
                    let _ = ready.send(Ok(()));
                }
            }
            Err(error) => {
                tracing::debug!(what, %error, "a watch was interrupted");
                let apart = !matches!(error, watcher::Error::InitialListFailed(_) | watcher::Error::WatchStartFailed(_));
                if may_recover(&error) && !trouble.is_over(apart) {
                    // kube's back-off forgets at each `Init`.
                    tokio::time::sleep(pause(trouble.errors)).await;
                    continue;
                }
                let error = watch_error(what, &error);
                match ready.take() {
                    Some(ready) => drop(ready.send(Err(error))),
                    None => drop(sink.send(Seen::Failed { message: error.to_string() })),
                }
                return;
            }
        }
    }
}

impl Known {
    fn new(kind: &str, freshness: Freshness) -> Self {
        let (objects, listed, news) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Self { kind: kind.to_owned(), objects, listed, news, complete: false, freshness, told_late: None }
    }

    fn fold(&mut self, event: Event<DynamicObject>, resource: &ApiResource) -> Vec<Seen> {
        let shown = |object| Arc::new(observed(plain(object, resource)));
        match event {
            Event::Init => {
                self.listed.clear();
                self.news.clear();
                if self.complete { vec![Seen::Relisted { kind: self.kind.clone() }] } else { Vec::new() }
            }
            Event::InitApply(object) => {
                let (key, state) = State::of(&object.metadata);
                // What a list shows may be old; that it cannot be from the future teaches how quick a delivery can be.
                let _ = state.written.map(|written| self.freshness.arrived(written));
                self.listed.insert(key.clone());
                if self.objects.get(&key).is_some_and(|known| known.is(&state)) {
                    return Vec::new();
                }
                // Nobody waits for the whole of the first list: of thousands, no more than a page is held.
                if !self.complete {
                    return self.upsert(key, state, shown(object));
                }
                self.news.push((key, state, shown(object)));
                Vec::new()
            }
            Event::InitDone => {
                self.complete = true;
                self.take_listing()
            }
            Event::Apply(object) => {
                let (key, state) = State::of(&object.metadata);
                let blind = self.lateness(&key, state.written).map(|lasted| Seen::Blind { kind: self.kind.clone(), lasted });
                blind.into_iter().chain(self.upsert(key, state, shown(object))).collect()
            }
            Event::Delete(object) => {
                self.objects.remove(&State::of(&object.metadata).0);
                vec![Seen::Deleted(shown(object))]
            }
        }
    }

    /// How long ago a new state may have come about, where it was held back and nothing was told of that yet.
    fn lateness(&mut self, key: &str, new: Option<Timestamp>) -> Option<Duration> {
        let before = self.objects.get(key).and_then(|state| state.written);
        let late = new.filter(|new| before.is_none_or(|before| *new > before)).and_then(|new| self.freshness.arrived(new))?;
        let now = Instant::now();
        let told = self.told_late.is_some_and(|told| now.duration_since(told) < BACKLOG);
        if told {
            return None;
        }
        self.told_late = Some(now);
        Some(late)
    }

    /// Compares a complete list with what was known: what is missing was deleted unseen.
    fn take_listing(&mut self) -> Vec<Seen> {
        let listed = std::mem::take(&mut self.listed);
        let gone: Vec<_> = self.objects.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        let mut seen = Vec::new();
        for key in gone {
            seen.extend(self.objects.remove(&key).map(|state| self.gone(&key, state)));
        }
        for (key, state, object) in std::mem::take(&mut self.news) {
            seen.extend(self.upsert(key, state, object));
        }
        seen
    }

    fn gone(&self, key: &str, state: State) -> Seen {
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Seen::Gone(Reference { kind: self.kind.clone(), namespace, name, uid: state.uid.into() })
    }

    /// Takes a state in, unless it is known already. Another uid under the same name: the old object was deleted unseen.
    fn upsert(&mut self, key: Key, state: State, object: Arc<Value>) -> Vec<Seen> {
        let uid = state.uid.clone();
        match self.objects.insert(key.clone(), state) {
            Some(before) if before.uid != uid => vec![self.gone(&key, before), Seen::Object(object)],
            Some(before) if self.objects.get(&key).is_some_and(|now| now.is(&before)) => Vec::new(),
            _ => vec![Seen::Object(object)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::At as _;
    use futures::stream;
    use kube::core::Status;
    use serde_json::json;

    fn pods() -> ApiResource {
        crate::cluster::kinds::Kind::known(None, "Pod").unwrap().resource
    }

    fn pod(name: &str, uid: &str, version: u32) -> DynamicObject {
        let metadata = json!({ "namespace": "n", "name": name, "uid": uid, "resourceVersion": version.to_string(),
            "managedFields": [{ "manager": "x" }] });
        serde_json::from_value(json!({ "metadata": metadata, "spec": {} })).unwrap()
    }

    async fn run(events: Vec<watcher::Result<Event<DynamicObject>>>) -> (Vec<String>, Result<(), RequestError>) {
        let (sink, mut seen) = mpsc::unbounded_channel();
        let (ready, first) = oneshot::channel();
        drain(stream::iter(events), &pods(), "watching pods", &sink, ready, Freshness::new()).await;
        drop(sink);
        let mut shown = Vec::new();
        while let Some(seen) = seen.recv().await {
            let title = |object: &Value| {
                format!("{}@{}", object["metadata"]["uid"], object["metadata"]["resourceVersion"]).replace('"', "")
            };
            shown.push(match seen {
                Seen::Object(object) => {
                    assert_eq!((&object["kind"], object.at("/metadata/managedFields")), (&json!("Pod"), None));
                    format!("+{}", title(&object))
                }
                Seen::Deleted(object) => format!("-{}", title(&object)),
                Seen::Gone(reference) => format!("-{}@?", reference.uid),
                Seen::Relisted { kind } => format!("relisted {kind}"),
                Seen::Failed { message } => format!("failed {message}"),
                Seen::Blind { kind, lasted } => format!("blind for {kind} {}ms", lasted.as_millis()),
                Seen::LogLine(_) | Seen::Sample(_) | Seen::Claim(_) | Seen::Opinion(_) => {
                    unreachable!("neither logs nor probes here")
                }
            });
        }
        (shown, first.await.unwrap_or_else(|_| Err(RequestError::of("x", "never ready"))))
    }

    fn gone() -> watcher::Result<Event<DynamicObject>> {
        Err(watcher::Error::WatchError(Box::new(Status { code: 410, reason: "Expired".to_owned(), ..Status::default() })))
    }

    fn lost() -> watcher::Result<Event<DynamicObject>> {
        let status = Status { code: 503, message: "down".to_owned(), ..Status::default() };
        Err(watcher::Error::WatchStartFailed(kube::Error::Api(Box::new(status))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_relist_shows_what_was_deleted_replaced_and_changed_in_the_gap() {
        let events = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(pod("a", "a1", 1))),
            Ok(Event::InitApply(pod("b", "b1", 2))),
            Ok(Event::InitApply(pod("c", "c1", 3))),
            Ok(Event::InitDone),
            Ok(Event::Apply(pod("a", "a1", 4))),
            gone(),
            Ok(Event::Init),
            Ok(Event::InitApply(pod("a", "a1", 4))),
            Ok(Event::InitApply(pod("b", "b2", 7))),
            Ok(Event::InitDone),
            Ok(Event::Delete(pod("b", "b2", 8))),
        ];
        let (seen, ready) = run(events).await;
        let expected =
            ["+a1@1", "+b1@2", "+c1@3", "+a1@4", "relisted Pod", "blind for Pod 200ms", "-c1@?", "-b1@?", "+b2@7", "-b2@8"];
        assert_eq!(seen, expected);
        assert_eq!(ready, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_fails_for_too_long_says_so_and_a_short_outage_does_not() {
        let begin = || vec![Ok(Event::Init), Ok(Event::InitDone)];
        let (seen, _) = run(begin().into_iter().chain((0..8).map(|_| lost())).collect()).await;
        assert!(seen.is_empty(), "{seen:?}");
        let back = [Ok(Event::Apply(pod("a", "a1", 4)))];
        let (seen, _) = run(begin().into_iter().chain((0..8).map(|_| lost())).chain(back).collect()).await;
        assert_eq!(seen, ["blind for Pod 11000ms", "+a1@4"]);
        let (seen, ready) = run(begin().into_iter().chain((0..60).map(|_| lost())).collect()).await;
        assert_eq!((seen, ready), (vec!["failed watching pods: down".to_owned()], Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_not_be_listed_fails_at_once() {
        let status = Status { code: 403, message: "pods is forbidden".to_owned(), ..Status::default() };
        let forbidden = Err(watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status))));
        let (seen, ready) = run(vec![forbidden]).await;
        assert_eq!((seen.len(), ready.unwrap_err().to_string().as_str()), (0, "watching pods: pods is forbidden"));
    }
}
