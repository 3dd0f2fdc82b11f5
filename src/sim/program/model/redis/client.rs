//! `redis-cli`: one command, its answer as it is printed without a terminal.
//! The server is `redis`.

use crate::sim::network::Stream;
use crate::sim::network::http::{HttpError, Reader};
use crate::sim::program::command::Invocation;
use crate::sim::program::model::server::{beyond, complain, resolve, say};
use futures::future::BoxFuture;
use std::net::SocketAddrV4;

pub(super) fn run(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let (mut host, mut port, mut password) = ("127.0.0.1".to_owned(), 6379u16, None);
        let mut words = call.arguments().iter().peekable();
        while let Some(word) = words.next_if(|word| word.starts_with('-')) {
            match word.as_str() {
                "-h" => host = words.next().cloned().unwrap_or_default(),
                "-p" => port = words.next().and_then(|text| text.parse().ok()).unwrap_or(0),
                "-a" | "--pass" => password = words.next().cloned(),
                "--raw" | "--no-auth-warning" => {}
                other => return beyond(&call, &format!("redis-cli {other}")).await,
            }
        }
        let command: Vec<String> = words.cloned().collect();
        if command.is_empty() {
            return beyond(&call, "redis-cli without a command").await;
        }
        let password = password.or_else(|| call.environment.get("REDISCLI_AUTH").cloned());
        let address = match resolve(&call, &host).await {
            Ok(address) => address,
            Err(why) => {
                complain(&call, &format!("Could not connect to Redis at {host}:{port}: {why}")).await;
                return 1;
            }
        };
        let stream = match call.process.machine.spec.network.connect(SocketAddrV4::new(address, port)).await {
            Ok(stream) => stream,
            Err(error) => {
                complain(&call, &format!("Could not connect to Redis at {host}:{port}: {error}")).await;
                return 1;
            }
        };
        let mut reader = Reader::new(&stream);
        if let Some(password) = password {
            match ask(&stream, &mut reader, &["AUTH".to_owned(), password]).await {
                Ok(answer) if answer == "OK" => {}
                Ok(answer) => complain(&call, &format!("AUTH failed: {answer}")).await,
                Err(_) => return lost(&call).await,
            }
        }
        match ask(&stream, &mut reader, &command).await {
            Ok(answer) => {
                say(&call, &answer).await;
                0
            }
            Err(_) => lost(&call).await,
        }
    })
}

async fn lost(call: &Invocation) -> i32 {
    complain(call, "Error: Server closed the connection").await;
    1
}

async fn ask(stream: &Stream, reader: &mut Reader<'_>, words: &[String]) -> Result<String, HttpError> {
    let text: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    stream.write(format!("*{}\r\n{text}", words.len())).await?;
    let mut left = 1usize;
    let mut lines = Vec::new();
    while left > 0 {
        left -= 1;
        let line = reader.line().await?.ok_or(HttpError::Closed)?;
        let (kind, rest) = line.split_at(line.chars().next().map_or(0, char::len_utf8));
        match kind {
            "+" | "-" | ":" => lines.push(rest.to_owned()),
            "$" => match rest.parse::<usize>() {
                Ok(size) => {
                    lines.push(String::from_utf8_lossy(&reader.exactly(size).await?).into_owned());
                    reader.exactly(2).await?;
                }
                Err(_) => lines.push(String::new()),
            },
            "*" => left += rest.parse::<usize>().unwrap_or(0),
            _ => return Err(HttpError::Malformed(line.clone())),
        }
    }
    Ok(lines.join("\n"))
}
