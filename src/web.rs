//! The HTTP client for what is not Kubernetes: Prometheus, Alertmanager, receivers of notifications. What is asked, and how long is
//! waited, is theirs.

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::error::Error;
use std::sync::OnceLock;
use std::time::Duration;

/// A connection must stand within this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The client, with the certificates of this machine. It follows no redirect: they lead to others than the user named. It keeps no
/// connection: what is asked is asked seldom, and a connection must not outlive the runtime of its trial.
///
/// # Errors
/// The certificates cannot be read.
pub fn client() -> Result<reqwest::Client, String> {
    static CLIENT: OnceLock<Result<reqwest::Client, String>> = OnceLock::new();
    CLIENT.get_or_init(|| make(HeaderMap::new())).clone()
}

/// The same for one server that wants to know who asks: every request carries the token. It is shown nowhere.
///
/// # Errors
/// It is no text that can be sent, or the certificates cannot be read.
pub fn client_with(token: &SecretString) -> Result<reqwest::Client, String> {
    let bearer = format!("Bearer {}", token.expose_secret());
    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| "the token is no text that can be sent".to_owned())?;
    bearer.set_sensitive(true);
    make(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
}

fn make(headers: HeaderMap) -> Result<reqwest::Client, String> {
    // Whoever came first has installed the same.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .user_agent(concat!("comeback/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        .pool_max_idle_per_host(0)
        .build();
    client.map_err(|error| format!("no connection can be made: {}", root(&error)))
}

/// The body of an answer.
///
/// # Errors
/// It ended early, or has more than `most` bytes.
pub async fn body(mut answer: reqwest::Response, most: usize) -> Result<Bytes, String> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| root(&error))? {
        if body.len() + chunk.len() > most {
            return Err(format!("it has more than {most} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What lies at the bottom of an error: `connection refused` and not `error sending request for url`, which names the URL, too.
#[must_use]
pub fn root(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
