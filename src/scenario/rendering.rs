//! `workload.render`: a program that prints manifests (helm, kustomize, any other), run in the folder of the scenario's file, bounded in
//! time and output. What it printed is read by `manifest`.

use std::io::Read;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How long it may take.
pub const WITHIN: Duration = Duration::from_secs(30);
/// The most that is read of what it prints, in bytes.
pub const MOST: usize = 8 * 1024 * 1024;
/// The most that is shown of what it says on its standard error, in bytes.
const SHOWN: usize = 2_000;
/// How long its streams may stay open when it has ended: what it left in the background may hold them.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs the program; what it printed.
///
/// # Errors
/// A sentence: it could not be started, failed, did not end in time, or printed too much or no text; with what it said.
pub fn run(words: &[String], folder: &Path, within: Duration) -> Result<String, String> {
    let shown = words.join(" ");
    let Some((name, arguments)) = words.split_first() else { return Err("names no program".to_owned()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // What has a slash is looked up from the scenario's file, as all relative paths are.
    let program = if name.contains('/') { absolute(folder).join(name) } else { PathBuf::from(name) };
    let started = Command::new(&program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = started.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("`{name}` is not installed here, or the folder `{}` is not there", folder.display())
        }
        _ => format!("`{shown}` could not be started: {error}"),
    })?;
    let group = child.id();
    let output = child.stdout.take().map(|stream| read(stream, MOST + 1));
    let errors = child.stderr.take().map(|stream| read(stream, SHOWN));
    let (tell, ended) = mpsc::channel();
    std::thread::spawn(move || drop(tell.send(child.wait())));
    let status = match ended.recv_timeout(within) {
        Ok(status) => status.map_err(|error| format!("`{shown}` was lost: {error}"))?,
        Err(RecvTimeoutError::Timeout) => {
            end(group);
            let said = said(&taken(errors));
            return Err(format!("`{shown}` had not ended after {} s{said}", within.as_secs_f64()));
        }
        Err(RecvTimeoutError::Disconnected) => return Err(format!("`{shown}` was lost")),
    };
    let (printed, errors) = (taken(output), taken(errors));
    if !status.success() {
        return Err(format!("`{shown}` {}{}", ending(status), said(&errors)));
    }
    if printed.len() > MOST {
        return Err(format!("`{shown}` printed more than {} MiB", MOST / 1024 / 1024));
    }
    String::from_utf8(printed).map_err(|_| format!("`{shown}` printed something else than UTF-8 text"))
}

fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

/// Reads a stream to its end, so that the program is never held up, and keeps its beginning.
fn read(mut stream: impl Read + Send + 'static, most: usize) -> mpsc::Receiver<Vec<u8>> {
    let (tell, kept) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut all, mut buffer) = (Vec::new(), [0u8; 8192]);
        while let Ok(n) = stream.read(&mut buffer) {
            if n == 0 {
                break;
            }
            all.extend_from_slice(&buffer[..n.min(most.saturating_sub(all.len()))]);
        }
        drop(tell.send(all));
    });
    kept
}

fn taken(kept: Option<mpsc::Receiver<Vec<u8>>>) -> Vec<u8> {
    kept.and_then(|kept| kept.recv_timeout(LAST_WORDS).ok()).unwrap_or_default()
}

fn said(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

/// Ends a program with all that it started.
fn end(group: u32) {
    // No library call without `unsafe` reaches a group; this program is there on every POSIX system.
    let killed = Command::new("kill").args(["-s", "KILL", "--", &format!("-{group}")]).stderr(Stdio::null()).status();
    if !killed.is_ok_and(|status| status.success()) {
        tracing::warn!("the processes of group {group} could not be ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, within: Duration) -> Result<String, String> {
        let words = ["sh", "-c", script].map(ToOwned::to_owned);
        run(&words, Path::new(env!("CARGO_MANIFEST_DIR")), within)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn it_runs_in_the_folder_and_fails_with_what_it_said() {
        assert_eq!(shell("test -f Cargo.toml && echo yes; echo no >&2", LONG), Ok("yes\n".to_owned()));
        assert_eq!(shell("echo so >&2; exit 3", LONG).unwrap_err(), "`sh -c echo so >&2; exit 3` ended with exit code 3: so");
        let error = run(&["no-such-program".to_owned()], Path::new(""), LONG).unwrap_err();
        assert!(error.contains("`no-such-program` is not installed here"), "{error}");
        assert!(shell(r"printf '\377'", LONG).unwrap_err().contains("something else than UTF-8"));
    }

    #[test]
    fn what_hangs_or_floods_is_ended() {
        let error = shell("echo waiting >&2; sleep 60", Duration::from_millis(300)).unwrap_err();
        assert!(error.contains("had not ended after 0.3 s: waiting"), "{error}");
        let error = shell("head -c 9000000 /dev/zero", LONG).unwrap_err();
        assert!(error.ends_with("printed more than 8 MiB"), "{error}");
        // Without an end and without a limit it would be read for ever.
        assert!(shell("yes", Duration::from_millis(300)).unwrap_err().contains("had not ended"));
    }
}
