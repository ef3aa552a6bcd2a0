//! Where there is no layout: what is missing, and what would do.

use helix_cost::layout::{
    Choice, ChooseError, Demand, Formats, Study, choose, devices_needed, longest_context,
};
use helix_spec::NumberFormat;

use crate::exit_codes::{Failure, Kind};
use crate::parallel::numbers::count;

/// The failure with a way out.
pub fn of(study: &Study<'_>, demand: Demand, most: u32, error: &ChooseError) -> Failure {
    let mut message = error.to_string();
    let mut add = |text: String| {
        message.push_str("; ");
        message.push_str(&text);
    };
    match error {
        ChooseError::Memory { nearest, .. } => {
            let memory = study.memory(nearest.config, nearest.batch);
            add(format!(
                "it would hold {:.2} GB of weights and {:.2} GB of cache, a GPU has {} for both",
                memory.weights / 1e9,
                memory.cache / 1e9,
                study.hardware.memory
            ));
            match longest_context(study, nearest.config, nearest.batch) {
                Some(0) | None => add("not even the weights fit beside one token".to_owned()),
                Some(longest) => {
                    add(format!("the longest context that fits on it is {} tokens", count(longest)));
                }
            }
        }
        ChooseError::Latency { .. } | ChooseError::Layout(_) | ChooseError::NoDevice { .. } => {}
    }
    match devices_needed(study, demand, most) {
        Some((devices, choice)) => add(format!("with {devices} GPUs {} would do", choice.config)),
        None if matches!(error, ChooseError::Layout(_)) => {}
        None => add(format!("no more GPUs help, up to {most}")),
    }
    if let Some((name, choice)) = narrower(study, demand) {
        add(format!(
            "with --weights {name} --cache {name}, if the model bears it, {} takes {:.3} ms a token",
            choice.config,
            choice.performance.ttl_s * 1e3
        ));
    }
    Failure::new(Kind::Infeasible, message)
}

/// The widest format, narrower than the weights' and the cache's, in which the same devices meet the demand.
fn narrower(study: &Study<'_>, demand: Demand) -> Option<(&'static str, Choice)> {
    let bits = study.formats.weights.bits().max(study.formats.cache.bits());
    [("fp8", NumberFormat::Fp8), ("fp4", NumberFormat::Fp4)]
        .into_iter()
        .filter(|(_, format)| format.bits() < bits)
        .find_map(|(name, format)| {
            let formats = Formats { weights: format, cache: format };
            let study = Study::new(study.model, study.hardware, formats, study.context);
            Some((name, choose(&study, demand).ok()?))
        })
}
