//! Files that are wrong, cut off, or made to do harm: each is refused with what is wrong and where.

use std::fmt::Write as _;

use helix_spec::FileError;
use helix_spec::asplos25::Imported;

use crate::files::{Files, small};

/// The refusal of the small files with one text replaced in all of them.
#[track_caller]
fn refused_with(from: &str, to: &str) -> String {
    imported_with(from, to).expect_err(from).to_string()
}

#[track_caller]
fn imported_with(from: &str, to: &str) -> Result<Imported, FileError> {
    let Files { cluster, machine_profiles, mut times, limits, solution, simulator } = small();
    let mut replaced = false;
    let mut replace = |text: String| {
        replaced |= text.contains(from);
        text.replacen(from, to, 1)
    };
    let files = Files {
        cluster: replace(cluster),
        machine_profiles: replace(machine_profiles),
        times: times
            .drain(..)
            .map(|(folder, prompt, decode)| (folder, replace(prompt), replace(decode)))
            .collect(),
        limits: limits.map(&mut replace),
        solution: solution.map(&mut replace),
        simulator: simulator.map(&mut replace),
    };
    assert!(replaced, "`{from}` is in none of the files");
    files.import("llama-2-70b")
}

/// A text of the small files, what replaces it, and what the refusal must say.
const DEFECTS: &[(&str, &str, &str)] = &[
    // Code is not run.
    (
        "total_compute_nodes=2",
        "total_compute_nodes=__import__('os').system('true')",
        "cluster.ini:2: `total_compute_nodes` of `[NodeNames]` is no value: unknown name `__import__`",
    ),
    (
        "bandwidth=1000 * mbps",
        "bandwidth=1000 * Mbps",
        "is no value: unknown name `Mbps`; did you mean `mbps`?",
    ),
    // Quantities.
    ("bandwidth=1000 * mbps", "bandwidth=0 * mbps", "must be above zero, found `0 * mbps`"),
    ("bandwidth=1000 * mbps", "bandwidth=-5 * mbps", "must be above zero"),
    ("bandwidth=1000 * mbps", "bandwidth=1e400 * mbps", "is too large a number"),
    ("bandwidth=1000 * mbps", "bandwidth=1e300 * mbps", "is out of range"),
    (
        "bandwidth=1000 * mbps",
        "bandwidth=1000 * MilliSec",
        "has the wrong unit, found `1000 * MilliSec`; write for example `1000 * mbps`",
    ),
    ("bandwidth=1000 * mbps", "bandwidth='fast'", "must be a number, found a text"),
    ("bandwidth=1000 * mbps", "bandwidth=nan", "unknown name `nan`"),
    ("latency=1 * MilliSec", "latency=-1 * MilliSec", "must not be negative"),
    ("latency=1 * MilliSec", "latency=1e9 * Sec", "is out of range"),
    ("latency=1 * MilliSec", "latncy=1 * MilliSec", "has no `latency`; did you mean its `latncy`?"),
    ("vram_size = 16 * GB", "vram_size = -1", "machine_profiles.ini: has `vram_size` -1 (unused) for `[T4]`"),
    ("vram_size = 16 * GB", "vram_size = 0.1 * Byte", "is out of range"),
    // Nodes and types.
    ("total_compute_nodes=2", "total_compute_nodes=3", "cluster.ini: has no section `[ComputeNode-2]`"),
    ("total_compute_nodes=2", "total_compute_nodes=1", "links to node `1`, the file has nodes 0 to 0"),
    ("total_compute_nodes=2", "total_compute_nodes=0", "is 0, allowed are 1 to"),
    ("total_compute_nodes=2", "total_compute_nodes=4000000000", "is 4000000000, allowed are 1 to"),
    ("total_compute_nodes=2", "total_compute_nodes=2.5", "must be a whole number of at least 0, found `2.5`"),
    ("type=T4", "type=T44", "has no section `[T44]`, the type of node 0 in cluster.ini; did you mean `T4`?"),
    ("type=T4", "type=../../etc", "has the machine type `../../etc`"),
    ("[ComputeNode-1]", "[ComputeNode-01]", "has no section `[ComputeNode-1]`"),
    ("[SinkNode]", "[Sink]", "has no section `[SinkNode]`; did you mean its `[Sink]`?"),
    (
        "[NodeNames]",
        "[Extra]\na=1\n[NodeNames]",
        "cluster.ini:1: `[Extra]` is not a section of a cluster file",
    ),
    // Links.
    ("[Link-0-1]", "[Link-0-7]", "`[Link-0-7]` links to node `7`, the file has nodes 0 to 1"),
    ("[Link-0-1]", "[Link-0-0]", "does not link two machines"),
    ("[Link-0-1]", "[Link-source-sink]", "does not link two machines"),
    ("[Link-0-1]", "[Link-0-1-2]", "`[Link-0-1-2]` is not a link; links are"),
    ("[Link-0-1]", "[Link-0]", "is not a link"),
    ("[Link-0-1]", "[Link-0-+1]", "links to node `+1`"),
    ("[Link-0-1]", "[Link-1-0]\nbandwidth=1\nlatency=0\n[Link-0-1]", "is there in the other direction too"),
    ("[Link-0-1]", "[Link-0-1]\nbandwidth=1\nlatency=0\n[Link-0-1]", "is there twice"),
    ("[Link-0-1]", "[Link-0-01]\nbandwidth=1\nlatency=0\n[Link-0-1]", "is a link that is there twice"),
    (
        "['source', 1, 'sink']",
        "['source', 'sink']",
        "does not name node 1, but there is a section `[Link-0-1]`",
    ),
    ("['source', 1, 'sink']", "['source', 1, 1, 'sink']", "names node 1 twice"),
    ("['source', 1, 'sink']", "['source', 9, 'sink']", "names a node that does not exist; allowed: 0 to 1"),
    (
        "[Link-0-sink]\nbandwidth=1000 * mbps\nlatency=1 * MilliSec\n",
        "",
        "names node 0, but there is no section `[Link-0-sink]`",
    ),
    // Solutions.
    (
        "compute_node_3=[2]",
        "compute_node_3=[2, 4]",
        "x_sol.ini:6: `compute_node_3` of `[Solution]` has layer 4 after layer 2",
    ),
    ("compute_node_3=[2]", "compute_node_3=[2, 1]", "has layer 1 after layer 2"),
    (
        "compute_node_3=[2]",
        "compute_node_3=[79, 80]",
        "x_sol.ini:6: `compute_node_3` holds layers 79..81, llama-2-70b has layers 0 to 79",
    ),
    ("compute_node_3=[2]", "compute_node_3=[4294967295]", "has layer 4294967295, no model has so many"),
    ("compute_node_3=[2]", "compute_node_3=[-1]", "must list layers, it holds -1"),
    ("compute_node_3=[2]", "compute_node_3=['2']", "must list layers, it holds a text"),
    ("compute_node_3=[2]", "compute_node_3=2", "must be a list, found a number"),
    ("compute_node_3=[2]", "compute_node_9=[2]", "`compute_node_9` is node 7, the cluster has nodes 0 to 1"),
    ("compute_node_3=[2]", "compute_node_1=[2]", "names are `compute_node_N`, N from 2, the offset, on"),
    (
        "compute_node_3=[2]",
        "compute_node_3=[]",
        "simulator_cluster.ini:20: has node 1, to which x_sol.ini gives no layers",
    ),
    ("compute_node_2=[0, 1]\ncompute_node_3=[2]", "", "gives no node a layer"),
    ("offset=2", "offset=99999999999", "is larger than any cluster"),
    // Runs.
    ("in=compute_node_3", "in=compute_node_4", "is `compute_node_4`, which `[ComputeNodes]` does not name"),
    ("in=compute_node_3", "in=sink", "is `sink`, which `[ComputeNodes]` does not name"),
    ("out=compute_node_3", "out=compute_node_2", "must link two nodes"),
    ("machine_type=\"L4\"", "machine_type=\"T4\"", "says that compute_node_3 is T4, in the cluster it is L4"),
    (
        "machine_type=\"L4\"",
        "machine_type=\"A100\"",
        "`machine_type` of `[compute_node_3]` is `A100`; `[MachineTypes]` has: L4, T4",
    ),
    ("kv_cache_capacity=4096", "kv_cache_capacity=-1", "must be a whole number of at least 0, found `-1`"),
    ("kv_cache_capacity=4096", "kv_cache_capacity=1e300", "must be a whole number"),
    (
        "'link_source_compute_node_2'",
        "'link_source_compute_node_3'",
        "has no section `[link_source_compute_node_3]`; did you mean its `[link_source_compute_node_2]`?",
    ),
    (
        "'link_source_compute_node_2', ",
        "",
        "`[link_source_compute_node_2]` is neither in the names of nodes nor of links",
    ),
    (
        "'link_source_compute_node_2', ",
        "'link_source_compute_node_2', 'link_source_compute_node_2', ",
        "holds `link_source_compute_node_2` twice",
    ),
    (
        "names=['compute_node_2', 'compute_node_3']",
        "names=['compute_node_2', 3]",
        "must be a list of names, it holds a number",
    ),
    (
        "[Links]\nnames=[",
        "[x]\nin=source\nout=compute_node_2\nlatency=0\nbandwidth=1\n[Links]\nnames=['x', ",
        "`[link_source_compute_node_2]` is a second link between the same two nodes",
    ),
    // Tables.
    (
        "kv_capacity,prompt",
        "kv_capacty,prompt",
        "limits.csv:1: unknown column `kv_capacty`; did you mean `kv_capacity`?",
    ),
    ("model,cluster_counts", "cluster_counts", "limits.csv:1: has no column `model`"),
    (
        "LLaMa70B,c2,T4,1,0.5",
        "LLaMa70B,c2,T4,1,nan",
        "prompt_typical_requests is `nan`, a number of at least 0 is needed",
    ),
    ("LLaMa70B,c2,T4,1,0.5", "LLaMa70B,c2,T4,0,0.5", "layers is `0`"),
    (
        "LLaMa70B,c2,T4,1,0.5",
        "LLaMa70B,c2,T4,1,0.5,7",
        "limits.csv:2: has 14 values, the header has 13 columns",
    ),
    ("250,18", "250,-18", "prompt_bs2time.csv:2: `-18` is not a time"),
];

