//! What the fuzz targets start from is valid: a seed that its parser refuses leads nowhere.

use std::path::PathBuf;

use helix_spec::asplos25::{
    parse_bs2time, parse_cluster, parse_limits, parse_machine_profiles, parse_simulator_cluster,
    parse_solution,
};
use helix_spec::{
    Bandwidth, Bytes, BytesPerSecond, Cluster, CostTables, DeviceCatalogue, FileError, FlopsPerSecond,
    Placement, RequestsPerSecond, SimTime, Source, Trace, Workload, load_cluster_named,
};

fn read(target: &str, text: &str, origin: &str) -> Result<(), FileError> {
    let source = Source { origin, text };
    match target {
        "asplos25_cluster" => parse_cluster(text, origin).map(drop),
        "asplos25_limits" => parse_limits(text, origin).map(drop),
        "asplos25_machine_profiles" => parse_machine_profiles(text, origin).map(drop),
        "asplos25_simulator_cluster" => parse_simulator_cluster(text, origin, 2).map(drop),
        "asplos25_solution" => parse_solution(text, origin).map(drop),
        "asplos25_times" => parse_bs2time(text, origin).map(drop),
        "cluster" => {
            let tables = include_str!("../../../fuzz/seeds/cost_tables/small.toml");
            Cluster::parse(&source, &|name| Ok((name.to_owned(), tables.to_owned()))).map(drop)
        }
        "cost_tables" => CostTables::parse(&source).map(drop),
        "devices" => DeviceCatalogue::from_toml(text, origin).map(drop),
        "placement" => Placement::parse(&source, &load_cluster_named("single24")?).map(drop),
        "trace" => Trace::from_text(text, origin).map(drop),
        "units" => {
            let known = text.parse::<Bytes>().is_ok()
                || text.parse::<Bandwidth>().is_ok()
                || text.parse::<BytesPerSecond>().is_ok()
                || text.parse::<FlopsPerSecond>().is_ok()
                || text.parse::<SimTime>().is_ok()
                || text.parse::<RequestsPerSecond>().is_ok();
            if known { Ok(()) } else { Err(FileError::new(origin, "is no quantity")) }
        }
        "workload" => Workload::from_toml(text, origin, |name| {
            Trace::from_text("arrival_s,input_tokens,output_tokens\n0,100,10\n", name)
        })
        .map(drop),
        other => Err(FileError::new(other, "is a target that this test does not know")),
    }
}

/// Targets whose inputs other crates read.
const OF_OTHER_CRATES: [&str; 4] = ["http_body", "milp_solution", "safetensors", "wire"];

#[test]
fn every_seed_is_valid() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let mut seeds = 0;
    for folder in std::fs::read_dir(&root).unwrap() {
        let folder = folder.unwrap().path();
        let target = folder.file_name().unwrap().to_string_lossy().into_owned();
        if OF_OTHER_CRATES.contains(&target.as_str()) {
            continue;
        }
        for file in std::fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            if let Err(error) = read(&target, &text, &path.display().to_string()) {
                panic!("{error}");
            }
            seeds += 1;
        }
    }
    assert!(seeds > 20, "{seeds}");
}
