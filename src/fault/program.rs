//! Programs of the user's own: run with the trial's surroundings, bounded in time and output, ended with all that they started.
//! When one is run, and what undoes it, says the fault `command`.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How much of an output is kept.
const KEPT: usize = 2_000;
/// How long the readers may take for what a program wrote last.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What programs of a trial find in their environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The trial's namespace.
    pub namespace: String,
    /// The run's label value.
    pub run: String,
    /// A file that leads to the cluster and the namespace.
    pub kubeconfig: PathBuf,
    /// Where they run.
    pub folder: PathBuf,
}

/// What undoes a `command`; it runs once.
#[derive(Clone, Debug)]
pub struct Undoing {
    surroundings: Arc<Surroundings>,
    env: BTreeMap<String, String>,
    done: Arc<AtomicBool>,
}

impl PartialEq for Undoing {
    fn eq(&self, other: &Self) -> bool {
        self.surroundings == other.surroundings && self.env == other.env
    }
}

impl Undoing {
    /// One that has not run.
    #[must_use]
    pub fn new(surroundings: &Arc<Surroundings>, env: &BTreeMap<String, String>) -> Self {
        Self { surroundings: Arc::clone(surroundings), env: env.clone(), done: Arc::default() }
    }

    /// Whether it has run to its good end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Runs it.
    ///
    /// # Errors
    /// As [`run`]; it may be run again then.
    pub async fn run(&self, command: &[String], within: Duration) -> Result<(), String> {
        run(command, &self.surroundings, &self.env, within).await?;
        self.done.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Runs a program to its end. Whatever ends this early ends the program and all that it started.
///
/// # Errors
/// It could not be started, failed, or did not end in time: in words, with the beginning of what it said.
pub async fn run(
    command: &[String],
    surroundings: &Surroundings,
    env: &BTreeMap<String, String>,
    within: Duration,
) -> Result<(), String> {
    let shown = command.join(" ");
    let Some((name, arguments)) = command.split_first() else { return Err("there is no program to run".to_owned()) };
    let program = if name.contains('/') { surroundings.folder.join(name) } else { PathBuf::from(name) };
    let mut started = Command::new(&program)
        .args(arguments)
        .env("COMEBACK_NAMESPACE", &surroundings.namespace)
        .env("COMEBACK_RUN", &surroundings.run)
        .env("KUBECONFIG", &surroundings.kubeconfig)
        .envs(env)
        .current_dir(if surroundings.folder.as_os_str().is_empty() { Path::new(".") } else { &surroundings.folder })
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("`{shown}` could not be started: {error}"))?;
    let group = Group::of(started.id());
    let output = Arc::new(Mutex::new(Vec::new()));
    let readers =
        [started.stdout.take().map(|stream| read(stream, &output)), started.stderr.take().map(|stream| read(stream, &output))];
    let (tell, ended) = oneshot::channel();
    std::thread::spawn(move || drop(tell.send(started.wait())));
    let status = match tokio::time::timeout(within, ended).await {
        Err(_) => {
            drop(group);
            let said = said(&output);
            return Err(format!("`{shown}` had not ended after {} s{said}", within.as_secs_f64()));
        }
        Ok(Err(_)) => return Err(format!("`{shown}` was lost")),
        Ok(Ok(status)) => status.map_err(|error| format!("`{shown}` was lost: {error}"))?,
    };
    group.leave();
    // What it left in the background may hold its outputs open for ever.
    let last = async {
        for reader in readers.into_iter().flatten() {
            drop(reader.await);
        }
    };
    drop(tokio::time::timeout(LAST_WORDS, last).await);
    if status.success() { Ok(()) } else { Err(format!("`{shown}` {}{}", ending(status), said(&output))) }
}

/// How a program ended, as what follows `it`.
#[must_use]
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

fn said(output: &Mutex<Vec<u8>>) -> String {
    let kept = output.lock().unwrap_or_else(PoisonError::into_inner);
    let text = String::from_utf8_lossy(&kept);
    if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}

fn read(stream: impl Read + Send + 'static, output: &Arc<Mutex<Vec<u8>>>) -> oneshot::Receiver<()> {
    let (done, finished) = oneshot::channel();
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        keep_beginning(stream, KEPT, &output);
        let _ = done.send(());
    });
    finished
}

/// Reads a stream to its end, so that what writes is never held up, and keeps this much of its beginning.
pub fn keep_beginning(mut stream: impl Read, most: usize, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0u8; 8192];
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            return;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = most.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&buffer[..room]);
    }
}

/// A program and all that it started; ended when this goes.
#[derive(Debug)]
pub struct Group {
    id: u32,
    over: bool,
}

impl Group {
    /// Of a program that leads its own group of processes.
    #[must_use]
    pub const fn of(id: u32) -> Self {
        Self { id, over: false }
    }

    /// The program has ended by itself; what it left in the background stays.
    fn leave(mut self) {
        self.over = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.over {
            // No library call without `unsafe` reaches a group; this program is there on every POSIX system.
            let killed = Command::new("kill").args(["-s", "KILL", "--", &format!("-{}", self.id)]).stderr(Stdio::null()).status();
            if !killed.is_ok_and(|status| status.success()) {
                tracing::warn!("the processes of group {} could not be ended", self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    async fn shell(script: &str, within: Duration) -> Result<(), String> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let surroundings =
            Surroundings { namespace: "shop".to_owned(), run: "r1".to_owned(), kubeconfig: PathBuf::from("/k"), folder };
        let env = BTreeMap::from([("OWN".to_owned(), "yes".to_owned())]);
        run(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], &surroundings, &env, within).await
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn it_knows_its_trial_and_fails_with_what_it_said() {
        let told = shell("echo $COMEBACK_NAMESPACE $COMEBACK_RUN $KUBECONFIG $OWN; test -f Cargo.toml", LONG).await;
        assert_eq!(told, Ok(()));
        let error = shell("echo $COMEBACK_NAMESPACE $COMEBACK_RUN $KUBECONFIG $OWN; exit 3", LONG).await.unwrap_err();
        assert!(error.ends_with("ended with exit code 3: shop r1 /k yes"), "{error}");
        let error = run(&["./no-such-program".to_owned()], &Surroundings::default(), &BTreeMap::new(), LONG).await.unwrap_err();
        assert!(error.contains("could not be started"), "{error}");
    }

    #[tokio::test]
    async fn what_hangs_is_ended_with_all_that_it_started() {
        let mark = format!("12{}", std::process::id());
        let error = shell(&format!("sleep {mark} & sleep {mark}"), Duration::from_millis(300)).await.unwrap_err();
        assert!(error.contains("had not ended after 0.3 s"), "{error}");
        let began = Instant::now();
        while Command::new("pgrep").args(["-f", &format!("sleep {mark}")]).stdout(Stdio::null()).status().unwrap().success() {
            assert!(began.elapsed() < LONG, "a process of its group lives on");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn much_output_takes_neither_memory_nor_time_for_ever() {
        let error = shell("yes", Duration::from_millis(300)).await.unwrap_err();
        assert!(error.len() < KEPT + 200, "{}", error.len());
        // A background process that holds the outputs open does not hold the trial up.
        let began = Instant::now();
        assert_eq!(shell("sleep 15 & exit 0", LONG).await, Ok(()));
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn an_undoing_runs_once_to_a_good_end() {
        let undoing = Undoing::new(&Arc::default(), &BTreeMap::new());
        assert!(undoing.run(&["false".to_owned()], LONG).await.is_err() && !undoing.is_done());
        assert!(undoing.run(&["true".to_owned()], LONG).await.is_ok() && undoing.is_done());
    }
}
