//! The REST face: an HTTP request becomes a verb on the API server, its result an HTTP response after the profile's latency.
//! Paths are read in `rest/route`; each verb has a file of its own.

mod accept;
mod access;
mod attach;
mod body;
mod change;
mod exec;
mod in_flight;
mod log;
mod metrics;
mod other;
mod pod;
mod port_forward;
mod project;
mod read;
mod review;
mod route;
mod show;
mod terminal;
mod upgrade;
mod watch;
mod write;

use super::authentication::Credentials;
use super::list;
use super::protobuf;
use super::resource;
use super::server::ApiServer;
use super::status::ApiError;
use crate::sim::kubelet::Runtime;
use crate::sim::metrics::usage::Samples;
use crate::sim::profile::Profile;
pub(in crate::sim) use body::LARGEST as LARGEST_BODY;
use body::ResponseBody;
use futures::future::BoxFuture;
use http::{Method, Request, Response, header};
use in_flight::InFlight;
use kube::client::Body;
use metrics::PaceReport;
use route::{Route, Target};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long the simulated server takes for an answer that writes nothing.
const READ_LATENCY: Duration = Duration::from_millis(1);
/// Standard deviation of the logarithm of a write's latency.
const WRITE_SPREAD: f64 = crate::sim::profile::spread::CONTROL_PLANE;

/// The API server as a tower service.
#[derive(Clone, Debug)]
pub(in crate::sim) struct RestService {
    server: Arc<Rest>,
}

/// What every request handler needs.
#[derive(Debug)]
pub(super) struct Rest {
    /// The API server behind.
    pub(super) api: Arc<ApiServer>,
    /// The containers, for logs and exec.
    pub(super) runtime: Runtime,
    /// Latencies and version.
    pub(super) profile: Profile,
    /// Who may come in; `None` in process, where everybody is trusted.
    guard: Option<Credentials>,
    /// Simulated seconds in a second of the clients.
    pub(super) speed: f64,
    /// How well that speed is kept.
    pace: Arc<PaceReport>,
    /// What containers used before.
    samples: Samples,
    /// The requests of clients from outside that wait for their answers.
    in_flight: InFlight,
}

impl RestService {
    /// A service on an API server and the containers of its nodes.
    pub(super) fn new(api: Arc<ApiServer>, runtime: Runtime, profile: &Profile) -> Self {
        let (pace, samples) = (Arc::default(), Samples::default());
        let (profile, in_flight) = (profile.clone(), InFlight::default());
        Self { server: Arc::new(Rest { api, runtime, profile, guard: None, speed: 1.0, pace, samples, in_flight }) }
    }

    /// The same service for clients from outside, whose clocks run at a `speed`-th of the simulated one.
    pub(super) fn guarded(self, credentials: Credentials, speed: f64) -> Self {
        let Rest { api, runtime, profile, pace, .. } = &*self.server;
        let (api, runtime, profile, pace) = (Arc::clone(api), runtime.clone(), profile.clone(), Arc::clone(pace));
        let (samples, in_flight, guard) = (Samples::default(), InFlight::default(), Some(credentials));
        Self { server: Arc::new(Rest { api, runtime, profile, guard, speed, pace, samples, in_flight }) }
    }

    /// Where the keeping of the pace is to be told.
    pub(in crate::sim) fn pace(&self) -> Arc<PaceReport> {
        Arc::clone(&self.server.pace)
    }
}

impl tower::Service<Request<Body>> for RestService {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = Arc::clone(&self.server);
        Box::pin(async move { Ok(server.answer(request).await.unwrap_or_else(|error| body::error(&error))) })
    }
}

impl Rest {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<ResponseBody>, ApiError> {
        self.api.gate.passed().await;
        let route = Route::parse(request.uri())?;
        let user = self.identify(&request, &route)?;
        let Some(_place) = self.in_flight.enter(&user, request.method(), &route) else { return Ok(in_flight::too_many()) };
        self.admit(&user, request.method(), &route)?;
        let mut request = translated(request).await?;
        request.extensions_mut().insert(user);
        let latency = self.latency(request.method(), &route);
        let warning = self.deprecation(&route);
        let mut response = self.dispatch(request, route).await;
        if let (Some(warning), Ok(response)) = (warning, &mut response) {
            response.headers_mut().append(http::header::WARNING, warning);
        }
        tokio::time::sleep(latency).await;
        self.api.gate.passed().await;
        response
    }

