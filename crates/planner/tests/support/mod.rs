//! Throughput tables of the published 24-machine cluster, read from the data folder beside the project.

use std::path::PathBuf;

use helix_planner::packing::Table;

/// A100, L4, T4 with LLaMA-2-70B; `None`, with a line that says so, where the data folder is absent.
pub fn tables_24() -> Option<Vec<Table>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/asplos25/profiles/node_limits_24.csv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {}", path.display());
        return None;
    };
    let mut tables = vec![Table::default(); 3];
    for line in text.lines().filter(|line| line.starts_with("LLaMa70B,c24,")) {
        let fields: Vec<&str> = line.split(',').collect();
        let index = ["A100", "L4", "T4"].iter().position(|name| *name == fields[2]).expect("a known machine");
        let layers: usize = fields[3].parse().expect("a number of layers");
        let throughput = &mut tables[index].throughput;
        throughput.resize(layers.max(throughput.len()), None);
        throughput[layers - 1] = Some(fields[7].parse().expect("a throughput"));
    }
    Some(tables)
}
