//! Every number of `docs/concepts/max-flow.md`, computed again.

use helix_planner::flow::{
    EdgeCost, EdgeId, Flow, FlowNetwork, MaxFlow, NodeId, decompose, min_cost_max_flow, verify_maximum,
    verify_min_cost,
};

const DOCUMENT: &str = include_str!("../../../../docs/concepts/max-flow.md");

/// Millionths of a token a second.
const UNIT: u64 = 1_000_000;

/// The network of the document's table of pipes.
struct Example {
    network: FlowNetwork,
    source: NodeId,
    sink: NodeId,
    /// (from, to, what it is) of each edge.
    names: Vec<[&'static str; 3]>,
    costs: Vec<EdgeCost>,
}

/// `76,284.633223` as millionths.
fn millionths(text: &str) -> u64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u64 = whole.replace(',', "").parse().unwrap();
    whole * UNIT + format!("{fraction:0<6}").parse::<u64>().unwrap()
}

fn shown(amount: u64) -> String {
    let (whole, fraction) = (amount / UNIT, amount % UNIT);
    let digits = whole.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
    if fraction == 0 { groups.join(",") } else { format!("{}.{fraction:06}", groups.join(",")) }
}

/// The cells of the table under this heading.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let mut lines = DOCUMENT.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "no table with the heading {heading}");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

impl Example {
    fn read() -> Self {
        let mut nodes: Vec<&str> = Vec::new();
        let mut number = |name: &'static str| {
            let known = nodes.iter().position(|node| *node == name).unwrap_or_else(|| {
                nodes.push(name);
                nodes.len() - 1
            });
            NodeId(u32::try_from(known).unwrap())
        };
        let (source, sink) = (number("source"), number("sink"));
        let mut example =
            Self { network: FlowNetwork::new(20), source, sink, names: Vec::new(), costs: Vec::new() };
        for row in table("| from | to | what it is | tokens/s | latency |") {
            let (from, to) = (number(row[0]), number(row[1]));
            example.network.add_edge(from, to, millionths(row[3])).unwrap();
            example.names.push([row[0], row[1], row[2]]);
            let latency = row[4].strip_suffix(" ms").unwrap().parse().unwrap();
            example.costs.push(EdgeCost { hops: u32::from(row[2].starts_with("link")), latency });
        }
        assert_eq!(nodes.len(), 20);
        example
    }

    fn edge(&self, from: &str, to: &str) -> EdgeId {
        let position = self.names.iter().position(|name| name[0] == from && name[1] == to).unwrap();
        EdgeId(u32::try_from(position).unwrap())
    }

    fn cheapest(&self) -> helix_planner::flow::MinCostFlow {
        min_cost_max_flow(&self.network, self.source, self.sink, &self.costs).unwrap()
    }

    /// (hops, latency) of a flow: sums over edges of amount times cost.
    fn costs_of(&self, flow: &Flow) -> (u64, u64) {
        let pairs = || flow.amounts.iter().zip(&self.costs);
        (
            pairs().map(|(amount, cost)| amount * u64::from(cost.hops)).sum(),
            pairs().map(|(amount, cost)| amount * cost.latency).sum(),
        )
    }
}

#[test]
fn capacities_follow_from_bandwidths() {
    let mut counted = 0;
    for row in table("| from | to | what it is | tokens/s | latency |") {
        let Some((bandwidth, bytes)) = row[2].split_once(", ").and_then(|(_, rest)| rest.split_once(" / "))
        else {
            assert_eq!(row[2], "computation");
            continue;
        };
        let (figure, unit) = bandwidth.split_once(' ').unwrap();
        let bits = figure.parse::<u64>().unwrap() * if unit == "Gbit/s" { 1_000_000_000 } else { UNIT };
        let bytes: u64 = bytes.strip_suffix(" B").unwrap().replace(',', "").parse().unwrap();
        assert!(bytes == 2 || bytes == 2 * 8192 + 2);
        assert_eq!(millionths(row[3]), bits / 8 * UNIT / bytes, "{row:?}");
        counted += 1;
    }
    assert_eq!(counted, 18);
    assert_eq!(10_000_000_000_u64 / 2 * UNIT, 5_000_000_000_000_000);
}

