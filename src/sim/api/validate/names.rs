//! The grammars of names, labels and keys, with the server's explanation of each.
//! Each function gives `None` for a good name, else what is wrong with it.

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

fn framed(text: &str, inner: impl Fn(char) -> bool, edge: impl Fn(char) -> bool) -> bool {
    text.chars().all(inner) && text.starts_with(&edge) && text.ends_with(&edge)
}

fn is_lower(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    framed(text, |letter| is_lower(letter) || letter == '-', is_lower)
}

/// An RFC 1123 label: container, volume, namespace and service names.
pub(super) fn label(text: &str) -> Option<String> {
    match text.len() {
        64.. => Some(too_long(63)),
        _ if is_label(text) => None,
        _ => Some(LABEL.to_owned()),
    }
}

/// An RFC 1123 subdomain: most objects' names.
pub(super) fn subdomain(text: &str) -> Option<String> {
    match text.len() {
        254.. => Some(too_long(253)),
        _ if text.split('.').all(is_label) => None,
        _ => Some(SUBDOMAIN.to_owned()),
    }
}

/// A name that only has to fit into a path.
pub(super) fn path_segment(text: &str) -> Option<String> {
    match text {
        "." | ".." => Some(format!("may not be '{text}'")),
        _ if text.contains('/') => Some("may not contain '/'".to_owned()),
        _ if text.contains('%') => Some("may not contain '%'".to_owned()),
        _ => None,
    }
}

/// A label or annotation key: a name, perhaps behind a DNS prefix.
pub(super) fn qualified(text: &str) -> Option<String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric();
    let name = match text.split_once('/') {
        Some(("", _)) => return Some("prefix part must be non-empty".to_owned()),
        Some((prefix, name)) => match subdomain(prefix) {
            Some(why) => return Some(format!("prefix part {why}")),
            None => name,
        },
        None => text,
    };
    match name.len() {
        0 => Some("name part must be non-empty".to_owned()),
        64.. => Some(format!("name part {}", too_long(63))),
        _ if framed(name, |letter| is_plain(letter) || "-_.".contains(letter), is_plain) => None,
        _ => Some(NAME_PART.to_owned()),
    }
}

/// A label's value.
pub(super) fn label_value(text: &str) -> Option<String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric();
    match text.len() {
        0 => None,
        64.. => Some(too_long(63)),
        _ if framed(text, |letter| is_plain(letter) || "-_.".contains(letter), is_plain) => None,
        _ => Some(LABEL_VALUE.to_owned()),
    }
}

/// A key of a ConfigMap or Secret.
pub(super) fn config_key(text: &str) -> Option<String> {
    match text {
        "." | ".." => Some(format!("may not be '{text}'")),
        _ if text.len() > 253 => Some(too_long(253)),
        _ if !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter)) => None,
        _ => Some(CONFIG_KEY.to_owned()),
    }
}

/// The name of a container's port.
pub(super) fn port_name(text: &str) -> Option<String> {
    match text.len() {
        16.. => Some("must be no more than 15 characters".to_owned()),
        _ if !text.chars().all(|letter| is_lower(letter) || letter == '-') => {
            Some("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned())
        }
        _ if !text.chars().any(|letter| letter.is_ascii_lowercase()) => Some("must contain at least one letter (a-z)".to_owned()),
        _ if text.contains("--") => Some("must not contain consecutive hyphens".to_owned()),
        _ if text.starts_with('-') || text.ends_with('-') => Some("must not begin or end with a hyphen".to_owned()),
        _ => None,
    }
}

/// An environment variable's name.
pub(super) fn variable(text: &str) -> Option<String> {
    let good = !text.is_empty() && text.chars().all(|letter| matches!(letter, ' '..='~') && letter != '=');
    (!good).then(|| "a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned())
}
