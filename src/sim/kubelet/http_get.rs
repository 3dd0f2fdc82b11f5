//! The kubelet's HTTP client, for probes and hooks: one GET, with the texts of Go's client for whatever goes wrong.
//! What a status code means is decided by `probe` and `hook`.

use super::pod::PodRecord;
use super::probe::port_number;
use crate::sim::network::http::{Headers, HttpError, Reader, Request, Response};
use crate::sim::network::{NetError, PodNetwork, Stream};
use k8s_openapi::api::core::v1::{Container, HTTPGetAction};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Redirects that are followed at most.
const MOST_REDIRECTS: usize = 10;
/// How much of a response's body is read.
const LONGEST_BODY: usize = 10 * 1024;
/// What a TLS client says first; no server of the simulation understands it.
const CLIENT_HELLO: &[u8] = &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0];

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GetError {
    /// The request could not be made.
    Invalid(String),
    /// The request failed.
    Failed(String),
    /// The response's body did not come to its end.
    Body(String),
}

/// Where a request goes.
#[derive(Clone, Debug)]
struct Target {
    https: bool,
    host: String,
    port: Option<u16>,
    path: String,
}

impl Target {
    fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    fn number(&self) -> u16 {
        self.port.unwrap_or(if self.https { 443 } else { 80 })
    }

    fn url(&self) -> String {
        format!("{}://{}{}", if self.https { "https" } else { "http" }, self.authority(), self.path)
    }

    /// Where a `Location` header leads.
    fn follow(&self, location: &str) -> Self {
        let (https, rest) = if let Some(rest) = location.strip_prefix("http://") {
            (false, rest)
        } else if let Some(rest) = location.strip_prefix("https://") {
            (true, rest)
        } else {
            let base = self.path.split('?').next().unwrap_or_default();
            let above = base.rsplit_once('/').map_or("", |(above, _)| above);
            let path = if location.starts_with('/') { location.to_owned() } else { format!("{above}/{location}") };
            return Self { path, ..self.clone() };
        };
        let (authority, path) = rest.split_once('/').map_or((rest, "/".to_owned()), |(host, path)| (host, format!("/{path}")));
        let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, port.parse().ok()));
        Self { https, host: host.to_owned(), port, path }
    }
}

/// What the response to a GET was. `purpose` is `probe` or `lifecycle`; a redirect to another host is returned as it is.
pub(super) async fn get(
    record: &PodRecord,
    container: &Container,
    action: &HTTPGetAction,
    purpose: &str,
    limit: Option<Duration>,
) -> Result<Response, GetError> {
    let address = record.state().sandbox.as_ref().map(|sandbox| sandbox.ip.clone()).unwrap_or_default();
    let port = port_number(container, &action.port).map_err(GetError::Invalid)?;
    let path = action.path.as_deref().unwrap_or("/");
    let first = Target {
        https: action.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
        host: action.host.clone().filter(|host| !host.is_empty()).unwrap_or(address),
        port: Some(port),
        path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
    };
    let deadline = limit.map(|limit| Instant::now() + limit);
    let client = Client { network: record.agent.network.clone(), deadline };
    let mut target = first.clone();
    let mut shown = first.url();
    for _ in 0..=MOST_REDIRECTS {
        let failed = |why: String| GetError::Failed(format!("Get \"{shown}\": {why}"));
        let (stream, mut response) = client.head(&target, &headers(action, &target, purpose)).await.map_err(&failed)?;
        let location = response.headers.get("Location").map(ToOwned::to_owned);
        if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
            client.body(&stream, &mut response).await?;
            return Ok(response);
        }
        let Some(location) = location.filter(|location| !location.is_empty()) else {
            return Err(failed(format!("{} response missing Location header", response.status)));
        };
        let next = target.follow(&location);
        if next.host != first.host {
            client.body(&stream, &mut response).await?;
            return Ok(response);
        }
        target = next;
        shown = location;
    }
    Err(GetError::Failed(format!("Get \"{shown}\": stopped after 10 redirects")))
}

fn headers(action: &HTTPGetAction, target: &Target, purpose: &str) -> Headers {
    let given: Vec<_> = action.http_headers.iter().flatten().map(|header| (header.name.clone(), header.value.clone())).collect();
    let own = |name: &str| given.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
    let mut headers = Headers::default();
    headers.add("Host", own("Host").filter(|host| !host.is_empty()).unwrap_or_else(|| target.authority()));
    headers.add("User-Agent", own("User-Agent").unwrap_or_else(|| format!("kube-{purpose}/1.36")));
    if let Some(accept) = Some(own("Accept").unwrap_or_else(|| "*/*".to_owned())).filter(|accept| !accept.is_empty()) {
        headers.add("Accept", accept);
    }
    let special = ["host", "user-agent", "accept"];
    for (name, value) in given.iter().filter(|(name, _)| !special.contains(&name.to_lowercase().as_str())) {
        headers.add(name, value);
    }
    headers.add("Connection", "close");
    headers
}

