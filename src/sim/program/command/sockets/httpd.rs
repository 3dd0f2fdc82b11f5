//! `httpd` as busybox has it: the files of a directory and CGI programs over HTTP, one request a connection.
//! What it answers to what was recorded on the real cluster.

use super::{lookup, port, usage};
use crate::sim::network::http::{self, HttpError, Reader, Request};
use crate::sim::network::{Listener, Stream};
use crate::sim::program::command::system::strftime;
use crate::sim::program::command::{Invocation, Resolved, run as run_program};
use crate::sim::program::descriptor::{Descriptor, Descriptors};
use crate::sim::program::filesystem::Kind;
use crate::sim::program::pipe;
use crate::sim::program::process::{self, Origin, Process};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

const USAGE: &str = "httpd [-ifv[v]] [-c CONFFILE] [-p [IP:]PORT] [-u USER[:GRP]] [-r REALM] [-h HOME]
or httpd -d/-e/-m STRING

Listen for incoming HTTP requests

\t-i\tInetd mode
\t-f\tRun in foreground
\t-v[v]\tVerbose
\t-p [IP:]PORT\tBind to IP:PORT (default *:80)
\t-h HOME\tHome directory (default .)";
/// A client that has not said what it wants by then is told off.
const HEADER_PATIENCE: Duration = Duration::from_mins(1);
const TYPES: [(&[&str], &str); 10] = [
    (&["txt", "h", "c", "cc", "cpp"], "text/plain"),
    (&["htm", "html"], "text/html"),
    (&["jpg", "jpeg"], "image/jpeg"),
    (&["gif"], "image/gif"),
    (&["png"], "image/png"),
    (&["svg"], "image/svg+xml"),
    (&["css"], "text/css"),
    (&["js"], "application/javascript"),
    (&["json"], "application/json"),
    (&["xml"], "application/xml"),
];

/// What a running `httpd` works with.
#[derive(Clone)]
struct Server {
    process: Arc<Process>,
    home: String,
    environment: Arc<BTreeMap<String, String>>,
}

/// Runs `httpd`: in the foreground with `-f`, else as a daemon.
pub async fn run(call: Invocation) -> i32 {
    let (options, operands) = match call.options("fvi", "pharucedm") {
        Ok(parsed) => parsed,
        Err(bad) => return usage(&call, Some(&bad), USAGE).await,
    };
    if !operands.is_empty() {
        return usage(&call, None, USAGE).await;
    }
    let (mut at, mut home, mut foreground) = (SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 80), call.directory.clone(), false);
    for (letter, value) in &options {
        match letter {
            'f' => foreground = true,
            'v' => {}
            'h' => home = call.path(value),
            'p' => match address(&call, value).await {
                Some(given) => at = given,
                None => return 1,
            },
            other => return call.bad_option(&format!("-{other}")).await,
        }
    }
    let machine = Arc::clone(&call.process.machine);
    let home = machine.spec.filesystem.resolve(&home);
    if let Err(error) = machine.spec.filesystem.list(&home) {
        let given = options.iter().rev().find(|(letter, _)| *letter == 'h').map_or(home.as_str(), |(_, value)| value);
        call.error(&format!("can't change directory to '{given}': {error}")).await;
        return 1;
    }
    let listener = match machine.spec.network.listen(at) {
        Ok(listener) => listener,
        Err(error) => {
            call.error(&format!("bind: {error}")).await;
            return 1;
        }
    };
    let environment = Arc::new(call.environment.clone());
    if foreground {
        return serve(Server { process: Arc::clone(&call.process), home, environment }, listener).await;
    }
    let origin = Origin { parent: 1, session: None, ignored: call.process.ignored(), argv: call.argv.clone() };
    process::spawn(&machine, origin, |process| serve(Server { process, home, environment }, listener));
    0
}

