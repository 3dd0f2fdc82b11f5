//! What happens when comeback itself fails: a short message instead of a backtrace, and exit code 70.

use crate::exit_code::ExitCode;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

/// Replaces Rust's message for panics.
pub(super) fn install_hook() {
    std::panic::set_hook(Box::new(|panic| {
        // stderr may be closed: nobody to tell.
        let _ = std::io::stderr().write_all(message(panic).as_bytes());
    }));
}

fn message(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = panic.location().map_or_else(String::new, |place| format!(" ({}:{})", place.file(), place.line()));
    let backtrace = Backtrace::capture();
    let trace = if backtrace.status() == BacktraceStatus::Captured { format!("{backtrace}\n") } else { String::new() };
    format!(
        "\ncomeback: this is a bug in comeback {}, not in your files: {}{place}\n\
         Please report it with this message, the command line and the run directory. \
         RUST_BACKTRACE=1 shows where it came from.\n{trace}",
        env!("CARGO_PKG_VERSION"),
        text.unwrap_or("a panic without a message"),
    )
}

/// What `work` returns, or 70 where it panicked.
pub(super) fn guarded(work: impl FnOnce() -> ExitCode) -> ExitCode {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(ExitCode::Bug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_exit_code_70() {
        assert_eq!(guarded(|| panic!("for the test")), ExitCode::Bug);
        assert_eq!(guarded(|| ExitCode::Usage), ExitCode::Usage);
    }
}
