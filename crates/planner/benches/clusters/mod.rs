//! The paper's clusters as Helix ships them, the clock, and how long a planner may take.

use std::time::Instant;

use helix_cost::{CostChoice, Costs};
use helix_spec::{Cluster, ModelShape, load_cluster_named};

/// A cluster with its model and declared tables.
pub struct Published {
    /// The cluster.
    pub cluster: Cluster,
    /// LLaMA-2-70B.
    pub model: ModelShape,
    /// Its declared tables.
    pub costs: Costs,
}

/// A preset by its name.
pub fn published(name: &str) -> Published {
    let cluster = load_cluster_named(name).expect("a preset");
    let model = ModelShape::preset("llama-2-70b").expect("a preset");
    let costs = Costs::for_cluster(&cluster, &model, CostChoice::Declared).expect("presets have tables");
    Published { cluster, model, costs }
}

/// The clock of the measurements.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds that each planner may take: the variable `SECONDS_EACH`, else 60.
#[expect(clippy::disallowed_methods, reason = "a benchmark is told its effort by its environment")]
pub fn seconds_each() -> f64 {
    match std::env::var("SECONDS_EACH") {
        Ok(text) => text.parse().expect("SECONDS_EACH is a number of seconds"),
        Err(_) => 60.0,
    }
}
