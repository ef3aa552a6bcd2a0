//! The files that the documentation shows are files that Helix reads.

use std::path::Path;

use helix_spec::{Cluster, CostTables, FileError, Placement, Source};

/// The TOML blocks of a page that are whole files.
fn files_of(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(block, _)| block.to_owned()).filter(|block| block.starts_with("version = 1")).collect()
}

fn source(text: &str) -> Source<'_> {
    Source { origin: "documentation", text }
}

#[test]
fn the_page_of_formats_shows_files_that_fit_together() {
    let files = files_of("docs/cluster-files.md");
    let [cluster, costs, placement] = files.as_slice() else { panic!("{} files", files.len()) };
    let read_beside = |name: &str| match name {
        "costs.toml" => Ok((name.to_owned(), costs.clone())),
        _ => Err(FileError::new(name, "is not on the page")),
    };
    let cluster = Cluster::parse(&source(cluster), &read_beside).unwrap();
    assert_eq!(cluster.machines.len(), 5);
    assert_eq!(CostTables::parse(&source(costs)).as_ref(), Ok(&cluster.cost_tables[0]));
    assert_eq!(Placement::parse(&source(placement), &cluster).unwrap().machines.len(), 3);
}

#[test]
fn the_front_page_shows_a_cluster_that_is_read() {
    let none = |name: &str| Err(FileError::new(name, "is not on the page"));
    for file in files_of("README.md") {
        Cluster::parse(&source(&file), &none).unwrap();
    }
}
