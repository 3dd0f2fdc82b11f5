//! What every controller works with: the API server, its event recorder, its latencies, and informers that fill its queue.
//! What a controller does with its keys lives in its own file.

use super::queue::{Key, Queue};
use crate::sim::api::{ApiError, ApiServer, Resource, WatchItem};
use crate::sim::events::EventRecorder;
use crate::sim::profile::Latencies;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Spread of the latencies (standard deviation of the logarithm).
const SPREAD: f64 = crate::sim::profile::spread::CONTROL_PLANE;

/// One controller's surroundings.
#[derive(Debug)]
pub(crate) struct Context {
    /// The API server.
    pub api: Arc<ApiServer>,
    /// The controller's own event recorder.
    pub recorder: EventRecorder,
    /// The controller's keys.
    pub queue: Queue,
    name: &'static str,
    latencies: Latencies,
    draws: Mutex<BTreeMap<Key, u64>>,
}

impl Context {
    /// The surroundings of the controller that reports as `name`.
    pub(crate) fn new(api: &Arc<ApiServer>, latencies: &Latencies, name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            api: Arc::clone(api),
            recorder: EventRecorder::new(Arc::clone(api), name, None),
            queue: Queue::default(),
            name,
            latencies: latencies.clone(),
            draws: Mutex::default(),
        })
    }

    fn draw(&self, key: &Key, purpose: &str, median: Duration) -> Duration {
        let n = {
            let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
            let n = draws.entry(key.clone()).or_default();
            *n += 1;
            *n
        };
        let entity = format!("{}/{}/{}", self.name, key.0, key.1);
        self.api.random.lognormal(&entity, purpose, n, median, SPREAD)
    }

    /// Waits as long as one API write of the controller takes.
    pub(crate) async fn before_write(&self, key: &Key) {
        tokio::time::sleep(self.draw(key, "api-write", self.latencies.api_write)).await;
    }

    /// Waits as long as something else takes that costs about as much as so many writes.
    pub(crate) async fn work(&self, key: &Key, writes: u32) {
        tokio::time::sleep(self.draw(key, "work", self.latencies.api_write * writes)).await;
    }

    /// Waits about `median` for something that `purpose` names.
    pub(crate) async fn wait(&self, key: &Key, purpose: &str, median: Duration) {
        tokio::time::sleep(self.draw(key, purpose, median)).await;
    }

    /// Queues a key as an informer's event does: after the watch has delivered it.
    pub(crate) fn enqueue(&self, key: Key) {
        let lag = self.draw(&key, "informer", self.latencies.informer);
        self.queue.news(key, lag);
    }

    /// Works the queue off, key by key, for ever: what fails is tried again after its back-off.
    pub(super) fn serve(
        self: &Arc<Self>,
        sync: impl for<'a> Fn(&'a Self, &'a Key) -> BoxFuture<'a, Result<(), ApiError>> + Send + Sync + 'static,
    ) {
        let context = Arc::clone(self);
        let tasks = context.api.gate.control_plane.clone();
        tasks.spawn(async move {
            loop {
                let key = context.queue.next().await;
                match sync(&context, &key).await {
                    Ok(()) => context.queue.forget(&key),
                    Err(_) => context.queue.retry(key),
                }
            }
        });
    }

    /// Follows all objects of a resource; `keys` names the keys that a change concerns.
    pub(crate) fn inform(
        self: &Arc<Self>,
        resource: Resource,
        keys: impl Fn(&Context, &WatchItem) -> Vec<Key> + Send + Sync + 'static,
    ) {
        let context = Arc::clone(self);
        let tasks = context.api.gate.control_plane.clone();
        tasks.spawn(async move {
            // An informer whose watch has expired lists again: `watch` begins with the present objects.
            loop {
                let mut watch = context.api.watch(resource, None);
                while let Some(item) = watch.next().await {
                    for key in keys(&context, &item) {
                        context.enqueue(key);
                    }
                }
            }
        });
    }
}
