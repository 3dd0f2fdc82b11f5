//! Any script: the interpreter never panics, never spins without letting time pass, never takes more memory than its limit.
#![no_main]

use comeback::sim::program::{Container, ContainerSpec};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

/// How much simulated time a script gets; one that never ends is killed then.
const BUDGET: Duration = Duration::from_secs(30);

fuzz_target!(|data: &[u8]| {
    let Ok(script) = std::str::from_utf8(data) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mut spec = ContainerSpec::alone(&["sh", "-c", script]);
        spec.memory_limit = Some(32 * 1024 * 1024);
        let limits = spec.limits.clone();
        let Ok(container) = Container::start(spec) else { return };
        let mut exit = container.exit();
        let _ = tokio::time::timeout(BUDGET, exit.wait_for(Option::is_some)).await;
        assert!(container.memory() <= 64 * 1024 * 1024, "more memory than the limit allows");
        assert!(limits.since(0).iter().all(|limit| limit.construct != "the interpreter failed"), "the interpreter failed");
    });
});