#[test]
fn the_maximum_flow_and_its_pipelines() {
    let example = Example::read();
    let cheapest = example.cheapest();
    let statement = format!("> **The maximum flow is {} tokens a second.**", shown(cheapest.flow.value));
    assert!(DOCUMENT.contains(&statement), "{statement}");
    verify_min_cost(&example.network, &example.costs, &cheapest).unwrap();
    let machines = |edges: &[EdgeId]| {
        let computing =
            edges.iter().map(|edge| example.names[edge.index()]).filter(|name| name[2] == "computation");
        computing.map(|name| name[0].trim_end_matches(".start")).collect::<Vec<_>>().join(", ")
    };
    let latency =
        |edges: &[EdgeId]| edges.iter().map(|edge| example.costs[edge.index()].latency).sum::<u64>();
    let paths = decompose(&example.network, &cheapest.flow).unwrap();
    let found: Vec<_> = paths
        .iter()
        .map(|path| [machines(&path.edges), shown(path.amount), format!("{} ms", latency(&path.edges))])
        .collect();
    let stated = table("| pipeline | tokens/s | stopped by | latency of its links |");
    assert_eq!(found, stated.iter().map(|row| [row[0], row[1], row[3]]).collect::<Vec<_>>());
    let left = 900 * UNIT - cheapest.flow.on(example.edge("A.start", "A.end"));
    assert!(DOCUMENT.contains(&format!("A still has {} tokens", shown(left))));
}

#[test]
fn the_minimum_cut_and_what_would_raise_it() {
    let example = Example::read();
    let flow = example.network.max_flow(example.source, example.sink).unwrap();
    let cut = flow.min_cut(&example.network).unwrap();
    verify_maximum(&example.network, &flow, &cut).unwrap();
    assert_eq!(cut, flow.min_cut_near_sink(&example.network).unwrap());
    let expected =
        [example.edge("A.out", "E.in"), example.edge("B.out", "E.in"), example.edge("D.start", "D.end")];
    assert_eq!(cut.edges, expected);
    let stated: Vec<u64> = table("| pipe | tokens/s |").iter().map(|row| millionths(row[1])).collect();
    assert_eq!(stated, [700 * UNIT, 152_569_266, 152_569_266, flow.value]);
    assert_eq!(stated[..3].iter().sum::<u64>(), stated[3]);

    let changes = [
        (example.edge("A.start", "A.end"), 2000 * UNIT),
        (example.edge("B.out", "D.in"), 76_284_633_223),
        (example.edge("D.start", "D.end"), 800 * UNIT),
        (example.edge("A.out", "E.in"), 5_000_000 * UNIT / 16_386),
    ];
    let stated = table("| change | new maximum flow |");
    assert_eq!(stated.len(), changes.len());
    for ((edge, capacity), row) in changes.into_iter().zip(stated) {
        let mut solver = MaxFlow::new(&example.network, example.source, example.sink).unwrap();
        solver.solve().unwrap();
        solver.set_capacity(edge, capacity).unwrap();
        assert_eq!(shown(solver.solve().unwrap()), row[1], "{}", row[0]);
    }
}

#[test]
fn another_maximum_flow_is_slower() {
    let example = Example::read();
    let cheapest = example.cheapest();
    let rerouted = 400 * UNIT - 152_569_266;
    assert_eq!(shown(rerouted), "247.430734");
    let mut other = cheapest.flow.clone();
    for [from, to] in
        [["C.out", "A.in"], ["A.in", "A.start"], ["A.start", "A.end"], ["A.end", "A.out"], ["A.out", "D.in"]]
    {
        other.amounts[example.edge(from, to).index()] -= rerouted;
        let instead = example.edge(&from.replace('A', "B"), &to.replace('A', "B"));
        other.amounts[instead.index()] += rerouted;
    }
    verify_maximum(&example.network, &other, &cheapest.flow.min_cut(&example.network).unwrap()).unwrap();
    assert_eq!(shown(other.on(example.edge("A.out", "D.in"))), "452.569266");

    let stated = table("| flow | value | mean latency of links a token |");
    for (flow, row) in [&cheapest.flow, &other].into_iter().zip(stated) {
        let (hops, latency) = example.costs_of(flow);
        assert_eq!(shown(hops), "3,015.415596");
        let thousandths = (latency * 1000 + flow.value / 2) / flow.value;
        assert_eq!(format!("{}.{:03} ms", thousandths / 1000, thousandths % 1000), row[2]);
        assert_eq!(shown(flow.value), row[1]);
    }
    for number in ["247.430734", "452.569266", "3,015.415596"] {
        assert!(DOCUMENT.contains(number));
    }
}

#[test]
fn an_early_choice_is_taken_back() {
    let mut network = FlowNetwork::new(4);
    let [source, a, b, sink] = [0, 1, 2, 3].map(NodeId);
    for (from, to) in [(source, a), (source, b), (a, b), (a, sink), (b, sink)] {
        network.add_edge(from, to, 1).unwrap();
    }
    let blocked = Flow { source, sink, value: 1, amounts: vec![1, 0, 1, 0, 1] };
    let forward_only = |id: EdgeId| blocked.on(id) < network.edges()[id.index()].capacity;
    // What still has room leads from the source to b and from a to the sink, not through.
    let open: Vec<u32> = (0..5).filter(|&id| forward_only(EdgeId(id))).collect();
    assert_eq!(open, [1, 3]);
    assert!(blocked.min_cut(&network).is_err(), "the residual graph still has a way");
    assert_eq!(network.max_flow(source, sink).unwrap().value, 2);
}
