//! Asking Prometheus and Alertmanager over HTTP, bounded in time and size, and what their answers mean.
//! How often they are asked is `probe`'s.

use crate::observe::index::text;
use crate::observe::timeline::{AlertPhase, AlertSeen};
use crate::scenario::condition::{Alert, measured};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use regex::Regex;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 8 << 20;
/// How much of an answer in an unexpected form is shown.
const SHOWN: usize = 200;

/// A client for one address: kube's own, which is nothing but an HTTP client with TLS.
///
/// # Errors
/// It is not the address of a web server.
pub fn client(url: &str) -> Result<kube::Client, String> {
    let uri = measured::address(url)?;
    let mut config = kube::Config::new(uri);
    config.connect_timeout = Some(Duration::from_secs(5));
    config.default_retry = false;
    kube::Client::try_from(config).map_err(|error| format!("{url} cannot be asked: {error}"))
}

/// GET of a path, as JSON.
async fn get(url: &str, path: &str, within: Duration) -> Result<Value, String> {
    let asked = async {
        let client = client(url)?;
        let request = http::Request::get(path).body(Body::empty()).map_err(|error| format!("{url}: {error}"))?;
        let answer = client.send(request).await.map_err(|error| {
            let error = crate::cluster::request::RequestError::new("asking", &error);
            format!("{url} gives no answer: {}", error.message)
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|error| format!("the answer of {url} could not be read: {error}"))?.to_bytes();
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        match value {
            Some(value) if status.is_success() => Ok(value),
            Some(value) if !text(&value, "/error").is_empty() => Err(format!("{url} refused it: {}", text(&value, "/error"))),
            _ => {
                let shown: String = String::from_utf8_lossy(&body).chars().take(SHOWN).collect();
                Err(format!("{url} answered {status} and no JSON that is expected: {}", shown.trim()))
            }
        }
    };
    timeout(within, asked).await.unwrap_or_else(|_| Err(format!("{url} gave no answer within {} s", within.as_secs_f64())))
}

/// A word of a query, as URLs have it.
fn encoded(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    word.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Whether a query has a result now; unknown where that cannot be told, with the reason.
pub async fn query(url: &str, query: &str, within: Duration) -> (Option<bool>, String) {
    match get(url, &format!("/api/v1/query?query={}", encoded(query)), within).await {
        Ok(answer) => truth_of(&answer),
        Err(error) => (None, error),
    }
}

fn truth_of(answer: &Value) -> (Option<bool>, String) {
    let result = answer.pointer("/data/result").and_then(Value::as_array);
    let nan = |value: &str| value == "NaN";
    match (text(answer, "/data/resultType"), result) {
        ("vector", Some(samples)) => {
            let values = samples.iter().map(|sample| text(sample, "/value/1"));
            let told: Vec<&str> = values.clone().filter(|value| !nan(value)).collect();
            match (told.first(), samples.is_empty()) {
                (_, true) => (Some(false), "it has no result".to_owned()),
                (None, false) => (None, "it is NaN".to_owned()),
                (Some(first), false) => (Some(true), format!("{} results, the first {first}", samples.len())),
            }
        }
        ("scalar", Some(pair)) => match pair.get(1).and_then(Value::as_str).unwrap_or_default() {
            value if nan(value) => (None, "it is NaN".to_owned()),
            value => match value.parse::<f64>() {
                Ok(number) => (Some(number != 0.0), format!("it is {value}")),
                Err(_) if value.ends_with("Inf") => (Some(true), format!("it is {value}")),
                Err(_) => (None, format!("it is `{value}`, which is no number")),
            },
        },
        (other, _) => (None, format!("its result is no vector and no scalar but `{other}`")),
    }
}

/// How far an alert about a namespace has got.
///
/// # Errors
/// Prometheus or Alertmanager gave no answer that tells.
pub async fn alert(alert: &Alert, namespace: &str, within: Duration) -> Result<AlertSeen, String> {
    let answer = get(&alert.url, "/api/v1/alerts", within).await?;
    let alerts = answer.pointer("/data/alerts").and_then(Value::as_array);
    let alerts = alerts.ok_or_else(|| format!("{} answered without a list of alerts", alert.url))?;
    let mut seen = AlertSeen::default();
    for one in alerts.iter().filter(|one| is_meant(one, alert, namespace)) {
        let phase = if text(one, "/state") == "firing" { AlertPhase::Firing } else { AlertPhase::Pending };
        seen.phase = seen.phase.max(phase);
        let active: Option<jiff::Timestamp> = text(one, "/activeAt").parse().ok();
        seen.active_at = [seen.active_at, active].into_iter().flatten().min();
    }
    let Some(alertmanager) = alert.alertmanager.as_deref().filter(|_| seen.phase == AlertPhase::Firing) else { return Ok(seen) };
    let path = format!("/api/v2/alerts?active=true&filter={}", encoded(&format!("alertname=\"{}\"", alert.name)));
    let answer = get(alertmanager, &path, within).await?;
    let paged = answer.as_array().ok_or_else(|| format!("{alertmanager} answered without a list of alerts"))?;
    let mut starts = paged.iter().filter(|one| is_meant(one, alert, namespace)).map(|one| text(one, "/startsAt").parse().ok());
    match starts.next() {
        Some(first) => seen.starts_at = starts.chain([first]).flatten().min(),
        // Prometheus has not told it yet, or it is inhibited.
        None => seen.phase = AlertPhase::Pending,
    }
    Ok(seen)
}

fn is_meant(found: &Value, alert: &Alert, namespace: &str) -> bool {
    let label = |name: &str| found.get("labels").and_then(|labels| labels.get(name)).and_then(Value::as_str);
    label("alertname") == Some(alert.name.as_str())
        && label("namespace").is_none_or(|of| of == namespace)
        && alert.labels.iter().all(|(name, value)| label(name) == Some(value.as_str()))
}

/// Checks that Prometheus has an alerting rule of that name, and that it can speak of the namespace.
///
/// # Errors
/// It has none, or its expression only looks at other namespaces; Prometheus gives no answer.
pub async fn check_rule(alert: &Alert, namespace: &str, within: Duration) -> Result<(), String> {
    let answer = get(&alert.url, "/api/v1/rules?type=alert", within).await?;
    covered(&answer, alert, namespace)
}

fn covered(answer: &Value, alert: &Alert, namespace: &str) -> Result<(), String> {
    let groups = answer.pointer("/data/groups").and_then(Value::as_array);
    let groups = groups.ok_or_else(|| format!("{} answered without a list of rules", alert.url))?;
    let rules = || groups.iter().filter_map(|group| group.get("rules")?.as_array()).flatten();
    let named: Vec<&str> = rules().filter(|rule| text(rule, "/name") == alert.name).map(|rule| text(rule, "/query")).collect();
    if named.is_empty() {
        let mut names: Vec<_> = rules().map(|rule| text(rule, "/name")).collect();
        names.sort_unstable();
        names.dedup();
        let known = if names.is_empty() { "none at all".to_owned() } else { names.join(", ") };
        return Err(format!(
            "no alert covers this: Prometheus at {} has no alerting rule {} (it has {known})",
            alert.url, alert.name
        ));
    }
    match named.iter().map(|query| excluding(query, namespace)).collect::<Option<Vec<_>>>() {
        Some(excluding) => Err(format!(
            "no alert covers this: the rule {} at {} looks at `{}`, and the trial's namespace is {namespace}",
            alert.name,
            alert.url,
            excluding.join("`, `")
        )),
        None => Ok(()),
    }
}

/// The first matcher of a query on the label `namespace` that does not let this one through.
fn excluding(query: &str, namespace: &str) -> Option<String> {
    let matcher = Regex::new(r#"(?:^|[^A-Za-z0-9_])(namespace\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)")"#).ok()?;
    matcher.captures_iter(query).find_map(|found| {
        let value = found.get(3)?.as_str().replace("\\\\", "\\");
        // Prometheus anchors its expressions. What is not understood excludes nothing.
        let matches = || Regex::new(&format!("^(?s:{value})$")).map(|wanted| wanted.is_match(namespace));
        let passes = match found.get(2)?.as_str() {
            "=" => value == namespace,
            "!=" => value != namespace,
            "=~" => matches().unwrap_or(true),
            _ => !matches().unwrap_or(false),
        };
        (!passes).then(|| found.get(1).map(|whole| whole.as_str().to_owned()))?
    })
}

#[cfg(test)]
mod tests;
