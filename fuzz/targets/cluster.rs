//! Any text as a cluster file: an error, or a cluster that is written and read back as the same.
#![no_main]

use helix_spec::{Cluster, Source};
use libfuzzer_sys::fuzz_target;

const TABLES: &str = include_str!("../seeds/cost_tables/small.toml");

fuzz_target!(|text: &str| {
    let beside = |name: &str| Ok((name.to_owned(), TABLES.to_owned()));
    match Cluster::parse(&Source { origin: "cluster.toml", text }, &beside) {
        Ok(cluster) => {
            let files = cluster.to_files();
            let beside = |name: &str| {
                let found = files.cost_tables.iter().find(|(file, _)| file == name);
                Ok(found.cloned().expect("the cluster names the files that it wrote"))
            };
            let source = Source { origin: "again.toml", text: &files.cluster };
            assert_eq!(Cluster::parse(&source, &beside), Ok(cluster), "{}", files.cluster);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
