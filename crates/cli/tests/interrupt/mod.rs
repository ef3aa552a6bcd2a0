//! A signal for a command that runs.

use std::process::{Child, Command, Output};

/// SIGTERM, which the commands take for Ctrl-C.
const TERMINATE: u32 = 15;

/// Whether a signal is in a mask of a process, as the kernel sees it: `SigCgt` has those with a handler, `SigIgn` those ignored.
fn has(process: &str, mask: &str, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|line| line.strip_prefix(mask)?.strip_prefix(':'));
    let mask = found.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Waits until the process can handle a signal (2 is that of Ctrl-C), and says which it is. Where Ctrl-C is ignored, as shells have
/// it for what they run behind them, SIGTERM stands in.
pub fn until_it_handles(child: &mut Child, signal: u32) -> u32 {
    let signal = if has("self", "SigIgn", signal) { TERMINATE } else { signal };
    while !has(&child.id().to_string(), "SigCgt", signal) {
        assert!(
            child.try_wait().expect("the child is ours").is_none(),
            "it ended before it could be signalled"
        );
        std::thread::yield_now();
    }
    signal
}

/// Sends the process a signal as soon as it can handle it; what it wrote.
pub fn signalled(mut child: Child, signal: u32) -> Output {
    let signal = until_it_handles(&mut child, signal);
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill exists").success());
    child.wait_with_output().expect("the command ends")
}
