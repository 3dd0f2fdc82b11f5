//! Programs that tell about the system: `date`, `hostname`, `id`, `uname`.
//! The time is the simulation's clock.

use super::Invocation;
use crate::sim::program::descriptor::Descriptor;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Runs one of these programs.
pub async fn run(call: &Invocation) -> i32 {
    let machine = &call.process.machine;
    let (host, access) = (&machine.spec.hostname, machine.spec.filesystem.access());
    match call.argv[0].as_str() {
        "date" => date(call).await,
        "hostname" => hostname(call, host).await,
        "id" => {
            let text = match call.arguments().first().map(String::as_str) {
                None | Some("root") if access.user == 0 => access.identity(),
                None => access.identity(),
                Some("-G") => {
                    let all = std::iter::once(access.group).chain(access.groups.iter().copied().filter(|id| *id != access.group));
                    all.map(|id| id.to_string()).collect::<Vec<_>>().join(" ")
                }
                Some("-gn" | "-ng") if access.group == 0 => "root".to_owned(),
                Some(name) if !name.starts_with('-') && !matches!(name, "root" | "nobody") => {
                    call.error(&format!("unknown user {name}")).await;
                    return 1;
                }
                Some("-u") => access.user.to_string(),
                Some("-g") => access.group.to_string(),
                Some("-un" | "-nu") => match access.user_name() {
                    Some(name) => name.to_owned(),
                    None => return unknown_user(call).await,
                },
                Some(other) => return call.bad_option(other).await,
            };
            call.print(format!("{text}\n")).await
        }
        "whoami" | "logname" => match access.user_name() {
            Some(name) => call.print(format!("{name}\n")).await,
            None => unknown_user(call).await,
        },
        "uname" => {
            let text = match call.arguments().first().map(String::as_str) {
                None | Some("-s") => "Linux".to_owned(),
                Some("-n") => host.clone(),
                Some("-m") => "x86_64".to_owned(),
                Some("-r") => "6.12.0".to_owned(),
                Some("-a") => format!("Linux {host} 6.12.0 #1 SMP x86_64 GNU/Linux"),
                Some(other) => return call.bad_option(other).await,
            };
            call.print(format!("{text}\n")).await
        }
        "groups" if access.group == 0 && access.groups.is_empty() => call.print("root\n").await,
        "groups" => call.bad_option("of numeric groups").await,
        "arch" => call.print("x86_64\n").await,
        "nproc" => call.print("2\n").await,
        "hostid" => call.print("00000000\n").await,
        "tty" if matches!(call.descriptors.get(0), Ok(Descriptor::Terminal(_))) => call.print("/dev/pts/0\n").await,
        "tty" => {
            call.print("not a tty\n").await;
            1
        }
        "uptime" => {
            let up = machine.spec.clock.elapsed().as_secs();
            let text = format!(
                " {} up {} min,  0 users,  load average: 0.00, 0.00, 0.00\n",
                strftime("%H:%M:%S", machine.spec.clock.now()),
                up / 60
            );
            call.print(text).await
        }
        _ => {
            let wanted = call.arguments();
            if wanted.is_empty() {
                let lines: String = call.environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
                return call.print(lines).await;
            }
            let mut status = 0;
            for name in wanted {
                match call.environment.get(name) {
                    Some(value) => {
                        call.print(format!("{value}\n")).await;
                    }
                    None => status = 1,
                }
            }
            status
        }
    }
}

