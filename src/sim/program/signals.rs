//! Signal numbers, their names and what a process does by default.
//! Sending is `process`; traps are the shell's.

/// Names and Linux numbers (x86-64, arm64) of the signals that scripts use.
const NAMES: &[(&str, i32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// SIGQUIT.
pub const QUIT: i32 = 3;
/// SIGKILL.
pub const KILL: i32 = 9;
/// SIGINT.
pub const INT: i32 = 2;
/// SIGPIPE.
pub const PIPE: i32 = 13;
/// SIGTERM.
pub const TERM: i32 = 15;

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The signal is ignored.
    Ignore,
    /// A handler takes it.
    Handle,
}

/// The number of a signal given as `TERM`, `SIGTERM`, `term` or `15`.
#[must_use]
pub fn number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (0..=64).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    if bare == "EXIT" {
        return Some(0);
    }
    NAMES.iter().find(|(name, _)| *name == bare).map(|(_, number)| *number)
}

/// The name of a signal without `SIG`.
#[must_use]
pub fn name(number: i32) -> String {
    NAMES.iter().find(|(_, known)| *known == number).map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

/// All signals that have a name.
pub fn all() -> impl Iterator<Item = (&'static str, i32)> {
    NAMES.iter().copied()
}

/// Whether the signal does nothing to a process that has no handler for it.
#[must_use]
pub fn ignored_by_default(number: i32) -> bool {
    matches!(number, 0 | 17 | 18 | 23 | 28)
}

/// Whether the signal stops a process (which is not modelled).
#[must_use]
pub fn stops(number: i32) -> bool {
    matches!(number, 19..=22)
}

/// What the shell prints when a child was ended by a signal.
#[must_use]
pub fn description(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "Hangup",
        3 => "Quit",
        4 => "Illegal instruction",
        5 => "Trace/breakpoint trap",
        6 => "Aborted",
        7 => "Bus error",
        8 => "Arithmetic exception",
        9 => "Killed",
        10 => "User defined signal 1",
        11 => "Segmentation fault",
        12 => "User defined signal 2",
        14 => "Alarm clock",
        15 => "Terminated",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("TERM", Some(15))]
    #[case("SIGUSR1", Some(10))]
    #[case("int", Some(2))]
    #[case("0", Some(0))]
    #[case("EXIT", Some(0))]
    #[case("9", Some(9))]
    #[case("65", None)]
    #[case("BOO", None)]
    fn names_and_numbers(#[case] text: &str, #[case] expected: Option<i32>) {
        assert_eq!(number(text), expected);
    }
}
