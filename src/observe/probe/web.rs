//! Asking Prometheus and Alertmanager over HTTP, bounded in time and size, and what their answers mean.
//! How often they are asked is `probe`'s.

use crate::observe::index::text;
use crate::observe::timeline::{AlertPhase, AlertSeen};
use crate::scenario::condition::{Alert, measured};
use crate::web;
use prometheus_http_query::response::{Data, PromqlResult, Sample};
use prometheus_http_query::{Client, RuleKind};
use regex::Regex;
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 8 << 20;
/// How much of an answer in an unexpected form is shown.
const SHOWN: usize = 200;

/// A Prometheus, and how it is asked.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its address.
    pub url: String,
    client: reqwest::Client,
    /// Whether it is asked with the user's token.
    own: bool,
}

impl Server {
    /// The one at an address that a scenario gives. Nobody is told who asks.
    ///
    /// # Errors
    /// It is not the address of a web server.
    pub fn at(url: &str) -> Result<Self, String> {
        measured::address(url)?;
        Ok(Self { url: url.to_owned(), client: web::client()?, own: false })
    }

    /// The one at an address that the cluster itself gives, asked with the user's token.
    ///
    /// # Errors
    /// The token cannot be sent.
    pub fn with_token(url: &str, token: &SecretString) -> Result<Self, String> {
        // A token is for nobody who listens on the way.
        if !url.starts_with("https://") {
            return Err(format!("{url} is served without TLS: the token of the kubeconfig is not sent there"));
        }
        Ok(Self { url: url.to_owned(), client: web::client_with(token)?, own: true })
    }

    fn prometheus(&self) -> Result<Client, String> {
        let Self { url, client, .. } = self;
        Client::from(client.clone(), url).map_err(|error| format!("{url} cannot be asked: {}", web::root(&error)))
    }
}

/// An answer, as JSON.
async fn answer<E: std::error::Error>(
    server: &Server,
    asking: impl Future<Output = Result<reqwest::Response, E>>,
    within: Duration,
) -> Result<Value, String> {
    let Server { url, own, .. } = server;
    let asked = async {
        let answer = asking.await.map_err(|error| format!("{url} gives no answer: {}", web::root(&error)))?;
        let status = answer.status();
        let body = web::body(answer, MOST_BYTES).await;
        let body = body.map_err(|error| format!("the answer of {url} could not be read: {error}"))?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        match value {
            Some(value) if status.is_success() => Ok(value),
            Some(value) if !text(&value, "/error").is_empty() => Err(format!("{url} refused it: {}", text(&value, "/error"))),
            _ if *own && matches!(status.as_u16(), 401 | 403) => Err(format!(
                "{url} answered {status}: `oc login` renews a token, and the role `cluster-monitoring-view` lets its user ask"
            )),
            _ => {
                let shown: String = String::from_utf8_lossy(&body).chars().take(SHOWN).collect();
                Err(format!("{url} answered {status} and no JSON that is expected: {}", shown.trim()))
            }
        }
    };
    timeout(within, asked).await.unwrap_or_else(|_| Err(format!("{url} gave no answer within {} s", within.as_secs_f64())))
}

/// Whether a query has a result now; unknown where that cannot be told, with the reason.
pub async fn query(server: &Server, query: &str, within: Duration) -> (Option<bool>, String) {
    let url = &server.url;
    let asked = async { answer(server, server.prometheus()?.query(query).get_raw(), within).await };
    match asked.await.map(|mut answer| serde_json::from_value::<PromqlResult>(answer["data"].take())) {
        Ok(Ok(result)) => truth_of(result.data()),
        Ok(Err(error)) => (None, format!("{url} answered without a result that can be read: {error}")),
        Err(error) => (None, error),
    }
}

