//! A detector program while it runs: told of objects and asked for findings over its standard streams, bounded in time and bytes.
//! What the lines mean is `detect::user::protocol`'s; when it is asked says the live part of the trial.

use crate::detect::user::protocol::{self, Answered, LONGEST_LINE, Line, MOST_FINDINGS};
use crate::fault::program::{Group, ending, keep_beginning};
use crate::scenario::detector::ProgramDetector;
use crate::scenario::duration::format;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How much of its standard error is shown.
const SHOWN: usize = 500;
/// How long to wait for the exit code and the last words of a program that has closed its output.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// What a detector program finds where it runs.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Where it runs.
    pub folder: PathBuf,
    /// The trial's namespace.
    pub namespace: String,
    /// The run's label value.
    pub run: String,
    /// A file that leads to the cluster, where programs can reach it.
    pub kubeconfig: Option<PathBuf>,
}

/// A whole answer: which look it is about, and what was found.
type Answer = (u64, Vec<Answered>);

/// A running program; ended with all that it started when this goes.
#[derive(Debug)]
pub struct Examiner {
    detector: ProgramDetector,
    streams: Arc<Mutex<Streams>>,
    looks: u64,
    _group: Group,
}

#[derive(Debug)]
struct Streams {
    to: Sender<Vec<u8>>,
    from: Receiver<Result<Answer, String>>,
    ended: Receiver<String>,
    said: Arc<Mutex<Vec<u8>>>,
    /// Told when its standard error is at its end.
    quiet: Receiver<()>,
}

impl Examiner {
    /// Starts it.
    ///
    /// # Errors
    /// It could not be started, in words.
    pub fn start(detector: &ProgramDetector, place: &Place) -> Result<Self, String> {
        let shown = detector.run.join(" ");
        let Some((name, arguments)) = detector.run.split_first() else { return Err("it names no program".to_owned()) };
        let program = if name.contains('/') { place.folder.join(name) } else { PathBuf::from(name) };
        let mut command = Command::new(&program);
        command.args(arguments).env("COMEBACK_NAMESPACE", &place.namespace).env("COMEBACK_RUN", &place.run);
        // Without a cluster that it could reach, it must not reach another one by accident.
        match &place.kubeconfig {
            Some(path) => command.env("KUBECONFIG", path),
            None => command.env_remove("KUBECONFIG"),
        };
        command.envs(&detector.env).current_dir(&place.folder).process_group(0);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("`{shown}` could not be started: {error}"))?;
        let group = Group::of(child.id());
        let (to, told) = channel();
        let (tell, from) = sync_channel(1);
        let (last, ended) = channel();
        let (hush, quiet) = channel();
        let said = Arc::default();
        if let Some(stdin) = child.stdin.take() {
            std::thread::spawn(move || feed(stdin, &told));
        }
        if let Some(stdout) = child.stdout.take() {
            let known = detector.clone();
            std::thread::spawn(move || listen(stdout, &known, &tell));
        }
        if let Some(stderr) = child.stderr.take() {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                keep_beginning(stderr, SHOWN, &said);
                let _ = hush.send(());
            });
        }
        std::thread::spawn(move || {
            let how = child.wait().map_or_else(|error| format!("was lost: {error}"), ending);
            drop(last.send(how));
        });
        let streams = Arc::new(Mutex::new(Streams { to, from, ended, said, quiet }));
        Ok(Self { detector: detector.clone(), streams, looks: 0, _group: group })
    }

    /// The detector as it is written.
    pub const fn detector(&self) -> &ProgramDetector {
        &self.detector
    }

    /// Tells of what is new (whole lines), and asks for findings. On a thread of its own, so that simulated time stands still meanwhile.
    ///
    /// # Errors
    /// It has ended, is late, or wrote what is no answer; in words.
    pub async fn ask(&mut self, news: Vec<String>) -> Result<Vec<Answered>, String> {
        self.looks += 1;
        let (number, within, streams) = (self.looks, self.detector.within(), Arc::clone(&self.streams));
        let mut batch = news.join("\n").into_bytes();
        if !batch.is_empty() {
            batch.push(b'\n');
        }
        batch.extend_from_slice(protocol::look(number).as_bytes());
        batch.push(b'\n');
        let asked = tokio::task::spawn_blocking(move || {
            let streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.ask(number, batch, within)
        });
        let answer = asked.await.unwrap_or_else(|error| Err(error.to_string()));
        answer.map_err(|why| format!("the detector program `{}`: {why}", self.detector.run.join(" ")))
    }
}

impl Streams {
    fn ask(&self, number: u64, batch: Vec<u8>, within: Duration) -> Result<Vec<Answered>, String> {
        drop(self.to.send(batch));
        match self.from.recv_timeout(within) {
            Ok(Ok((answered, findings))) if answered == number => Ok(findings),
            Ok(Ok((answered, _))) => Err(format!("it answered look {answered} and was asked for look {number}")),
            Ok(Err(why)) => Err(why + &self.last_words()),
            Err(RecvTimeoutError::Timeout) => Err(format!("no answer within {}{}", format(within), self.last_words())),
            Err(RecvTimeoutError::Disconnected) => {
                let how = self.ended.recv_timeout(LAST_WORDS).unwrap_or_else(|_| "closed its output".to_owned());
                let _ = self.quiet.recv_timeout(LAST_WORDS);
                Err(format!("it {how} without an answer{}", self.last_words()))
            }
        }
    }

    fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&said);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() { String::new() } else { format!("; it said: {text}") }
    }
}

/// Writes what is told; ends when the program no longer reads, or nobody tells any more.
fn feed(mut stdin: ChildStdin, told: &Receiver<Vec<u8>>) {
    while let Ok(batch) = told.recv() {
        if stdin.write_all(&batch).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// Reads answers until the output ends or holds what is none; never more of it than an answer may have.
fn listen(stdout: ChildStdout, detector: &ProgramDetector, tell: &SyncSender<Result<Answer, String>>) {
    let (mut lines, mut findings) = (BufReader::new(stdout), Vec::new());
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(LONGEST_LINE + 1).unwrap_or(u64::MAX);
        let read = (&mut lines).take(limit).read_until(b'\n', &mut line);
        if read.is_err() || line.is_empty() {
            return;
        }
        let heard = if line.len() > LONGEST_LINE {
            Err(format!("it wrote a line of more than {} KiB", LONGEST_LINE / 1024))
        } else {
            protocol::read(&line)
        };
        let heard = heard.and_then(|heard| match heard {
            Line::Finding(_) if findings.len() >= MOST_FINDINGS => {
                Err(format!("it found more than {MOST_FINDINGS} things at once"))
            }
            Line::Finding(found) => {
                findings.push(protocol::kept(found, detector)?);
                Ok(None)
            }
            Line::Done(number) => Ok(Some((number, std::mem::take(&mut findings)))),
        });
        let over = heard.is_err();
        if let Some(answer) = heard.transpose()
            && (tell.send(answer).is_err() || over)
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
