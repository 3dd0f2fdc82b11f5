//! `wget` as busybox has it: HTTP to a file or standard output, with its messages, time limits and redirections.
//! HTTPS and FTP are not simulated.

mod options;

use super::{Connected, connect, lookup, note, usage};
use crate::sim::network::http::{HttpError, Reader};
use crate::sim::network::{NetError, Stream};
use crate::sim::program::command::Invocation;
use crate::sim::program::data::Data;
use crate::sim::program::descriptor::{Descriptor, Mode};
use options::{Options, USAGE, parse};
use std::net::SocketAddrV4;
use tokio::time::timeout;

const MOST_REDIRECTIONS: usize = 20;
const CHUNK: usize = 4 * 1024;

/// Why the program ends.
enum Failure {
    /// With this message.
    Message(String),
    /// Everything was said already.
    Said,
    /// Not simulated.
    Unsupported(String),
}

#[derive(Clone, Debug)]
struct Url {
    host: String,
    port: u16,
    path: String,
    user: Option<String>,
}

impl Url {
    fn parse(text: &str) -> Result<Self, Failure> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some((scheme @ ("https" | "ftp" | "ftps"), _)) => {
                return Err(Failure::Unsupported(format!("wget of a {scheme} URL")));
            }
            Some(_) => return Err(Failure::Message(format!("not an http or ftp url: {text}"))),
            None => text,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user.to_owned()), host));
        let (host, port) = host.split_once(':').map_or((host, Some(80)), |(host, port)| (host, port.parse().ok()));
        let port = port.ok_or_else(|| Failure::Message(format!("bad address '{authority}'")))?;
        Ok(Self { host: host.to_owned(), port, path, user })
    }

    fn authority(&self) -> String {
        if self.port == 80 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// Runs `wget`.
pub async fn run(call: &Invocation) -> i32 {
    let mut options = match parse(call) {
        Ok(options) => options,
        Err(Some(bad)) if bad.starts_with("-o") => return call.bad_option("-o").await,
        Err(bad) => return usage(call, bad.as_deref(), USAGE).await,
    };
    if let Some(file) = &options.post_file {
        match call.process.machine.spec.filesystem.load(&call.path(file)) {
            Ok(bytes) => options.post = Some(bytes),
            Err(error) => {
                call.error(&format!("can't open '{file}': {error}")).await;
                return 1;
            }
        }
    }
    for url in &options.urls {
        let code = match fetch(call, &options, url).await {
            Ok(()) => 0,
            Err(Failure::Said) => 1,
            Err(Failure::Message(message)) => {
                call.error(&message).await;
                1
            }
            Err(Failure::Unsupported(what)) => call.unsupported(&what).await,
        };
        if code != 0 {
            return code;
        }
    }
    0
}

impl Options {
    fn request(&self, url: &Url) -> Vec<u8> {
        let method = if self.post.is_some() {
            "POST"
        } else if self.spider {
            "HEAD"
        } else {
            "GET"
        };
        let mut text = format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nConnection: close\r\n",
            url.path,
            url.authority(),
            self.agent
        );
        if let Some(user) = &url.user {
            text.push_str(&format!(
                "Authorization: Basic {}\r\n",
                crate::sim::program::command::encode::to_base64(user.as_bytes())
            ));
        }
        for header in &self.headers {
            text.push_str(&format!("{header}\r\n"));
        }
        let mut bytes = text.into_bytes();
        if let Some(post) = &self.post {
            if !self.headers.iter().any(|header| header.to_lowercase().starts_with("content-type:")) {
                bytes.extend(b"Content-Type: application/x-www-form-urlencoded\r\n");
            }
            bytes.extend(format!("Content-Length: {}\r\n\r\n", post.len()).into_bytes());
            bytes.extend(post);
        } else {
            bytes.extend(b"\r\n");
        }
        bytes
    }
}

/// What the head of a response says of its body.
#[derive(Default)]
struct Body {
    length: Option<usize>,
    chunked: bool,
}

enum Head {
    Body(Body),
    Elsewhere(String),
}

fn timed_out() -> Failure {
    Failure::Message("download timed out".to_owned())
}

async fn fetch(call: &Invocation, options: &Options, text: &str) -> Result<(), Failure> {
    let mut url = Url::parse(text)?;
    let name = options.output.clone().unwrap_or_else(|| {
        let path = url.path.split('?').next().unwrap_or_default();
        let base = path.rsplit('/').next().filter(|base| !base.is_empty()).unwrap_or("index.html");
        options
            .directory
            .as_ref()
            .map_or_else(|| base.to_owned(), |directory| format!("{}/{base}", directory.trim_end_matches('/')))
    });
    if options.resume && name != "-" && call.process.machine.spec.filesystem.metadata(&call.path(&name)).is_ok() {
        return Err(Failure::Unsupported("wget -c of a file that exists".to_owned()));
    }
    for _ in 0..=MOST_REDIRECTIONS {
        let stream = open(call, options, &url).await?;
        let sent = timeout(options.limit, stream.write(options.request(&url))).await;
        sent.map_err(|_| timed_out())?.map_err(|error| response_error(&error.into()))?;
        let mut reader = Reader::new(&stream);
        match head(call, options, &mut reader).await? {
            Head::Body(_) if options.spider => {
                tell(call, options, "remote file exists\n").await;
                return Ok(());
            }
            Head::Body(body) => return save(call, options, &name, &mut reader, &body).await,
            Head::Elsewhere(location) => {
                url = if location.starts_with('/') {
                    Url { path: location, ..url }
                } else if location.contains("://") {
                    Url::parse(&location)?
                } else {
                    let above = url.path.rsplit_once('/').map_or("", |(above, _)| above).to_owned();
                    Url { path: format!("{above}/{location}"), ..url }
                };
            }
        }
    }
    Err(Failure::Message("too many redirections".to_owned()))
}

