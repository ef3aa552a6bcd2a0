//! Every configuration at every batch: the sweep behind the frontier.
//!
//! Source: section 3 of the Helix Parallelism paper: Helix (KVP × TPA, TPF × EP) against tensor parallelism, pipelines,
//! attention by requests with expert parallelism, and Medha, over batch and number of GPUs.

use std::num::NonZeroUsize;

use helix_parallel::Layout;
use helix_spec::{Attention, ModelShape, RankLayout};

use super::config::{Config, Sharing, Strategy};
use super::hopb::Overlap;
use super::step::Performance;
use super::study::Study;

/// A configuration at a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The configuration.
    pub config: Config,
    /// Requests in each of its pipeline stages.
    pub batch: u32,
    /// What it does.
    pub performance: Performance,
}

/// What a sweep found.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Configurations at a batch that were evaluated.
    pub evaluated: usize,
    /// Those that fit in the memory, in the order of enumeration.
    pub points: Vec<Point>,
}

/// Every batch to 256, powers of two to 4096.
#[must_use]
pub fn default_batches() -> Vec<u32> {
    (1..=256).chain([512, 1024, 2048, 4096]).collect()
}

/// Every configuration of at most `devices` devices that the model divides over, in a fixed order.
#[must_use]
pub fn configurations(model: &ModelShape, devices: u32) -> Vec<Config> {
    let latent = matches!(model.attention, Attention::Latent { .. });
    let mut configs = Vec::new();
    for ranks in 1..=devices {
        for layout in Layout::all(ranks) {
            let whole = [
                Some(Config::ranks(layout)),
                requests(layout).filter(|_| ranks > 1),
                // The paper leaves Medha out where the cache is latent: its tensor parallelism only copies it.
                groups(layout).filter(|_| !latent),
            ];
            // Nothing but the number of layers limits the stages.
            for config in whole.into_iter().flatten().filter(|config| config.fits(model).is_ok()) {
                for pipeline in 1..=(devices / ranks).min(model.layers) {
                    let widths = RankLayout { pipeline, ..layout.widths() };
                    configs.extend(Layout::new(widths).ok().map(|layout| Config { layout, ..config }));
                }
            }
        }
    }
    configs
}

/// Attention by requests over the ranks of a layout without KVP.
fn requests(layout: Layout) -> Option<Config> {
    (layout.widths().kv == 1).then_some(Config { layout, sharing: Sharing::Requests })
}

/// Medha's sharing over a layout, one for each TPA × KVP.
fn groups(layout: Layout) -> Option<Config> {
    let widths = layout.widths();
    (widths.kv > 1 && widths.expert == 1).then_some(Config { layout, sharing: Sharing::Groups })
}

/// Evaluates `configs` at `batches` on as many threads; the result does not depend on how many.
///
/// # Panics
/// If a thread panics, which formulas on floats do not.
#[must_use]
pub fn sweep(study: &Study<'_>, configs: &[Config], batches: &[u32], threads: NonZeroUsize) -> Sweep {
    let share = configs.len().div_ceil(threads.get()).max(1);
    let points = std::thread::scope(|scope| {
        let workers: Vec<_> = configs
            .chunks(share)
            .map(|configs| scope.spawn(move || evaluate(study, configs, batches)))
            .collect();
        let parts =
            workers.into_iter().map(|worker| worker.join().expect("evaluating formulas does not panic"));
        parts.flatten().collect()
    });
    Sweep { evaluated: configs.len() * batches.len(), points }
}

fn evaluate(study: &Study<'_>, configs: &[Config], batches: &[u32]) -> Vec<Point> {
    let points = configs.iter().flat_map(|&config| {
        let overlap = match config.strategy() {
            Strategy::Helix => Overlap::PerRequest,
            _ => Overlap::Exposed,
        };
        batches.iter().map(move |&batch| Point {
            config,
            batch,
            performance: study.evaluate(config, batch, overlap),
        })
    });
    points.filter(|point| point.performance.fits).collect()
}
