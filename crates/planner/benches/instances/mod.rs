//! Clusters to measure planners on: the published ones (if the data folder is there) and made-up ones.

use std::path::PathBuf;
use std::time::Instant;

use helix_planner::packing::{Network, Problem, Slot, Table};

/// A named problem.
pub struct Instance {
    /// What it is called in the report.
    pub name: &'static str,
    /// The problem.
    pub problem: Problem,
}

/// The clock of the measurements.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Bytes of one activation of LLaMA-2-70B.
const ACTIVATION: f64 = 16384.0;

/// All instances.
pub fn all() -> Vec<Instance> {
    let mut instances = published();
    instances
        .push(Instance { name: "mixed42", problem: one_region(80, seven_kinds(), &[4, 6, 8, 4, 10, 6, 4]) });
    instances.push(Instance { name: "small10", problem: one_region(60, small_kinds(), &[4, 6]) });
    instances.push(Instance { name: "odd14", problem: one_region(24, odd_kinds(), &[4, 5, 5]) });
    instances.push(Instance {
        name: "odd9-partial",
        problem: Problem { partial: true, ..one_region(24, odd_kinds(), &[3, 3, 3]) },
    });
    instances.push(Instance { name: "regions100", problem: regions(seven_kinds(), 100, 3) });
    instances.push(Instance { name: "regions1000", problem: regions(seven_kinds(), 1000, 4) });
    instances.push(Instance { name: "one1000", problem: regions(seven_kinds(), 1000, 1) });
    instances.push(Instance { name: "one105", problem: regions(three_kinds(), 105, 1) });
    instances
}

/// A table whose work `k · T(k)` falls linearly from `first` to 45 % of it at the most layers, with a ripple of about 1 %
/// that stands for batches in whole requests.
fn falling(first: f64, most: usize) -> Table {
    let entry = |k: usize| {
        let fall = 1.0 - 0.55 * (k - 1) as f64 / (most - 1) as f64;
        let ripple = 1.0 + 0.01 * ((k * 7 + most * 3) % 5) as f64 / 5.0;
        Some(first * fall * ripple / k as f64)
    };
    Table { throughput: (1..=most).map(entry).collect() }
}

fn seven_kinds() -> Vec<Table> {
    [(23800.0, 12), (11000.0, 4), (7550.0, 7), (13900.0, 14), (5700.0, 4), (10500.0, 9), (18000.0, 18)]
        .map(|(first, most)| falling(first, most))
        .to_vec()
}

fn three_kinds() -> Vec<Table> {
    [(23800.0, 12), (7550.0, 7), (5700.0, 4)].map(|(first, most)| falling(first, most)).to_vec()
}

fn small_kinds() -> Vec<Table> {
    [(5900.0, 11), (4100.0, 7)].map(|(first, most)| falling(first, most)).to_vec()
}

fn odd_kinds() -> Vec<Table> {
    let table = |entries: &[f64]| Table {
        throughput: entries.iter().map(|&value| (value > 0.0).then_some(value)).collect(),
    };
    vec![
        table(&[0.0, 310.0, 0.0, 190.0, 205.0, 0.0, 97.0]),
        table(&[260.0, 0.0, 141.0, 149.0, 80.0]),
        table(&[0.0, 152.0, 155.0, 0.0, 0.0, 61.0]),
    ]
}

fn one_region(layers: usize, tables: Vec<Table>, counts: &[usize]) -> Problem {
    let machines: Vec<Slot> = counts
        .iter()
        .enumerate()
        .flat_map(|(table, &count)| vec![Slot { table, region: 0 }; count])
        .collect();
    let network = Network::unbounded(machines.len());
    Problem { layers, tables, machines, network, partial: false }
}

/// Machines of all kinds in turn, regions filled one after the other; 10 Gbit/s inside, 100 Mbit/s between regions.
fn regions(tables: Vec<Table>, machines: usize, regions: usize) -> Problem {
    let slots: Vec<Slot> = (0..machines)
        .map(|machine| Slot {
            table: (machine * 5 + machine / 11) % tables.len(),
            region: machine * regions / machines,
        })
        .collect();
    let between = (0..regions * regions)
        .map(|pair| if pair / regions == pair % regions { 1.25e9 / ACTIVATION } else { 12.5e6 / ACTIVATION })
        .collect();
    let coordinator = vec![12.5e6 / 2.0; machines];
    let network =
        Network { regions, between, source: coordinator.clone(), sink: coordinator, ..Network::default() };
    Problem { layers: 80, tables, machines: slots, network, partial: false }
}

/// The published clusters; none, with a line that says so, where the data folder is absent.
pub fn published() -> Vec<Instance> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/asplos25");
    let Some(tables) = tables_24(&folder) else {
        println!("skipped: no {}", folder.display());
        return Vec::new();
    };
    ["single24", "3cluster24"]
        .into_iter()
        .filter_map(|name| cluster(&folder, name, tables.clone()).map(|problem| Instance { name, problem }))
        .collect()
}

const KINDS: [&str; 3] = ["A100", "L4", "T4"];

fn tables_24(folder: &std::path::Path) -> Option<Vec<Table>> {
    let text = std::fs::read_to_string(folder.join("profiles/node_limits_24.csv")).ok()?;
    let mut tables = vec![Table::default(); 3];
    for line in text.lines().filter(|line| line.starts_with("LLaMa70B,c24,")) {
        let fields: Vec<&str> = line.split(',').collect();
        let index = KINDS.iter().position(|name| *name == fields[2])?;
        let layers: usize = fields[3].parse().ok()?;
        let throughput = &mut tables[index].throughput;
        throughput.resize(layers.max(throughput.len()), None);
        throughput[layers - 1] = fields[7].parse().ok();
    }
    Some(tables)
}

/// Reads the machine types and every link of a published cluster; regions follow from where the slow links are.
fn cluster(folder: &std::path::Path, name: &str, tables: Vec<Table>) -> Option<Problem> {
    let text = std::fs::read_to_string(folder.join(format!("clusters/{name}.ini"))).ok()?;
    let mut slots = Vec::new();
    let mut network = Network::default();
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[') {
            title.trim_end_matches(']').clone_into(&mut section);
        } else if let Some(kind) = line.strip_prefix("type=") {
            slots.push(Slot { table: KINDS.iter().position(|name| *name == kind)?, region: 0 });
        } else if let Some(speed) = line.strip_prefix("bandwidth=") {
            let bytes = 1e6 * speed.split('*').next()?.trim().parse::<f64>().ok()?;
            let ends: Vec<&str> = section.strip_prefix("Link-")?.split('-').collect();
            match (ends[0].parse::<usize>(), ends[1].parse::<usize>()) {
                (Ok(from), Ok(to)) => {
                    network.special.insert((from, to), bytes / ACTIVATION);
                    network.special.insert((to, from), bytes / ACTIVATION);
                }
                (Err(_), Ok(_)) => network.source.push(bytes / 2.0),
                _ => network.sink.push(bytes / 2.0),
            }
        }
    }
    let mut regions: Vec<usize> = Vec::new();
    for (machine, slot) in slots.iter_mut().enumerate() {
        let near = regions
            .iter()
            .position(|&first| network.special.get(&(first, machine)).is_some_and(|&c| c > 1e4));
        slot.region = near.unwrap_or_else(|| {
            regions.push(machine);
            regions.len() - 1
        });
    }
    network.regions = regions.len();
    network.between = vec![0.0; regions.len() * regions.len()];
    Some(Problem { layers: 80, tables, machines: slots, network, partial: false })
}