async fn tell(call: &Invocation, options: &Options, text: &str) {
    if !options.quiet {
        note(call, text).await;
    }
}

async fn open(call: &Invocation, options: &Options, url: &Url) -> Result<Stream, Failure> {
    let address = lookup(call, &url.host).await.ok_or(Failure::Said)?;
    tell(call, options, &format!("Connecting to {} ({address}:{})\n", url.authority(), url.port)).await;
    match connect(call, SocketAddrV4::new(address, url.port), Some(options.limit)).await {
        Connected::Yes(stream) => Ok(stream),
        Connected::No(error) => Err(Failure::Message(format!("can't connect to remote host ({address}): {error}"))),
        Connected::TimedOut => Err(timed_out()),
    }
}

fn response_error(error: &HttpError) -> Failure {
    Failure::Message(match error {
        HttpError::Net(error) => format!("error getting response: {error}"),
        HttpError::Closed | HttpError::Malformed(_) => "error getting response".to_owned(),
    })
}

async fn line(options: &Options, reader: &mut Reader<'_>) -> Result<String, Failure> {
    let line = timeout(options.limit, reader.line()).await.map_err(|_| timed_out())?;
    line.map_err(|error| response_error(&error))?.ok_or_else(|| response_error(&HttpError::Closed))
}

/// Reads the head of a response. What does not look like one is passed over, as busybox does.
async fn head(call: &Invocation, options: &Options, reader: &mut Reader<'_>) -> Result<Head, Failure> {
    loop {
        let first = line(options, reader).await?;
        if options.show {
            note(call, &format!("  {first}\n")).await;
        }
        let status: u16 = first.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let redirects = matches!(status, 300..=303 | 307 | 308);
        if !(redirects || matches!(status, 0 | 100 | 200..=204 | 206)) {
            return Err(Failure::Message(format!("server returned error: {first}")));
        }
        let (mut body, mut location) = (Body::default(), None);
        loop {
            let header = line(options, reader).await?;
            if options.show {
                note(call, &format!("  {header}\n")).await;
            }
            if header.is_empty() {
                break;
            }
            let Some((name, value)) = header.split_once(':') else { continue };
            match name.to_lowercase().as_str() {
                "content-length" => body.length = value.trim().parse().ok(),
                "transfer-encoding" => body.chunked = value.trim().eq_ignore_ascii_case("chunked"),
                "location" => location = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        if status == 204 {
            body = Body { length: Some(0), chunked: false };
        }
        match location {
            _ if status == 0 || status == 100 => {}
            Some(location) if redirects => return Ok(Head::Elsewhere(location)),
            _ => return Ok(Head::Body(body)),
        }
    }
}

async fn save(call: &Invocation, options: &Options, name: &str, reader: &mut Reader<'_>, body: &Body) -> Result<(), Failure> {
    let cannot = |error| Failure::Message(format!("can't open '{name}': {error}"));
    let output = if name == "-" {
        call.descriptors.get(1).map_err(cannot)?
    } else {
        let machine = &call.process.machine;
        let path = call.path(name);
        if options.output.is_none() && machine.spec.filesystem.metadata(&path).is_ok() {
            return Err(cannot(crate::sim::program::errno::Errno::Exists));
        }
        call.descriptors.open(machine, &path, Mode::Write).map_err(cannot)?
    };
    let begin = if name == "-" { "writing to stdout\n".to_owned() } else { format!("saving to '{name}'\n") };
    tell(call, options, &begin).await;
    let total = copy(options, &output, reader, body).await?;
    if total > 0 {
        let base = name.rsplit('/').next().unwrap_or(name);
        let size = if total >= 100_000 { format!("{}k", total / 1024) } else { total.to_string() };
        let bar = "*".repeat(32);
        tell(call, options, &format!("{base:<20.20} 100% |{bar}|{size:>6}  0:00:00 ETA\n")).await;
    }
    let end = if name == "-" { "written to stdout\n".to_owned() } else { format!("'{name}' saved\n") };
    tell(call, options, &end).await;
    Ok(())
}

async fn copy(options: &Options, output: &Descriptor, reader: &mut Reader<'_>, body: &Body) -> Result<usize, Failure> {
    let mut total = 0;
    let mut left = body.length;
    loop {
        if body.chunked {
            let mut size = line(options, reader).await?;
            if size.is_empty() {
                size = line(options, reader).await?;
            }
            left = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).ok();
            if left.is_none_or(|left| left == 0) {
                return Ok(total);
            }
        }
        while left.is_none_or(|left| left > 0) {
            let wanted = left.unwrap_or(CHUNK).min(CHUNK);
            let bytes = timeout(options.limit, reader.some(wanted)).await.map_err(|_| timed_out())?;
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(HttpError::Net(error @ NetError::Reset)) => return Err(Failure::Message(format!("read error: {error}"))),
                Err(error) => return Err(response_error(&error)),
            };
            if bytes.is_empty() {
                return match left {
                    None => Ok(total),
                    Some(_) => Err(Failure::Message("connection closed prematurely".to_owned())),
                };
            }
            total += bytes.len();
            left = left.map(|left| left.saturating_sub(bytes.len()));
            output.write(Data::Bytes(bytes)).await.map_err(|error| Failure::Message(format!("write error: {error}")))?;
        }
        if !body.chunked {
            return Ok(total);
        }
    }
}
