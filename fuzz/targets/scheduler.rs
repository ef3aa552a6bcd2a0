//! Any events in any order: the coordinator and a node keep their books, and every request ends once.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/scheduler/tests/common/arbitrary.rs"]
mod arbitrary;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.iter().copied();
    match bytes.next() {
        Some(kind) if kind % 2 == 0 => arbitrary::node(&mut || bytes.next()),
        Some(_) => arbitrary::coordinator(&mut || bytes.next()),
        None => {}
    }
});
