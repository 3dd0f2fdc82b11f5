//! Programs of a session: `watch` and `su`, which run another one, `clear`, `logger` and their like.
//! Other programs that run programs are `process_control`.

use super::Invocation;
use super::process_control::{duration, run_child};
use super::system::strftime;
use std::time::Duration;

/// The width of a terminal that nobody has set.
const WIDTH: usize = 80;

/// Runs one of these programs.
pub async fn run(call: Invocation) -> i32 {
    if call.argv[0] == "watch" { watch(&call).await } else { su(&call).await }
}

/// Programs that mean something to a terminal or a log only.
pub async fn at_a_terminal(call: &Invocation) -> i32 {
    match call.argv[0].as_str() {
        "clear" => call.print("\u{1b}[H\u{1b}[J").await,
        "reset" => call.print("\u{1b}c\u{1b}(B\u{1b}[m\u{1b}[J\u{1b}[?25h").await,
        // Nobody listens at /dev/log, and nothing is said about that.
        "logger" => 0,
        _ => {
            call.print("This account is not available\n").await;
            1
        }
    }
}

async fn watch(call: &Invocation) -> i32 {
    let (mut period, mut title) = (Duration::from_secs(2), true);
    let mut words = call.arguments().iter().peekable();
    while let Some(word) = words.next_if(|word| word.starts_with('-') && word.len() > 1) {
        if word == "-t" {
            title = false;
            continue;
        }
        let Some(attached) = word.strip_prefix("-n") else { return call.bad_option(word).await };
        let text = if attached.is_empty() { words.next().map_or("", String::as_str) } else { attached };
        if let Ok(Some(given)) = duration(text) {
            period = given.max(Duration::from_millis(100));
        } else {
            call.error(&format!("invalid number '{text}'")).await;
            return 1;
        }
    }
    let command: Vec<&str> = words.map(String::as_str).collect();
    if command.is_empty() {
        call.error("usage: watch [-n SEC] [-t] PROG ARGS").await;
        return 1;
    }
    let command = command.join(" ");
    loop {
        let mut head = "\u{1b}[H\u{1b}[J".to_owned();
        if title {
            let every = format!("Every {:.1}s: {command}", period.as_secs_f64());
            let at = strftime("%Y-%m-%d %H:%M:%S", call.process.machine.spec.clock.now());
            let every: String = every.chars().take(WIDTH - 20).collect();
            head.push_str(&format!("{every:<width$}{at}\n\n", width = WIDTH - 20));
        }
        if call.print(head).await != 0 {
            return 1;
        }
        run_child(call, vec!["sh".to_owned(), "-c".to_owned(), command.clone()]).await.wait().await;
        tokio::time::sleep(period).await;
    }
}

async fn su(call: &Invocation) -> i32 {
    let (mut shell, mut command, mut user) = ("sh".to_owned(), None, None);
    let mut words = call.arguments().iter();
    let mut rest = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-s" => shell = words.next().cloned().unwrap_or_default(),
            "-c" => command = words.next().cloned(),
            "-" | "-l" | "-m" | "-p" => {}
            flag if flag.starts_with('-') && user.is_none() => return call.bad_option(flag).await,
            name if user.is_none() => user = Some(name.to_owned()),
            other => rest.push(other.to_owned()),
        }
    }
    let user = user.unwrap_or_else(|| "root".to_owned());
    let ours = call.process.machine.spec.filesystem.access().user;
    if !matches!(user.as_str(), "root" | "nobody") {
        call.error(&format!("unknown user {user}")).await;
        return 1;
    }
    if user == "nobody" && shell == "sh" && ours == 0 {
        call.print("This account is currently not available.\n").await;
        return 1;
    }
    if user != "root" || ours != 0 {
        return call.bad_option("to another user").await;
    }
    let mut argv = vec![shell];
    argv.extend(command.map(|command| ["-c".to_owned(), command]).into_iter().flatten());
    argv.extend(rest);
    run_child(call, argv).await.wait().await.code()
}