struct Client {
    network: PodNetwork,
    deadline: Option<Instant>,
}

impl Client {
    async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.deadline {
            None => Some(work.await),
            Some(deadline) => timeout_at(deadline, work).await.ok(),
        }
    }

    /// Connects, asks and reads up to the body; what was read of the body already is in it.
    async fn head(&self, target: &Target, headers: &Headers) -> Result<(Stream, Response), String> {
        let late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
        let address = resolve(&self.network, &target.host)?;
        let to = SocketAddrV4::new(address, target.number());
        let stream = match self.within(self.network.connect(to)).await {
            None => return Err(late.to_owned()),
            Some(Err(error)) => return Err(format!("dial tcp {to}: connect: {}", error.go())),
            Some(Ok(stream)) => stream,
        };
        if target.https {
            let why = self.within(handshake(&stream)).await;
            return Err(why.unwrap_or_else(|| late.to_owned()));
        }
        let request =
            Request { method: "GET".to_owned(), target: target.path.clone(), headers: headers.clone(), body: Vec::new() };
        let exchange = async {
            request.send(&stream).await?;
            let mut reader = Reader::new(&stream);
            let (status, reason) = reader.status().await?;
            let headers = reader.headers().await?;
            let body = reader.into_buffer();
            Ok(Response { status, reason, headers, body })
        };
        let response = match self.within(exchange).await {
            None => return Err(late.to_owned()),
            Some(Ok(response)) => response,
            Some(Err(error)) => return Err(read_error(&stream, &error)),
        };
        Ok((stream, response))
    }

    /// Reads the body to its end, 10 KiB of it at most. Chunks are not taken apart: nobody looks at them.
    async fn body(&self, stream: &Stream, response: &mut Response) -> Result<(), GetError> {
        let length = response.headers.get("Content-Length").and_then(|length| length.parse().ok());
        let length = if matches!(response.status, 204 | 304) { Some(0) } else { length };
        let wanted = length.unwrap_or(LONGEST_BODY).min(LONGEST_BODY);
        let body = &mut response.body;
        let rest = async {
            while body.len() < wanted {
                let bytes = stream.read(wanted - body.len()).await?;
                if bytes.is_empty() {
                    break;
                }
                body.extend(&bytes);
            }
            Ok::<_, NetError>(())
        };
        match self.within(rest).await {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(GetError::Body(read_error(stream, &error.into()))),
            None => Err(GetError::Body(
                "context deadline exceeded (Client.Timeout or context cancellation while reading body)".to_owned(),
            )),
        }
    }
}

/// Go's text for a failed read; the kubelet's own address is that of the bridge to the pod.
pub(super) fn read_error(stream: &Stream, error: &HttpError) -> String {
    match error {
        HttpError::Closed => "EOF".to_owned(),
        HttpError::Malformed(line) => {
            format!("net/http: HTTP/1.x transport connection broken: malformed HTTP response {line:?}")
        }
        HttpError::Net(error) => {
            let [a, b, c, _] = stream.peer().ip().octets();
            let bridge = Ipv4Addr::new(a, b, c, 1);
            format!("read tcp {bridge}:{}->{}: read: {}", stream.local().port(), stream.peer(), error.go())
        }
    }
}

async fn handshake(stream: &Stream) -> String {
    if let Err(error) = stream.write(CLIENT_HELLO).await {
        return read_error(stream, &error.into());
    }
    match stream.read(5).await {
        Ok(bytes) if bytes.is_empty() => "EOF".to_owned(),
        Ok(bytes) if bytes.starts_with(b"HTTP/") => "http: server gave HTTP response to HTTPS client".to_owned(),
        Ok(_) => "tls: first record does not look like a TLS handshake".to_owned(),
        Err(error) => read_error(stream, &error.into()),
    }
}

/// The address of a host as the node resolves it: its own names only.
pub(super) fn resolve(network: &PodNetwork, host: &str) -> Result<Ipv4Addr, String> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let own = network.identity();
    if host == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST);
    }
    if host == own.name {
        return Ok(own.address);
    }
    Err(format!("dial tcp: lookup {host} on 172.18.0.1:53: no such host"))
}
