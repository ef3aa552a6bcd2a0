//! The best layout of one machine's devices for a context and a latency target.
//!
//! ```text
//! layouts of at most N devices ──> replicas = N / ranks ──> most requests within memory and target ──> rank
//! ```

use std::cmp::Ordering;
use std::num::NonZeroU32;

use helix_parallel::{Layout, LayoutError};
use helix_spec::ModelShape;

use super::config::{Config, Sharing};
use super::hopb::Overlap;
use super::step::Performance;
use super::study::Study;
use super::sweep::configurations;

/// No stage is given more requests at once than this.
const MAX_BATCH: u32 = 1 << 16;

/// Experts are not cut into slices narrower than this where a wider slice is as fast \[columns\].
const SLICE_COLUMNS: u32 = 128;

/// What the devices must do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Devices that there are.
    pub devices: NonZeroU32,
    /// Longest time from one token to the next \[s\].
    pub ttl_s: Option<f64>,
    /// Requests to serve at once. `None`: as many as the target and the memory allow, one without a target.
    pub users: Option<NonZeroU32>,
}

/// A layout, as often as it fits on the devices, with its load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// The layout of one replica.
    pub config: Config,
    /// How many replicas share the requests.
    pub replicas: u32,
    /// Requests in each pipeline stage of one replica.
    pub batch: u32,
    /// What one replica does.
    pub performance: Performance,
    /// Requests that are there to be served: those demanded, else as many as all replicas take.
    pub served: u64,
}

impl Choice {
    /// Requests served at once by all replicas.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.served
    }

    /// Tokens a second of all replicas.
    #[must_use]
    pub fn tokens_per_s(&self) -> f64 {
        self.users() as f64 / self.performance.ttl_s
    }
}

/// The layout that comes nearest to fitting, and what it lacks on every device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shortage {
    /// The layout.
    pub config: Config,
    /// Requests in each of its pipeline stages.
    pub batch: u32,
    /// Memory that its fullest rank lacks \[bytes\].
    pub missing: f64,
}

/// Why there is no layout.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ChooseError {
    /// Weights and cache are larger than the memory in every layout.
    #[error(
        "{context} tokens of context do not fit: the nearest layout ({}) lacks {:.2} GB on every GPU",
        .nearest.config, .nearest.missing / 1e9
    )]
    Memory {
        /// Tokens of context.
        context: u64,
        /// The layout that comes nearest.
        nearest: Shortage,
    },
    /// Every layout that fits is slower than the target.
    #[error(
        "no layout reaches {:.3} ms a token: the fastest ({}) takes {:.3} ms",
        .ttl_s * 1e3, .fastest.config, .fastest.performance.ttl_s * 1e3
    )]
    Latency {
        /// The target \[s\].
        ttl_s: f64,
        /// The fastest choice that fits.
        fastest: Box<Choice>,
    },
    /// A machine without memory beyond its reserve, or with a speed of zero.
    #[error("machine `{machine}` has no memory beyond its reserve, or a speed of zero")]
    NoDevice {
        /// Its name.
        machine: String,
    },
    /// Not even one device can run the model.
    #[error("the model runs on no layout: {0}")]
    Layout(#[from] LayoutError),
}

/// The best choice of what Helix runs.
pub fn choose(study: &Study<'_>, demand: Demand) -> Result<Choice, ChooseError> {
    let choices = rank(study, demand)?;
    Ok(choices[0])
}

/// All choices that Helix runs and that meet the demand, the best first, one for each way to share the attention. Never
/// empty.
///
/// With a number of requests the shortest time to the next token wins, else the most tokens a second.
pub fn rank(study: &Study<'_>, demand: Demand) -> Result<Vec<Choice>, ChooseError> {
    let configs = configurations(study.model, demand.devices.get());
    let ours = configs.into_iter().filter(|config| config.sharing == Sharing::Ranks);
    rank_of(study, demand, ours)
}

