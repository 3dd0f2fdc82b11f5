//! Turning names into addresses as the C library does: `/etc/hosts`, the search list, and its patience with servers.
//! What servers answer is `dns`.

use super::dns::{Answer, Question, Record};
use super::namespace::PodNetwork;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// The name servers that are asked at most.
const MOST_SERVERS: usize = 3;

/// Why a name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// There is no such name (or it has no IPv4 address).
    NotFound,
    /// No server could tell.
    TryAgain,
}

/// A container's `/etc/resolv.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvConf {
    /// The servers, in order.
    pub servers: Vec<Ipv4Addr>,
    /// The search list.
    pub search: Vec<String>,
    /// From how many dots on a name is tried as it is before the search list.
    pub ndots: usize,
    /// How long a server has to answer (s).
    pub timeout: u64,
    /// How often each server is asked.
    pub attempts: u64,
}

impl ResolvConf {
    /// Reads the file.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut conf = Self { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout: 5, attempts: 2 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => conf.servers.extend(words.next().and_then(|server| server.parse::<Ipv4Addr>().ok())),
                Some("search" | "domain") => conf.search = words.map(|word| word.trim_end_matches('.').to_owned()).collect(),
                Some("options") => {
                    for (name, value) in words.filter_map(|word| word.split_once(':')) {
                        match (name, value.parse::<u64>()) {
                            ("ndots", Ok(value)) => conf.ndots = usize::try_from(value.min(15)).unwrap_or(15),
                            ("timeout", Ok(value)) => conf.timeout = value.clamp(1, 30),
                            ("attempts", Ok(value)) => conf.attempts = value.clamp(1, 5),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            conf.servers.push(Ipv4Addr::LOCALHOST);
        }
        conf.servers.truncate(MOST_SERVERS);
        conf
    }

    /// The absolute names to try, in order, and at which place the name itself stands.
    fn candidates(&self, name: &str) -> (Vec<String>, usize) {
        if let Some(absolute) = name.strip_suffix('.') {
            return (vec![absolute.to_owned()], 0);
        }
        let mut searched: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let own = if name.matches('.').count() >= self.ndots { 0 } else { searched.len() };
        searched.insert(own, name.to_owned());
        (searched, own)
    }
}

/// The address that a hosts file gives a name.
#[must_use]
pub fn in_hosts(hosts: &str, name: &str) -> Option<Ipv4Addr> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.into_iter().find_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    })
}

impl PodNetwork {
    /// The addresses of a name, with this container's files.
    ///
    /// # Errors
    /// There is no such name, or no server could tell (after up to 20 s with the usual files, as measured).
    pub async fn lookup(&self, hosts: &str, resolv_conf: &str, name: &str) -> Result<Vec<Ipv4Addr>, ResolveError> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        if let Some(address) = in_hosts(hosts, name.trim_end_matches('.')) {
            return Ok(vec![address]);
        }
        if name == "localhost" || name.is_empty() {
            return if name.is_empty() { Err(ResolveError::NotFound) } else { Ok(vec![Ipv4Addr::LOCALHOST]) };
        }
        let conf = ResolvConf::parse(resolv_conf);
        let (candidates, own) = conf.candidates(name);
        let mut failure = ResolveError::NotFound;
        let mut silent = false;
        for (place, candidate) in candidates.iter().enumerate() {
            // A server that keeps silent ends the search list, but the name itself is still tried.
            if silent && place != own {
                continue;
            }
            match self.ask(&conf, candidate, Question::A).await {
                Answer::Found(records) => {
                    let addresses: Vec<_> = records.iter().filter_map(address).collect();
                    if !addresses.is_empty() {
                        return Ok(addresses);
                    }
                }
                Answer::NoSuchName => {}
                Answer::Failed => failure = ResolveError::TryAgain,
                Answer::Silence => (failure, silent) = (ResolveError::TryAgain, true),
                Answer::Refused => return Err(ResolveError::TryAgain),
            }
        }
        Err(failure)
    }

    /// Asks a server once, by a way that may be slow or lossy.
    async fn query_through(&self, server: Ipv4Addr, name: &str, question: Question) -> Answer {
        let shared = &self.network.shared;
        let way = shared.lock().hindrances.of_all(&self.end(SocketAddrV4::new(self.address(), 0)));
        if !way.is_none() {
            let (entity, n) =
                (format!("{}/{}", self.identity.namespace, self.identity.name), u64::from(self.local_for(server).port()));
            if way.loses(shared.random, &entity, n) {
                // Nobody knows of the question.
                std::future::pending::<()>().await;
            }
            sleep(way.delay(shared.random, &entity, n)).await;
        }
        self.query(server, name, question).await
    }

    /// Asks the servers of a container for an absolute name, as often and as long as the C library does.
    async fn ask(&self, conf: &ResolvConf, name: &str, question: Question) -> Answer {
        let mut last = Answer::Silence;
        for _ in 0..conf.attempts {
            for server in &conf.servers {
                let give_up = Instant::now() + Duration::from_secs(conf.timeout);
                let answer = timeout_at(give_up, self.query_through(*server, name, question)).await;
                match answer.unwrap_or(Answer::Silence) {
                    Answer::Silence => {
                        sleep_until(give_up).await;
                        last = Answer::Silence;
                    }
                    answer @ (Answer::Failed | Answer::Refused) => last = answer,
                    answer => return answer,
                }
            }
        }
        last
    }
}

fn address(record: &Record) -> Option<Ipv4Addr> {
    if let Record::A(_, address) = record { Some(*address) } else { None }
}
