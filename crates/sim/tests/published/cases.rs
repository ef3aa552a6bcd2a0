//! The cases of the paper's evaluation, from the authors' files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use helix_cost::{Constants, SmallBatches, TimedCosts, Times};
use helix_sim::{Inputs, PlannedLink};
use helix_spec::asplos25::{self, ImportedModel, Layout};
use helix_spec::{Cluster, DeviceCatalogue, Endpoint, MachineId, ModelShape, Placement, Trace, TypeTables};

/// The folder of the authors' data.
pub fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/asplos25");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

/// A trace of theirs.
pub fn trace(name: &str) -> Option<Trace> {
    Some(Trace::from_file(&folder()?.join("traces").join(name)).unwrap())
}

/// A cluster with a placement and its costs.
pub struct Case {
    pub cluster: Cluster,
    pub placement: Placement,
    pub times: TimedCosts,
    pub costs: helix_cost::Costs,
    pub links: Vec<PlannedLink>,
}

impl Case {
    /// LLaMA-2-70B on a cluster file with a layout of theirs; every link carries the flow of `flows`, if there is a file.
    pub fn new(cluster: &str, layout: &str, flows: Option<&str>) -> Option<Self> {
        let folder = folder()?;
        let text = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
        let mut times = BTreeMap::new();
        for machine in ["a100", "l4", "t4", "v100"] {
            let table = |what: &str| {
                let path = format!("profiles/llama2_70b/{machine}/{what}_bs2time.csv");
                Some(asplos25::parse_bs2time(&text(&path), &path).unwrap())
            };
            let tables =
                TypeTables { prompt: table("prompt"), decode: table("decode"), ..TypeTables::default() };
            times.insert(machine.to_owned(), tables);
        }
        let name = layout.rsplit('/').next().unwrap();
        let solution = text(&format!("layouts/{layout}/{name}_sol.ini"));
        let solution = asplos25::parse_solution(&solution, "solution").unwrap();
        let simulator = text(&format!("layouts/{layout}/simulator_cluster.ini"));
        let simulator = asplos25::parse_simulator_cluster(&simulator, "run", solution.offset).unwrap();
        let imported = asplos25::import(&asplos25::Inputs {
            name: cluster,
            cluster: asplos25::parse_cluster(&text(&format!("clusters/{cluster}.ini")), "cluster").unwrap(),
            machine_profiles: asplos25::parse_machine_profiles(
                &text("clusters/machine_profiles.ini"),
                "profiles",
            )
            .unwrap(),
            times,
            limits: Some(asplos25::parse_limits(&text("profiles/node_limits_24.csv"), "limits").unwrap()),
            model: ImportedModel { name: "llama-2-70b", layers: Some(80) },
            layout: Some(Layout { solution, simulator: Some(simulator) }),
            catalogue: &DeviceCatalogue::builtin(),
        })
        .unwrap();
        let (cluster, placement) = (imported.cluster, imported.placement.unwrap());
        let shape = ModelShape::preset("llama-2-70b").unwrap();
        let as_published = Times::Measured(SmallBatches::AsPublished);
        let times = TimedCosts::new(&cluster, &shape, as_published, &Constants::shipped());
        let costs = helix_cost::Costs::for_cluster(&cluster, &shape, helix_cost::CostChoice::Auto).unwrap();
        let flows = flows.map(|name| golden_flows(&text(&format!("goldens/{name}"))));
        let links = placement.links.as_ref().unwrap().iter().map(|&(from, to)| {
            let flow = flows.as_ref().map_or(0.0, |flows| flows[&(from, to)]);
            PlannedLink { from, to, flow }
        });
        let links = links.collect();
        Some(Self { cluster, placement, times, costs, links })
    }

    pub fn inputs(&self) -> Inputs<'_> {
        Inputs {
            cluster: &self.cluster,
            placement: &self.placement,
            costs: &self.costs,
            times: &self.times,
            links: &self.links,
        }
    }
}

/// Flows from `["17_out", "16_in", capacity, flow]` and the like.
fn golden_flows(text: &str) -> BTreeMap<(Endpoint, Endpoint), f64> {
    let endpoint = |name: &str| match name.parse::<u32>().unwrap() {
        0 | 1 => Endpoint::Coordinator,
        node => Endpoint::Machine(MachineId(node - 2)),
    };
    let mut flows = BTreeMap::new();
    for edge in text.split('[').skip(2) {
        let fields: Vec<&str> = edge.split(']').next().unwrap().split(", ").collect();
        let (from, to) = (fields[0].trim_matches('"'), fields[1].trim_matches('"'));
        if let (Some(from), Some(to)) = (from.strip_suffix("_out"), to.strip_suffix("_in")) {
            flows.insert((endpoint(from), endpoint(to)), fields[3].parse().unwrap());
        }
    }
    flows
}
