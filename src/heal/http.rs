//! Asking another program over HTTP for the healer: bounded in time and in bytes, without redirects, in real time although the
//! cluster's time may be simulated (which stands still meanwhile). What is asked is `carry`'s and `outside`'s.

use crate::notify::settings::Secret;
use crate::report::{format, layout};
use crate::web;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most bytes of an answer that are read.
const ANSWER: usize = 64 * 1024;
/// How much of an answer that is no JSON is shown, in characters.
const SHOWN: usize = 120;

/// One request: a POST where there is a body, else a GET.
#[derive(Clone)]
pub struct Ask {
    /// Where to.
    pub url: String,
    /// Headers with their values, which may be secrets.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Value>,
    /// How long the answer may take, in real time.
    pub within: Duration,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, at most 64 KiB.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether it is a 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// What was answered instead of a success, in words.
    #[must_use]
    pub fn refusal(&self) -> String {
        let text = format::plain(String::from_utf8_lossy(&self.body).trim());
        let said = if text.is_empty() { String::new() } else { format!(": {}", layout::cut(&text, SHOWN)) };
        let led = if (300..400).contains(&self.status) { " (redirects are not followed)" } else { "" };
        format!("answered {}{led}{said}", self.status)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is none, with its beginning.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|_| {
            let text = format::plain(String::from_utf8_lossy(&self.body).trim());
            format!("its answer is no JSON: {:?}", layout::cut(&text, SHOWN))
        })
    }
}

/// Asks once.
///
/// # Errors
/// Nobody answered in time, or too much; never with the URL or a header in it.
pub async fn ask(ask: Ask) -> Result<Answer, String> {
    // On a thread of its own: the trial's clock may be a simulated one, which stands still while such a task runs.
    let asked = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let within = ask.within;
        let answer = runtime.block_on(async {
            let late = || Err(format!("no answer within {}", crate::scenario::duration::format(within)));
            tokio::time::timeout(within, once(ask)).await.unwrap_or_else(|_| late())
        });
        // A name that is still being looked up holds up nobody.
        runtime.shutdown_background();
        answer
    });
    asked.await.unwrap_or_else(|error| Err(error.to_string()))
}

async fn once(ask: Ask) -> Result<Answer, String> {
    let client = web::client()?;
    let mut request = match &ask.body {
        Some(body) => client.post(&ask.url).header(http::header::CONTENT_TYPE, "application/json").body(body.to_string()),
        None => client.get(&ask.url),
    };
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let answer = request.send().await.map_err(|error| format::plain(&web::root(&error.without_url())))?;
    let status = answer.status().as_u16();
    let body = web::body(answer, ANSWER).await.map_err(|why| format!("its answer could not be read: {why}"))?;
    Ok(Answer { status, body: body.to_vec() })
}

/// The values of headers.
///
/// # Errors
/// A secret is not at hand.
pub fn headers(headers: &BTreeMap<String, Secret>) -> Result<Vec<(String, String)>, String> {
    headers.iter().map(|(name, value)| Ok((name.clone(), value.value()?))).collect()
}

/// The host of a URL, for messages.
#[must_use]
pub fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    format::plain(rest.split(['/', '?', '#']).next().unwrap_or_default())
}
