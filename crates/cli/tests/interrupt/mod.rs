//! A signal for a command that runs.

use std::process::{Child, Command, Output};

/// Whether the process has its own handler for the signal, as the kernel sees it.
fn catches(child: &Child, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Sends the process a signal as soon as it can handle it (2 is that of Ctrl-C); what it wrote.
pub fn signalled(child: Child, signal: u32) -> Output {
    while !catches(&child, signal) {
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill exists").success());
    child.wait_with_output().expect("the command ends")
}
