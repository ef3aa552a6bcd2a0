//! Any text as the authors' solution of a placement: an error that names the file, or a value.
#![no_main]

use helix_spec::asplos25::parse_solution;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = parse_solution(text, "sol.ini") {
        assert!(error.to_string().starts_with("sol.ini"));
    }
});
