//! Conditions that are measured by trying: the last sample decides.

use super::{Frame, Seen, Truth};
use crate::scenario::Condition;

pub(super) fn tried(condition: &Condition, frame: Frame<'_>) -> Seen {
    let what = match condition {
        Condition::Http(http) => format!("http service/{}{}", http.service, http.path),
        Condition::Tcp(tcp) => format!("tcp service/{}", tcp.service),
        Condition::Dns(dns) => format!("dns {}", dns.name),
        Condition::Exec(exec) => format!("exec `{}`", exec.command.join(" ")),
        _ => "condition".to_owned(),
    };
    let Some(sample) = frame.index.sample(&condition.sample_key()) else {
        return Seen { truth: Truth::Unknown, text: format!("{what}: it was not tried yet"), server: None };
    };
    let said = if sample.text.is_empty() { String::new() } else { format!(": {}", sample.text) };
    let (truth, text) = match sample.good {
        Some(true) => (Truth::True, format!("{what}: succeeded in {} ms", sample.took.as_millis())),
        Some(false) => (Truth::False, format!("{what}: failed{said}")),
        None => (Truth::Unknown, format!("{what}: unknown{said}")),
    };
    Seen { truth, text, server: None }
}
