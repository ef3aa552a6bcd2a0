//! Where there is no layout: what is missing, and what would do.

use helix_cost::layout::{ChooseError, Demand, Study, devices_needed, longest_context};

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
    Failure::new(Kind::Infeasible, message)
}
