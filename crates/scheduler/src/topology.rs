//! The ways that requests may take: machines with their layers, and directed links with what the plan lets flow on each.

use std::ops::Range;

use helix_spec::{Endpoint, LayerRange, MachineId};
use serde::{Deserialize, Serialize};

use crate::LinkId;

/// A machine as routing sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyMachine {
    /// What it holds; `None` for a machine that holds nothing.
    pub layers: Option<LayerRange>,
    /// Cache \[tokens × layers\].
    pub kv_capacity: u64,
    /// The longest prompt that it takes \[tokens\].
    pub max_prompt_tokens: u32,
}

/// A directed link.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TopologyLink {
    /// Where it begins.
    pub from: Endpoint,
    /// Where it ends.
    pub to: Endpoint,
    /// What the planned flow sends along it \[tokens/s\]; 0 for a link that the plan leaves out.
    pub flow: f64,
}

/// What a topology is made of, as drivers hand it over and logs keep it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TopologyParts {
    /// Layers of the model.
    pub model_layers: u32,
    /// By machine id.
    pub machines: Vec<TopologyMachine>,
    /// In the order in which ties are decided.
    pub links: Vec<TopologyLink>,
}

/// Why there are no ways through it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TopologyError {
    /// A machine that does not exist.
    #[error("link {link} names machine {machine}, but there are only {machines} machines")]
    NoSuchMachine {
        /// Index of the link.
        link: usize,
        /// The machine.
        machine: u32,
        /// How many there are.
        machines: usize,
    },
    /// An end without layers, or layers that do not continue.
    #[error(
        "link {link} leads from layer {from} to a machine with the layers {to}: nothing goes on there; leave the link out"
    )]
    DoesNotContinue {
        /// Index of the link.
        link: usize,
        /// First layer still to be run where the link begins.
        from: u32,
        /// The layers at its end, in words.
        to: String,
    },
    /// Not a rate.
    #[error("link {link} has the flow {flow}, which is not a rate of tokens")]
    BadFlow {
        /// Index of the link.
        link: usize,
        /// The flow.
        flow: f64,
    },
    /// A machine whose layers the model does not have.
    #[error("machine {machine} holds the layers {layers} of a model with {model_layers}")]
    BeyondModel {
        /// The machine.
        machine: usize,
        /// Its layers.
        layers: LayerRange,
        /// Layers of the model.
        model_layers: u32,
    },
}

/// Machines and links with the links sorted by where they begin; see [`TopologyParts`].
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    parts: TopologyParts,
    /// Link ids by where the link begins (0 the coordinator, then the machines), in insertion order.
    outgoing: Vec<LinkId>,
    /// Where each one's part of `outgoing` begins.
    first: Vec<usize>,
    /// By link: the layers that are run at its end; `None` where it ends at the coordinator.
    layers: Vec<Option<LayerRange>>,
}

fn place(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Coordinator => 0,
        Endpoint::Machine(machine) => machine.index() + 1,
    }
}

impl Topology {
    /// Checks and sorts.
    pub fn new(parts: TopologyParts) -> Result<Self, TopologyError> {
        for (machine, held) in parts.machines.iter().enumerate() {
            if let Some(layers) = held.layers.filter(|layers| layers.end() > parts.model_layers) {
                let model_layers = parts.model_layers;
                return Err(TopologyError::BeyondModel { machine, layers, model_layers });
            }
        }
        let mut layers = Vec::with_capacity(parts.links.len());
        let mut first = vec![0; parts.machines.len() + 2];
        for (index, link) in parts.links.iter().enumerate() {
            layers.push(layers_at_end(&parts, index, link)?);
            if !(link.flow.is_finite() && link.flow >= 0.0) {
                return Err(TopologyError::BadFlow { link: index, flow: link.flow });
            }
            first[place(link.from) + 1] += 1;
        }
        for place in 1..first.len() {
            first[place] += first[place - 1];
        }
        let mut next = first.clone();
        let mut outgoing = vec![LinkId(0); parts.links.len()];
        for (index, link) in (0..).zip(&parts.links) {
            let slot = &mut next[place(link.from)];
            outgoing[*slot] = LinkId(index);
            *slot += 1;
        }
        Ok(Self { parts, outgoing, first, layers })
    }

    /// What it was made of.
    #[must_use]
    pub fn parts(&self) -> &TopologyParts {
        &self.parts
    }

    /// Layers of the model.
    #[must_use]
    pub fn model_layers(&self) -> u32 {
        self.parts.model_layers
    }

    /// By machine id.
    #[must_use]
    pub fn machines(&self) -> &[TopologyMachine] {
        &self.parts.machines
    }

    /// By link id.
    #[must_use]
    pub fn links(&self) -> &[TopologyLink] {
        &self.parts.links
    }

    /// The links that begin somewhere, in insertion order; none for a machine that does not exist.
    #[must_use]
    pub fn outgoing(&self, from: Endpoint) -> &[LinkId] {
        let place = place(from);
        let bounds = self.first.get(place).zip(self.first.get(place + 1));
        bounds.map_or(&[], |(&start, &end)| &self.outgoing[Range { start, end }])
    }

    /// The layers that a request runs at the end of a link: from where it was at the beginning of the link to the end of
    /// what the machine holds. `None` where the link ends at the coordinator.
    #[must_use]
    pub fn layers_at_end(&self, link: LinkId) -> Option<LayerRange> {
        self.layers[link.index()]
    }

    /// The machine at the end of a link; `None` for the coordinator.
    #[must_use]
    pub fn machine_at_end(&self, link: LinkId) -> Option<MachineId> {
        match self.parts.links[link.index()].to {
            Endpoint::Coordinator => None,
            Endpoint::Machine(machine) => Some(machine),
        }
    }
}

fn layers_at_end(
    parts: &TopologyParts,
    index: usize,
    link: &TopologyLink,
) -> Result<Option<LayerRange>, TopologyError> {
    let held = |endpoint| match endpoint {
        Endpoint::Coordinator => Ok(None),
        Endpoint::Machine(MachineId(machine)) => {
            let machines = parts.machines.len();
            let found = parts.machines.get(machine as usize);
            found.map(|found| Some(found.layers)).ok_or(TopologyError::NoSuchMachine {
                link: index,
                machine,
                machines,
            })
        }
    };
    let (from, to) = (held(link.from)?, held(link.to)?);
    let words = |layers: Option<LayerRange>| layers.map_or_else(|| "none".to_owned(), |l| l.to_string());
    let wrong = |from, to| Err(TopologyError::DoesNotContinue { link: index, from, to });
    let reached = match from {
        None => 0,
        Some(Some(layers)) => layers.end(),
        Some(None) => return wrong(0, to.map_or_else(|| "none".to_owned(), words)),
    };
    match to {
        None if from.is_some() && reached == parts.model_layers => Ok(None),
        None => wrong(reached, "none: it is the coordinator".to_owned()),
        Some(layers) => match layers {
            Some(held) if held.contains(reached) => Ok(LayerRange::new(reached, held.end())),
            other => wrong(reached, words(other)),
        },
    }
}
