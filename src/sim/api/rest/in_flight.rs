//! How many requests of clients from outside are answered at once, as `--max-requests-inflight` and its sibling bound it.
//! What lasts (watches, logs, streams) and superusers do not count.

use super::body::{self, ResponseBody};
use super::route::{Route, Target};
use crate::sim::api::authentication::User;
use http::{HeaderValue, Method, Response, StatusCode, header};
use std::sync::atomic::{AtomicUsize, Ordering};

/// `--max-requests-inflight`: requests that change nothing.
pub(super) const READING: usize = 400;
/// `--max-mutating-requests-inflight`.
pub(super) const MUTATING: usize = 200;

/// The requests that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    reading: AtomicUsize,
    mutating: AtomicUsize,
}

/// A request's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(Option<&'a AtomicUsize>);

impl InFlight {
    /// Takes a place; `None` when all are taken.
    pub(super) fn enter(&self, user: &User, method: &Method, route: &Route) -> Option<Place<'_>> {
        if lasts(method, route) || user.groups.iter().any(|group| group == "system:masters") {
            return Some(Place(None));
        }
        let (count, most) =
            if [Method::GET, Method::HEAD].contains(method) { (&self.reading, READING) } else { (&self.mutating, MUTATING) };
        // One thread answers all requests of a cluster: nobody comes between.
        if count.load(Ordering::Relaxed) >= most {
            return None;
        }
        count.fetch_add(1, Ordering::Relaxed);
        Some(Place(Some(count)))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn lasts(method: &Method, route: &Route) -> bool {
    match &route.target {
        Target::Object(path) => {
            (*method == Method::GET && route.is_watch())
                || path
                    .subresource
                    .as_deref()
                    .is_some_and(|name| ["attach", "exec", "log", "portforward", "proxy"].contains(&name))
        }
        Target::Other(segments) => segments.get(4).is_some_and(|segment| segment == "proxy"),
    }
}

/// The answer to one request too many: plain text, as the real server has it.
pub(super) fn too_many() -> Response<ResponseBody> {
    let mut response = body::text("Too many requests, please try again later.\n");
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(uri: &str) -> Route {
        Route::parse(&uri.parse().unwrap()).unwrap()
    }

    #[rstest::rstest]
    #[case::reading(Method::GET, "/api/v1/pods", READING)]
    #[case::changing(Method::PATCH, "/api/v1/namespaces/a/pods/b", MUTATING)]
    #[case::a_version(Method::GET, "/version", READING)]
    fn so_many_find_a_place(#[case] method: Method, #[case] uri: &str, #[case] most: usize) {
        let (all, user) = (InFlight::default(), User::new("bob", &[]));
        let mut places: Vec<_> = std::iter::from_fn(|| all.enter(&user, &method, &route(uri))).take(most + 1).collect();
        assert_eq!(places.len(), most);
        places.pop();
        assert!(all.enter(&user, &method, &route(uri)).is_some(), "a place is free again");
        let other = if method == Method::GET { Method::PUT } else { Method::GET };
        assert!(all.enter(&user, &other, &route("/api/v1/namespaces/a/pods/b")).is_some(), "of the other sort");
        assert!(all.enter(&User::new("root", &["system:masters"]), &method, &route(uri)).is_some(), "a superuser");
        for lasting in ["/api/v1/pods?watch=1", "/api/v1/namespaces/a/pods/b/log?follow=true", "/api/v1/nodes/n/proxy/metrics"] {
            assert!(all.enter(&user, &Method::GET, &route(lasting)).is_some(), "{lasting}");
        }
    }
}