/// The best choice among some configurations: Helix's own or baselines.
pub(super) fn rank_of(
    study: &Study<'_>,
    demand: Demand,
    configs: impl IntoIterator<Item = Config>,
) -> Result<Vec<Choice>, ChooseError> {
    let mut choices: Vec<Choice> = Vec::new();
    let mut shortage: Option<Shortage> = None;
    for config in configs {
        match load(study, demand, config) {
            Ok(choice) => keep(study.model, &mut choices, choice),
            Err(missing) => {
                if shortage.is_none_or(|nearest| missing.missing < nearest.missing) {
                    shortage = Some(missing);
                }
            }
        }
    }
    if choices.is_empty() {
        return Err(match shortage {
            Some(nearest) => ChooseError::Memory { context: study.context, nearest },
            None => match Layout::SINGLE.fits(study.model) {
                Err(error) => error.into(),
                Ok(()) => ChooseError::Layout(LayoutError::TooFewGpus { needed: 1, available: 0 }),
            },
        });
    }
    choices.sort_by(|a, b| order(demand, a, b));
    let Some(ttl_s) = demand.ttl_s else { return Ok(choices) };
    let fastest = choices.iter().min_by(|a, b| a.performance.ttl_s.total_cmp(&b.performance.ttl_s)).copied();
    choices.retain(|choice| choice.performance.ttl_s <= ttl_s);
    match (choices.is_empty(), fastest) {
        (true, Some(fastest)) => Err(ChooseError::Latency { ttl_s, fastest: Box::new(fastest) }),
        _ => Ok(choices),
    }
}

/// Keeps the better of two choices that share the attention alike: the split of the experts often changes nothing.
fn keep(model: &ModelShape, choices: &mut Vec<Choice>, new: Choice) {
    let attention = |choice: &Choice| {
        (choice.config.pipeline(), choice.config.tensor(), choice.config.kv(), choice.replicas)
    };
    let Some(old) = choices.iter_mut().find(|old| attention(old) == attention(&new)) else {
        return choices.push(new);
    };
    let (a, b) = (new.performance.ttl_s / f64::from(new.batch), old.performance.ttl_s / f64::from(old.batch));
    let equal = (a / b - 1.0).abs() < 1e-9;
    let better = if equal { slices(model, new.config) > slices(model, old.config) } else { a < b };
    if better {
        *old = new;
    }
}

/// Prefers as many ranks for every expert as leave wide slices: all ranks then read alike whatever the router chooses.
fn slices(model: &ModelShape, config: Config) -> (bool, u32) {
    let Some(experts) = &model.experts else { return (true, 0) };
    let wide = experts.width / config.ffn_tensor() >= SLICE_COLUMNS || config.ffn_tensor() == 1;
    (wide, if wide { config.ffn_tensor() } else { u32::MAX - config.ffn_tensor() })
}

/// A configuration with the load that the demand gives it, or what it lacks. It may miss the target: then its load is
/// the demand's number of requests, or one in each stage.
pub fn load(study: &Study<'_>, demand: Demand, config: Config) -> Result<Choice, Shortage> {
    let replicas = demand.devices.get() / config.devices();
    let at = |batch: u32| {
        let performance = study.evaluate(config, batch, Overlap::BestChunks);
        let takes = performance.users * u64::from(replicas);
        // Whole batches may take more than are demanded.
        let served = match (demand.users, demand.ttl_s) {
            (Some(users), _) => takes.min(u64::from(users.get())),
            (None, None) => takes.min(1),
            (None, Some(_)) => takes,
        };
        Choice { config, replicas, batch, performance, served }
    };
    let first = match demand.users {
        Some(users) => at(users.get().div_ceil(replicas.saturating_mul(config.pipeline()).max(1))),
        None => at(1),
    };
    if !first.performance.fits {
        let missing = first.performance.memory.total() - study.hardware.memory.0 as f64;
        return Err(Shortage { config, batch: first.batch, missing });
    }
    let (None, Some(ttl_s)) = (demand.users, demand.ttl_s) else { return Ok(first) };
    let good = |choice: &Choice| choice.performance.fits && choice.performance.ttl_s <= ttl_s;
    if !good(&first) {
        return Ok(first);
    }
    // Neither memory nor time shrinks with the batch, so that the good batches are the small ones.
    let (mut best, mut beyond) = (first, MAX_BATCH + 1);
    while beyond - best.batch > 1 {
        let middle = at(best.batch + (beyond - best.batch) / 2);
        if good(&middle) {
            best = middle;
        } else {
            beyond = middle.batch;
        }
    }
    Ok(best)
}

/// The better choice first; among equals the one with fewer ranks a replica, then with less KVP and TPA.
fn order(demand: Demand, a: &Choice, b: &Choice) -> Ordering {
    let time = a.performance.ttl_s.total_cmp(&b.performance.ttl_s);
    let measure = match (demand.users, demand.ttl_s) {
        (None, Some(_)) => b.tokens_per_s().total_cmp(&a.tokens_per_s()).then(time),
        _ => time,
    };
    let simple = |choice: &Choice| (choice.config.devices(), choice.config.kv(), choice.config.tensor());
    measure.then(simple(a).cmp(&simple(b)))
}
