//! Servers on this machine that keep what they are sent: one of HTTP, one of SMTP. They know no more than the tests need.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// What a server answers to one request.
#[derive(Clone, Copy, Debug)]
pub struct Answer(pub u16, pub &'static str);

/// One request.
#[derive(Debug)]
pub struct Request {
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A server on a port of its own, which ends with the test.
pub struct Server {
    pub port: u16,
    requests: Receiver<Request>,
}

impl Server {
    /// Answers requests in this order, then as the last one.
    pub fn http(answers: &'static [Answer]) -> Self {
        Self::with(move |stream, requests, count| {
            let answer = answers.get(count).or(answers.last()).copied().unwrap();
            http(stream, requests, answer);
        })
    }

    /// Takes mails.
    pub fn smtp() -> Self {
        Self::with(|stream, requests, _| smtp(stream, requests))
    }

    fn with(serve: impl Fn(TcpStream, &Sender<Request>, usize) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for (count, stream) in listener.incoming().enumerate() {
                serve(stream.unwrap(), &sender, count);
            }
        });
        Self { port, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What has arrived by now; everything that was sent was answered before.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

/// One request a connection.
fn http(stream: TcpStream, requests: &Sender<Request>, Answer(code, body): Answer) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    assert!(line.starts_with("POST "), "{line}");
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent).unwrap();
    requests.send(Request { path, headers, body: String::from_utf8(sent).unwrap() }).unwrap();
    let answer =
        format!("HTTP/1.1 {code} X\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    reader.into_inner().write_all(answer.as_bytes()).unwrap();
}

/// One session: `MAIL` and `RCPT` become headers, what follows `DATA` the body.
fn smtp(mut stream: TcpStream, requests: &Sender<Request>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut headers = Vec::new();
    stream.write_all(b"220 here\r\n").unwrap();
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let word = line.split([' ', ':', '\r']).next().unwrap_or_default().to_uppercase();
        let answer: &[u8] = match word.as_str() {
            "EHLO" => b"250-here\r\n250 8BITMIME\r\n",
            "QUIT" => b"221 bye\r\n",
            "DATA" => {
                stream.write_all(b"354 go on\r\n").unwrap();
                let mut body = String::new();
                while !body.ends_with("\r\n.\r\n") {
                    assert_ne!(reader.read_line(&mut body).unwrap(), 0);
                }
                requests.send(Request { path: String::new(), headers: headers.clone(), body }).unwrap();
                b"250 taken\r\n"
            }
            _ => {
                headers.push((word.to_lowercase(), line.trim_end().to_owned()));
                b"250 ok\r\n"
            }
        };
        stream.write_all(answer).unwrap();
    }
}
