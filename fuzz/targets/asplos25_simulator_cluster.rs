//! Any text as the authors' simulator cluster: an error that names the file, or a value.
#![no_main]

use helix_spec::asplos25::parse_simulator_cluster;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = parse_simulator_cluster(text, "simulator_cluster.ini", 2) {
        assert!(error.to_string().starts_with("simulator_cluster.ini"));
    }
});
