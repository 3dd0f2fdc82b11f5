//! The data of the redis model: strings with expiry, counted memory, `maxmemory` and eviction.
//! No connection lives here.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes that an entry takes beside its key and value.
const OVERHEAD: u64 = 90;
/// What `used_memory` shows without data.
const BASE: u64 = 1_000_000;

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Simple(&'static str),
    Error(String),
    Integer(i64),
    Bulk(Option<String>),
    Array(Vec<String>),
    /// The model does not have the command.
    Unknown,
}

impl Reply {
    /// RESP2.
    pub(super) fn to_text(&self) -> String {
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        match self {
            Self::Simple(text) => format!("+{text}\r\n"),
            Self::Error(text) => format!("-{text}\r\n"),
            Self::Integer(value) => format!(":{value}\r\n"),
            Self::Bulk(None) | Self::Unknown => "$-1\r\n".to_owned(),
            Self::Bulk(Some(text)) => bulk(text),
            Self::Array(items) => format!("*{}\r\n{}", items.len(), items.iter().map(|item| bulk(item)).collect::<String>()),
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    value: String,
    expires: Option<Instant>,
    used: u64,
}

/// The data and its settings.
#[derive(Clone, Debug)]
pub(super) struct Store {
    entries: BTreeMap<String, Entry>,
    bytes: u64,
    clock: u64,
    /// `maxmemory` in bytes; 0 for none.
    pub(super) most: u64,
    /// `maxmemory-policy`.
    pub(super) policy: String,
    /// `requirepass`.
    pub(super) password: Option<String>,
    /// Whether a snapshot is saved at the end.
    pub(super) saves: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            bytes: 0,
            clock: 0,
            most: 0,
            policy: "noeviction".to_owned(),
            password: None,
            saves: true,
        }
    }
}

fn wrong_number(name: &str) -> Reply {
    Reply::Error(format!("ERR wrong number of arguments for '{}' command", name.to_lowercase()))
}

fn not_an_integer() -> Reply {
    Reply::Error("ERR value is not an integer or out of range".to_owned())
}

impl Store {
    /// Bytes that the data takes.
    pub(super) const fn used(&self) -> u64 {
        self.bytes
    }

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn remove(&mut self, key: &str) -> bool {
        let Some(entry) = self.entries.remove(key) else { return false };
        self.bytes -= OVERHEAD + (key.len() + entry.value.len()) as u64;
        true
    }

    fn put(&mut self, key: &str, value: String, expires: Option<Instant>) {
        self.remove(key);
        self.bytes += OVERHEAD + (key.len() + value.len()) as u64;
        self.clock += 1;
        self.entries.insert(key.to_owned(), Entry { value, expires, used: self.clock });
    }

    fn get(&mut self, key: &str) -> Option<String> {
        if self.entries.get(key)?.expires.is_some_and(|at| at <= Instant::now()) {
            self.remove(key);
            return None;
        }
        self.clock += 1;
        let clock = self.clock;
        let entry = self.entries.get_mut(key)?;
        entry.used = clock;
        Some(entry.value.clone())
    }

