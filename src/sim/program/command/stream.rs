//! Programs that pass bytes on: `cat`, `head`, `wc`, `tee`, `yes`.
//! Those that look at lines are `text`, `tail` has its own file.

use super::Invocation;
use super::lines::Lines;
use crate::sim::program::data::Data;
use crate::sim::program::descriptor::{Descriptor, Mode};
use crate::sim::program::errno::Errno;
use crate::sim::program::filesystem::{Kind, LARGEST_FILE};
use std::time::Duration;

/// How fast bytes are copied (bytes a second): about that of a pipe on one core.
const COPY_RATE: f64 = 1.5e9;
/// The usual amount read at once from something that never ends.
const BLOCK: u64 = 64 * 1024;

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        // Without a terminal the pagers copy.
        "cat" | "more" | "less" => cat(call).await,
        "head" => head(call).await,
        "wc" => wc(call).await,
        "tee" => tee(call).await,
        _ => yes(call).await,
    }
}

/// The whole content of a file (or standard input), held in memory; ENOSPC, with a limit, if it is too large for the model.
pub async fn slurp(call: &Invocation, file: &str) -> Result<Vec<u8>, Errno> {
    let bytes = slurp_first(call, file, LARGEST_FILE + 1).await?;
    if bytes.len() as u64 > LARGEST_FILE {
        call.unsupported("reading more than 256 MiB into memory").await;
        return Err(Errno::NoSpace);
    }
    Ok(bytes)
}

/// The first bytes of a file (or standard input), held in memory.
pub async fn slurp_first(call: &Invocation, file: &str, most: u64) -> Result<Vec<u8>, Errno> {
    let input = call.open(file)?;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < most {
        let data = input.read((most - bytes.len() as u64).min(BLOCK * 16)).await?;
        if data.is_empty() {
            break;
        }
        spend(call, data.len()).await;
        bytes.extend(data.into_bytes());
        if bytes.len() > 128 * 1024 {
            call.process.hold(bytes.len() as u64).await;
        }
    }
    Ok(bytes)
}

/// The time that copying takes.
pub async fn spend(call: &Invocation, bytes: u64) {
    #[expect(clippy::cast_precision_loss, reason = "byte counts far below 2^53")]
    let seconds = bytes as f64 / COPY_RATE;
    call.process.processor(Duration::from_secs_f64(seconds)).await;
}

fn operands(call: &Invocation) -> Vec<String> {
    let given: Vec<String> = call.arguments().iter().filter(|word| *word == "-" || !word.starts_with('-')).cloned().collect();
    if given.is_empty() { vec!["-".to_owned()] } else { given }
}

async fn cat(call: &Invocation) -> i32 {
    if let Some(flag) = call.arguments().iter().find(|word| word.starts_with('-') && !matches!(word.as_str(), "-" | "-u" | "--"))
    {
        return call.bad_option(flag).await;
    }
    let mut status = 0;
    for file in operands(call) {
        let input = match call.open(&file) {
            Ok(input) => input,
            Err(error) => {
                call.error(&format!("can't open '{file}': {error}")).await;
                status = 1;
                continue;
            }
        };
        loop {
            match input.read(BLOCK).await {
                Ok(data) if data.is_empty() => break,
                Ok(data) => {
                    spend(call, data.len()).await;
                    if call.write(data).await != 0 {
                        return 1;
                    }
                }
                Err(error) => {
                    call.error(&format!("read error: {error}")).await;
                    status = 1;
                    break;
                }
            }
        }
    }
    status
}

/// A count with a suffix (`k`, `M`, `b`).
pub fn count(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let factor = match &text[digits.len()..] {
        "" | "c" => 1,
        "b" => 512,
        "k" | "K" | "kB" => 1024,
        "m" | "M" | "MB" => 1024 * 1024,
        "g" | "G" => 1024 * 1024 * 1024,
        _ => return None,
    };
    number.checked_mul(factor)
}

async fn head(call: &Invocation) -> i32 {
    let mut amount = (false, 10);
    let mut files = Vec::new();
    let mut words = call.arguments().iter();
    let mut quiet = false;
    while let Some(word) = words.next() {
        let (bytes, text) = match word.as_str() {
            "-q" => {
                quiet = true;
                continue;
            }
            "-n" => (false, words.next().cloned().unwrap_or_default()),
            "-c" => (true, words.next().cloned().unwrap_or_default()),
            flag if flag.starts_with("-n") => (false, flag[2..].to_owned()),
            flag if flag.starts_with("-c") => (true, flag[2..].to_owned()),
            flag if flag.len() > 1 && flag.starts_with('-') && flag[1..].bytes().all(|byte| byte.is_ascii_digit()) => {
                (false, flag[1..].to_owned())
            }
            flag if flag.len() > 1 && flag.starts_with('-') => return call.bad_option(flag).await,
            file => {
                files.push(file.to_owned());
                continue;
            }
        };
        if text.starts_with('-') {
            return call.bad_option(&format!("{word} {text}")).await;
        }
        let Some(number) = count(&text) else {
            call.error(&format!("invalid number '{text}'")).await;
            return 1;
        };
        amount = (bytes, number);
    }
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let mut status = 0;
    let several = files.len() > 1 && !quiet;
    for (index, file) in files.iter().enumerate() {
        let input = match call.open(file) {
            Ok(input) => input,
            Err(error) => {
                call.error(&format!("{file}: {error}")).await;
                status = 1;
                continue;
            }
        };
        if several {
            let line = format!("{}==> {file} <==\n", if index > 0 { "\n" } else { "" });
            call.print(line).await;
        }
        let code = if amount.0 { head_bytes(call, &input, amount.1).await } else { head_lines(call, input, amount.1).await };
        status = status.max(code);
    }
    status
}

