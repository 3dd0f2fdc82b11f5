//! The few files of `/proc` and `/sys` that programs in pods read: memory of the cgroup, uptime, command lines.
//! Every other one is a limit: a made-up number would decide a script wrongly.

use super::machine::Machine;
use crate::sim::profile::Cgroup;

/// What cgroup v1 shows where there is no limit: the largest number of pages, in bytes.
const UNLIMITED: u64 = 9_223_372_036_854_771_712;

/// What a file shows now; `None`, with a limit, for one that is not modelled.
pub fn content(machine: &Machine, path: &str) -> Option<String> {
    let limit = machine.memory_limit();
    let text = match (machine.spec.cgroup, path) {
        (Cgroup::V2, "/sys/fs/cgroup/memory.max") => limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string()),
        (Cgroup::V2, "/sys/fs/cgroup/memory.current") | (Cgroup::V1, "/sys/fs/cgroup/memory/memory.usage_in_bytes") => {
            machine.memory().to_string()
        }
        (Cgroup::V1, "/sys/fs/cgroup/memory/memory.limit_in_bytes") => limit.unwrap_or(UNLIMITED).to_string(),
        // The other version's files are not there.
        (Cgroup::V1, "/sys/fs/cgroup/memory.max" | "/sys/fs/cgroup/memory.current")
        | (Cgroup::V2, "/sys/fs/cgroup/memory/memory.usage_in_bytes" | "/sys/fs/cgroup/memory/memory.limit_in_bytes") => {
            return None;
        }
        (_, "/proc/sys/kernel/hostname") => machine.spec.hostname.clone(),
        _ => return process(machine, path),
    };
    Some(text + "\n")
}

/// `/proc/PID/cmdline` and `/proc/PID/comm`.
fn process(machine: &Machine, path: &str) -> Option<String> {
    let mut parts = path.strip_prefix("/proc/").unwrap_or_default().split('/');
    if let (Some(Ok(pid)), Some(name @ ("cmdline" | "comm")), None) =
        (parts.next().map(str::parse::<u32>), parts.next(), parts.next())
    {
        let argv = machine.process(pid)?.argv();
        let base = argv.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
        return Some(match name {
            "comm" => format!("{}\n", base.chars().take(15).collect::<String>()),
            _ => argv.iter().map(|word| format!("{word}\0")).collect(),
        });
    }
    let help = "the simulation has no number to show there: run this scenario on a real cluster, or leave the file unread";
    machine.limit(&format!("reading {path}"), None, help);
    None
}

#[cfg(test)]
mod tests {
    use crate::sim::profile::Cgroup;
    use crate::sim::program::trial::{finish, spec};
    use rstest::rstest;

    #[rstest]
    #[case::v2(Cgroup::V2, "cat /sys/fs/cgroup/memory.max", &["67108864"])]
    #[case::v1(Cgroup::V1, "cat /sys/fs/cgroup/memory/memory.limit_in_bytes", &["67108864"])]
    #[case::other_version(
        Cgroup::V1,
        "cat /sys/fs/cgroup/memory.max || echo none",
        &["cat: can't open '/sys/fs/cgroup/memory.max': No such file or directory", "none"]
    )]
    #[case::command_line(Cgroup::V2, "tr '\\0' ' ' </proc/1/cmdline | cut -c1-5; cat /proc/1/comm", &["sh -c", "cat"])]
    #[tokio::test(start_paused = true)]
    async fn show_what_is_modelled(#[case] cgroup: Cgroup, #[case] script: &str, #[case] expected: &[&str]) {
        let mut spec = spec(&["sh", "-c", script], Vec::new());
        (spec.cgroup, spec.memory_limit) = (cgroup, Some(64 * 1024 * 1024));
        let (lines, _, _, limits) = finish(spec).await;
        assert_eq!(lines, expected);
        assert_eq!(limits, Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_modelled_is_a_limit() {
        let (_, code, _, limits) = finish(spec(&["sh", "-c", "cat /proc/meminfo"], Vec::new())).await;
        assert_eq!((code, limits), (1, vec!["reading /proc/meminfo".to_owned()]));
    }
}
