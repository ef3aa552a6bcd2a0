//! Any text as cost tables: an error, or tables that are written and read back as the same.
#![no_main]

use helix_spec::{CostTables, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match CostTables::parse(&Source { origin: "costs.toml", text }) {
        Ok(tables) => {
            let written = tables.to_toml();
            assert_eq!(
                CostTables::parse(&Source { origin: "again.toml", text: &written }),
                Ok(tables),
                "{written}"
            );
        }
        Err(error) => assert!(error.to_string().starts_with("costs.toml")),
    }
});
