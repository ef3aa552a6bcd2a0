//! Networks to measure on, always the same for a size.

/// (from, to, capacity), from node 0 to node 1.
pub type Edges = Vec<(u32, u32, u64)>;

/// The largest capacity that Helix uses: five billion tokens a second in millionths.
const HUGE: u64 = 5_000_000_000_000_000;

impl Shape {
    /// A latency for each edge, up to 100 ms in picoseconds, nearly all different.
    pub fn latencies(&self) -> Vec<u64> {
        let mut dice = Dice(11);
        self.edges.iter().map(|_| dice.below(100_000_000_000)).collect()
    }
}

/// A shape, its number of nodes and its edges.
pub struct Shape {
    pub name: &'static str,
    pub nodes: u32,
    pub edges: Edges,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.name, self.nodes, self.edges.len())
    }
}

/// Every shape.
pub fn all() -> Vec<Shape> {
    let mut shapes = vec![
        shape("dense", 50, complete(50, 1000)),
        shape("dense huge", 50, complete(50, HUGE)),
        shape("placement", 50, placement(24, 6, &mut Dice(5))),
        shape("random", 1000, random(1000, 100_000, 1000)),
        shape("random huge", 1000, random(1000, 100_000, HUGE)),
        shape("thin terminals", 1000, thin(1000, 100_000)),
    ];
    for (machines, stages) in [(499, 4), (499, 10)] {
        let edges = placement(machines, stages, &mut Dice(7));
        shapes.push(shape(if stages == 4 { "placement deep 4" } else { "placement deep 10" }, 1000, edges));
    }
    shapes
}

fn shape(name: &'static str, nodes: u32, edges: Edges) -> Shape {
    Shape { name, nodes, edges }
}

/// The generator `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn node(&mut self, nodes: u32) -> u32 {
        u32::try_from(self.below(nodes.into())).expect("below a 32-bit limit")
    }
}

/// Every node to every other.
fn complete(nodes: u32, largest: u64) -> Edges {
    let mut dice = Dice(1);
    let pairs =
        (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to))).filter(|(from, to)| from != to);
    pairs.map(|(from, to)| (from, to, 1 + dice.below(largest))).collect()
}

/// Edges between random nodes.
fn random(nodes: u32, edges: usize, largest: u64) -> Edges {
    let mut dice = Dice(2);
    let mut drawn = Edges::new();
    while drawn.len() < edges {
        let (from, to) = (dice.node(nodes), dice.node(nodes));
        if from != to {
            drawn.push((from, to, 1 + dice.below(largest)));
        }
    }
    drawn
}

/// Random inside, but source and sink are fat, so that the cut lies in the middle.
fn thin(nodes: u32, edges: usize) -> Edges {
    let mut drawn = random(nodes, edges, HUGE / 1000);
    for edge in &mut drawn {
        if edge.0 < 2 || edge.1 < 2 {
            edge.2 = HUGE;
        }
    }
    drawn
}

/// Machines with an inner edge each, in stages; every machine of a stage sends to every one of the next.
fn placement(machines: u32, stages: u32, dice: &mut Dice) -> Edges {
    let mut edges = Edges::new();
    let (into, out) = (|machine: u32| 2 + 2 * machine, |machine: u32| 3 + 2 * machine);
    for machine in 0..machines {
        edges.push((into(machine), out(machine), 1_000_000_000 * (100 + dice.below(2000))));
        let stage = machine % stages;
        if stage == 0 {
            edges.push((0, into(machine), HUGE));
        }
        if stage + 1 == stages {
            edges.push((out(machine), 1, HUGE));
        }
        for next in (0..machines).filter(|next| stage + 1 < stages && next % stages == stage + 1) {
            edges.push((out(machine), into(next), 1_000_000_000 * (20 + dice.below(100))));
        }
    }
    edges
}
