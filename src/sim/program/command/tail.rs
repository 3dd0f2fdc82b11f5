//! `tail`: the end of files, and following them.
//! `head` is `stream`.

use super::Invocation;
use super::lines::Lines;
use super::stream::{count, spend};
use crate::sim::program::data::Data;
use crate::sim::program::descriptor::Descriptor;
use crate::sim::program::filesystem::Kind;
use std::collections::VecDeque;
use std::time::Duration;

/// How often busybox looks at a followed file.
const POLL: Duration = Duration::from_secs(1);

struct Options {
    follow: bool,
    bytes: bool,
    from_start: bool,
    number: u64,
}

/// Runs `tail`.
pub async fn run(call: &Invocation) -> i32 {
    let mut options = Options { follow: false, bytes: false, from_start: false, number: 10 };
    let mut files: Vec<String> = Vec::new();
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        let text = match word.as_str() {
            "-f" | "-F" | "--follow" => {
                options.follow = true;
                continue;
            }
            "-q" | "-v" => continue,
            "-s" => {
                words.next();
                continue;
            }
            "-n" | "-c" => {
                options.bytes = word == "-c";
                words.next().cloned().unwrap_or_default()
            }
            "-fn" | "-Fn" => {
                options.follow = true;
                words.next().cloned().unwrap_or_default()
            }
            flag if flag.starts_with("-n") || flag.starts_with("-c") => {
                options.bytes = flag.starts_with("-c");
                flag[2..].to_owned()
            }
            flag if flag.len() > 1 && flag[1..].bytes().all(|byte| byte.is_ascii_digit()) && flag.starts_with(['-', '+']) => {
                flag.strip_prefix('-').unwrap_or(flag).to_owned()
            }
            flag if flag.len() > 1 && flag.starts_with('-') => return call.bad_option(flag).await,
            file => {
                files.push(file.to_owned());
                continue;
            }
        };
        options.from_start = text.starts_with('+');
        let Some(number) = count(text.trim_start_matches(['+', '-'])) else {
            call.error(&format!("invalid number '{text}'")).await;
            return 1;
        };
        options.number = number;
    }
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let (mut open, mut status) = (Vec::new(), 0);
    for file in files {
        match call.open(&file) {
            Ok(input) => open.push((file, input)),
            Err(error) => {
                call.error(&format!("can't open '{file}': {error}")).await;
                status = 1;
            }
        }
    }
    if open.is_empty() {
        call.error("no files").await;
        return 1;
    }
    let several = open.len() > 1;
    for (index, (file, input)) in open.iter().enumerate() {
        if several {
            call.print(format!("{}==> {file} <==\n", if index > 0 { "\n" } else { "" })).await;
        }
        let code = if options.bytes { last_bytes(call, input, &options).await } else { last_lines(call, input, &options).await };
        status = status.max(code);
    }
    if options.follow {
        follow(call, &open).await;
    }
    status
}

async fn last_lines(call: &Invocation, input: &Descriptor, options: &Options) -> i32 {
    let mut lines = Lines::new(input.clone());
    let (mut kept, mut held, mut seen) = (VecDeque::new(), 0u64, 0u64);
    loop {
        match lines.next(call, held).await {
            Ok(Some(line)) => {
                seen += 1;
                if options.from_start {
                    if seen >= options.number.max(1) {
                        call.write(Data::Bytes(line)).await;
                    }
                    continue;
                }
                held += line.len() as u64;
                kept.push_back(line);
                if kept.len() as u64 > options.number {
                    held -= kept.pop_front().map_or(0, |line: Vec<u8>| line.len() as u64);
                }
            }
            Ok(None) => break,
            Err(error) => {
                call.error(&format!("read error: {error}")).await;
                return 1;
            }
        }
    }
    call.write(Data::Bytes(kept.into_iter().flatten().collect())).await
}

async fn last_bytes(call: &Invocation, input: &Descriptor, options: &Options) -> i32 {
    let (mut kept, mut held, mut skip) = (VecDeque::<Data>::new(), 0u64, options.number.saturating_sub(1));
    loop {
        let mut data = match input.read(64 * 1024).await {
            Ok(data) if data.is_empty() => break,
            Ok(data) => data,
            Err(error) => {
                call.error(&format!("read error: {error}")).await;
                return 1;
            }
        };
        spend(call, data.len()).await;
        if options.from_start {
            skip -= data.take(skip).len();
            call.write(data).await;
            continue;
        }
        held += data.len();
        kept.push_back(data);
        while held > options.number {
            let Some(front) = kept.front_mut() else { break };
            held -= front.take(held - options.number).len();
            if front.is_empty() {
                kept.pop_front();
            }
        }
        call.process.hold(held).await;
    }
    for data in kept {
        if call.write(data).await != 0 {
            return 1;
        }
    }
    0
}

/// Prints what is appended to regular files; a device or a finished pipe never grows.
async fn follow(call: &Invocation, open: &[(String, Descriptor)]) {
    let filesystem = &call.process.machine.spec.filesystem;
    let mut changes = filesystem.changes();
    let regular = |file: &str| filesystem.metadata(&call.path(file)).is_ok_and(|metadata| metadata.kind == Kind::File);
    let files: Vec<_> =
        open.iter().filter(|(file, input)| file != "-" && regular(file) && matches!(input, Descriptor::File(_))).collect();
    if files.is_empty() {
        std::future::pending::<()>().await;
    }
    let mounted = files.iter().any(|(file, _)| filesystem.is_mounted(&call.path(file)));
    let mut shown = String::new();
    loop {
        if mounted {
            // A volume changes without notice: look as often as busybox does.
            tokio::time::sleep(POLL).await;
        } else {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(POLL).await;
            changes.mark_unchanged();
        }
        for (file, input) in &files {
            while let Ok(data) = input.read(64 * 1024).await {
                if data.is_empty() {
                    break;
                }
                if files.len() > 1 && shown != *file {
                    call.print(format!("\n==> {file} <==\n")).await;
                    shown.clone_from(file);
                }
                call.write(data).await;
            }
        }
    }
}
