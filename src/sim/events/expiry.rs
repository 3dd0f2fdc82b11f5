//! The end of events: an hour after its last write an event goes, as the API server's `--event-ttl` has it.
//! Nothing is looked at in between.

use crate::sim::api::resource::EVENTS;
use crate::sim::api::{ApiServer, DeleteOptions};
use crate::sim::controllers::object::key;
use crate::sim::controllers::queue::{Key, Queue};
use crate::sim::store::ChangeKind;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an event outlives its last write.
const TTL: Duration = Duration::from_hours(1);

/// Starts the expiry of events; it runs until the runtime ends.
pub(crate) fn start(api: &Arc<ApiServer>) {
    let queue = Arc::new(Queue::default());
    let written: Arc<Mutex<BTreeMap<Key, Instant>>> = Arc::default();
    let (followed, times, due) = (Arc::clone(api), Arc::clone(&written), Arc::clone(&queue));
    tokio::spawn(async move {
        loop {
            let mut watch = followed.watch(EVENTS, None);
            while let Some(item) = watch.next().await {
                let key = key(&item.object);
                let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
                if item.kind == ChangeKind::Deleted {
                    times.remove(&key);
                } else {
                    times.insert(key.clone(), Instant::now());
                    due.add_after(key, TTL);
                }
            }
        }
    });
    let api = Arc::clone(api);
    tokio::spawn(async move {
        loop {
            let key = queue.next().await;
            let age = written.lock().unwrap_or_else(PoisonError::into_inner).get(&key).map(Instant::elapsed);
            match age {
                Some(age) if age >= TTL => {
                    // Deleted by somebody else in the meantime: as good.
                    let _ = api.delete(EVENTS, &key.0, &key.1, &DeleteOptions::default());
                }
                Some(age) => queue.add_after(key, TTL.saturating_sub(age)),
                None => {}
            }
        }
    });
}
