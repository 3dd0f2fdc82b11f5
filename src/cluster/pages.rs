//! Lists read page by page, so that a namespace of thousands is never held as a whole.
//! Single requests and their retries are `request`'s.

use super::request::{RequestError, retried};
use kube::api::{Api, DynamicObject, ListParams};
use std::time::Duration;

/// Objects in one answer, unless a caller says otherwise. A pod as the server sends it, with its managedFields, takes 100 KB while it is read.
pub const PAGE: u32 = 100;

/// Lists all that `parameters` mean, a page at a time, each object turned into what is to be kept of it; with the resource version
/// of the list. Each page has the time `within`.
///
/// # Errors
/// The server's refusal, or no answer in time.
pub async fn list<T>(
    api: &Api<DynamicObject>,
    parameters: &ListParams,
    (what, within): (&str, Duration),
    mut keep: impl FnMut(DynamicObject) -> T,
) -> Result<(Option<u64>, Vec<T>), RequestError> {
    let mut kept = Vec::new();
    let mut parameters = ListParams { limit: parameters.limit.or(Some(PAGE)), ..parameters.clone() };
    loop {
        let page = match retried(what, within, || api.list(&parameters)).await {
            // The server has forgotten the rest of this list, as etcd's compaction makes it: then all at once, as kubectl does.
            Err(error) if error.code == 410 && parameters.continue_token.is_some() => {
                kept.clear();
                parameters = ListParams { limit: None, continue_token: None, ..parameters };
                continue;
            }
            page => page?,
        };
        kept.extend(page.items.into_iter().map(&mut keep));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return Ok((page.metadata.resource_version.and_then(|version| version.parse().ok()), kept)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kinds::Kind;
    use http::{Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};

    /// A server of 250 ConfigMaps that has forgotten its list where `forgets` is set; with the queries it was asked.
    fn server(forgets: bool) -> (Api<DynamicObject>, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let of = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.parse::<usize>().ok());
            let (limit, from) = (of("limit=").unwrap_or(250), of("continue=").unwrap_or(0));
            let (status, answer) = if forgets && from > 0 {
                let status =
                    json!({ "kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old" });
                (StatusCode::GONE, status)
            } else {
                let until = (from + limit).min(250);
                let items: Vec<Value> = (from..until).map(|n| json!({ "metadata": { "name": format!("m{n}") } })).collect();
                let mut metadata = json!({ "resourceVersion": "7" });
                if until < 250 {
                    metadata["continue"] = json!(until.to_string());
                }
                (StatusCode::OK, json!({ "kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items }))
            };
            seen.lock().unwrap().push(query);
            let answer = Response::builder().status(status).body(Body::from(answer.to_string().into_bytes()));
            async move { Ok::<_, std::convert::Infallible>(answer.unwrap()) }
        });
        let client = kube::Client::new(service, "n");
        (Kind::known(None, "ConfigMap").unwrap().api(&client, "n"), asked)
    }

    async fn names(api: &Api<DynamicObject>) -> (Option<u64>, Vec<String>) {
        let what = ("listing", Duration::from_secs(5));
        list(api, &ListParams::default().labels("a=b"), what, |object| object.metadata.name.unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn every_object_of_every_page_is_kept_once() {
        let all: Vec<_> = (0..250).map(|n| format!("m{n}")).collect();
        let (api, asked) = server(false);
        assert_eq!(names(&api).await, (Some(7), all.clone()));
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert!(asked.iter().all(|query| query.contains("limit=100") && query.contains("labelSelector=a%3Db")), "{asked:?}");
        // The rest of a list that the server has forgotten is no reason to miss anything, or to count anything twice.
        let (api, asked) = server(true);
        assert_eq!(names(&api).await, (Some(7), all));
        assert_eq!(asked.lock().unwrap().len(), 3);
    }
}
