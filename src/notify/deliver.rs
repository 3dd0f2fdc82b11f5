//! Sending what was prepared: all receivers at once, each with a few tries, everything within a bound. What fails is said without its
//! secrets. How a message looks is the receivers' modules' business.

use super::email::Mail;
use super::settings::Tls;
use super::{Delivery, Post};
use crate::report::{format, layout};
use crate::web;
use futures::future::join_all;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use lettre::transport::smtp::client::{Tls as SmtpTls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use reqwest::{Client, Response};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How much of a refusal is read, in bytes.
const ANSWER: usize = 4_096;
/// How much of it is shown, in characters.
const SHOWN: usize = 200;

/// How long is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Tries of each delivery.
    pub tries: u32,
    /// For one try.
    pub within: Duration,
    /// Before the second try; twice as long before each further one, unless the receiver says how long.
    pub backoff: Duration,
    /// For everything.
    pub in_all: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 3, within: Duration::from_secs(10), backoff: Duration::from_secs(1), in_all: Duration::from_secs(30) }
    }
}

/// Why a try failed, and whether another may not.
struct Refusal {
    why: String,
    again: bool,
    after: Option<Duration>,
}

impl Refusal {
    fn final_(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: false, after: None }
    }

    fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: true, after: None }
    }
}

/// Sends everything and returns what could not be sent, a line each, without secrets.
#[must_use]
pub fn deliver(prepared: Vec<(String, Result<Vec<Delivery>, String>)>, patience: Patience) -> Vec<String> {
    if prepared.is_empty() {
        return Vec::new();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return vec![format!("nobody was notified: {error}")],
    };
    let failures = runtime.block_on(async {
        let client = web::client();
        let until = Instant::now() + patience.in_all;
        join_all(prepared.into_iter().map(|(name, deliveries)| {
            let client = &client;
            async move {
                let sent = match (deliveries, client) {
                    (Err(why), _) => Err(why),
                    (Ok(_), Err(why)) => Err(why.clone()),
                    (Ok(deliveries), Ok(client)) => all(client, deliveries, patience, until).await,
                };
                sent.err().map(|why| format!("{name} was not sent: {why}"))
            }
        }))
        .await
    });
    // A name that is still being looked up holds up nobody.
    runtime.shutdown_background();
    failures.into_iter().flatten().collect()
}

/// The deliveries of one notification, in order; the first that fails ends it.
async fn all(client: &Client, deliveries: Vec<Delivery>, patience: Patience, until: Instant) -> Result<(), String> {
    let many = deliveries.len();
    for (delivery, position) in deliveries.into_iter().zip(1..) {
        let sent = timeout_at(until, one(client, &delivery, patience)).await;
        let sent = sent.unwrap_or_else(|_| Err(format!("not within {} s", patience.in_all.as_secs_f64())));
        sent.map_err(|why| if many > 1 { format!("{why} ({position} of {many})") } else { why })?;
    }
    Ok(())
}

async fn one(client: &Client, delivery: &Delivery, patience: Patience) -> Result<(), String> {
    let mut wait = patience.backoff;
    let mut tries = 1;
    loop {
        let sent = timeout(patience.within, try_once(client, delivery, patience.within)).await;
        let refusal = match sent {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(refusal)) => refusal,
            Err(_) => Refusal::passing(format!("no answer within {} s", patience.within.as_secs_f64())),
        };
        if !refusal.again || tries >= patience.tries {
            let times = if tries > 1 { format!(", {tries} times") } else { String::new() };
            return Err(format!("{}{times}", refusal.why));
        }
        sleep(refusal.after.unwrap_or(wait)).await;
        wait = wait.saturating_mul(2);
        tries += 1;
    }
}

async fn try_once(client: &Client, delivery: &Delivery, within: Duration) -> Result<(), Refusal> {
    match delivery {
        Delivery::Http(post) => try_post(client, post).await,
        Delivery::Mail(mail) => try_mail(mail, within).await,
    }
}

async fn try_post(client: &Client, post: &Post) -> Result<(), Refusal> {
    let mut request = client.post(&post.url).header(CONTENT_TYPE, post.content_type);
    for (name, value) in &post.headers {
        request = request.header(name, value);
    }
    // Neither the URL nor a header may be in the message: they may be secrets.
    let request = request.body(post.body.clone()).build();
    let request = request.map_err(|_| Refusal::final_("its URL or one of its headers cannot be sent"))?;
    let host = request.url().host_str().unwrap_or("no host").to_owned();
    let answer = client.execute(request).await;
    let answer = answer.map_err(|error| Refusal::passing(format!("{host}: {}", root(&error.without_url()))))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let after = retry_after(&answer);
    let again = status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT || status.is_server_error();
    let said = said(answer, post).await;
    Err(Refusal { why: format!("{host} answered {status}{said}"), again, after })
}

/// What lies at the bottom of an error, fit for a terminal.
fn root(error: &dyn std::error::Error) -> String {
    format::plain(&web::root(error))
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What a refusal says, without what of the request it repeats.
async fn said(answer: Response, post: &Post) -> String {
    let Ok(body) = web::body(answer, ANSWER).await else { return String::new() };
    let mut text = String::from_utf8_lossy(&body).into_owned();
    let path = post.url.splitn(4, '/').nth(3).unwrap_or_default();
    let values = post.headers.iter().flat_map(|(_, value)| value.split_whitespace());
    let key = serde_json::from_str::<serde_json::Value>(&post.body).ok();
    let key = key.as_ref().and_then(|body| body.get("routing_key")?.as_str());
    for secret in values.chain([path]).chain(key).filter(|secret| secret.len() >= 4) {
        text = text.replace(secret, "…");
    }
    let text = format::plain(text.trim());
    if text.is_empty() { String::new() } else { format!(": {}", layout::cut(&text, SHOWN)) }
}

async fn try_mail(mail: &Mail, within: Duration) -> Result<(), Refusal> {
    let message = mail.message().map_err(Refusal::final_)?;
    let tls = || TlsParameters::new(mail.server.clone()).map_err(|error| Refusal::final_(error.to_string()));
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.server)
        .port(mail.port)
        .timeout(Some(within))
        .tls(match mail.tls {
            Tls::StartTls => SmtpTls::Required(tls()?),
            Tls::Tls => SmtpTls::Wrapper(tls()?),
            Tls::None => SmtpTls::None,
        });
    if let Some(credentials) = mail.credentials() {
        builder = builder.credentials(credentials);
    }
    match builder.build().send(message).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let why = format!("{}: {}", mail.server, root(&error));
            Err(if error.is_permanent() { Refusal::final_(why) } else { Refusal::passing(why) })
        }
    }
}
