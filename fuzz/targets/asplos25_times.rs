//! Any text as the authors' measured times: an error that names the file, or a value.
#![no_main]

use helix_spec::asplos25::parse_bs2time;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = parse_bs2time(text, "bs2time.csv") {
        assert!(error.to_string().starts_with("bs2time.csv"));
    }
});
