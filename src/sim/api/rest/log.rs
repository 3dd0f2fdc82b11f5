//! The log of a container: which run, which lines, and following it while it is written.
//! The lines themselves are the program's.

use super::Rest;
use super::body::{self, ResponseBody};
use super::pod::{container_of, container_status, pod_of};
use super::route::{ObjectPath, parameter};
use crate::sim::api::field::FieldError;
use crate::sim::api::list::{integer, is_true};
use crate::sim::api::pipeline::text;
use crate::sim::api::status::ApiError;
use crate::sim::latest;
use crate::sim::program::{ContainerLog, LogLine};
use bytes::Bytes;
use futures::stream;
use http::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fmt::Write;

type Query = [(String, String)];

/// Which lines of a log are asked for.
#[derive(Debug, Default)]
struct Options {
    previous: bool,
    follow: bool,
    timestamps: bool,
    tail: Option<usize>,
    since: Option<Timestamp>,
    limit: Option<usize>,
}

/// GET of a log.
pub(super) fn log(rest: &Rest, path: &ObjectPath, query: &Query) -> Result<Response<ResponseBody>, ApiError> {
    let pod = pod_of(rest, path)?;
    let options = Options::parse(query, path.name(), rest.api.clock.now())?;
    let container = container_of(&pod, query)?;
    if text(&pod, "/spec/nodeName").is_empty() {
        return Ok(body::text(""));
    }
    let older = which(&pod, path.name(), &container, options.previous)?;
    if rest.runtime.silence(text(&pod, "/spec/nodeName")).is_some() {
        let id = container_status(&pod, &container).map_or("", |status| text(status, "/containerID"));
        return Ok(body::text(format!("unable to retrieve container logs for {id}")));
    }
    let uid = text(&pod, "/metadata/uid");
    let run = rest.runtime.find(uid, &container, older);
    let run = run
        .ok_or_else(|| ApiError::internal(format!("unable to retrieve container logs for {container} of pod {}", path.name())))?;
    Ok(body::stream("text/plain; charset=utf-8", lines(run.container.log(), options)))
}

impl Options {
    fn parse(query: &Query, pod: &str, now: Timestamp) -> Result<Self, ApiError> {
        let refused = |error: FieldError| Err(ApiError::invalid_kind("", "PodLogOptions", pod, &[error]));
        let flag = |name: &str| parameter(query, name).is_some_and(is_true);
        let mut options =
            Self { previous: flag("previous"), follow: flag("follow"), timestamps: flag("timestamps"), ..Self::default() };
        let number = |name: &str| parameter(query, name).map(integer).transpose();
        let (tail, since, limit) = (number("tailLines")?, number("sinceSeconds")?, number("limitBytes")?);
        if let Some(tail) = tail.filter(|tail| *tail < 0) {
            return refused(FieldError::invalid("tailLines", &json!(tail), "must be greater than or equal to 0"));
        }
        for (name, value) in [("sinceSeconds", since), ("limitBytes", limit)] {
            if let Some(value) = value.filter(|value| *value < 1) {
                return refused(FieldError::invalid(name, &json!(value), "must be greater than 0"));
            }
        }
        let since_time = parameter(query, "sinceTime").map(|time| {
            time.parse::<Timestamp>().map_err(|_| ApiError::bad_request(format!("sinceTime: \"{time}\" is no RFC 3339 time")))
        });
        if since.is_some() && since_time.is_some() {
            return refused(FieldError::forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
        }
        options.tail = tail.and_then(|tail| usize::try_from(tail).ok());
        options.limit = limit.and_then(|limit| usize::try_from(limit).ok());
        options.since = match since {
            Some(seconds) => now.checked_sub(SignedDuration::from_secs(seconds)).ok(),
            None => since_time.transpose()?,
        };
        Ok(options)
    }
}

/// Whether the run before the newest is meant, or why there is no log. A container that waits for its next start
/// still shows its last run, with and without `previous`.
fn which(pod: &Value, name: &str, container: &str, previous: bool) -> Result<bool, ApiError> {
    let refused = |why: String| Err(ApiError::bad_request(format!("container \"{container}\" in pod \"{name}\" {why}")));
    let Some(status) = container_status(pod, container) else { return refused("is not available".to_owned()) };
    let has_last = status.pointer("/lastState/terminated/containerID").is_some();
    let waiting = status.pointer("/state/waiting");
    if previous && !has_last {
        let why = format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return Err(ApiError::bad_request(why));
    }
    match waiting {
        None => Ok(previous),
        Some(_) if has_last => Ok(false),
        Some(waiting) => match text(waiting, "/reason") {
            "ErrImagePull" => refused("is waiting to start: image can't be pulled".to_owned()),
            "ImagePullBackOff" => refused("is waiting to start: trying and failing to pull image".to_owned()),
            "" => refused("is waiting to start - no logs yet".to_owned()),
            reason => refused(format!("is waiting to start: {reason}")),
        },
    }
}

/// A log that is being sent.
struct Reader {
    log: ContainerLog,
    changes: latest::Receiver<(usize, bool)>,
    next: usize,
    options: Options,
    left: Option<usize>,
    begun: bool,
}

fn lines(log: ContainerLog, options: Options) -> impl futures::Stream<Item = Bytes> + Send + 'static {
    let changes = log.subscribe();
    let left = options.limit;
    let reader = Reader { log, changes, next: 0, options, left, begun: false };
    stream::unfold(reader, |mut reader| async move { Some((reader.chunk().await?, reader)) })
}