    async fn dispatch(self: &Arc<Self>, request: Request<Body>, mut route: Route) -> Result<Response<ResponseBody>, ApiError> {
        let method = request.method().clone();
        if let Target::Object(path) = &mut route.target
            && [None, Some("status")].contains(&path.subresource.as_deref())
        {
            let collection = path.name.is_none()
                && method != Method::POST
                && !route.query.iter().any(|(name, value)| name == "watch" && list::is_true(value));
            path.form = accept::Form::parse(request.headers(), &route.query, collection)?;
        }
        let path = match &route.target {
            Target::Object(path) => path,
            Target::Other(segments) => return other::answer(self, segments, request).await,
        };
        if project::is_of(self, path) {
            return project::answer(self, path, &route.query, request).await;
        }
        // In process it is not announced, as on a cluster without metrics-server, and yet answers whom knows it.
        if path.group == metrics::GROUP {
            return if method == Method::GET {
                metrics::measured(self, path, &route.query)
            } else {
                Err(ApiError::wrong_method())
            };
        }
        let named = path.name.is_some();
        match (method, named, path.subresource.as_deref()) {
            (Method::GET, true, None | Some("status" | "resize" | "ephemeralcontainers" | "approval")) => read::get(self, path),
            (Method::GET, false, None) if route.is_watch() => watch::watch(self, path, &route.query),
            (Method::GET, false, None) => read::list(self, path, &route.query),
            (Method::POST, false, None) if path.is_bindings() => pod::bind_in_collection(self, path, &route.query, request).await,
            (Method::POST, false, None) => write::create(self, path, &route.query, request).await,
            (Method::PUT, true, None | Some("status" | "resize" | "ephemeralcontainers" | "approval")) => {
                change::put(self, path, &route.query, request).await
            }
            (Method::PATCH, true, None | Some("status" | "resize" | "ephemeralcontainers" | "approval")) => {
                change::patch(self, path, &route.query, request).await
            }
            (Method::GET, true, Some("scale")) => change::get_scale(self, path),
            (Method::PUT | Method::PATCH, true, Some("scale")) => change::set_scale(self, path, &route.query, request).await,
            (Method::GET, true, Some("log")) => log::log(self, path, &route.query),
            (Method::GET | Method::POST, true, Some("exec")) => {
                exec::exec(self, path, &route.query, &request.headers().clone()).await
            }
            (Method::GET | Method::POST, true, Some("portforward")) => {
                port_forward::port_forward(self, path, &request.headers().clone()).await
            }
            (Method::GET | Method::POST, true, Some("attach")) => {
                attach::attach(self, path, &route.query, &request.headers().clone()).await
            }
            (Method::POST, true, Some("binding")) => pod::bind(self, path, &route.query, request).await,
            (Method::POST, true, Some("eviction")) => pod::evict(self, path, &route.query, request).await,
            (Method::POST, true, Some("token")) if read::resource_of(self, path)? == resource::SERVICE_ACCOUNTS => {
                review::token(self, path, request).await
            }
            (Method::PUT, true, Some("finalize")) => change::finalize(self, path, request).await,
            (Method::DELETE, true, None) => write::delete(self, path, &route.query, request).await,
            (Method::DELETE, false, None) => write::delete_collection(self, path, &route.query, request).await,
            _ => {
                // What is not served at all is not found, whatever is done with it.
                let resource = read::resource_of(self, path)?;
                let known =
                    path.subresource.as_deref().is_none_or(|name| resource.subresources().iter().any(|sub| sub.name == name));
                Err(if known || !resource.is_built_in() { ApiError::wrong_method() } else { ApiError::no_such_path() })
            }
        }
    }

    /// Whether a new kind is learnt from its first object. Clients from outside meet 404, as on a real cluster.
    pub(super) fn learns(&self) -> bool {
        self.guard.is_none()
    }

    /// What users of a custom kind's version are warned of.
    fn deprecation(&self, route: &Route) -> Option<http::HeaderValue> {
        let Target::Object(path) = &route.target else { return None };
        let kind = self.api.custom.find(&path.group, &path.plural)?;
        let text = kind.version(&path.version)?.warning.as_ref()?;
        http::HeaderValue::from_str(&format!("299 - \"{}\"", text.replace('"', "\\\""))).ok()
    }

    fn latency(&self, method: &Method, route: &Route) -> Duration {
        if *method == Method::GET {
            return READ_LATENCY;
        }
        let entity = format!("{method} {}", route.path);
        let n = self.api.ordinal(&entity);
        self.api.random.lognormal(&entity, "api write", n, self.profile.latencies.api_write, WRITE_SPREAD)
    }
}

/// A request whose body, if it is protobuf, is JSON: the handlers know nothing else.
async fn translated(request: Request<Body>) -> Result<Request<Body>, ApiError> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media_type.split(';').next().map(str::trim) != Some(protobuf::MEDIA_TYPE) || request.method() == Method::PATCH {
        return Ok(request);
    }
    let (mut parts, body) = request.into_parts();
    let bytes = body::read(Request::new(body)).await?;
    parts.headers.remove(header::CONTENT_TYPE);
    if bytes.is_empty() {
        return Ok(Request::from_parts(parts, Body::empty()));
    }
    Ok(Request::from_parts(parts, Body::from(protobuf::decode(&bytes)?.to_string().into_bytes())))
}
