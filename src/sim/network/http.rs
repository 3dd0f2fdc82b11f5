//! HTTP/1.1 as programs and kubelets of the simulation speak it: requests and responses on a stream, one place for both sides.
//! What is asked and answered is the business of clients and servers.

use super::error::NetError;
use super::stream::Stream;
use std::future::Future;
use std::sync::Arc;

/// The longest head of a message that is read, in bytes, and the longest body.
const LONGEST_HEAD: usize = 64 * 1024;
const LONGEST_BODY: usize = 16 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

/// Why a message could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The connection failed.
    Net(NetError),
    /// The other side closed before (or within) the message.
    Closed,
    /// What came is not HTTP: its first line.
    Malformed(String),
}

impl From<NetError> for HttpError {
    fn from(error: NetError) -> Self {
        Self::Net(error)
    }
}

/// Header lines in their order, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header, whatever the case of its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Adds a header.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    fn lines(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
    }

    fn is_chunked(&self) -> bool {
        self.get("Transfer-Encoding").is_some_and(|coding| coding.to_lowercase().ends_with("chunked"))
    }
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET` and its like.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// The headers.
    pub headers: Headers,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The words after it.
    pub reason: String,
    /// The headers.
    pub headers: Headers,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Request {
    /// A GET request with a Host header.
    #[must_use]
    pub fn get(host: &str, target: &str) -> Self {
        let headers = Headers(vec![("Host".to_owned(), host.to_owned())]);
        Self { method: "GET".to_owned(), target: target.to_owned(), headers, body: Vec::new() }
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Sends the request. A body is given its `Content-Length` unless the headers have one.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn send(&self, stream: &Stream) -> Result<(), NetError> {
        let mut text = format!("{} {} HTTP/1.1\r\n{}", self.method, self.target, self.headers.lines());
        if !self.body.is_empty() && self.headers.get("Content-Length").is_none() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend(&self.body);
        stream.write(bytes).await
    }
}

impl Response {
    /// A response with a body and its type and length.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut headers = Headers::default();
        if !content_type.is_empty() {
            headers.add("Content-Type", content_type);
        }
        headers.add("Content-Length", body.len().to_string());
        Self { status, reason: reason(status).to_owned(), headers, body }
    }

    /// Sends the response as it is.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn send(&self, stream: &Stream) -> Result<(), NetError> {
        let head = format!("HTTP/1.1 {} {}\r\n{}\r\n", self.status, self.reason, self.headers.lines());
        let mut bytes = head.into_bytes();
        bytes.extend(&self.body);
        stream.write(bytes).await
    }
}

/// The usual words for a status code.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
}

/// A connection that is read line by line; what was read too far is kept for the next message.
#[derive(Debug)]
pub struct Reader<'a> {
    stream: &'a Stream,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// A reader of what comes from now on.
    #[must_use]
    pub fn new(stream: &'a Stream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// What was read, but not yet asked for.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    async fn more(&mut self) -> Result<bool, HttpError> {
        let bytes = self.stream.read(CHUNK).await?;
        self.buffer.extend(&bytes);
        Ok(!bytes.is_empty())
    }

    /// One line without its end; `None` at the end of the stream.
    ///
    /// # Errors
    /// The connection failed, or the line is too long to belong to HTTP.
    pub async fn line(&mut self) -> Result<Option<String>, HttpError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line);
                return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
            }
            if self.buffer.len() > LONGEST_HEAD {
                return Err(HttpError::Malformed("a line of more than 64 KiB".to_owned()));
            }
            if !self.more().await? {
                let rest = std::mem::take(&mut self.buffer);
                return Ok((!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned()));
            }
        }
    }

    /// Exactly `count` bytes, or fewer at the end of the stream.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, HttpError> {
        let count = count.min(LONGEST_BODY);
        while self.buffer.len() < count && self.more().await? {}
        Ok(self.buffer.drain(..count.min(self.buffer.len())).collect())
    }

    /// Up to `limit` bytes, as soon as there are any; none at the end of the stream.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn some(&mut self, limit: usize) -> Result<Vec<u8>, HttpError> {
        if self.buffer.is_empty() {
            self.more().await?;
        }
        Ok(self.buffer.drain(..limit.min(self.buffer.len())).collect())
    }

    /// Everything to the end of the stream.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn rest(&mut self) -> Result<Vec<u8>, HttpError> {
        while self.buffer.len() < LONGEST_BODY && self.more().await? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Header lines up to the empty line.
    ///
    /// # Errors
    /// The connection failed or ended.
    pub async fn headers(&mut self) -> Result<Headers, HttpError> {
        let mut headers = Headers::default();
        while let Some(line) = self.line().await? {
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            headers.add(name.trim(), value.trim());
            if headers.0.len() > 1_000 {
                return Err(HttpError::Malformed("more than 1000 headers".to_owned()));
            }
        }
        Ok(headers)
    }

    /// The next request; `None` when the client has closed the connection instead.
    ///
    /// # Errors
    /// The connection failed, or what came is not HTTP.
    pub async fn request(&mut self) -> Result<Option<Request>, HttpError> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let mut words = line.split_whitespace();
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(HttpError::Malformed(line));
        };
        if !version.starts_with("HTTP/") {
            return Err(HttpError::Malformed(line));
        }
        let (method, target) = (method.to_owned(), target.to_owned());
        let headers = self.headers().await?;
        let body = if headers.is_chunked() {
            self.chunked().await?
        } else {
            let length = headers.get("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
            self.exactly(length).await?
        };
        Ok(Some(Request { method, target, headers, body }))
    }

    /// The status line of a response.
    ///
    /// # Errors
    /// The connection failed or ended, or what came is not HTTP.
    pub async fn status(&mut self) -> Result<(u16, String), HttpError> {
        let line = self.line().await?.ok_or(HttpError::Closed)?;
        let status = line.strip_prefix("HTTP/").and_then(|rest| rest.split_once(' ')).and_then(|(_, rest)| {
            let (code, reason) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
            Some((code.parse::<u16>().ok().filter(|code| (100..1_000).contains(code))?, reason.to_owned()))
        });
        status.ok_or(HttpError::Malformed(line))
    }

    /// The response to a request of this method.
    ///
    /// # Errors
    /// The connection failed or ended, or what came is not HTTP.
    pub async fn response(&mut self, method: &str) -> Result<Response, HttpError> {
        let (status, reason) = self.status().await?;
        let headers = self.headers().await?;
        let body = if method == "HEAD" || status == 204 || status == 304 {
            Vec::new()
        } else if headers.is_chunked() {
            self.chunked().await?
        } else if let Some(length) = headers.get("Content-Length").and_then(|length| length.parse().ok()) {
            self.exactly(length).await?
        } else {
            self.rest().await?
        };
        Ok(Response { status, reason, headers, body })
    }

    async fn chunked(&mut self) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?.ok_or(HttpError::Closed)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| HttpError::Malformed(line.clone()))?;
            if size == 0 {
                self.headers().await?;
                return Ok(body);
            }
            body.extend(self.exactly(size).await?);
            if body.len() > LONGEST_BODY {
                return Err(HttpError::Malformed("a body of more than 16 MiB".to_owned()));
            }
            self.line().await?;
        }
    }
}

/// Serves connections of a listener side by side, for ever. They end with the future: as the sockets of a killed process do.
pub async fn serve<F, Fut>(listener: &super::Listener, answer: F)
where
    F: Fn(Arc<Stream>) -> Fut,
    Fut: Future<Output = ()>,
{
    use futures::StreamExt as _;
    let mut running = futures::stream::FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            stream = listener.accept() => running.push(answer(Arc::new(stream))),
            Some(()) = running.next() => {}
        }
    }
}

/// Answers the requests of one connection, one after the other, until the client (or `Connection: close`) ends it. What is not
/// HTTP is answered with 400.
pub async fn answer<F, Fut>(stream: Arc<Stream>, handle: F)
where
    F: Fn(Request) -> Fut,
    Fut: Future<Output = Response>,
{
    let mut reader = Reader::new(&stream);
    loop {
        let (response, last) = match reader.request().await {
            Ok(Some(request)) => {
                let closes = request.headers.get("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                (handle(request).await, closes)
            }
            Ok(None) | Err(HttpError::Net(_) | HttpError::Closed) => return,
            Err(HttpError::Malformed(_)) => (Response::new(400, "text/plain", "400 Bad Request"), true),
        };
        let closes = response.headers.get("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if response.send(&stream).await.is_err() || last || closes {
            return;
        }
    }
}