impl Reader {
    /// The next lines as bytes; `None` at the end.
    async fn chunk(&mut self) -> Option<Bytes> {
        loop {
            if self.left == Some(0) {
                return None;
            }
            let closed = self.changes.get_and_mark().1;
            let (lines, next) = self.log.after(self.next);
            self.next = next;
            let wanted = self.wanted(&lines);
            let is_last = closed || !self.options.follow;
            if !wanted.is_empty() {
                return Some(self.cut(encoded(&wanted, self.options.timestamps)));
            }
            if is_last {
                return None;
            }
            self.changes.changed().await.ok()?;
        }
    }

    fn wanted<'a>(&mut self, lines: &'a [LogLine]) -> Vec<&'a LogLine> {
        let recent = lines.iter().filter(|line| self.options.since.is_none_or(|since| line.at >= since));
        let wanted: Vec<&LogLine> = recent.collect();
        // A tail counts from the end of what was there at first; what follows comes whole.
        let first = !std::mem::replace(&mut self.begun, true);
        let skipped = self.options.tail.filter(|_| first).map_or(0, |tail| wanted.len().saturating_sub(tail));
        wanted[skipped..].to_vec()
    }

    fn cut(&mut self, mut text: String) -> Bytes {
        if let Some(left) = &mut self.left {
            let mut end = text.len().min(*left);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            *left = if end < text.len() { 0 } else { *left - end };
            text.truncate(end);
        }
        Bytes::from(text)
    }
}

fn encoded(lines: &[&LogLine], timestamps: bool) -> String {
    let mut text = String::new();
    for line in lines {
        if timestamps {
            let _ = write!(text, "{:.9} ", line.at);
        }
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn written(log: &ContainerLog, second: i64, text: &str) {
        log.push(LogLine { at: at(second), text: text.to_owned() });
    }

    async fn read(log: &ContainerLog, query: &[(&str, &str)]) -> String {
        let query: Vec<(String, String)> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let chunks: Vec<Bytes> = lines(log.clone(), Options::parse(&query, "p", at(10)).unwrap()).collect().await;
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[rstest::rstest]
    #[case(&[], "one\ntwo\nthree\n")]
    #[case(&[("tailLines", "1")], "three\n")]
    #[case(&[("tailLines", "0")], "")]
    #[case(&[("sinceSeconds", "8")], "two\nthree\n")]
    #[case(&[("sinceTime", "2026-01-01T00:00:03Z")], "three\n")]
    #[case(&[("limitBytes", "5")], "one\nt")]
    #[case(&[("timestamps", "true"), ("tailLines", "1")], "2026-01-01T00:00:03.000000000Z three\n")]
    #[tokio::test(start_paused = true)]
    async fn options_choose_lines(#[case] query: &[(&str, &str)], #[case] expected: &str) {
        let log = ContainerLog::default();
        for (second, text) in [(1, "one"), (2, "two"), (3, "three")] {
            written(&log, second, text);
        }
        assert_eq!(read(&log, query).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn following_ends_with_the_container() {
        let log = ContainerLog::default();
        written(&log, 1, "old");
        written(&log, 2, "last");
        let writer = log.clone();
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            written(&writer, 5, "new");
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            writer.close();
        });
        assert_eq!(read(&log, &[("follow", "true"), ("tailLines", "1")]).await, "last\nnew\n");
    }

    #[rstest::rstest]
    #[case(json!({"state": {"running": {}}}), false, Ok(false))]
    #[case(json!({"state": {"running": {}}}), true, Err("previous terminated container \"c\" in pod \"p\" not found"))]
    #[case(json!({"state": {"running": {}}, "lastState": {"terminated": {"containerID": "x"}}}), true, Ok(true))]
    #[case(json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"containerID": "x"}}}), false, Ok(false))]
    #[case(json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"containerID": "x"}}}), true, Ok(false))]
    #[case(json!({"state": {"waiting": {"reason": "ImagePullBackOff"}}}), false, Err("container \"c\" in pod \"p\" is waiting to start: trying and failing to pull image"))]
    #[case(json!({"state": {"waiting": {"reason": "ContainerCreating"}}}), false, Err("container \"c\" in pod \"p\" is waiting to start: ContainerCreating"))]
    fn the_right_run_is_read(#[case] mut status: Value, #[case] previous: bool, #[case] expected: Result<bool, &str>) {
        status["name"] = json!("c");
        let pod = json!({"status": {"containerStatuses": [status]}});
        assert_eq!(which(&pod, "p", "c", previous).map_err(|error| error.message), expected.map_err(ToOwned::to_owned));
    }

    #[rstest::rstest]
    #[case("tailLines", "-1", "PodLogOptions \"p\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0")]
    #[case("sinceSeconds", "0", "PodLogOptions \"p\" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0")]
    #[case("limitBytes", "x", "strconv.ParseInt: parsing \"x\": invalid syntax")]
    fn bad_options_are_refused(#[case] name: &str, #[case] value: &str, #[case] message: &str) {
        let query = [(name.to_owned(), value.to_owned())];
        assert_eq!(Options::parse(&query, "p", at(0)).unwrap_err().message, message);
    }
}
