//! Any text as a placement on the paper's 24 machines: an error, or a placement that is written and read back as the same.
#![no_main]

use std::sync::LazyLock;

use helix_spec::{Cluster, Placement, Source, load_cluster_named};
use libfuzzer_sys::fuzz_target;

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| load_cluster_named("single24").expect("a preset"));

fuzz_target!(|text: &str| {
    match Placement::parse(&Source { origin: "placement.toml", text }, &CLUSTER) {
        Ok(placement) => {
            let written = placement.to_toml(&CLUSTER);
            let again = Placement::parse(&Source { origin: "again.toml", text: &written }, &CLUSTER);
            assert_eq!(again, Ok(placement), "{written}");
        }
        Err(error) => assert!(error.to_string().starts_with("placement.toml")),
    }
});
