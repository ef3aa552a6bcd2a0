//! Wrong cluster, cost table and placement files: every message says the line, what was found, and what to do.

use std::fmt::Write as _;
use std::path::Path;

use helix_spec::{Cluster, CostTables, FileError, Placement, Source, load_cluster, load_cluster_named};

const GOOD: &str = r#"version = 1
name = "good"
coordinator = { region = "eu" }
regions = [
  { name = "eu", bandwidth = "10 Gbit/s", latency = "1 ms" },
  { name = "us", bandwidth = "10 Gbit/s", latency = "1 ms" },
]
region_links = [
  { from = "eu", to = "us", bandwidth = "100 Mbit/s", latency = "50 ms" },
]
machine_types.big = { device = "A100", count = 2 }
machines = [
  { name = "a", type = "big", region = "eu" },
  { name = "b", device = "L4", region = "us", replicas = 2 },
]
links = [
  { from = "a", to = "b-1", bandwidth = "1 Gbit/s", latency = "2 ms" },
]
"#;

fn parse(text: &str) -> Result<Cluster, FileError> {
    let read_beside = |file: &str| match file {
        "costs.toml" => Ok((file.to_owned(), COSTS.to_owned())),
        "broken.toml" => Ok((file.to_owned(), "version = 1\nmodle = \"m\"\n".to_owned())),
        _ => Err(FileError::new(file, "cannot be read: No such file or directory (os error 2)")),
    };
    Cluster::parse(&Source { origin: "c.toml", text }, &read_beside)
}

/// One line a case: what was changed in a good text, and the message.
fn messages<T>(
    good: &str,
    cases: &[(&str, &str, &str)],
    parse: impl Fn(&str) -> Result<T, FileError>,
) -> String {
    let mut all = String::new();
    for (what, old, new) in cases {
        assert!(good.contains(old), "{what}: `{old}` is not in the text");
        let error = parse(&good.replacen(old, new, 1)).err();
        let message = error.unwrap_or_else(|| panic!("{what} is not refused")).to_string();
        writeln!(all, "{what}\n    {message}").unwrap();
    }
    all
}

