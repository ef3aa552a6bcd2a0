//! Files made up in the authors' formats, written here and not by the exporter.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use helix_spec::asplos25::{
    Imported, ImportedModel, Inputs, Layout, import, parse_bs2time, parse_cluster, parse_limits,
    parse_machine_profiles, parse_simulator_cluster, parse_solution,
};
use helix_spec::{DeviceCatalogue, FileError, TypeTables};

/// The texts of one import.
#[derive(Debug, Clone, Default)]
pub struct Files {
    pub cluster: String,
    pub machine_profiles: String,
    /// (folder, prompt, decode).
    pub times: Vec<(String, String, String)>,
    pub limits: Option<String>,
    pub solution: Option<String>,
    pub simulator: Option<String>,
}

impl Files {
    /// Parses all and imports.
    pub fn import(&self, model: &str) -> Result<Imported, FileError> {
        self.import_shaped(ImportedModel { name: model, layers: None })
    }

    pub fn import_shaped(&self, model: ImportedModel<'_>) -> Result<Imported, FileError> {
        let mut times = BTreeMap::new();
        for (folder, prompt, decode) in &self.times {
            let table = TypeTables {
                prompt: Some(parse_bs2time(prompt, "prompt_bs2time.csv")?),
                decode: Some(parse_bs2time(decode, "decode_bs2time.csv")?),
                ..TypeTables::default()
            };
            times.insert(folder.clone(), table);
        }
        let solution = self.solution.as_deref().map(|text| parse_solution(text, "x_sol.ini")).transpose()?;
        let layout = match solution {
            None => None,
            Some(solution) => {
                let offset = solution.offset;
                let run = self.simulator.as_deref();
                let run = run.map(|text| parse_simulator_cluster(text, "simulator_cluster.ini", offset));
                Some(Layout { solution, simulator: run.transpose()? })
            }
        };
        let limits = self.limits.as_deref().map(|text| parse_limits(text, "limits.csv")).transpose()?;
        import(&Inputs {
            name: "made-up",
            cluster: parse_cluster(&self.cluster, "cluster.ini")?,
            machine_profiles: parse_machine_profiles(&self.machine_profiles, "machine_profiles.ini")?,
            times,
            limits,
            model,
            layout,
            catalogue: &DeviceCatalogue::builtin(),
        })
    }
}

/// A complete cluster file; `link` gives bandwidth and latency between `source`, indices and `sink`.
pub fn cluster_ini(types: &[&str], link: impl Fn(&str, &str) -> (String, String)) -> String {
    let names: Vec<String> = (0..types.len()).map(|index| index.to_string()).collect();
    let all = names.join(", ");
    let mut text = format!("[NodeNames]\ntotal_compute_nodes={}\n\n", types.len());
    for end in ["SourceNode", "SinkNode"] {
        write!(text, "[{end}]\nconnected_nodes=[{all}]\n\n").unwrap();
    }
    for (name, machine_type) in names.iter().zip(types) {
        let others: Vec<&str> = names.iter().filter(|other| *other != name).map(String::as_str).collect();
        let mut connected = vec!["'source'"];
        connected.extend(others);
        connected.push("'sink'");
        let connected = connected.join(", ");
        write!(text, "[ComputeNode-{name}]\ntype={machine_type}\nconnected_nodes=[{connected}]\n\n").unwrap();
    }
    let mut put = |from: &str, to: &str| {
        let (bandwidth, latency) = link(from, to);
        write!(text, "[Link-{from}-{to}]\nbandwidth={bandwidth}\nlatency={latency}\n\n").unwrap();
    };
    for (i, name) in names.iter().enumerate() {
        put("source", name);
        put(name, "sink");
        for other in &names[i + 1..] {
            put(name, other);
        }
    }
    text
}

/// All links alike, as in the authors' single clusters.
pub fn uniform(_: &str, _: &str) -> (String, String) {
    ("1000 * mbps".to_owned(), "1 * MilliSec".to_owned())
}

/// Machine profiles with these memories.
pub fn machine_profiles_ini(types: &[(&str, &str)]) -> String {
    let mut text = "[SourceNode]\ninbound_nic_speed = -1\noutbound_nic_speed = 10 * gbps\n\
                    disk_speed = -1\nvram_size = -1\n\n\
                    [SinkNode]\ninbound_nic_speed = 10 * gbps\noutbound_nic_speed = -1\n\
                    disk_speed = -1\nvram_size = -1\n"
        .to_owned();
    for (name, memory) in types {
        write!(
            text,
            "\n[{name}]\ninbound_nic_speed = 10 * gbps\noutbound_nic_speed = 10 * gbps\n\
             disk_speed = 1 * gbps\nvram_size = {memory}\n"
        )
        .unwrap();
    }
    text
}

pub const LIMITS_HEADER: &str = "model,cluster_counts,machine,layers,prompt_typical_requests,prompt_typical_tokens,\
                                 decode_typical_tokens,token_throughput,kv_capacity,prompt_max_requests,\
                                 prompt_max_tokens,decode_max_context,decode_max_tokens\n";

/// Two T4 that hold a small placement; what harmful files are made of.
pub fn small() -> Files {
    Files {
        cluster: cluster_ini(&["T4", "L4"], uniform),
        machine_profiles: machine_profiles_ini(&[("T4", "16 * GB"), ("L4", "24 * GB")]),
        times: vec![("t4".to_owned(), "0,0\n250,18\n".to_owned(), "0,0\n2,7.1\n".to_owned())],
        limits: Some(format!(
            "{LIMITS_HEADER}LLaMa70B,c2,T4,1,0.5,10,2,100.5,5000,1,2048,300000,300\n\
             LLaMa70B,c24,T4,1,0.5,10,2,7,5000,1,2048,300000,300\n\
             LLaMa30B,c2,T4,1,0.5,10,2,8,5000,1,2048,300000,300\n"
        )),
        solution: Some(
            "[Settings]\noffset=2\n\n[Solution]\ncompute_node_2=[0, 1]\ncompute_node_3=[2]\n".to_owned(),
        ),
        simulator: Some(small_run()),
    }
}

fn small_run() -> String {
    let mut text = "[Coordinator]\ninbound_nic_speed=10000.0 * mbps\noutbound_nic_speed=10000.0 * mbps\n\n\
                    [MachineTypes]\ntypes=['T4', 'L4']\n\n\
                    [ComputeNodes]\nnames=['compute_node_2', 'compute_node_3']\n\n"
        .to_owned();
    for (name, memory, machine_type) in [("compute_node_2", 16, "T4"), ("compute_node_3", 24, "L4")] {
        write!(
            text,
            "[{name}]\nvram_size={memory}000.0 * MB\ninbound_nic_speed=10000.0 * mbps\n\
             outbound_nic_speed=10000.0 * mbps\ndisk_speed=1000.0 * mbps\nmachine_type=\"{machine_type}\"\n\
             kv_cache_capacity=4096\nactivation_backup_capacity=0\n\n"
        )
        .unwrap();
    }
    let links =
        [("source", "compute_node_2"), ("compute_node_3", "sink"), ("compute_node_2", "compute_node_3")];
    let names: Vec<String> = links.iter().map(|(from, to)| format!("'link_{from}_{to}'")).collect();
    write!(text, "[Links]\nnames=[{}]\n\n", names.join(", ")).unwrap();
    for (from, to) in links {
        write!(
            text,
            "[link_{from}_{to}]\nin={from}\nout={to}\nlatency=1.0 * MilliSec\nbandwidth=1000.0 * mbps\n\n"
        )
        .unwrap();
    }
    text
}
