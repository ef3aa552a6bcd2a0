//! Any text as the authors' machine profiles: an error that names the file, or a value.
#![no_main]

use helix_spec::asplos25::parse_machine_profiles;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = parse_machine_profiles(text, "profiles.ini") {
        assert!(error.to_string().starts_with("profiles.ini"));
    }
});
