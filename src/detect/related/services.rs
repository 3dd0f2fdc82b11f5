//! Services: whom they select, and whether anybody answers behind them.

use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::{ObjectRecord, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The selector of a Service, unless it has none: then somebody else writes its endpoints.
#[must_use]
pub fn selector_of(service: &Value) -> Option<BTreeMap<&str, &str>> {
    let selector = service.at("/spec/selector")?.as_object()?;
    let pairs: BTreeMap<_, _> = selector.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect();
    (!pairs.is_empty()).then_some(pairs)
}

/// Whether a Service selects pods with these labels.
#[must_use]
pub fn selects(service: &Value, labels: &BTreeMap<String, String>) -> bool {
    selector_of(service)
        .is_some_and(|selector| selector.iter().all(|(key, value)| labels.get(*key).is_some_and(|known| known == value)))
}

/// How many endpoints of a Service are ready.
#[must_use]
pub fn ready_endpoints(index: &Index, service: &str) -> usize {
    slices(index, service).filter(|slice| slice.deleted.is_none()).map(|slice| ready_in(&slice.object)).sum()
}

/// When a Service that had no ready endpoint got one again, as far as it was watched.
#[must_use]
pub fn answers_since(index: &Index, service: &str) -> Option<Duration> {
    let of_slice = |slice: &ObjectRecord| {
        let pairs = slice.versions.iter().zip(slice.versions.iter().skip(1)).rev();
        pairs.filter(|((_, before), (_, after))| ready_in(before) == 0 && ready_in(after) > 0).map(|(_, (at, _))| *at).next()
    };
    slices(index, service).filter_map(of_slice).max()
}

fn slices<'a>(index: &'a Index, service: &'a str) -> impl Iterator<Item = &'a ObjectRecord> {
    let named = move |record: &ObjectRecord| text(&record.object, "/metadata/labels/kubernetes.io~1service-name") == service;
    index.records("EndpointSlice").map(|(_, record)| record).filter(move |record| named(record))
}

fn ready_in(slice: &Value) -> usize {
    let endpoints = slice.at("/endpoints").and_then(Value::as_array).into_iter().flatten();
    endpoints.filter(|endpoint| endpoint.at("/conditions/ready").and_then(Value::as_bool) != Some(false)).count()
}
