//! `curl` as images that carry it have it (8.x): HTTP requests with its messages, exit codes and the options of scripts.
//! HTTPS and other protocols are not simulated.

use super::{Connected, connect, note};
use crate::sim::network::http::{HttpError, Reader, Request, Response};
use crate::sim::network::resolver::ResolveError;
use crate::sim::program::command::Invocation;
use crate::sim::program::data::Data;
use std::net::SocketAddrV4;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Redirections that are followed at most (`--max-redirs`).
const MOST_REDIRECTS: usize = 50;
/// Without `--connect-timeout`.
const CONNECT_PATIENCE: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
struct Options {
    silent: bool,
    show_errors: bool,
    fail: bool,
    include: bool,
    head: bool,
    follow: bool,
    output: Option<String>,
    method: Option<String>,
    headers: Vec<String>,
    data: Option<Vec<u8>>,
    connect_limit: Option<Duration>,
    limit: Option<Duration>,
    write_out: Option<String>,
    urls: Vec<String>,
}

/// Curl's exit code and what it says.
struct Failure(i32, String);

/// Runs `curl`.
pub async fn run(call: &Invocation) -> i32 {
    let options = match parse(call) {
        Ok(options) => options,
        Err(bad) => return call.bad_option(&bad).await,
    };
    if options.urls.is_empty() {
        note(call, "curl: try 'curl --help' or 'curl --manual' for more information\n").await;
        return 2;
    }
    let mut code = 0;
    for url in &options.urls {
        code = one(call, &options, url).await;
    }
    code
}

fn parse(call: &Invocation) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        let letters: Vec<(char, Option<String>)> = if let Some(long) = word.strip_prefix("--") {
            let letter = match long {
                "silent" => 's',
                "show-error" => 'S',
                "fail" => 'f',
                "include" => 'i',
                "head" => 'I',
                "location" => 'L',
                "output" => 'o',
                "request" => 'X',
                "header" => 'H',
                "data" | "data-raw" => 'd',
                "connect-timeout" => 'c',
                "max-time" => 'm',
                "write-out" => 'w',
                "insecure" => 'k',
                "user-agent" => 'A',
                "no-progress-meter" => 'P',
                "url" => 'u',
                _ => return Err(word.clone()),
            };
            vec![(letter, None)]
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            let mut found = Vec::new();
            let mut rest = short.chars();
            while let Some(letter) = rest.next() {
                match letter {
                    's' | 'S' | 'f' | 'i' | 'I' | 'L' | 'k' => found.push((letter, None)),
                    'o' | 'X' | 'H' | 'd' | 'm' | 'w' | 'A' => {
                        let attached: String = rest.by_ref().collect();
                        found.push((letter, Some(attached).filter(|text| !text.is_empty())));
                    }
                    _ => return Err(word.clone()),
                }
            }
            found
        } else {
            options.urls.push(word.clone());
            continue;
        };
        for (letter, attached) in letters {
            let takes = "oXHdcmwAu".contains(letter);
            let value =
                if takes { attached.or_else(|| words.next().cloned()).ok_or_else(|| word.clone())? } else { String::new() };
            options.set(letter, value).ok_or_else(|| word.clone())?;
        }
    }
    Ok(options)
}

impl Options {
    fn set(&mut self, letter: char, value: String) -> Option<()> {
        let seconds = || value.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match letter {
            's' => self.silent = true,
            'S' => self.show_errors = true,
            'f' => self.fail = true,
            'i' => self.include = true,
            'I' => self.head = true,
            'L' => self.follow = true,
            'o' => self.output = Some(value),
            'X' => self.method = Some(value),
            'H' => self.headers.push(value),
            'd' => {
                let data = self.data.get_or_insert_default();
                if !data.is_empty() {
                    data.push(b'&');
                }
                data.extend(value.into_bytes());
            }
            'c' => self.connect_limit = Some(seconds()?),
            'm' => self.limit = Some(seconds()?),
            'w' => self.write_out = Some(value),
            'A' => self.headers.push(format!("User-Agent: {value}")),
            'u' => self.urls.push(value),
            // Certificates and progress: there are none.
            _ => {}
        }
        Some(())
    }

    fn request(&self, host: &str, path: &str) -> Request {
        let method = self.method.clone().unwrap_or_else(|| {
            let usual = if self.head { "HEAD" } else { "GET" };
            if self.data.is_some() { "POST" } else { usual }.to_owned()
        });
        let given = |name: &str| {
            self.headers.iter().any(|header| header.split(':').next().is_some_and(|known| known.eq_ignore_ascii_case(name)))
        };
        let mut request = Request { method, target: path.to_owned(), ..Request::default() };
        for (name, value) in [("Host", host), ("User-Agent", "curl/8.11.1"), ("Accept", "*/*")] {
            if !given(name) {
                request.headers.add(name, value);
            }
        }
        for header in &self.headers {
            let (name, value) = header.split_once(':').unwrap_or((header, ""));
            if !value.trim().is_empty() {
                request.headers.add(name.trim(), value.trim());
            }
        }
        if let Some(data) = &self.data {
            request.headers.add("Content-Length", data.len().to_string());
            if !given("Content-Type") {
                request.headers.add("Content-Type", "application/x-www-form-urlencoded");
            }
            request.body.clone_from(data);
        }
        request
    }
}

