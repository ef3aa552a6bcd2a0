//! Any text as the authors' table of declared limits: an error that names the file, or a value.
#![no_main]

use helix_spec::asplos25::parse_limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = parse_limits(text, "limits.csv") {
        assert!(error.to_string().starts_with("limits.csv"));
    }
});
