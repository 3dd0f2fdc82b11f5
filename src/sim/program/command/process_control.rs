//! Programs that wait, send signals, show processes, or run other programs.
//! Signals and ends are `process`.

use super::{Invocation, run_other};
use crate::sim::program::process::{self, Ended, Origin};
use crate::sim::program::signals;
use std::sync::Arc;
use std::time::Duration;

/// Runs `sleep`, `kill`, `ps` and their like.
pub async fn run(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "sleep" => sleep(call).await,
        "usleep" => match call.arguments().first().and_then(|text| text.parse::<u64>().ok()) {
            Some(micros) => {
                tokio::time::sleep(Duration::from_micros(micros)).await;
                0
            }
            None => 1,
        },
        "kill" => kill(call).await,
        "ps" => ps(call).await,
        name => by_name(call, name == "killall").await,
    }
}

/// A duration as `sleep` and `timeout` take it; `None` for `infinity`.
pub fn duration(text: &str) -> Result<Option<Duration>, String> {
    let invalid = || format!("invalid number '{text}'");
    if matches!(text, "infinity" | "inf") {
        return Ok(None);
    }
    let (digits, factor) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (
            digits,
            match text.as_bytes().last() {
                Some(b'm') => 60.0,
                Some(b'h') => 3_600.0,
                Some(b'd') => 86_400.0,
                _ => 1.0,
            },
        ),
        None => (text, 1.0),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(invalid());
    }
    let seconds: f64 = digits.parse().map_err(|_| invalid())?;
    // tokio's clock ends after some years; nothing waits longer than that.
    Ok(Duration::try_from_secs_f64(seconds * factor).ok().filter(|wait| *wait < Duration::from_hours(8760)))
}

