//! The placements that others would make, as the paper compares them.
//!
//! | planner | rule | source |
//! |---|---|---|
//! | [`petals`] | machines join one after the other, each takes the layers that are worst served | Petals, appendix D |
//! | [`swarm`] | equal stages as long as the weakest machine allows, machines spread over them | SWARM parallelism |
//! | [`homogeneous`] | chains of machines, strongest type first, each as full as it may be | Orca, as the paper adapts it |
//! | [`separate`] | pipelines of machines of one type each; with leftovers mixed: SP+ | the paper, section 6.2 |

mod chains;
mod petals;
mod swarm;

pub use chains::{homogeneous, separate, separate_plus};
pub use petals::petals;
pub use swarm::swarm;

use helix_spec::{Endpoint, LayerRange, MachineId, Placement};

use crate::Instance;

/// Why a baseline has no placement for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// No machine, or not all layers, can be held under the rule.
    #[error("{planner} cannot place the model: {reason}")]
    Impossible {
        /// The baseline.
        planner: &'static str,
        /// What it lacks.
        reason: String,
    },
}

/// Gives a machine `start..start + layers`.
fn assign(instance: &Instance<'_>, placement: &mut Placement, machine: MachineId, start: u32, layers: u32) {
    let devices = instance.cluster.machine(machine).count;
    if let Some(range) = LayerRange::new(start, start + layers) {
        placement.assign(machine, range, devices);
    }
}

/// The links of independent pipelines, in their order.
fn pipeline_links(pipelines: &[Vec<MachineId>]) -> Vec<(Endpoint, Endpoint)> {
    let mut links = Vec::new();
    for pipeline in pipelines {
        let stages = pipeline.iter().map(|&id| Endpoint::Machine(id));
        let path: Vec<Endpoint> =
            std::iter::once(Endpoint::Coordinator).chain(stages).chain([Endpoint::Coordinator]).collect();
        links.extend(path.windows(2).map(|pair| (pair[0], pair[1])));
    }
    links
}
