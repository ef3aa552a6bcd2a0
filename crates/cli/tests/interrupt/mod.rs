//! Ctrl-C for a command that runs.

use std::process::{Child, Command, Output};

/// Whether the process has its own handler for the interrupt (signal 2), as the kernel sees it.
fn catches_interrupts(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 0b10 != 0)
}

/// Interrupts the process as soon as it can handle that; what it wrote.
pub fn interrupted(child: Child) -> Output {
    while !catches_interrupts(&child) {
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill exists");
    assert!(sent.success());
    child.wait_with_output().expect("the command ends")
}