#[test]
fn each_defect_is_named_with_its_line() {
    let mut wrong = Vec::new();
    for (from, to, wanted) in DEFECTS {
        match imported_with(from, to) {
            Ok(_) => wrong.push(format!("{from} -> {to}: is not refused")),
            Err(error) if error.to_string().contains(wanted) => {}
            Err(error) => wrong.push(format!("{from} -> {to}\n  found:  {error}\n  wanted: {wanted}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Deep nesting, long lists and long names must be refused at once; run with a small stack to see recursion.
#[test]
fn size_does_no_harm() {
    for (from, to) in [
        ("compute_node_3=[2]", format!("compute_node_3={}", "[".repeat(100_000))),
        ("compute_node_3=[2]", format!("compute_node_3={}2{}", "(".repeat(100_000), ")".repeat(100_000))),
        ("compute_node_3=[2]", format!("compute_node_3=[{}]", "2,".repeat(1_000_000))),
        ("type=T4", format!("type={}", "T".repeat(1_000_000))),
        ("[SinkNode]", format!("[{}]", "SinkNode".repeat(100_000))),
        ("in=compute_node_3", format!("in={}", "compute_node_3".repeat(100_000))),
        ("model,cluster", format!("{},cluster", "m".repeat(1_000_000))),
        ("bandwidth=1000", format!("bandwidth={}", "9".repeat(1_000_000))),
    ] {
        let refused = move || refused_with(from, &to).len();
        let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(refused).unwrap();
        let length = thread.join().expect("no overflow, no panic");
        assert!(length < 1000, "{from}: a message of {length} bytes");
    }
}

/// Every prefix of every file is refused or read, and neither panics; the same with every byte changed.
#[test]
fn cut_and_damaged_files_do_not_panic() {
    let whole = small();
    let texts = [
        whole.cluster.clone(),
        whole.machine_profiles.clone(),
        whole.limits.clone().unwrap(),
        whole.solution.clone().unwrap(),
        whole.simulator.clone().unwrap(),
    ];
    let with = |place: usize, text: String| {
        let mut files = whole.clone();
        match place {
            0 => files.cluster = text,
            1 => files.machine_profiles = text,
            2 => files.limits = Some(text),
            3 => files.solution = Some(text),
            _ => files.simulator = Some(text),
        }
        files.import("llama-2-70b")
    };
    let mut refused = 0;
    for (place, text) in texts.iter().enumerate() {
        for cut in (0..text.len()).step_by(7) {
            refused += usize::from(with(place, text[..cut].to_owned()).is_err());
            for byte in ['\0', '[', '\u{1F980}', '9', '\n', '='] {
                let mut damaged = text.clone();
                damaged.replace_range(cut..=cut, byte.encode_utf8(&mut [0; 4]));
                refused += usize::from(with(place, damaged).is_err());
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

/// Descriptions of devices are looked up among one another, so their number is bounded.
#[test]
fn a_cluster_of_a_thousand_and_one_types_is_refused() {
    let count = 1001;
    let mut files = small();
    let mut text = format!("[NodeNames]\ntotal_compute_nodes={count}\n[SourceNode]\nconnected_nodes=[]\n");
    text.push_str("[SinkNode]\nconnected_nodes=[]\n");
    for index in 0..count {
        write!(text, "[ComputeNode-{index}]\ntype=Frob{index}\nconnected_nodes=[]\n").unwrap();
        let profile = "inbound_nic_speed=1\noutbound_nic_speed=1\ndisk_speed=1\nvram_size=1\n";
        write!(files.machine_profiles, "[Frob{index}]\n{profile}").unwrap();
    }
    files.cluster = text;
    (files.limits, files.solution, files.simulator, files.times) = (None, None, None, Vec::new());
    let error = files.import("llama-2-70b").unwrap_err().to_string();
    assert_eq!(error, "cluster.ini: has more than 1000 machine types, node 1000 has yet another");
}