async fn address(call: &Invocation, text: &str) -> Option<SocketAddrV4> {
    let (host, number) = text.rsplit_once(':').map_or((None, text), |(host, number)| (Some(host), number));
    match (host, port(number)) {
        (None, Some(number)) => Some(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, number)),
        (Some(host), Some(number)) => Some(SocketAddrV4::new(lookup(call, host).await?, number)),
        (_, None) => {
            call.error(&format!("bad address '{text}'")).await;
            None
        }
    }
}

async fn serve(server: Server, listener: Listener) -> i32 {
    http::serve(&listener, |stream| {
        let server = server.clone();
        async move {
            server.process.processor(process::FORK).await;
            // A client that is gone is no concern of the server's.
            let _ = server.answer(&stream).await;
        }
    })
    .await;
    0
}

impl Server {
    async fn answer(&self, stream: &Stream) -> Result<(), HttpError> {
        let mut reader = Reader::new(stream);
        let request = match tokio::time::timeout(HEADER_PATIENCE, reader.request()).await {
            Err(_) => return self.refuse(stream, 408, "No request appeared within 60 seconds").await,
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(request))) => request,
            Ok(Err(HttpError::Malformed(_))) => return self.refuse(stream, 400, "Unsupported method").await,
            Ok(Err(error)) => return Err(error),
        };
        let known = ["GET", "HEAD", "POST"].contains(&request.method.as_str());
        let cgi = request.path().starts_with("/cgi-bin/");
        if !known || request.method == "POST" && !cgi {
            return self.refuse(stream, 501, "The requested method is not recognized").await;
        }
        let Some(path) = decoded(request.path()) else {
            return self.refuse(stream, 400, "Unsupported method").await;
        };
        if cgi { self.run_cgi(stream, &request, &path).await } else { self.send_file(stream, &path).await }
    }

    fn head(&self, status: u16) -> String {
        let now = self.process.machine.spec.clock.now();
        format!("HTTP/1.1 {status} {}\r\nDate: {}\r\nConnection: close\r\n", http::reason(status), date(now))
    }

    async fn refuse(&self, stream: &Stream, status: u16, why: &str) -> Result<(), HttpError> {
        let title = format!("{status} {}", http::reason(status));
        let text = format!(
            "{}Content-type: text/html\r\n\r\n<HTML><HEAD><TITLE>{title}</TITLE></HEAD>\n<BODY><H1>{title}</H1>\n{why}\n</BODY></HTML>\n",
            self.head(status)
        );
        Ok(stream.write(text).await?)
    }

    async fn send_file(&self, stream: &Stream, path: &str) -> Result<(), HttpError> {
        let spec = &self.process.machine.spec;
        let mut full = format!("{}{path}", self.home.trim_end_matches('/'));
        let is_directory = spec.filesystem.metadata(&full).is_ok_and(|found| found.kind == Kind::Directory);
        if is_directory && !path.ends_with('/') {
            let text = format!("{}Content-type: text/html\r\nLocation: {path}/\r\n\r\n", self.head(302));
            return Ok(stream.write(text).await?);
        }
        if path.ends_with('/') {
            full.push_str("index.html");
        }
        let found = spec.filesystem.metadata(&full).and_then(|metadata| Ok((metadata, spec.filesystem.load(&full)?)));
        let Ok((metadata, bytes)) = found else {
            return self.refuse(stream, 404, "The requested URL was not found").await;
        };
        let written = spec.clock.now() - jiff::SignedDuration::try_from(metadata.modified.elapsed()).unwrap_or_default();
        let ending = full.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, ending)| ending);
        let kind = TYPES.iter().find(|(endings, _)| endings.contains(&ending));
        let kind = kind.map_or_else(String::new, |(_, kind)| format!("Content-type: {kind}\r\n"));
        let head = format!(
            "{}{kind}Accept-Ranges: bytes\r\nLast-Modified: {}\r\nETag: \"{:x}-{:x}\"\r\nContent-Length: {}\r\n\r\n",
            self.head(200),
            date(written),
            written.as_second(),
            bytes.len(),
            bytes.len()
        );
        stream.write(head).await?;
        Ok(stream.write(bytes).await?)
    }

    /// Runs a program below `cgi-bin` in a process of its own; its output is the response, with a status line before it.
    async fn run_cgi(&self, stream: &Stream, request: &Request, path: &str) -> Result<(), HttpError> {
        let machine = &self.process.machine;
        let script = format!("{}{path}", self.home.trim_end_matches('/'));
        let found = machine.spec.filesystem.metadata(&script);
        let Some(metadata) = found.ok().filter(|found| found.kind == Kind::File) else {
            return self.refuse(stream, 404, "The requested URL was not found").await;
        };
        if !metadata.executable {
            return self.refuse(stream, 403, "Forbidden").await;
        }
        let directory = script.rsplit_once('/').map_or("/", |(above, _)| above).to_owned();
        let (output, write) = pipe::pipe();
        let errors = Descriptor::Log(Arc::clone(&machine.stderr));
        let descriptors =
            Descriptors::standard(Descriptor::input(request.body.clone()), Descriptor::Writer(Arc::new(write)), errors);
        let environment = self.environment_of(stream, request, path, &script);
        let argv = vec![script.clone()];
        let origin =
            Origin { parent: self.process.pid, session: Some(self.process.session), ignored: Vec::new(), argv: argv.clone() };
        process::spawn(machine, origin, move |process| {
            let applet = argv[0].clone();
            let call = Invocation { applet, argv, environment, directory, descriptors, process, position: None };
            run_program(Resolved::Script(script), call)
        });
        let mut begun = false;
        loop {
            let data = output.read(16 * 1024).await;
            if data.is_empty() {
                return Ok(());
            }
            let bytes = data.into_bytes();
            if !begun && !bytes.starts_with(b"HTTP/") {
                let status = bytes
                    .starts_with(b"Status: ")
                    .then(|| String::from_utf8_lossy(&bytes[8..]).lines().next().map(str::to_owned));
                let line = status.flatten().unwrap_or_else(|| "200 OK".to_owned());
                stream.write(format!("HTTP/1.1 {line}\r\n")).await?;
            }
            begun = true;
            stream.write(bytes).await?;
        }
    }

    fn environment_of(&self, stream: &Stream, request: &Request, path: &str, script: &str) -> BTreeMap<String, String> {
        let mut environment = (*self.environment).clone();
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        set("GATEWAY_INTERFACE", "CGI/1.1".to_owned());
        set("SERVER_SOFTWARE", "busybox httpd/1.36.1".to_owned());
        set("SERVER_PROTOCOL", "HTTP/1.1".to_owned());
        set("REQUEST_METHOD", request.method.clone());
        set("REQUEST_URI", request.target.clone());
        set("SCRIPT_NAME", path.to_owned());
        set("SCRIPT_FILENAME", script.to_owned());
        set("PATH_INFO", String::new());
        set("QUERY_STRING", query.to_owned());
        set("REMOTE_ADDR", format!("[::ffff:{}]", stream.peer().ip()));
        set("REMOTE_PORT", stream.peer().port().to_string());
        for (name, value) in &request.headers.0 {
            let name = name.to_uppercase().replace('-', "_");
            match name.as_str() {
                "CONTENT_TYPE" | "CONTENT_LENGTH" => set(&name, value.clone()),
                _ => set(&format!("HTTP_{name}"), value.clone()),
            };
        }
        environment
    }
}

fn date(at: Timestamp) -> String {
    strftime("%a, %d %b %Y %H:%M:%S GMT", at)
}

/// The path without escapes; `None` when it leads out of the home directory.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let path = String::from_utf8(bytes).ok()?;
    let mut depth = 0i32;
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        depth += if part == ".." { -1 } else { 1 };
        if depth < 0 {
            return None;
        }
    }
    path.starts_with('/').then_some(path)
}