async fn head_bytes(call: &Invocation, input: &Descriptor, mut left: u64) -> i32 {
    while left > 0 {
        match input.read(left.min(BLOCK * 16)).await {
            Ok(data) if data.is_empty() => break,
            Ok(data) => {
                left -= data.len();
                spend(call, data.len()).await;
                if call.write(data).await != 0 {
                    return 1;
                }
            }
            Err(error) => {
                call.error(&error.to_string()).await;
                return 1;
            }
        }
    }
    0
}

async fn head_lines(call: &Invocation, input: Descriptor, left: u64) -> i32 {
    let mut lines = Lines::new(input);
    for _ in 0..left {
        match lines.next(call, 0).await {
            Ok(Some(line)) => {
                if call.write(Data::Bytes(line)).await != 0 {
                    return 1;
                }
            }
            Ok(None) => break,
            Err(error) => {
                call.error(&error.to_string()).await;
                return 1;
            }
        }
    }
    0
}

async fn wc(call: &Invocation) -> i32 {
    let (options, mut files) = match call.options("lwcmL", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let wanted = |letter: char| options.is_empty() && "lwc".contains(letter) || options.iter().any(|(given, _)| *given == letter);
    let named = !files.is_empty();
    if !named {
        files.push("-".to_owned());
    }
    let (mut total, mut status) = ([0u64; 3], 0);
    let many = files.len();
    let columns = "lwcm".chars().filter(|letter| wanted(*letter)).count();
    let row = |counts: [u64; 3], name: Option<&str>| {
        let numbers: Vec<u64> =
            [('l', 0), ('w', 1), ('m', 2), ('c', 2)].iter().filter(|(c, _)| wanted(*c)).map(|(_, i)| counts[*i]).collect();
        let text = if columns == 1 {
            numbers.iter().map(u64::to_string).collect::<String>()
        } else {
            numbers.iter().map(|number| format!("{number:>9}")).collect::<Vec<_>>().join(" ")
        };
        format!("{text}{}\n", name.map(|name| format!(" {name}")).unwrap_or_default())
    };
    for file in &files {
        let input = match call.open(file) {
            Ok(input) => input,
            Err(error) => {
                call.error(&format!("{file}: {error}")).await;
                status = 1;
                continue;
            }
        };
        let (mut counts, mut in_word) = ([0u64; 3], false);
        while let Ok(data) = input.read(BLOCK).await {
            if data.is_empty() {
                break;
            }
            spend(call, data.len()).await;
            counts[2] += data.len();
            if let Data::Bytes(bytes) = data {
                for byte in bytes {
                    counts[0] += u64::from(byte == b'\n');
                    let space = byte.is_ascii_whitespace();
                    counts[1] += u64::from(!space && !in_word);
                    in_word = !space;
                }
            }
        }
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
        call.print(row(counts, named.then_some(file))).await;
    }
    if many > 1 {
        call.print(row(total, Some("total"))).await;
    }
    status
}

async fn tee(call: &Invocation) -> i32 {
    let (options, files) = match call.options("ai", "") {
        Ok(parsed) => parsed,
        Err(option) => return call.bad_option(&option).await,
    };
    let mode = if options.iter().any(|(letter, _)| *letter == 'a') { Mode::Append } else { Mode::Write };
    let (mut outputs, mut status) = (Vec::new(), 0);
    for file in &files {
        match call.descriptors.open(&call.process.machine, &call.path(file), mode) {
            Ok(output) => outputs.push(output),
            Err(error) => {
                call.error(&format!("{file}: {error}")).await;
                status = 1;
            }
        }
    }
    let Ok(input) = call.descriptors.get(0) else { return 1 };
    while let Ok(data) = input.read(BLOCK).await {
        if data.is_empty() {
            break;
        }
        spend(call, data.len()).await;
        for output in &outputs {
            if let Err(error) = output.write(data.clone()).await {
                call.error(&format!("write error: {error}")).await;
                status = 1;
            }
        }
        if call.write(data).await != 0 {
            status = 1;
        }
    }
    status
}

async fn yes(call: &Invocation) -> i32 {
    let text = if call.arguments().is_empty() { "y".to_owned() } else { call.arguments().join(" ") };
    let block = format!("{text}\n").repeat((4096 / (text.len() + 1)).max(1));
    loop {
        spend(call, block.len() as u64 * 8).await;
        if call.print(block.clone()).await != 0 {
            return 1;
        }
    }
}

/// Whether a path is a directory.
#[must_use]
pub fn is_directory(call: &Invocation, path: &str) -> bool {
    call.process.machine.spec.filesystem.metadata(&call.path(path)).is_ok_and(|metadata| metadata.kind == Kind::Directory)
}