async fn one(call: &Invocation, options: &Options, url: &str) -> i32 {
    let begun = Instant::now();
    let result = fetch(call, options, url, begun).await;
    let (status, code, message) = match &result {
        Ok(response) => (response.status, 0, String::new()),
        Err(Failure(code, message)) => (0, *code, message.clone()),
    };
    let mut code = code;
    let mut failure = message;
    if let Ok(response) = &result {
        if options.fail && response.status >= 400 {
            code = 22;
            failure = format!("The requested URL returned error: {}", response.status);
        } else if let Err(why) = deliver(call, options, response).await {
            (code, failure) = (23, why);
        }
    }
    if code == -1 {
        return call.unsupported(&failure).await;
    }
    if code != 0 && (!options.silent || options.show_errors) {
        note(call, &format!("curl: ({code}) {failure}\n")).await;
    }
    if let Some(format) = &options.write_out {
        let time = begun.elapsed().as_secs_f64();
        let text = format
            .replace("%{http_code}", &format!("{status:03}"))
            .replace("%{response_code}", &format!("{status:03}"))
            .replace("%{time_total}", &format!("{time:.6}"))
            .replace("%{exitcode}", &code.to_string())
            .replace("\\n", "\n")
            .replace("\\t", "\t");
        call.print(text).await;
    }
    code
}

async fn deliver(call: &Invocation, options: &Options, response: &Response) -> Result<(), String> {
    let mut bytes = Vec::new();
    if options.include || options.head {
        bytes.extend(format!("HTTP/1.1 {} {}\r\n", response.status, response.reason).into_bytes());
        for (name, value) in &response.headers.0 {
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        bytes.extend(b"\r\n");
    }
    bytes.extend(&response.body);
    match options.output.as_deref() {
        None | Some("-") => {
            call.write(Data::Bytes(bytes)).await;
            Ok(())
        }
        Some("/dev/null") => Ok(()),
        Some(file) => {
            let stored = call.process.machine.spec.filesystem.store(&call.path(file), bytes);
            stored.map_err(|error| format!("Failure writing output to destination: {error}"))
        }
    }
}

async fn fetch(call: &Invocation, options: &Options, url: &str, begun: Instant) -> Result<Response, Failure> {
    let mut url = url.to_owned();
    for _ in 0..=MOST_REDIRECTS {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest.to_owned(),
            Some((scheme, _)) => return Err(Failure(-1, format!("curl of a {scheme} URL"))),
            None => url.clone(),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let response = exchange(call, options, host, &path, begun).await?;
        let location = response.headers.get("Location").filter(|_| options.follow && (300..400).contains(&response.status));
        let Some(location) = location else { return Ok(response) };
        url = if location.contains("://") { location.to_owned() } else { format!("http://{host}{location}") };
    }
    Err(Failure(47, format!("Maximum ({MOST_REDIRECTS}) redirects followed")))
}

async fn exchange(call: &Invocation, options: &Options, host: &str, path: &str, begun: Instant) -> Result<Response, Failure> {
    let (name, port) = host.split_once(':').map_or((host, Some(80)), |(name, port)| (name, port.parse().ok()));
    let Some(port) = port else {
        return Err(Failure(3, "URL rejected: Port number was not a decimal number between 0 and 65535".to_owned()));
    };
    let spec = &call.process.machine.spec;
    let file = |path: &str| String::from_utf8_lossy(&spec.filesystem.read(path).unwrap_or_default()).into_owned();
    let millis = || begun.elapsed().as_millis();
    let over = |limit: Option<Duration>| limit.map(|limit| begun + limit);
    let late = |millis: u128| Failure(28, format!("Operation timed out after {millis} milliseconds with 0 bytes received"));
    let connecting_until = [over(options.limit), Some(begun + options.connect_limit.unwrap_or(CONNECT_PATIENCE))];
    let deadline = connecting_until.into_iter().flatten().min().unwrap_or(begun + CONNECT_PATIENCE);
    let (hosts, resolv_conf) = (file("/etc/hosts"), file("/etc/resolv.conf"));
    let address = match timeout_at(deadline, spec.network.lookup(&hosts, &resolv_conf, name)).await {
        Err(_) => return Err(Failure(28, format!("Resolving timed out after {} milliseconds", millis()))),
        Ok(Err(ResolveError::NotFound | ResolveError::TryAgain)) => {
            return Err(Failure(6, format!("Could not resolve host: {name}")));
        }
        Ok(Ok(addresses)) => addresses[0],
    };
    let rest = deadline.saturating_duration_since(Instant::now());
    let stream = match connect(call, SocketAddrV4::new(address, port), Some(rest)).await {
        Connected::Yes(stream) => stream,
        Connected::No(_) => {
            let text = format!("Failed to connect to {name} port {port} after {} ms: Could not connect to server", millis());
            return Err(Failure(7, text));
        }
        Connected::TimedOut => return Err(Failure(28, format!("Connection timed out after {} milliseconds", millis()))),
    };
    let request = options.request(host, path);
    let answered = async {
        request.send(&stream).await?;
        Reader::new(&stream).response(&request.method).await
    };
    let result = match over(options.limit) {
        None => answered.await,
        Some(limit) => timeout_at(limit, answered).await.map_err(|_| late(millis()))?,
    };
    result.map_err(|error| match error {
        HttpError::Net(_) => Failure(56, "Recv failure: Connection reset by peer".to_owned()),
        HttpError::Closed => Failure(52, "Empty reply from server".to_owned()),
        HttpError::Malformed(_) => Failure(1, "Received HTTP/0.9 when not allowed".to_owned()),
    })
}