fn truth_of(data: &Data) -> (Option<bool>, String) {
    match data {
        Data::Vector(samples) if samples.is_empty() => (Some(false), "it has no result".to_owned()),
        Data::Vector(samples) => match samples.iter().map(|one| one.sample().value()).find(|value| !value.is_nan()) {
            Some(first) => (Some(true), format!("{} results, the first {first}", samples.len())),
            None => (None, "it is NaN".to_owned()),
        },
        Data::Scalar(sample) if sample.value().is_nan() => (None, "it is NaN".to_owned()),
        Data::Scalar(sample) => (Some(is_not_zero(sample)), format!("it is {}", sample.value())),
        Data::Matrix(_) => (None, "its result is no vector and no scalar but a matrix".to_owned()),
    }
}

fn is_not_zero(sample: &Sample) -> bool {
    sample.value() != 0.0
}

/// How far an alert about a namespace has got.
///
/// # Errors
/// Prometheus or Alertmanager gave no answer that tells.
pub async fn alert(server: &Server, alert: &Alert, namespace: &str, within: Duration) -> Result<AlertSeen, String> {
    let asking = server.client.get(format!("{}/api/v1/alerts", base(&server.url))).send();
    let told = answer(server, asking, within).await?;
    let alerts = told.pointer("/data/alerts").and_then(Value::as_array);
    let alerts = alerts.ok_or_else(|| format!("{} answered without a list of alerts", server.url))?;
    let mut seen = AlertSeen::default();
    for one in alerts.iter().filter(|one| is_meant(one, alert, namespace)) {
        let phase = if text(one, "/state") == "firing" { AlertPhase::Firing } else { AlertPhase::Pending };
        seen.phase = seen.phase.max(phase);
        let active: Option<jiff::Timestamp> = text(one, "/activeAt").parse().ok();
        seen.active_at = [seen.active_at, active].into_iter().flatten().min();
    }
    let Some(alertmanager) = alert.alertmanager.as_deref().filter(|_| seen.phase == AlertPhase::Firing) else { return Ok(seen) };
    // Another server: the token is not for it.
    let paging = Server::at(alertmanager)?;
    let asking = paging.client.get(format!("{}/api/v2/alerts", base(alertmanager)));
    let asking = asking.query(&[("active", "true"), ("filter", &format!("alertname=\"{}\"", alert.name))]).send();
    let told = answer(&paging, asking, within).await?;
    let paged = told.as_array().ok_or_else(|| format!("{alertmanager} answered without a list of alerts"))?;
    let mut starts = paged.iter().filter(|one| is_meant(one, alert, namespace)).map(|one| text(one, "/startsAt").parse().ok());
    match starts.next() {
        Some(first) => seen.starts_at = starts.chain([first]).flatten().min(),
        // Prometheus has not told it yet, or it is inhibited.
        None => seen.phase = AlertPhase::Pending,
    }
    Ok(seen)
}

fn base(url: &str) -> &str {
    url.trim_end_matches('/')
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
pub async fn check_rule(server: &Server, alert: &Alert, namespace: &str, within: Duration) -> Result<(), String> {
    let asking = server.prometheus()?.rules().kind(RuleKind::Alerting).get_raw();
    covered(&answer(server, asking, within).await?, (alert, &server.url), namespace)
}

fn covered(answer: &Value, (alert, url): (&Alert, &str), namespace: &str) -> Result<(), String> {
    let groups = answer.pointer("/data/groups").and_then(Value::as_array);
    let groups = groups.ok_or_else(|| format!("{url} answered without a list of rules"))?;
    let rules = || groups.iter().filter_map(|group| group.get("rules")?.as_array()).flatten();
    let named: Vec<&str> = rules().filter(|rule| text(rule, "/name") == alert.name).map(|rule| text(rule, "/query")).collect();
    if named.is_empty() {
        let mut names: Vec<_> = rules().map(|rule| text(rule, "/name")).collect();
        names.sort_unstable();
        names.dedup();
        let known = if names.is_empty() { "none at all".to_owned() } else { names.join(", ") };
        return Err(format!("no alert covers this: Prometheus at {url} has no alerting rule {} (it has {known})", alert.name));
    }
    match named.iter().map(|query| excluding(query, namespace)).collect::<Option<Vec<_>>>() {
        Some(excluding) => Err(format!(
            "no alert covers this: the rule {} at {url} looks at `{}`, and the trial's namespace is {namespace}",
            alert.name,
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
