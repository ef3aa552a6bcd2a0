//! Who chooses the ways of requests.

use helix_scheduler::route::{HopTime, LatencyAware, MaxFlow, RoutePolicy};
use helix_scheduler::{LinkId, Topology};

use super::plan::ClusterPlan;

/// A route policy that a coordinator takes to its thread.
pub(super) type Policy = Box<dyn RoutePolicy + Send>;

/// The choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Routes {
    /// In proportion to the plan's flow, in strict turns.
    MaxFlow,
    /// In proportion to the plan's flow, with turns that vary a little.
    #[default]
    MixedFlow,
    /// The same flow, but while there is flow to spare the way on which a prompt is through first, by the planned times of
    /// machines; links are taken to be fast.
    LatencyAware,
}

impl Routes {
    /// The policy for a topology of a plan.
    pub(super) fn policy(self, plan: &ClusterPlan, topology: &Topology) -> Policy {
        match self {
            Self::MaxFlow => Box::new(MaxFlow::new(topology, 0.0)),
            Self::MixedFlow => Box::new(MaxFlow::mixing(topology)),
            Self::LatencyAware => {
                let times = hop_times(plan, topology);
                Box::new(LatencyAware::new(topology, &times, LatencyAware::WINDOW))
            }
        }
    }
}

fn hop_times(plan: &ClusterPlan, topology: &Topology) -> Vec<HopTime> {
    let time = |(link, _)| {
        let machine = topology.machine_at_end(link);
        let times = machine.and_then(|machine| plan.machines.get(machine.index())?.times);
        let Some((times, layers)) = times.zip(topology.layers_at_end(link)) else {
            return HopTime::default();
        };
        let layers = f64::from(layers.len());
        HopTime {
            run_fixed: layers * times.batch_s,
            run_per_token: layers * times.token_s,
            ..HopTime::default()
        }
    };
    (0..).map(LinkId).zip(topology.links()).map(time).collect()
}
