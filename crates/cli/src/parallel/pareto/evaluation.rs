//! What the sweep says of every model: frontiers, headline ratios, losses, the worth of HOP-B.

use std::num::NonZeroUsize;

use helix_cost::layout::{
    Advantage, Formats, Frontier, Hardware, Headline, Overlap, Point, Strategy, Study, Sweep, advantages,
    configurations, default_batches, headline, sweep,
};
use helix_spec::ModelShape;

use crate::exit_codes::{Failure, Kind};

/// Everything that is reported.
pub struct Evaluation {
    /// The hardware.
    pub hardware: Hardware,
    /// How numbers are stored.
    pub formats: Formats,
    /// Tokens of context.
    pub context: u64,
    /// One entry a model.
    pub models: Vec<ModelReport>,
}

/// What is reported of one model.
pub struct ModelReport {
    /// The model.
    pub model: ModelShape,
    /// Configurations at a batch that were evaluated.
    pub evaluated: usize,
    /// Those that fit.
    pub fitting: usize,
    /// The frontier of each strategy that has any, over every batch.
    pub frontiers: Vec<(Strategy, Frontier)>,
    /// Over batches that are powers of two, as the paper's sweep.
    pub powers: Comparison,
    /// Over every batch.
    pub every: Comparison,
    /// The worth of HOP-B along Helix's frontier of powers of two.
    pub hop_b: Vec<HopB>,
    /// The headline at other contexts, where they were asked for.
    pub by_context: Vec<(u64, Headline)>,
}

/// Helix against the best of the baselines.
pub struct Comparison {
    /// Helix.
    pub helix: Frontier,
    /// All baselines together.
    pub baseline: Frontier,
    /// The headline ratios.
    pub headline: Option<Headline>,
    /// Where the baselines are ahead.
    pub losses: Vec<Loss>,
}

/// A range of interactivity in which a baseline has more tokens a second of each GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// From this interactivity, not included \[tokens/s/user\].
    pub from: f64,
    /// Up to this, included.
    pub to: f64,
    /// Helix to baseline where it is worst; 0 where Helix does not reach the interactivity.
    pub worst: f64,
    /// The baseline's point there.
    pub baseline: Point,
}

/// One point of Helix's frontier with and without HOP-B.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HopB {
    /// The point, request by request with the collective's latency paid once.
    pub point: Point,
    /// Tokens a second for each user with nothing overlapped.
    pub off: f64,
    /// The same with the best number of chunks, each paying the latency.
    pub chunked: f64,
    /// That number.
    pub chunks: u32,
}

impl HopB {
    /// What switching HOP-B off loses, as a part of the tokens a second for each user.
    pub fn loss(&self) -> f64 {
        1.0 - self.off / self.point.performance.tokens_per_s_user
    }

    /// What is left of that when every chunk pays its latency.
    pub fn loss_to_chunks(&self) -> f64 {
        1.0 - self.off / self.chunked
    }
}

impl Evaluation {
    /// Nothing yet.
    pub fn new(hardware: &Hardware, formats: Formats, context: u64) -> Self {
        Self { hardware: hardware.clone(), formats, context, models: Vec::new() }
    }

    /// Configurations at a batch that were evaluated, of all models.
    pub fn evaluated(&self) -> usize {
        self.models.iter().map(|report| report.evaluated).sum()
    }

    /// The report of a model, if it was swept.
    pub fn model(&self, name: &str) -> Option<&ModelReport> {
        self.models.iter().find(|report| report.model.name == name)
    }

