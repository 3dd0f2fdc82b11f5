//! The file of `--notify`: who is told of what, and where secrets come from (the environment or a file, never this file).
//! What is sent is each receiver's own module's business.

use super::template;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of notifications: a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// In order.
    pub notifications: Vec<Notification>,
}

/// One notification.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notification {
    /// Who is told.
    pub to: Receiver,
    /// Of which runs.
    #[serde(default)]
    pub when: When,
    /// The title, a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text, a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Of which runs is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// Of all.
    Always,
    /// Of all that did not pass.
    #[default]
    Problem,
    /// Of those that missed an objective or whose gate failed.
    Failure,
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Receiver {
    /// An incoming webhook of Slack.
    Slack(Slack),
    /// A service of PagerDuty, by its Events API v2.
    PagerDuty(PagerDuty),
    /// Any HTTP endpoint.
    Webhook(Webhook),
    /// Annotations in Grafana.
    Grafana(Grafana),
    /// A mail by SMTP.
    Email(Email),
}

impl Receiver {
    /// As the file names it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::PagerDuty(_) => "pagerDuty",
            Self::Webhook(_) => "webhook",
            Self::Grafana(_) => "grafana",
            Self::Email(_) => "email",
        }
    }

    /// Whether it keeps alerts open until it hears that they are over.
    #[must_use]
    pub const fn resolves(&self) -> bool {
        matches!(self, Self::PagerDuty(_) | Self::Webhook(Webhook { format: WebhookFormat::Alertmanager, .. }))
    }
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Secret {
    /// An environment variable.
    Env(String),
    /// A file; white space around its text does not count.
    File(PathBuf),
}

impl Secret {
    /// The secret itself.
    ///
    /// # Errors
    /// It is not there, or empty; never with a part of it.
    pub fn value(&self) -> Result<String, String> {
        let (value, place) = match self {
            Self::Env(name) => {
                let value = std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))?;
                (value, format!("the environment variable {name}"))
            }
            Self::File(file) => {
                let value = std::fs::read_to_string(file)
                    .map_err(|error| format!("the secret's file {} cannot be read: {error}", file.display()))?;
                (value, format!("the file {}", file.display()))
            }
        };
        let value = value.trim();
        if value.is_empty() { Err(format!("{place} is empty")) } else { Ok(value.to_owned()) }
    }
}

/// `slack`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slack {
    /// The webhook's URL, which is a secret.
    pub url: Secret,
}

/// `pagerDuty`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PagerDuty {
    /// The integration's key.
    pub routing_key: Secret,
    /// How bad a missed objective is; a run that proves nothing is a `warning` at most.
    #[serde(default)]
    pub severity: Severity,
    /// The alert that this run belongs to (default: from cluster and scenarios): a good run of the same ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_key: Option<String>,
    /// The endpoint; the European one is `https://events.eu.pagerduty.com/v2/enqueue`.
    #[serde(default = "events_api")]
    pub url: String,
}

fn events_api() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

/// PagerDuty's severities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "PagerDuty's names")]
pub enum Severity {
    Info,
    Warning,
    #[default]
    Error,
    Critical,
}

/// `webhook`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// Where to; without secrets in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where to, where the URL itself is a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<Secret>,
    /// What is posted.
    #[serde(default)]
    pub format: WebhookFormat,
    /// Headers, whose values are secrets: `Authorization: { env: TOKEN }`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
}

/// What a webhook is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WebhookFormat {
    /// As Alertmanager's `webhook_config` sends it (version 4): an alert per scenario, firing or resolved.
    #[default]
    Alertmanager,
    /// A CloudEvent 1.0 in structured mode.
    CloudEvents,
}

/// `grafana`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grafana {
    /// Grafana's address, `https://grafana.example.org`.
    pub url: String,
    /// A service account's token.
    pub token: Secret,
    /// The dashboard's uid; absent: annotations of the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard: Option<String>,
    /// The panel's id on the dashboard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panel: Option<u32>,
    /// More tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// `email`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Email {
    /// The SMTP server's name.
    pub server: String,
    /// Its port (default 587, 465 with `tls: tls`, 25 without TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is kept secret.
    #[serde(default)]
    pub tls: Tls,
    /// Who logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// With which password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
}

/// How a connection to an SMTP server is kept secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Tls {
    /// It becomes TLS before anything else is said; a server that cannot is refused.
    #[default]
    StartTls,
    /// TLS from the beginning.
    Tls,
    /// Not at all: for a relay on the same machine. No password is sent so.
    None,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// `file:line:column: what is wrong`.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Self::parse(&text).map_err(|(position, message)| format!("{}{position}: {message}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, (String, String)> {
        let notifications: Vec<Notification> = serde_saphyr::from_str(text).map_err(|error| {
            let position = error.location().map_or_else(String::new, |at| format!(":{}:{}", at.line(), at.column()));
            let rendered = error.without_snippet().to_string();
            (position, rendered.lines().next().unwrap_or_default().to_owned())
        })?;
        if notifications.is_empty() {
            return Err((
                String::new(),
                "it names nobody; begin a list: `- to: { slack: { url: { env: SLACK_URL } } }`".to_owned(),
            ));
        }
        for (one, position) in notifications.iter().zip(1..) {
            check(one).map_err(|why| (String::new(), format!("notification {position} ({}): {why}", one.to.name())))?;
        }
        Ok(Self { notifications })
    }
}

