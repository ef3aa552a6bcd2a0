//! The paper's formulation (section 4.4 of the ASPLOS'25 paper), constraint by constraint.
//!
//! | variable | meaning |
//! |---|---|
//! | `start_i` | first layer of machine i |
//! | `hold_i_k` | 1 if machine i holds k layers; so it ends before layer `e_i = start_i + Σ k · hold_i_k` |
//! | `flow_i_j` | tokens/s from i to j |
//! | `switch_i_j` | 1 if requests may go from i to j |
//! | `begun_i_j`, `ahead_i_j` | with partial inference: 1 only if `start_j <= e_i`, 1 only if `e_i < e_j` |
//!
//! | constraint | rows |
//! |---|---|
//! | one number of layers | `Σ_k hold_i_k = 1` |
//! | inside the model | `e_i <= L` |
//! | what goes in comes out | `Σ_u flow_u_i = Σ_v flow_i_v` |
//! | computation | `Σ_u flow_u_i <= Σ_k T_i(k) · hold_i_k` |
//! | a link carries only what it may | `flow_i_j <= M_ij · switch_i_j` |
//! | requests begin at layer 0 | `start_i <= L · (1 - switch_source_i)` |
//! | and end behind layer L - 1 | `L - e_i <= L · (1 - switch_i_sink)` |
//! | without partial inference | `e_i - start_j <= L · (1 - switch_i_j)`, `start_j - e_i <= L · (1 - switch_i_j)` |
//! | with | the two conditions, `switch_i_j <= begun_i_j`, `switch_i_j <= ahead_i_j` |
//!
//! `M_ij` is as small as can be: what the link carries, what either machine computes at most, or an upper bound on
//! everything. With the capacity of a fast link (5e8 tokens/s) a switch of 1e-6, which a solver takes for 0, would let 500
//! tokens/s through where nothing may go.

use super::links::{Link, Node};
use super::program::{Kind, Program, Sense};
use crate::packing::Problem;

/// How large the factor between a flow and its switch is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BigM {
    /// The least of link, machines, and this upper bound on the throughput of every placement \[tokens/s\].
    Tight {
        /// The bound.
        upper: f64,
    },
    /// The link's capacity alone, as published: for tests that show why not.
    Capacity,
}

/// Columns of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkColumns {
    /// The link.
    pub link: Link,
    /// `flow_i_j`.
    pub flow: usize,
    /// `switch_i_j`.
    pub switch: usize,
    /// `begun_i_j` and `ahead_i_j`, between machines with partial inference.
    pub partial: Option<(usize, usize)>,
}

/// Columns of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineColumns {
    /// The machine's index.
    pub machine: usize,
    /// `start_i`.
    pub start: usize,
    /// (layers, `hold_i_k`), ascending.
    pub holds: Vec<(usize, usize)>,
}

/// The program and what its columns mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Formulation {
    /// The program.
    pub program: Program,
    /// Layers of the model.
    pub layers: usize,
    /// Machines that can hold a layer.
    pub machines: Vec<MachineColumns>,
    /// The links, in the order given.
    pub links: Vec<LinkColumns>,
}

/// A capacity that stands for none.
const UNLIMITED: f64 = 1e9;

impl Formulation {
    /// Writes the problem down over these links.
    #[must_use]
    pub fn new(problem: &Problem, links: &[Link], big_m: BigM) -> Self {
        let program = Program::default();
        let mut this = Self { program, layers: problem.layers, machines: Vec::new(), links: Vec::new() };
        for machine in 0..problem.machines.len() {
            this.add_machine(problem, machine);
        }
        for &link in links {
            this.add_link(problem, link, big_m);
        }
        this.add_flow_rows(problem);
        let ends = ends(problem.machines.len(), &this.machines);
        for columns in this.links.clone() {
            this.add_switch_rows(&ends, &columns, problem.partial);
        }
        this
    }

    fn add_machine(&mut self, problem: &Problem, machine: usize) {
        let layers = self.layers;
        let counts: Vec<usize> = (1..=layers).filter(|&k| problem.throughput(machine, k).is_some()).collect();
        let Some(&least) = counts.first() else { return };
        let program = &mut self.program;
        let start = program.column(format!("start_{machine}"), Kind::Integer, (layers - least) as f64, 0.0);
        let holds: Vec<(usize, usize)> = counts
            .into_iter()
            .map(|k| (k, program.column(format!("hold_{machine}_{k}"), Kind::Binary, 1.0, 0.0)))
            .collect();
        let one = holds.iter().map(|&(_, column)| (column, 1.0)).collect();
        program.row(format!("one_{machine}"), one, Sense::Equal, 1.0);
        let columns = MachineColumns { machine, start, holds };
        program.row(format!("inside_{machine}"), columns.end(1.0), Sense::AtMost, layers as f64);
        self.machines.push(columns);
    }