    /// Makes room by the policy; false where that is not allowed or nothing is left to evict.
    fn room(&mut self) -> bool {
        while self.most > 0 && self.bytes + BASE > self.most {
            let volatile = self.policy.starts_with("volatile-");
            if self.policy == "noeviction" {
                return false;
            }
            let oldest = self.entries.iter().filter(|(_, entry)| !volatile || entry.expires.is_some());
            let Some(key) = oldest.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone()) else { return false };
            self.remove(&key);
        }
        true
    }

    /// Answers a command; `known` says whether the connection has given the password.
    pub(super) fn answer(&mut self, words: &[String], known: &mut bool) -> Reply {
        let name = words[0].to_ascii_uppercase();
        let argument = |place: usize| words.get(place).map_or("", String::as_str);
        if name == "AUTH" {
            return match &self.password {
                None => Reply::Error("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?".to_owned()),
                Some(password) if words.last() == Some(password) => {
                    *known = true;
                    Reply::Simple("OK")
                }
                Some(_) => Reply::Error("WRONGPASS invalid username-password pair or user is disabled.".to_owned()),
            };
        }
        if self.password.is_some() && !*known && name != "QUIT" {
            return Reply::Error("NOAUTH Authentication required.".to_owned());
        }
        if matches!(name.as_str(), "SET" | "INCR" | "DECR" | "INCRBY" | "APPEND" | "SETEX" | "MSET") && !self.room() {
            return Reply::Error("OOM command not allowed when used memory > 'maxmemory'.".to_owned());
        }
        let least = match name.as_str() {
            "SET" | "APPEND" | "INCRBY" | "EXPIRE" | "MSET" => 3,
            "GET" | "DEL" | "UNLINK" | "EXISTS" | "INCR" | "DECR" | "TTL" | "STRLEN" | "KEYS" | "ECHO" | "TYPE" | "SELECT" => 2,
            "SETEX" => 4,
            _ => 1,
        };
        if words.len() < least {
            return wrong_number(&name);
        }
        match name.as_str() {
            "PING" => words.get(1).map_or(Reply::Simple("PONG"), |text| Reply::Bulk(Some(text.clone()))),
            "ECHO" => Reply::Bulk(Some(argument(1).to_owned())),
            "QUIT" | "SELECT" | "CLIENT" | "SHUTDOWN" => Reply::Simple("OK"),
            "COMMAND" => Reply::Array(Vec::new()),
            "GET" => Reply::Bulk(self.get(argument(1))),
            "STRLEN" => Reply::Integer(self.get(argument(1)).map_or(0, |value| i64::try_from(value.len()).unwrap_or(i64::MAX))),
            "TYPE" => Reply::Simple(if self.get(argument(1)).is_some() { "string" } else { "none" }),
            "SET" => self.set(words),
            "MSET" => {
                for pair in words[1..].chunks_exact(2) {
                    self.put(&pair[0], pair[1].clone(), None);
                }
                Reply::Simple("OK")
            }
            "SETEX" => match argument(2).parse() {
                Ok(seconds) => {
                    self.put(argument(1), argument(3).to_owned(), Some(Instant::now() + Duration::from_secs(seconds)));
                    Reply::Simple("OK")
                }
                Err(_) => not_an_integer(),
            },
            "APPEND" => {
                let value = self.get(argument(1)).unwrap_or_default() + argument(2);
                let length = value.len();
                self.put(argument(1), value, None);
                Reply::Integer(i64::try_from(length).unwrap_or(i64::MAX))
            }
            "DEL" | "UNLINK" => Reply::Integer(words[1..].iter().map(|key| i64::from(self.remove(key))).sum()),
            "EXISTS" => Reply::Integer(words[1..].iter().map(|key| i64::from(self.get(key).is_some())).sum()),
            "INCR" => self.add(argument(1), Some(1)),
            "DECR" => self.add(argument(1), Some(-1)),
            "INCRBY" => self.add(argument(1), argument(2).parse().ok()),
            "EXPIRE" => match (self.get(argument(1)), argument(2).parse()) {
                (_, Err(_)) => not_an_integer(),
                (None, _) => Reply::Integer(0),
                (Some(value), Ok(seconds)) => {
                    self.put(argument(1), value, Some(Instant::now() + Duration::from_secs(seconds)));
                    Reply::Integer(1)
                }
            },
            "TTL" => {
                let found = self.get(argument(1)).is_some();
                match self.entries.get(argument(1)).and_then(|entry| entry.expires) {
                    Some(at) => Reply::Integer(
                        i64::try_from((at - Instant::now() + Duration::from_millis(500)).as_secs()).unwrap_or(i64::MAX),
                    ),
                    None if found => Reply::Integer(-1),
                    None => Reply::Integer(-2),
                }
            }
            "KEYS" => {
                let keys = self.entries.keys().filter(|key| crate::sim::program::shell::pattern::matches(argument(1), key));
                Reply::Array(keys.cloned().collect())
            }
            "DBSIZE" => Reply::Integer(i64::try_from(self.entries.len()).unwrap_or(i64::MAX)),
            "FLUSHALL" | "FLUSHDB" => {
                self.entries.clear();
                self.bytes = 0;
                Reply::Simple("OK")
            }
            "INFO" => Reply::Bulk(Some(format!(
                "# Server\r\nredis_version:7.4.2\r\nredis_mode:standalone\r\n\r\n# Memory\r\nused_memory:{}\r\nmaxmemory:{}\r\nmaxmemory_policy:{}\r\n\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Keyspace\r\ndb0:keys={}\r\n",
                self.bytes + BASE,
                self.most,
                self.policy,
                self.entries.len()
            ))),
            "CONFIG" => self.configure(words),
            _ => Reply::Unknown,
        }
    }

    fn set(&mut self, words: &[String]) -> Reply {
        let (mut expires, mut only) = (None, None);
        let mut rest = words[3..].iter();
        while let Some(word) = rest.next() {
            let word = word.to_ascii_uppercase();
            match word.as_str() {
                "EX" | "PX" => match rest.next().and_then(|text| text.parse::<u64>().ok()) {
                    Some(0) | None => return not_an_integer(),
                    Some(time) => {
                        let time = if word == "EX" { Duration::from_secs(time) } else { Duration::from_millis(time) };
                        expires = Some(Instant::now() + time);
                    }
                },
                "NX" => only = Some(false),
                "XX" => only = Some(true),
                _ => return Reply::Error("ERR syntax error".to_owned()),
            }
        }
        if only.is_some_and(|present| self.get(&words[1]).is_some() != present) {
            return Reply::Bulk(None);
        }
        self.put(&words[1], words[2].clone(), expires);
        Reply::Simple("OK")
    }

    fn add(&mut self, key: &str, by: Option<i64>) -> Reply {
        let value = self.get(key).map_or(Some(0), |text| text.parse::<i64>().ok());
        let Some(sum) = value.zip(by).and_then(|(value, by)| value.checked_add(by)) else { return not_an_integer() };
        let expires = self.entries.get(key).and_then(|entry| entry.expires);
        self.put(key, sum.to_string(), expires);
        Reply::Integer(sum)
    }

    fn configure(&mut self, words: &[String]) -> Reply {
        let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        match lower.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [_, "get", "maxmemory"] => Reply::Array(vec!["maxmemory".to_owned(), self.most.to_string()]),
            [_, "get", "maxmemory-policy"] => Reply::Array(vec!["maxmemory-policy".to_owned(), self.policy.clone()]),
            [_, "set", "maxmemory", size] => match crate::sim::program::model::server::bytes(size) {
                Some(size) => {
                    self.most = size;
                    Reply::Simple("OK")
                }
                None => Reply::Error(
                    "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"
                        .to_owned(),
                ),
            },
            [_, "set", "maxmemory-policy", policy] => {
                (*policy).clone_into(&mut self.policy);
                Reply::Simple("OK")
            }
            _ => Reply::Unknown,
        }
    }

    /// The snapshot (in a form of the model's own).
    pub(super) fn save(&self) -> Vec<u8> {
        let pairs: Vec<(&String, &String)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.expires.is_none_or(|at| at > Instant::now()))
            .map(|(key, entry)| (key, &entry.value))
            .collect();
        let mut bytes = b"REDIS0012".to_vec();
        // Strings can always be written as JSON.
        bytes.extend(serde_json::to_vec(&pairs).unwrap_or_default());
        bytes
    }

    /// Takes the data of a snapshot; one that is broken is taken as empty.
    pub(super) fn load(&mut self, saved: &[u8]) {
        let pairs: Vec<(String, String)> =
            saved.strip_prefix(b"REDIS0012").and_then(|rest| serde_json::from_slice(rest).ok()).unwrap_or_default();
        for (key, value) in pairs {
            self.put(&key, value, None);
        }
    }
}
