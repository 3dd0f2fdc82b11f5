//! A mail: plain text, addressed and built here, sent by `deliver`.

use super::message::Message;
use super::settings::{Email, Tls};
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;

/// A mail and the server that takes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The server's name.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept secret.
    pub tls: Tls,
    /// Who logs in, with which password.
    pub login: Option<(String, String)>,
    /// The sender.
    pub from: Mailbox,
    /// The receivers.
    pub to: Vec<Mailbox>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// Whether the addresses are some.
///
/// # Errors
/// The first that is none.
pub(super) fn check(settings: &Email) -> Result<(), String> {
    std::iter::once(&settings.from).chain(&settings.to).try_for_each(|text| mailbox(text).map(drop))
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("`{text}` is not a mail address: {error}"))
}

/// The mail of a message.
///
/// # Errors
/// An address is none, or the password is not at hand.
pub(super) fn mail(message: &Message, settings: &Email) -> Result<Mail, String> {
    let password = settings.password.as_ref().map(super::settings::Secret::value).transpose()?;
    let mut text = format!("{}\n\n{}\n", message.title, message.text);
    if !message.own_text {
        text.push('\n');
        text.push_str(&message.facts_text());
    }
    if let Some(link) = &message.link {
        text.push_str(&format!("\n{link}\n"));
    }
    let by_default = match settings.tls {
        Tls::StartTls => 587,
        Tls::Tls => 465,
        Tls::None => 25,
    };
    Ok(Mail {
        server: settings.server.clone(),
        port: settings.port.unwrap_or(by_default),
        tls: settings.tls,
        login: settings.user.clone().zip(password),
        from: mailbox(&settings.from)?,
        to: settings.to.iter().map(|text| mailbox(text)).collect::<Result<_, _>>()?,
        subject: message.title.clone(),
        text,
    })
}

impl Mail {
    /// As the protocol takes it.
    ///
    /// # Errors
    /// It cannot be written so.
    pub(super) fn message(&self) -> Result<lettre::Message, String> {
        let mut builder = lettre::Message::builder().from(self.from.clone()).subject(&self.subject);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let written = builder.header(ContentType::TEXT_PLAIN).body(self.text.clone());
        written.map_err(|error| format!("the mail cannot be written: {error}"))
    }

    /// The login.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        self.login.clone().map(|(user, password)| Credentials::new(user, password))
    }
}