    fn add_link(&mut self, problem: &Problem, link: Link, big_m: BigM) {
        let most = |node: Node| match node {
            Node::Machine(machine) => {
                (1..=self.layers).filter_map(|k| problem.throughput(machine, k)).fold(0.0, f64::max)
            }
            _ => f64::INFINITY,
        };
        let factor = match big_m {
            // A hair more, so that a flow at the limit is not refused for its last digit.
            BigM::Tight { upper } => {
                link.capacity.min(most(link.from)).min(most(link.to)).min(upper * (1.0 + 1e-9))
            }
            BigM::Capacity => link.capacity.min(UNLIMITED),
        };
        let (from, to) = (link.from, link.to);
        let value = if from == Node::Source { 1.0 } else { 0.0 };
        let program = &mut self.program;
        let flow = program.column(format!("flow_{from}_{to}"), Kind::Continuous, factor, value);
        let switch = program.column(format!("switch_{from}_{to}"), Kind::Binary, 1.0, 0.0);
        let between = matches!((from, to), (Node::Machine(_), Node::Machine(_)));
        let partial = (problem.partial && between).then(|| {
            let begun = program.column(format!("begun_{from}_{to}"), Kind::Binary, 1.0, 0.0);
            (begun, program.column(format!("ahead_{from}_{to}"), Kind::Binary, 1.0, 0.0))
        });
        program.row(format!("carries_{from}_{to}"), vec![(flow, 1.0), (switch, -factor)], Sense::AtMost, 0.0);
        self.links.push(LinkColumns { link, flow, switch, partial });
    }

    /// Conservation and computation.
    fn add_flow_rows(&mut self, problem: &Problem) {
        let mut inward = vec![Vec::new(); problem.machines.len()];
        let mut outward = inward.clone();
        for columns in &self.links {
            if let Node::Machine(machine) = columns.link.to {
                inward[machine].push((columns.flow, 1.0));
            }
            if let Node::Machine(machine) = columns.link.from {
                outward[machine].push((columns.flow, -1.0));
            }
        }
        for MachineColumns { machine, holds, .. } in &self.machines {
            let through = [inward[*machine].as_slice(), outward[*machine].as_slice()].concat();
            self.program.row(format!("through_{machine}"), through, Sense::Equal, 0.0);
            let computed = holds.iter().filter_map(|&(k, column)| {
                problem.throughput(*machine, k).map(|throughput| (column, -throughput))
            });
            let terms = inward[*machine].iter().copied().chain(computed).collect();
            self.program.row(format!("computes_{machine}"), terms, Sense::AtMost, 0.0);
        }
    }

    /// What a switch means for the layers at its ends.
    fn add_switch_rows(&mut self, ends: &[Option<MachineColumns>], columns: &LinkColumns, partial: bool) {
        let layers = self.layers as f64;
        let (from, to, switch) = (columns.link.from, columns.link.to, columns.switch);
        let machine = |node: Node| match node {
            Node::Machine(index) => ends[index].as_ref(),
            _ => None,
        };
        let program = &mut self.program;
        let mut row = |name: &str, mut terms: Vec<(usize, f64)>, switch: usize, limit: f64, slack: f64| {
            // `terms <= limit` where the switch is on, `terms <= limit + slack` where it is off.
            terms.push((switch, slack));
            program.row(format!("{name}_{from}_{to}"), terms, Sense::AtMost, limit + slack);
        };
        match (machine(from), machine(to)) {
            (None, Some(first)) => row("begins", vec![(first.start, 1.0)], switch, 0.0, layers - 1.0),
            (Some(last), None) => row("ends", last.end(-1.0), switch, -layers, layers - 1.0),
            (Some(before), Some(after)) => {
                let starts_late = [before.end(-1.0), vec![(after.start, 1.0)]].concat();
                let Some((begun, ahead)) = columns.partial.filter(|_| partial) else {
                    let ends_late = [before.end(1.0), vec![(after.start, -1.0)]].concat();
                    row("meets", ends_late, switch, 0.0, layers);
                    row("follows", starts_late, switch, 0.0, layers - 2.0);
                    return;
                };
                row("begun", starts_late, begun, 0.0, layers - 2.0);
                row("ahead", [before.end(1.0), after.end(-1.0)].concat(), ahead, -1.0, layers);
                for (name, condition) in [("if_begun", begun), ("if_ahead", ahead)] {
                    let terms = vec![(switch, 1.0), (condition, -1.0)];
                    program.row(format!("{name}_{from}_{to}"), terms, Sense::AtMost, 0.0);
                }
            }
            (None, None) => {}
        }
    }
}

impl MachineColumns {
    /// `factor · e_i` as terms.
    fn end(&self, factor: f64) -> Vec<(usize, f64)> {
        let holds = self.holds.iter().map(|&(k, column)| (column, factor * k as f64));
        std::iter::once((self.start, factor)).chain(holds).collect()
    }
}

/// The machines by index.
fn ends(count: usize, machines: &[MachineColumns]) -> Vec<Option<MachineColumns>> {
    let mut ends = vec![None; count];
    for columns in machines {
        ends[columns.machine] = Some(columns.clone());
    }
    ends
}