pub(crate) fn check(one: &Notification) -> Result<(), String> {
    for text in [&one.title, &one.text].into_iter().flatten() {
        template::check(text)?;
    }
    match &one.to {
        Receiver::Slack(_) => Ok(()),
        Receiver::PagerDuty(pager) => plain_url(&pager.url),
        Receiver::Grafana(grafana) => plain_url(&grafana.url),
        Receiver::Webhook(Webhook { url: Some(url), url_from: None, .. }) => plain_url(url),
        Receiver::Webhook(Webhook { url: None, url_from: Some(_), .. }) => Ok(()),
        Receiver::Webhook(_) => Err("give `url`, or `urlFrom` where the URL itself is a secret; one of the two".to_owned()),
        Receiver::Email(email) => {
            if email.to.is_empty() {
                return Err("`to` names nobody".to_owned());
            }
            match (&email.user, &email.password, email.tls) {
                (None, Some(_), _) | (Some(_), None, _) => Err("`user` and `password` belong together".to_owned()),
                (Some(_), Some(_), Tls::None) => {
                    Err("a password is not sent without TLS: use `tls: startTls` or `tls: tls`".to_owned())
                }
                _ => super::email::check(email),
            }
        }
    }
}

/// A URL that may stand in a file for all to read.
pub(crate) fn plain_url(url: &str) -> Result<(), String> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = host.and_then(|rest| rest.split(['/', '?', '#']).next()).filter(|host| !host.is_empty());
    match host {
        None => Err("a URL begins with https:// or http:// and a host".to_owned()),
        Some(host) if host.contains('@') => {
            Err("a URL with a password in it is a secret: use `headers`, or `urlFrom: { env: … }`".to_owned())
        }
        Some(_) if url.parse::<http::Uri>().is_err() => Err("this is no URL".to_owned()),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn every_receiver_is_read() {
        let text = "\
- to: { slack: { url: { env: SLACK_URL } } }
  when: always
  title: comeback ${outcome}
- to: { pagerDuty: { routingKey: { file: /run/secrets/key }, severity: critical } }
- to: { webhook: { url: https://hooks.example.org/x, format: cloudEvents, headers: { Authorization: { env: TOKEN } } } }
- to: { grafana: { url: https://grafana.example.org, token: { env: TOKEN }, dashboard: abc, tags: [ci] } }
- to: { email: { server: smtp.example.org, from: ci@example.org, to: [sre@example.org], user: ci, password: { env: P } } }
  when: failure
";
        let settings = Settings::parse(text).unwrap();
        let names: Vec<&str> = settings.notifications.iter().map(|one| one.to.name()).collect();
        assert_eq!(names, ["slack", "pagerDuty", "webhook", "grafana", "email"]);
        assert_eq!(settings.notifications.iter().filter(|one| one.when == When::Problem).count(), 3);
    }

    #[test]
    fn the_example_of_the_readme_is_read() {
        let readme = include_str!("../../README.md");
        let example = readme.split("`--notify notify.yaml`").nth(1).unwrap().split("```").nth(1).unwrap();
        let settings = Settings::parse(example.strip_prefix("yaml\n").unwrap()).unwrap();
        assert_eq!(settings.notifications.len(), 5);
    }

    #[rstest]
    #[case("- to: { slack: { url: https://hooks.slack.com/services/x } }", ":1:", "")]
    #[case("- to: { slack: { url: { env: A }, channel: x } }", ":1:", "unknown field `channel`")]
    #[case("- to: { slak: { url: { env: A } } }", ":1:", "slak")]
    #[case("[]", "", "it names nobody")]
    #[case("- to: { slack: { url: { env: A } } }\n  title: ${nothing}", "", "`${nothing}`")]
    #[case("- to: { webhook: { format: cloudEvents } }", "", "one of the two")]
    #[case("- to: { webhook: { url: 'https://ci:secret@example.org' } }", "", "is a secret")]
    #[case("- to: { webhook: { url: 'ftp://example.org' } }", "", "begins with https://")]
    #[case("- to: { email: { server: s, from: ci@example.org, to: [] } }", "", "names nobody")]
    #[case("- to: { email: { server: s, from: ci, to: [sre@example.org] } }", "", "`ci`")]
    #[case("- to: { email: { server: s, from: a@b, to: [a@b], user: u, password: { env: P }, tls: none } }", "", "without TLS")]
    fn mistakes_are_told_and_no_secret_is(#[case] text: &str, #[case] at: &str, #[case] message: &str) {
        let (position, found) = Settings::parse(text).unwrap_err();
        assert!(position.starts_with(at) && found.contains(message) && !found.contains("secret@"), "{position}: {found}");
    }

    #[test]
    fn secrets_come_from_the_environment_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "abc\n").unwrap();
        assert_eq!(Secret::File(file.clone()).value().as_deref(), Ok("abc"));
        std::fs::write(&file, " \n").unwrap();
        assert!(Secret::File(file).value().unwrap_err().contains("is empty"));
        let absent = Secret::Env("COMEBACK_TEST_NOT_SET".to_owned()).value();
        assert_eq!(absent, Err("the environment variable COMEBACK_TEST_NOT_SET is not set".to_owned()));
    }
}