async fn sleep(call: &Invocation) -> i32 {
    if call.arguments().is_empty() {
        call.error("missing operand").await;
        return 1;
    }
    let mut total = Duration::ZERO;
    let mut forever = false;
    for argument in call.arguments() {
        match duration(argument) {
            Ok(Some(wait)) => total += wait,
            Ok(None) => forever = true,
            Err(message) => {
                call.error(&message).await;
                return 1;
            }
        }
    }
    if forever {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(total + call.process.machine.lateness()).await;
    0
}

async fn kill(call: &Invocation) -> i32 {
    let mut signal = signals::TERM;
    let mut rest = call.arguments();
    if let Some(first) = rest.first() {
        if first == "-l" {
            let lines: String = signals::all().map(|(name, number)| format!("{number:>2}) {name}\n")).collect();
            return call.print(lines).await;
        }
        let name = if first == "-s" {
            let name = rest.get(1).cloned();
            rest = rest.get(2..).unwrap_or_default();
            name
        } else if first.len() > 1 && first.starts_with('-') && first != "--" {
            rest = &rest[1..];
            Some(first[1..].to_owned())
        } else {
            None
        };
        if let Some(name) = name {
            if let Some(number) = signals::number(&name) {
                signal = number;
            } else {
                call.error(&format!("bad signal name '{name}'")).await;
                return 1;
            }
        }
    }
    if rest.first().is_some_and(|word| word == "--") {
        rest = &rest[1..];
    }
    if rest.is_empty() {
        call.error("you need to specify whom to kill").await;
        return 1;
    }
    if signals::stops(signal) {
        return call.unsupported(&format!("signal SIG{}", signals::name(signal))).await;
    }
    let machine = &call.process.machine;
    let mut status = 0;
    for target in rest {
        let Ok(number) = target.parse::<i64>() else {
            call.error(&format!("invalid number '{target}'")).await;
            status = 1;
            continue;
        };
        let targets = match number {
            -1 => machine.processes().into_iter().filter(|process| process.pid != 1 && process.pid != call.process.pid).collect(),
            0 => machine.processes().into_iter().filter(|process| process.session == call.process.session).collect(),
            _ => machine.process(u32::try_from(number.unsigned_abs()).unwrap_or(0)).into_iter().collect::<Vec<_>>(),
        };
        if targets.is_empty() {
            call.error(&format!("can't kill pid {number}: No such process")).await;
            status = 1;
        }
        for process in targets {
            if signal != 0 {
                process.deliver(signal);
            }
        }
    }
    // A signal to itself acts before the next command.
    tokio::task::yield_now().await;
    status
}

async fn ps(call: &Invocation) -> i32 {
    let mut text = "PID   USER     TIME  COMMAND\n".to_owned();
    for process in call.process.machine.processes() {
        text.push_str(&format!("{:>5} root      0:00 {}\n", process.pid, process.argv().join(" ")));
    }
    call.print(text).await
}

async fn by_name(call: &Invocation, kill: bool) -> i32 {
    let mut signal = signals::TERM;
    let mut names = Vec::new();
    for word in call.arguments() {
        match word.strip_prefix('-').map(signals::number) {
            Some(Some(number)) if kill => signal = number,
            Some(_) => return call.bad_option(word).await,
            None => names.push(word.clone()),
        }
    }
    let mut found = Vec::new();
    for process in call.process.machine.processes() {
        let argv = process.argv();
        let base = argv.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default().to_owned();
        if names.contains(&base) && process.pid != call.process.pid {
            found.push(process);
        }
    }
    if found.is_empty() {
        if kill {
            for name in &names {
                call.error(&format!("{name}: no process killed")).await;
            }
        }
        return 1;
    }
    if kill {
        found.iter().for_each(|process| process.deliver(signal));
        tokio::task::yield_now().await;
        return 0;
    }
    let pids: Vec<String> = found.iter().rev().map(|process| process.pid.to_string()).collect();
    call.print(format!("{}\n", pids.join(" "))).await
}

/// Runs `env`, `timeout`, `xargs` and other programs that run a program.
pub async fn run_wrapper(mut call: Invocation) -> i32 {
    match call.argv[0].as_str() {
        "env" => env(call).await,
        "timeout" => timeout(call).await,
        "xargs" => xargs(call).await,
        _ => {
            let name = call.argv.remove(0);
            while name == "nice" && call.argv.first().is_some_and(|word| word.starts_with('-')) {
                call.argv.remove(0);
                if !call.argv.is_empty() {
                    call.argv.remove(0);
                }
            }
            if name == "nohup" {
                call.process.set_disposition(1, Some(signals::Disposition::Ignore));
            }
            if call.argv.is_empty() {
                call.error("usage: COMMAND [ARGUMENT...]").await;
                return 1;
            }
            run_other(call).await
        }
    }
}

async fn env(mut call: Invocation) -> i32 {
    call.argv.remove(0);
    while let Some(word) = call.argv.first().cloned() {
        match word.as_str() {
            "-i" | "-" => call.environment.clear(),
            "-u" => {
                call.argv.remove(0);
                if let Some(name) = call.argv.first() {
                    call.environment.remove(name);
                }
            }
            "--" => {
                call.argv.remove(0);
                break;
            }
            flag if flag.starts_with('-') => {
                call.argv.insert(0, "env".to_owned());
                return call.bad_option(flag).await;
            }
            assignment => match assignment.split_once('=') {
                Some((name, value)) => {
                    call.environment.insert(name.to_owned(), value.to_owned());
                }
                None => break,
            },
        }
        if !call.argv.is_empty() {
            call.argv.remove(0);
        }
    }
    if call.argv.is_empty() {
        let lines: String = call.environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        return call.print(lines).await;
    }
    run_other(call).await
}

/// Runs a program as a child of this process.
pub async fn run_child(call: &Invocation, argv: Vec<String>) -> process::Child {
    call.process.processor(process::FORK).await;
    let origin = Origin {
        parent: call.process.pid,
        session: Some(call.process.session),
        ignored: call.process.ignored(),
        argv: argv.clone(),
    };
    process::spawn(&call.process.machine, origin, |process| {
        run_other(Invocation {
            applet: call.applet.clone(),
            argv,
            environment: call.environment.clone(),
            directory: call.directory.clone(),
            descriptors: call.descriptors.clone(),
            process,
            position: call.position.clone(),
        })
    })
}

async fn timeout(mut call: Invocation) -> i32 {
    call.argv.remove(0);
    let (mut signal, mut grace) = (signals::TERM, None);
    while let Some(word) = call.argv.first().filter(|word| word.starts_with('-')).cloned() {
        call.argv.remove(0);
        let value = if word.len() > 2 { word[2..].to_owned() } else { call.argv.first().cloned().unwrap_or_default() };
        if word.len() == 2 && !call.argv.is_empty() {
            call.argv.remove(0);
        }
        match (&word[..2.min(word.len())], signals::number(&value), duration(&value)) {
            ("-s", Some(number), _) => signal = number,
            ("-k", _, Ok(limit)) => grace = limit,
            _ => return call.bad_option(&word).await,
        }
    }
    let limit = match call.argv.first().map(|text| duration(text)) {
        Some(Ok(limit)) if call.argv.len() > 1 => limit,
        Some(Err(message)) => {
            call.error(&message).await;
            return 1;
        }
        _ => {
            call.error("usage: timeout [-s SIG] [-k KILL_SECS] SECS PROG ARGS").await;
            return 1;
        }
    };
    let argv = call.argv.split_off(1);
    let mut child = run_child(&call, argv).await;
    let Some(limit) = limit else { return child.wait().await.code() };
    if let Ok(ended) = tokio::time::timeout(limit, child.wait()).await {
        return ended.code();
    }
    let process = call.process.machine.process(child.pid);
    if let Some(process) = &process {
        process.deliver(signal);
    }
    if let (Some(grace), Some(process)) = (grace, &process)
        && tokio::time::timeout(grace, child.wait()).await.is_err()
    {
        process.deliver(signals::KILL);
    }
    match child.wait().await {
        Ended::Signalled(signal) => {
            // busybox leaves the message about the signal to the shell, which sees the same signal.
            call.process.end_by(signal);
            std::future::pending::<()>().await;
            128 + signal
        }
        Ended::Exited(code) => code,
    }
}

async fn xargs(mut call: Invocation) -> i32 {
    call.argv.remove(0);
    let (mut most, mut replace, mut skip_empty) = (usize::MAX, None, false);
    while let Some(word) = call.argv.first().filter(|word| word.starts_with('-')).cloned() {
        call.argv.remove(0);
        match word.as_str() {
            "-r" => skip_empty = true,
            "-n" if !call.argv.is_empty() => most = call.argv.remove(0).parse().unwrap_or(1).max(1),
            "-I" if !call.argv.is_empty() => replace = Some(call.argv.remove(0)),
            flag => {
                call.argv.insert(0, "xargs".to_owned());
                return call.bad_option(flag).await;
            }
        }
    }
    let base = if call.argv.is_empty() { vec!["echo".to_owned()] } else { call.argv.clone() };
    let (lines, _) = super::lines::all(&call, &[]).await;
    let items: Vec<String> = match &replace {
        Some(_) => lines.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect(),
        None => lines.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect(),
    };
    let mut runs: Vec<Vec<String>> = match &replace {
        Some(mark) => items.iter().map(|item| base.iter().map(|word| word.replace(mark, item)).collect()).collect(),
        None => items.chunks(most.min(5_000)).map(|chunk| base.iter().chain(chunk).cloned().collect()).collect(),
    };
    if runs.is_empty() && !skip_empty && replace.is_none() {
        runs.push(base);
    }
    call.descriptors.set(0, Some(crate::sim::program::descriptor::Descriptor::Null));
    let call = Arc::new(call);
    let mut status = 0;
    for argv in runs {
        let code = run_child(&call, argv).await.wait().await.code();
        if code != 0 {
            status = if code == 127 || code == 126 { code } else { 123 };
        }
    }
    status
}
