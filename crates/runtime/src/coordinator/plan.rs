//! The finished placement that a coordinator is handed: who holds what, and what the plan lets flow where.

use helix_scheduler::{Topology, TopologyError, TopologyLink, TopologyMachine, TopologyParts};
use helix_spec::{Endpoint, LayerRange};

/// How long a batch takes on one layer, as planned: `batch_s + tokens × token_s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedTimes {
    /// However few tokens it has \[s\].
    pub batch_s: f64,
    /// For each of its tokens \[s\].
    pub token_s: f64,
}

/// A machine of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedMachine {
    /// The name under which its worker joins.
    pub name: String,
    /// What it holds; `None` for one that the plan leaves out.
    pub layers: Option<LayerRange>,
    /// What the plan expects of it \[tokens/s\].
    pub tokens_per_s: Option<f64>,
    /// How long the plan takes its batches to be; without, its measured speed changes nothing.
    pub times: Option<PlannedTimes>,
    /// Cache blocks that its worker is to make; as many as its memory holds when `None`.
    pub kv_blocks: Option<u32>,
}

/// A placement with its flows.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterPlan {
    /// Layers of the model.
    pub model_layers: u32,
    /// By machine id.
    pub machines: Vec<PlannedMachine>,
    /// Ways from machine to machine. Requests take those with a flow, in proportion to it.
    pub links: Vec<TopologyLink>,
}

impl ClusterPlan {
    /// As the scheduler knows it; `kv_tokens` is the cache of each machine \[tokens × layers\]. Links that no pipeline of
    /// machines that `serves` says yes to passes have no flow: a request never goes where it could not go on.
    pub(super) fn topology(
        &self,
        kv_tokens: &[u64],
        max_context: u32,
        serves: impl Fn(usize) -> bool,
    ) -> Result<Topology, TopologyError> {
        let machines = self.machines.iter().zip(kv_tokens);
        let machines = machines.map(|(machine, &kv_capacity)| TopologyMachine {
            layers: machine.layers,
            kv_capacity,
            max_prompt_tokens: max_context,
        });
        let live = self.live_links(serves);
        let links = self.links.iter().zip(live);
        let links =
            links.map(|(link, live)| TopologyLink { flow: if live { link.flow } else { 0.0 }, ..*link });
        let model_layers = self.model_layers;
        Topology::new(TopologyParts { model_layers, machines: machines.collect(), links: links.collect() })
    }

    /// Whether a whole pipeline leads only through machines that `serves` says yes to.
    pub(super) fn has_pipeline(&self, serves: impl Fn(usize) -> bool) -> bool {
        self.live_links(serves).contains(&true)
    }

    /// By link, whether a whole pipeline of machines that serve passes it.
    fn live_links(&self, serves: impl Fn(usize) -> bool) -> Vec<bool> {
        let ahead = self.reached(&serves, |link| (link.from, link.to));
        let back = self.reached(&serves, |link| (link.to, link.from));
        let on = |reached: &[bool], end| match end {
            Endpoint::Coordinator => true,
            Endpoint::Machine(machine) => reached.get(machine.index()).copied().unwrap_or(false),
        };
        self.links.iter().map(|link| link.flow > 0.0 && on(&ahead, link.from) && on(&back, link.to)).collect()
    }

    /// The serving machines that can be reached from the coordinator, along links or against them.
    fn reached(
        &self,
        serves: impl Fn(usize) -> bool,
        ends: impl Fn(&TopologyLink) -> (Endpoint, Endpoint),
    ) -> Vec<bool> {
        let mut seen = vec![false; self.machines.len()];
        let mut open = vec![Endpoint::Coordinator];
        while let Some(here) = open.pop() {
            for link in self.links.iter().filter(|link| link.flow > 0.0) {
                let (from, to) = ends(link);
                if let Endpoint::Machine(machine) = to
                    && from == here
                    && serves(machine.index())
                    && seen.get(machine.index()) == Some(&false)
                {
                    seen[machine.index()] = true;
                    open.push(to);
                }
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use helix_spec::MachineId;

    /// 0 (layers 0..2) and 1 (0..2) lead to 2 (2..4); 1 also to 3 (2..4).
    fn plan() -> ClusterPlan {
        let machine = |start, end| PlannedMachine {
            name: format!("{start}..{end}"),
            layers: LayerRange::new(start, end),
            tokens_per_s: None,
            times: None,
            kv_blocks: None,
        };
        let at = |index| Endpoint::Machine(MachineId(index));
        let link = |from, to| TopologyLink { from, to, flow: 1.0 };
        let links = vec![
            link(Endpoint::Coordinator, at(0)),
            link(Endpoint::Coordinator, at(1)),
            link(at(0), at(2)),
            link(at(1), at(2)),
            link(at(1), at(3)),
            link(at(2), Endpoint::Coordinator),
            link(at(3), Endpoint::Coordinator),
        ];
        let machines = vec![machine(0, 2), machine(0, 2), machine(2, 4), machine(2, 4)];
        ClusterPlan { model_layers: 4, machines, links }
    }

    #[test]
    fn ways_without_an_end_are_closed() {
        let plan = plan();
        let flows = |lost: &[usize]| {
            let topology = plan.topology(&[9; 4], 9, |index| !lost.contains(&index)).unwrap();
            topology.links().iter().map(|link| link.flow > 0.0).collect::<Vec<_>>()
        };
        assert_eq!(flows(&[]), [true; 7]);
        // Without 2, machine 0 is a dead end: nothing may go there.
        assert_eq!(flows(&[2]), [false, true, false, false, true, false, true]);
        assert_eq!(flows(&[1]), [true, false, true, false, false, true, false]);
        assert!(plan.has_pipeline(|index| index != 2));
        assert!(!plan.has_pipeline(|index| index != 2 && index != 3));
        assert_eq!(flows(&[2, 3]), [false; 7]);
    }
}
