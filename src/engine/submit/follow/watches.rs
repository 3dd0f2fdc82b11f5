//! The watches by which a submitted run is followed: its pods, its Job, Events, and the names of what is stored. What follows from it is
//! `follow`'s.

use crate::cluster::request::RequestError;
use crate::cluster::wait::{may_recover, watch_error, with_pauses};
use crate::engine::home::Home;
use crate::engine::labels;
use crate::engine::namespace::own_kind;
use crate::engine::submit::{objects, store};
use crate::observe::watch::plain;
use futures::stream::{BoxStream, SelectAll};
use futures::{AsyncBufReadExt, Stream, StreamExt, future};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DynamicObject, LogParams, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use serde_json::Value;

/// Something that a watch told.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A pod.
    Pod(Value),
    /// A pod is gone.
    PodGone {
        /// Its uid.
        uid: String,
    },
    /// The Job.
    Job(Value),
    /// The Job is gone.
    JobGone,
    /// Something is stored.
    Stored {
        /// Of which shard, from 1 on.
        shard: u32,
        /// The name of its object.
        name: String,
    },
    /// An Event.
    Event(Value),
    /// A pod wrote a line.
    Said {
        /// Of which shard, from 1 on.
        shard: u32,
        /// The line.
        line: String,
    },
}

type Told = Result<Seen, RequestError>;

/// Everything that happens in a home.
pub(super) fn all(client: &kube::Client, home: &Home) -> Result<SelectAll<BoxStream<'static, Told>>, RequestError> {
    let namespace = &home.namespace;
    let own = format!("{}={}", labels::RUN, home.run);
    let config = watcher::Config::default;
    Ok(futures::stream::select_all([
        objects(client, namespace, "Pod", config().labels(&own), |event, pod| match event {
            Happened::There => Some(Seen::Pod(pod)),
            Happened::Gone => Some(Seen::PodGone { uid: crate::observe::index::text(&pod, "/metadata/uid").to_owned() }),
        })?,
        objects(client, namespace, "Job", config().labels(&own), |event, job| match event {
            Happened::There => Some(Seen::Job(job)),
            Happened::Gone => Some(Seen::JobGone),
        })?,
        objects(client, namespace, "Event", config(), |event, told| match event {
            Happened::There => Some(Seen::Event(told)),
            Happened::Gone => None,
        })?,
        stored(client, namespace, config().labels(&format!("{own},{}={}", labels::HOLDS, store::PIECE))),
    ]))
}

#[derive(Clone, Copy)]
enum Happened {
    There,
    Gone,
}

fn objects(
    client: &kube::Client,
    namespace: &str,
    kind: &str,
    config: watcher::Config,
    seen: fn(Happened, Value) -> Option<Seen>,
) -> Result<BoxStream<'static, Told>, RequestError> {
    let kind = own_kind(kind)?;
    let what = format!("watching {} in {namespace}", kind.resource.plural);
    let stream = watcher::watcher(kind.api(client, namespace), config);
    let resource = kind.resource;
    Ok(told(stream, what, move |event, object: DynamicObject| seen(event, plain(object, &resource))))
}

/// The names of what is stored; the results themselves are fetched once, at the end.
fn stored(client: &kube::Client, namespace: &str, config: watcher::Config) -> BoxStream<'static, Told> {
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client.clone(), namespace);
    let what = format!("watching results in {namespace}");
    told(watcher::watcher(api, config), what, |event, object| match event {
        Happened::There => {
            let shard = object.metadata.labels?.get(labels::SHARD)?.parse().ok()?;
            Some(Seen::Stored { shard, name: object.metadata.name? })
        }
        Happened::Gone => None,
    })
}

/// What a pod writes, line by line, until it ends. What cannot be read is not missed: results come another way.
pub(super) fn log(client: &kube::Client, home: &Home, pod: String, shard: u32) -> BoxStream<'static, Told> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &home.namespace);
    let parameters = LogParams { follow: true, container: Some(objects::CONTAINER.to_owned()), ..LogParams::default() };
    let lines = async move {
        let lines = pods.log_stream(&pod, &parameters).await.map(|log| log.lines().filter_map(|line| future::ready(line.ok())));
        futures::stream::iter(lines).flatten()
    };
    let said = futures::stream::once(lines).flatten().map(move |line| Ok(Seen::Said { shard, line }));
    said.boxed()
}

fn told<K: Send + 'static>(
    stream: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    what: String,
    seen: impl Fn(Happened, K) -> Option<Seen> + Send + 'static,
) -> BoxStream<'static, Told> {
    let events = with_pauses(stream).filter_map(move |event| {
        future::ready(match event {
            Ok(Event::InitApply(object) | Event::Apply(object)) => seen(Happened::There, object).map(Ok),
            Ok(Event::Delete(object)) => seen(Happened::Gone, object).map(Ok),
            Ok(Event::Init | Event::InitDone) => None,
            Err(error) if may_recover(&error) => None,
            Err(error) => Some(Err(watch_error(&what, &error))),
        })
    });
    events.boxed()
}
