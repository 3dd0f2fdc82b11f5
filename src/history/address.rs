//! Where a history lies: a file for SQLite, a URL for PostgreSQL. Passwords never leave this module but to the driver.

use super::HistoryError;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The history that is used where nothing else is said.
pub const DEFAULT_PATH: &str = ".comeback/history.db";

/// Where a history lies.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database; may hold a password.
    Postgres(String),
}

impl Default for Address {
    fn default() -> Self {
        Self::Sqlite(PathBuf::from(DEFAULT_PATH))
    }
}

impl FromStr for Address {
    type Err = HistoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |reason: &str| HistoryError::Address { text: without_password(text), reason: reason.to_owned() };
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let host = text.split_once("://").map_or("", |(_, rest)| rest);
            return if host.is_empty() { Err(refused("it names no host")) } else { Ok(Self::Postgres(text.to_owned())) };
        }
        let file = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
        if file == text && text.contains("://") {
            return Err(refused("only SQLite and PostgreSQL are known"));
        }
        if file.is_empty() || file.ends_with('/') {
            return Err(refused("it names no file"));
        }
        if file == ":memory:" {
            return Err(refused("a history in memory would be forgotten at once"));
        }
        Ok(Self::Sqlite(PathBuf::from(file)))
    }
}

/// As a user would write it, without a password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "{}", file.display()),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

/// Without a password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// A text in which every URL has lost its password: `postgres://ci:secret@db/x` becomes `postgres://ci@db/x`, and the values of
/// parameters that hold one are cut out.
#[must_use]
pub fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // A password may hold an `@`: the last one ends it. One with an unescaped slash hides the end of the authority.
    let (authority, path) = match (authority.rsplit_once('@'), rest.rsplit_once('@')) {
        (Some((user, host)), _) => (format!("{}@{host}", user.split(':').next().unwrap_or_default()), path.to_owned()),
        (None, Some((user, rest))) if user.contains(':') => {
            (format!("{}@{rest}", user.split(':').next().unwrap_or_default()), String::new())
        }
        _ => (authority.to_owned(), path.to_owned()),
    };
    let path = match path.split_once('?') {
        None => path,
        Some((path, parameters)) => {
            let kept: Vec<&str> =
                parameters.split('&').filter(|one| !one.to_ascii_lowercase().starts_with("password=")).collect();
            if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
        }
    };
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("h.db", "h.db")]
    #[case("sqlite:h.db", "h.db")]
    #[case("sqlite:///var/lib/h.db", "/var/lib/h.db")]
    #[case("postgres://ci:secret@db:5432/comeback", "postgres://ci@db:5432/comeback")]
    #[case("postgresql://ci:p@ss@db/comeback?sslmode=require", "postgresql://ci@db/comeback?sslmode=require")]
    #[case("postgres://ci@db/x?password=secret&sslmode=require", "postgres://ci@db/x?sslmode=require")]
    #[case("postgres://ci:sec/ret@db/x", "postgres://ci@db/x")]
    #[case("postgres:///x?host=/run/postgresql", "postgres:///x?host=/run/postgresql")]
    fn addresses_are_shown_without_passwords(#[case] text: &str, #[case] shown: &str) {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), shown);
        assert!(!format!("{address:?}").contains("sec"));
    }

    #[rstest]
    #[case("mysql://root:secret@db/x", "only SQLite and PostgreSQL")]
    #[case("postgres://", "names no host")]
    #[case("sqlite:", "names no file")]
    #[case("sqlite::memory:", "forgotten")]
    #[case("histories/", "names no file")]
    fn refuses(#[case] text: &str, #[case] message: &str) {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains(message) && !error.contains("secret"), "{error}");
    }
}