#[test]
fn a_wrong_cluster_is_refused_in_words() {
    parse(GOOD).unwrap();
    let big = r#"{ device = "A100", count = 2 }"#;
    let cases = [
        ("unknown key", "replicas = 2", "replica = 2"),
        ("unknown key at the top", "machine_types.big", "machine_type.big"),
        ("missing key", r#", latency = "2 ms""#, ""),
        ("missing name", "name = \"good\"\n", ""),
        ("wrong unit", "\"1 Gbit/s\"", "\"1 GB/s\""),
        ("no unit", "\"1 Gbit/s\"", "\"1\""),
        ("number without unit", "\"1 Gbit/s\"", "1"),
        ("negative bandwidth", "\"1 Gbit/s\"", "\"-1 Gbit/s\""),
        ("zero bandwidth of a link", "\"1 Gbit/s\"", "\"0 Gbit/s\""),
        ("zero bandwidth between regions", "\"100 Mbit/s\"", "\"0 bit/s\""),
        ("zero bandwidth in a region", "\"10 Gbit/s\"", "\"0 Gbit/s\""),
        ("not a number", "\"1 Gbit/s\"", "nan"),
        ("not a number in quotes", "\"1 Gbit/s\"", "\"NaN Gbit/s\""),
        ("infinity", "\"2 ms\"", "inf"),
        ("infinity in quotes", "\"2 ms\"", "\"inf ms\""),
        ("too large", "\"1 Gbit/s\"", "\"1e40 Gbit/s\""),
        ("unknown device", "\"L4\"", "\"L04\""),
        ("unknown device in a type", "\"A100\"", "\"A1000\""),
        ("unknown type", "\"big\"", "\"bigg\""),
        ("type and device", "type = \"big\"", "type = \"big\", device = \"L4\""),
        ("type and count", "type = \"big\"", "type = \"big\", count = 3"),
        ("neither type nor device", "type = \"big\", ", ""),
        (
            "one label for two things",
            "machine_types.big =",
            "machine_types.L4 = { device = \"T4\" }\nmachine_types.big =",
        ),
        ("count 0", big, r#"{ device = "A100", count = 0 }"#),
        ("negative count", big, r#"{ device = "A100", count = -1 }"#),
        ("huge memory", big, r#"{ device = "A100", count = 4000000000 }"#),
        ("memory 0", big, r#"{ device = "A100", memory = "0 GB" }"#),
        ("nic 0", big, r#"{ device = "A100", nic = "0 Gbit/s" }"#),
        ("nic twice", big, r#"{ device = "A100", nic = "1 Gbit/s", nic_in = "2 Gbit/s" }"#),
        ("disk 0", big, r#"{ device = "A100", disk = "0 B/s" }"#),
        ("replicas 0", "replicas = 2", "replicas = 0"),
        ("absurd replicas", "replicas = 2", "replicas = 4294967295"),
        ("too many machines together", "replicas = 2", "replicas = 100000"),
    ];
    insta::assert_snapshot!(messages(GOOD, &cases, parse));
}

#[test]
fn names_and_links_that_do_not_fit_together_are_refused_in_words() {
    let link = r#"{ from = "a", to = "b-1", bandwidth = "1 Gbit/s", latency = "2 ms" },"#;
    let cases = [
        ("duplicate machine", "name = \"a\"", "name = \"b-2\""),
        ("duplicate region", "name = \"us\"", "name = \"eu\""),
        ("machine called coordinator", "name = \"a\"", "name = \"coordinator\""),
        ("machine without a name", "name = \"a\"", "name = \"\""),
        ("machine with a line break", "name = \"a\"", "name = \"a\\nb\""),
        ("unknown region", "region = \"us\"", "region = \"uss\""),
        ("no region where there are several", ", region = \"us\"", ""),
        ("coordinator without region", "{ region = \"eu\" }", "{}"),
        ("coordinator in an unknown region", "{ region = \"eu\" }", "{ region = \"mars\" }"),
        ("region with half a link", ", latency = \"1 ms\" },\n  { name = \"us\"", " },\n  { name = \"us\""),
        ("link to an unknown machine", "to = \"b-1\"", "to = \"b1\""),
        ("link to a machine like no other", "to = \"b-1\"", "to = \"xyz\""),
        ("self link", "to = \"b-1\"", "to = \"a\""),
        ("self link of a region", "from = \"eu\", to = \"us\"", "from = \"eu\", to = \"eu\""),
        ("link twice", link, &format!("{link}\n  {}", link.replace("\"1 G", "\"3 G"))),
        (
            "link back twice",
            link,
            &format!(
                "{link}\n  {}",
                link.replace("from = \"a\", to = \"b-1\"", "from = \"b-1\", to = \"a\"")
            ),
        ),
        (
            "region cut off",
            "region_links = [\n  { from = \"eu\", to = \"us\", bandwidth = \"100 Mbit/s\", latency = \"50 ms\" },\n]\n",
            "# none\n",
        ),
        ("no way back from a region", "latency = \"50 ms\" }", "latency = \"50 ms\", one_way = true }"),
        ("own device without figures", "machines = [", "devices.Q = { kind = \"cpu\" }\nmachines = ["),
        ("a later version", "version = 1", "version = 2"),
        ("no version", "version = 1\n", ""),
        ("truncated", "latency = \"2 ms\" },\n]\n", "laten"),
        ("wrong type", "replicas = 2", "replicas = \"two\""),
        (
            "missing cost tables",
            "\nlinks = [",
            "\ncost_tables = [{ model = \"m\", file = \"cost.toml\" }]\nlinks = [",
        ),
        (
            "broken cost tables",
            "\nlinks = [",
            "\ncost_tables = [{ model = \"m\", file = \"broken.toml\" }]\nlinks = [",
        ),
        (
            "cost tables for another model",
            "\nlinks = [",
            "\ncost_tables = [{ model = \"m2\", file = \"costs.toml\" }]\nlinks = [",
        ),
        (
            "cost tables twice",
            "\nlinks = [",
            "\ncost_tables = [{ model = \"m\", file = \"costs.toml\" },\n{ model = \"m\", file = \"costs.toml\" }]\nlinks = [",
        ),
    ];
    // In this one the region that is cut off loses the single link as well.
    insta::assert_snapshot!(messages(GOOD, &cases, |text| {
        let alone = text.contains("# none") || text.contains("one_way");
        parse(&if alone { text.replace(link, "") } else { text.to_owned() })
    }));
}

#[test]
fn clusters_without_machines_or_regions_are_refused() {
    let head = "version = 1\nname = \"x\"\n";
    let regions = "regions = [{ name = \"r\" }]\n";
    let machines = "machines = [{ name = \"a\", device = \"L4\" }]\n";
    let refused = |text: String| parse(&text).unwrap_err().to_string();
    insta::assert_debug_snapshot!([
        refused(head.to_owned()),
        refused(format!("{head}{regions}")),
        refused(format!("{head}{regions}{machines}")),
        refused(String::new()),
        refused("  \n \n".to_owned()),
        refused("version = 1\n\0\0".to_owned()),
        refused("[[[[[[".repeat(100_000)),
        refused(
            format!("version = 1\nname = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000))
                .chars()
                .take(90)
                .collect()
        ),
    ]);
}

#[test]
fn what_is_nested_or_named_without_end_is_refused_in_a_short_message() {
    let long = "x".repeat(3_000_000);
    let nested = format!("version = 1\nname = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let key = GOOD.replace("replicas", &long);
    let name = GOOD.replace("\"a\"", &format!("\"{long}\""));
    let device = GOOD.replace("\"L4\"", &format!("\"{long}\""));
    let unit = GOOD.replace("\"2 ms\"", &format!("\"2 {long}\""));
    let number = GOOD.replace("\"2 ms\"", &format!("\"{} ms\"", "9".repeat(3_000_000)));
    let kind = GOOD.replace("replicas = 2", &format!("replicas = \"{long}\""));
    let region = GOOD.replace("region = \"us\"", &format!("region = \"{long}\""));
    for text in [nested, key, name, device, unit, number, kind, region] {
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.len() < 1_000, "{} bytes: {}", message.len(), &message[..200]);
    }
}

#[test]
fn the_largest_cluster_is_read() {
    let text = GOOD.replace("replicas = 2", "replicas = 99999");
    assert_eq!(parse(&text).unwrap().machines.len(), 100_000);
}

#[test]
fn tables_for_a_type_that_no_machine_has_are_allowed() {
    let text =
        GOOD.replace("\nlinks = [", "\ncost_tables = [{ model = \"m\", file = \"costs.toml\" }]\nlinks = [");
    assert!(parse(&text).unwrap().cost_tables_for("m").unwrap().types.contains_key("nobody"));
}

const COSTS: &str = r#"version = 1
model = "m"
layer_bytes = "1 GB"
[types.nobody]
declared = [
  { layers = 1, tokens_per_s = 9.5, kv_capacity = 9, prompt_max_requests = 1, prompt_max_tokens = 1, decode_max_context = 1, decode_max_requests = 1, typical_prompt_requests = 0.5, typical_prompt_tokens = 1, typical_decode_tokens = 1 },
]
prompt = [
  [0, "0 ms"], [250, "2 ms"],
]
"#;

#[test]
fn wrong_cost_tables_are_refused_in_words() {
    let parse = |text: &str| CostTables::parse(&Source { origin: "costs.toml", text });
    parse(COSTS).unwrap();
    let row = &COSTS.lines().nth(5).unwrap();
    let cases = [
        ("unknown key", "tokens_per_s", "tokens_per_second"),
        ("missing key", "kv_capacity = 9, ", ""),
        ("nan", "9.5", "nan"),
        ("infinity", "0.5", "inf"),
        ("negative", "9.5", "-9.5"),
        ("0 layers", "layers = 1", "layers = 0"),
        ("row twice", row, &format!("{row}\n{row}")),
        ("size 0", "\"1 GB\"", "\"0 GB\""),
        ("not ascending", "[250, \"2 ms\"]", "[0, \"2 ms\"]"),
        ("bare time", "\"2 ms\"", "2.0"),
        ("negative time", "\"2 ms\"", "\"-2 ms\""),
        ("empty table", "[0, \"0 ms\"], [250, \"2 ms\"],", ""),
        ("row too long", "[250, \"2 ms\"]", "[250, \"2 ms\", 3]"),
        ("row too short", "[250, \"2 ms\"]", "[250]"),
        ("no model", "\"m\"", "\" \""),
        ("a later version", "version = 1", "version = 7"),
    ];
    insta::assert_snapshot!(messages(COSTS, &cases, parse));
}

const PLACEMENT: &str = r#"version = 1
model = "m"
model_layers = 8
machines = [
  { machine = "a", start = 0, end = 4, layout = { attention_tensor = 2, ffn_tensor = 2 } },
  { machine = "b-1", start = 4, end = 8, kv_capacity = 100 },
]
links = [
  ["coordinator", "a"],
  ["a", "b-1"],
]
"#;

#[test]
fn a_wrong_placement_is_refused_in_words() {
    let cluster = parse(GOOD).unwrap();
    // Without a default inside `us` there is no link between its machines.
    let parse_for =
        |cluster: &Cluster, text: &str| Placement::parse(&Source { origin: "p.toml", text }, cluster);
    let parse = |text: &str| parse_for(&cluster, text);
    parse(PLACEMENT).unwrap();
    let cases = [
        ("unknown machine", "\"b-1\", start", "\"b1\", start"),
        ("machine of another cluster", "\"b-1\", start", "\"gpu007\", start"),
        ("machine twice", "\"b-1\", start", "\"a\", start"),
        ("empty range", "start = 4, end = 8", "start = 4, end = 4"),
        ("range the wrong way round", "start = 4, end = 8", "start = 8, end = 4"),
        ("beyond the model", "end = 8", "end = 9"),
        ("negative", "start = 4", "start = -4"),
        ("no layers", "model_layers = 8", "model_layers = 0"),
        ("layout with too few ranks", "attention_tensor = 2, ffn_tensor = 2", "pipeline = 1"),
        ("layout that does not add up", "ffn_tensor = 2", "ffn_tensor = 3"),
        ("layout of nothing", "ffn_tensor = 2", "ffn_tensor = 0"),
        (
            "layout too large to multiply",
            "attention_tensor = 2, ffn_tensor = 2",
            "attention_tensor = 65536, kv = 65536",
        ),
        ("unknown key", "kv_capacity", "kv_capcity"),
        ("link to itself", "[\"a\", \"b-1\"]", "[\"a\", \"a\"]"),
        ("link twice", "[\"a\", \"b-1\"]", "[\"coordinator\", \"a\"]"),
        ("link to an unknown machine", "[\"a\", \"b-1\"]", "[\"a\", \"b-9\"]"),
        ("link with three ends", "[\"a\", \"b-1\"]", "[\"a\", \"b-1\", \"b-2\"]"),
        ("no model", "\"m\"", "\"\""),
    ];
    let mut all = messages(PLACEMENT, &cases, parse);
    let cut = GOOD.replace("name = \"us\", bandwidth = \"10 Gbit/s\", latency = \"1 ms\"", "name = \"us\"");
    let cut = crate::parse(&cut).unwrap();
    let text = PLACEMENT.replace("[\"a\", \"b-1\"]", "[\"b-1\", \"b-2\"]");
    writeln!(all, "link that does not exist\n    {}", parse_for(&cut, &text).unwrap_err()).unwrap();
    insta::assert_snapshot!(all);
}

#[test]
fn a_cluster_that_is_not_there_offers_the_nearest_preset() {
    let refused = |name: &str| load_cluster_named(name).unwrap_err().to_string();
    insta::assert_debug_snapshot!([refused("singel24"), refused("zzz"), refused("no/such/cluster.toml")]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(load_cluster(folder).unwrap_err().to_string().contains("a file is needed"));
}

#[test]
fn cost_tables_are_read_beside_the_cluster_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/clusters/3cluster24.toml");
    assert_eq!(load_cluster(&path).unwrap(), load_cluster_named("3cluster24").unwrap());
}