    /// Sweeps one more model.
    pub fn add(&mut self, model: ModelShape, by_context: bool, threads: NonZeroUsize) -> Result<(), Failure> {
        let configs = configurations(&model, self.hardware.devices);
        let batches = default_batches();
        let study = Study::new(&model, &self.hardware, self.formats, self.context);
        let swept = sweep(&study, &configs, &batches, threads);
        if swept.points.is_empty() {
            let least =
                configs.iter().map(|config| study.memory(*config, 1).total()).fold(f64::INFINITY, f64::min);
            return Err(Failure::new(
                Kind::Infeasible,
                format!(
                    "{} at {} tokens of context fits on no configuration of up to {} GPUs: the leanest needs {:.1} GB \
                     a GPU, there are {}; lower --context or store in fewer bits (--weights, --cache)",
                    model.name,
                    self.context,
                    self.hardware.devices,
                    least / 1e9,
                    self.hardware.memory
                ),
            ));
        }
        let powers = Comparison::of(&swept, |point| point.batch.is_power_of_two());
        let hop_b = powers.helix.points().iter().map(|point| hop_b(&study, *point)).collect();
        let mut other = Vec::new();
        if by_context {
            let powers: Vec<u32> = batches.iter().copied().filter(|batch| batch.is_power_of_two()).collect();
            for context in (12..=22).map(|power| 1 << power) {
                let swept = sweep(&study.at_context(context), &configs, &powers, threads);
                other.extend(Comparison::of(&swept, |_| true).headline.map(|headline| (context, headline)));
            }
        }
        let report = ModelReport {
            evaluated: swept.evaluated,
            fitting: swept.points.len(),
            frontiers: frontiers(&swept),
            powers,
            every: Comparison::of(&swept, |_| true),
            hop_b,
            by_context: other,
            model,
        };
        self.models.push(report);
        Ok(())
    }
}

fn frontiers(swept: &Sweep) -> Vec<(Strategy, Frontier)> {
    let of = |strategy: Strategy| {
        Frontier::of(swept.points.iter().filter(|point| point.config.strategy() == strategy))
    };
    let all = Strategy::ALL.into_iter().map(|strategy| (strategy, of(strategy)));
    all.filter(|(_, frontier)| !frontier.points().is_empty()).collect()
}

impl Comparison {
    fn of(swept: &Sweep, keep: impl Fn(&Point) -> bool) -> Self {
        let is_helix = |point: &&Point| point.config.strategy() == Strategy::Helix;
        let kept = || swept.points.iter().filter(|point| keep(point));
        let helix = Frontier::of(kept().filter(is_helix));
        let baseline = Frontier::of(kept().filter(|point| !is_helix(point)));
        let headline = headline(&helix, &baseline);
        let losses = losses(&helix, &baseline);
        Self { helix, baseline, headline, losses }
    }
}

/// The ranges in which the baselines are ahead, from the most interactive on.
fn losses(helix: &Frontier, baseline: &Frontier) -> Vec<Loss> {
    let mut found: Vec<Loss> = Vec::new();
    let mut open = false;
    let corners = advantages(helix, baseline);
    for (i, corner) in corners.iter().enumerate() {
        let from = corners.get(i + 1).map_or(0.0, |next| next.tokens_per_s_user);
        let to = corner.tokens_per_s_user;
        let (Some(worst), Some(point)) = (lost(corner), baseline.at(to)) else {
            open = false;
            continue;
        };
        match found.last_mut().filter(|_| open) {
            Some(last) => {
                last.from = from;
                if worst < last.worst {
                    (last.worst, last.baseline) = (worst, *point);
                }
            }
            None => found.push(Loss { from, to, worst, baseline: *point }),
        }
        open = true;
    }
    found
}

/// Helix to baseline where Helix is behind.
fn lost(corner: &Advantage) -> Option<f64> {
    let baseline = corner.baseline?;
    let ratio = corner.helix.map_or(0.0, |helix| helix / baseline);
    // A baseline that is ahead by rounding only is not ahead.
    (ratio < 1.0 - 1e-9).then_some(ratio)
}

fn hop_b(study: &Study<'_>, point: Point) -> HopB {
    let rate = |overlap| study.evaluate(point.config, point.batch, overlap).tokens_per_s_user;
    HopB {
        point,
        off: rate(Overlap::Exposed),
        chunked: rate(Overlap::BestChunks),
        chunks: study.best_chunks(point.config, point.batch),
    }
}
