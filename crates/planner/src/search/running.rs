//! A placement that runs already: what it costs to leave it, and what is worth it.

use helix_spec::Placement;

use crate::Instance;
use crate::change::Change;
use crate::plan::PlanError;

use super::{FrontPoint, Worth};

/// What runs, and what a change must gain.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// The placement.
    pub placement: Placement,
    /// The share by which the best plan must beat a plan that loads less: 0.05 for 5 %.
    pub min_gain: f64,
}

/// One plan that could be changed to.
#[derive(Debug, Clone, PartialEq)]
pub struct TradePoint {
    /// Who made it.
    pub planner: String,
    /// What it is chosen for \[tokens/s\]: maximum flow, or decode tokens in steady operation.
    pub value: f64,
    /// What it takes to get there.
    pub change: Change,
}

/// What could be gained, and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Trade {
    /// The share by which the best plan must beat a plan that loads less.
    pub min_gain: f64,
    /// What the running placement is worth \[tokens/s\]; `None` where it cannot stay.
    pub running: Option<f64>,
    /// The plan that was chosen.
    pub chosen: TradePoint,
    /// Plans that no found plan beats in both value and layers to load, the fewest layers first.
    pub options: Vec<TradePoint>,
}

impl Running {
    /// Fails if the running placement is of another model or cluster.
    pub(super) fn check(&self, instance: &Instance<'_>) -> Result<(), PlanError> {
        let (model, machines) = (instance.model, instance.cluster.machines.len());
        let Placement { model: name, model_layers, .. } = &self.placement;
        if *name != model.name || *model_layers != model.layers {
            return Err(PlanError::Running(format!(
                "it is for {name} with {model_layers} layers, the model is {} with {}",
                model.name, model.layers
            )));
        }
        match self.placement.machines.keys().find(|id| id.index() >= machines) {
            Some(id) => Err(PlanError::Running(format!(
                "it names machine number {}, the cluster has {machines} machines",
                id.0
            ))),
            None => Ok(()),
        }
    }

    /// Of the plans that are within the gain of the best, the one that loads the least; with all that could be had.
    pub(super) fn choose(
        &self,
        instance: &Instance<'_>,
        points: &[FrontPoint],
        by: Worth,
    ) -> Option<(FrontPoint, Trade)> {
        let change =
            |point: &FrontPoint| Change::between(instance.model, &self.placement, &point.plan.placement);
        let worth: Vec<(f64, Change, &FrontPoint)> =
            points.iter().map(|point| (point.value(by), change(point), point)).collect();
        let best = worth.iter().map(|(value, ..)| *value).fold(f64::NEG_INFINITY, f64::max);
        // A hair below, so that the best itself is always among them.
        let enough = if best > 0.0 { best / (1.0 + self.min_gain) * (1.0 - 1e-12) } else { best };
        let good = worth.iter().filter(|(value, ..)| *value >= enough);
        let (value, change, point) = good.min_by(|a, b| {
            a.1.bytes
                .cmp(&b.1.bytes)
                .then(a.1.machines.len().cmp(&b.1.machines.len()))
                .then(b.0.total_cmp(&a.0))
                .then(a.2.plan.evaluation.depth().cmp(&b.2.plan.evaluation.depth()))
        })?;
        let trade_point = |value: f64, change: &Change, point: &FrontPoint| TradePoint {
            planner: point.plan.planner.clone(),
            value,
            change: change.clone(),
        };
        let mut options: Vec<TradePoint> =
            worth.iter().map(|(value, change, point)| trade_point(*value, change, point)).collect();
        options.sort_by(|a, b| a.change.bytes.cmp(&b.change.bytes).then_with(|| b.value.total_cmp(&a.value)));
        let chosen = trade_point(*value, change, point);
        let mut most = f64::NEG_INFINITY;
        options.retain(|point| {
            let better = point.value > most;
            most = most.max(point.value);
            better || *point == chosen
        });
        options.dedup();
        let stays = worth
            .iter()
            .find(|(value, _, point)| value.is_finite() && point.plan.placement == self.placement);
        let trade =
            Trade { min_gain: self.min_gain, running: stays.map(|(value, ..)| *value), chosen, options };
        Some(((*point).clone(), trade))
    }
}