async fn hostname(call: &Invocation, host: &str) -> i32 {
    let spec = &call.process.machine.spec;
    let file = spec.filesystem.read("/etc/hosts").unwrap_or_default();
    // The first name beside the pod's address is the canonical one.
    let own = spec.network.address().to_string();
    let lines = String::from_utf8_lossy(&file).into_owned();
    let found = lines.lines().find_map(|line| line.split_once('\t').filter(|(address, _)| *address == own));
    let full = found.and_then(|(_, names)| names.split_whitespace().next()).unwrap_or(host);
    let text = match call.arguments().first().map(String::as_str) {
        None => host,
        Some("-i") => &own,
        Some("-f") => full,
        Some("-s") => host.split('.').next().unwrap_or(host),
        Some("-d") => match full.split_once('.') {
            Some((_, domain)) => domain,
            None => return 0,
        },
        Some(option) if option.starts_with('-') => {
            let text = "hostname [-sidf] [HOSTNAME | -F FILE]\n\nShow or set hostname or DNS domain name";
            return super::sockets::usage(call, Some(option), text).await;
        }
        Some(_) => {
            call.error("sethostname: Operation not permitted").await;
            return 1;
        }
    };
    call.print(format!("{text}\n")).await
}

async fn unknown_user(call: &Invocation) -> i32 {
    call.error(&format!("unknown uid {}", call.process.machine.spec.filesystem.access().user)).await;
    1
}

/// A time by a format of `date`, in UTC.
#[must_use]
pub fn strftime(format: &str, at: Timestamp) -> String {
    let zoned = at.to_zoned(TimeZone::UTC);
    // jiff's `%N` and `%s` are busybox's; what it does not know stays as it is.
    jiff::fmt::strtime::format(format, &zoned).unwrap_or_else(|_| format.to_owned())
}

async fn date(call: &Invocation) -> i32 {
    let mut at = call.process.machine.spec.clock.now();
    let mut input = None;
    let mut format = "%a %b %e %H:%M:%S UTC %Y".to_owned();
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        let text = match word.as_str() {
            "-u" | "--utc" => continue,
            "-d" | "--date" => words.next().cloned().unwrap_or_default(),
            "-D" => {
                input = words.next().cloned();
                continue;
            }
            "-r" => {
                let file = words.next().cloned().unwrap_or_default();
                let machine = &call.process.machine;
                let Ok(metadata) = machine.spec.filesystem.metadata(&call.path(&file)) else {
                    call.error(&format!("can't stat '{file}': No such file or directory")).await;
                    return 1;
                };
                let age = metadata.modified.elapsed().min(machine.spec.clock.elapsed());
                at = machine.spec.clock.now() - jiff::SignedDuration::try_from(age).unwrap_or_default();
                continue;
            }
            "-R" => {
                "%a, %d %b %Y %H:%M:%S +0000".clone_into(&mut format);
                continue;
            }
            "-Iseconds" | "-Is" => {
                "%Y-%m-%dT%H:%M:%S+00:00".clone_into(&mut format);
                continue;
            }
            "-I" => {
                "%Y-%m-%d".clone_into(&mut format);
                continue;
            }
            given if given.starts_with('+') => {
                given[1..].clone_into(&mut format);
                continue;
            }
            given if given.starts_with("-d") => given[2..].to_owned(),
            other => return call.bad_option(other).await,
        };
        let parsed = match &input {
            Some(format) => parse_by(format, &text),
            None => parse_date(&text, at),
        };
        if let Some(parsed) = parsed {
            at = parsed;
        } else {
            call.error(&format!("invalid date '{text}'")).await;
            return 1;
        }
    }
    call.print(format!("{}\n", strftime(&format, at))).await
}

/// A time in a format of the user's (`-D`).
fn parse_by(format: &str, text: &str) -> Option<Timestamp> {
    let parsed = jiff::fmt::strtime::parse(format, text).ok()?;
    parsed.to_timestamp().ok().or_else(|| parsed.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp()))
}

fn parse_date(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok();
    }
    if text == "now" {
        return Some(now);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    // A time alone is one of today.
    let today = now.to_zoned(TimeZone::UTC).date();
    let moment = match text.parse::<jiff::civil::DateTime>() {
        Ok(moment) => moment,
        Err(_) => today.to_datetime(text.parse().ok()?),
    };
    moment.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
