//! `helix parallel bench layer`: the flags of TensorRT-LLM's `test_helix_deepseek.py`, here on CPU threads.

use helix_parallel::{
    Case, CaseSpec, Combine, FfnShape, LayerShape, LayerWeights, Layout, Ledger, LedgerError, Options,
    Packing, Reads, Request, Wire, shapes,
};
use helix_spec::{Bytes, RankLayout};

use crate::exit_codes::{Failure, Kind};
use crate::output::Output;

use super::super::inputs::without_effect;
use super::super::memory;
use super::super::oracle::OracleForm;
use super::super::progress::Progress;
use super::measure::{Plan, measure};
use super::report::{Line, Report};

/// Decoder layers of the full model, as the original has them for both types.
const MODEL_LAYERS: u32 = 61;

/// Routed experts are held up to this much memory unless asked otherwise.
const EXPERT_BYTES: u64 = 2 << 30;

const EXAMPLES: &str = "Examples:
  helix parallel bench layer --type lite --dense --ctx-len-start 65536 --tp 1 --kvp 2 --compare
  helix parallel bench layer --type v3 --ctx_len_start 65536 --ctx_len_end 262144 --kvp 2 --ep 2 --quant bf16
  helix parallel bench layer --type lite --tp 1 --kvp 4 --check --format json

Ranks are threads of this process. With more ranks than cores the times say nothing about speed and are labelled so.
Weights are random; of V3's 256 experts (45 GB in f32) as many are held as fit into 2 GiB and the others share theirs,
unless --experts-held says otherwise.";

/// The model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Type {
    /// DeepSeek-V3: 128 heads, hidden 7168
    V3,
    /// V3-Lite: 32 heads, hidden 2560
    Lite,
}

/// How weights lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Quant {
    /// 32 bits
    F32,
    /// 16 bits
    Bf16,
    /// 8 bits with a scale for every 32 columns
    Q8,
}

/// How partial attention is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Merge {
    /// All-to-all of partials and statistics
    A2a,
    /// All-gather of statistics, reduce-scatter of weighted partials
    AgRs,
    /// All-reduces
    Tree,
}

/// What to measure and how.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The model
    #[arg(long = "type", value_enum, default_value_t = Type::V3)]
    model: Type,
    /// A dense feed-forward instead of experts
    #[arg(long)]
    dense: bool,
    /// First context \[tokens\]; doubled until the last one
    #[arg(long, alias = "ctx_len_start", default_value_t = 65_536, value_parser = context())]
    ctx_len_start: u64,
    /// Last context, inclusive [default: the first]
    #[arg(long, alias = "ctx_len_end", value_parser = context())]
    ctx_len_end: Option<u64>,
    /// Requests
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// Tensor-parallel width of attention
    #[arg(long, default_value_t = 1, value_parser = width())]
    tp: u32,
    /// Ranks that share the sequence
    #[arg(long, default_value_t = 1, value_parser = width())]
    kvp: u32,
    /// Expert-parallel width; of no effect with --dense
    #[arg(long, default_value_t = 1, value_parser = width())]
    ep: u32,
    /// How weights lie in memory
    #[arg(long, value_enum, default_value_t = Quant::F32)]
    quant: Quant,
    /// Timed steps
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Steps before those
    #[arg(long, alias = "ref_steps", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    warmup: u32,
    /// Times that a step runs the layer
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    layers: u32,
    /// HOP-B: in how many chunks the batch passes attention
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    chunks: u32,
    /// How partial attention is merged
    #[arg(long, value_enum, default_value_t = Merge::A2a)]
    combine: Merge,
    /// Compare the first step with the single-rank oracle in f64: deviations relative to its largest output
    #[arg(long)]
    check: bool,
    /// How the oracle computes latent attention
    #[arg(long, value_enum, requires = "check")]
    oracle: Option<OracleForm>,
    /// Measure one rank as well and print its time divided by that of the layout: 2 is twice as fast
    #[arg(long)]
    compare: bool,
    /// Of the routed experts so many are held, and the others share their weights [default: as fit into 2 GiB]
    #[arg(long, alias = "experts_held", value_parser = clap::value_parser!(u32).range(1..=1024))]
    experts_held: Option<u32>,
}

fn width() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1024)
}

fn context() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=1 << 32)
}

impl Arguments {
    fn shape(&self) -> LayerShape {
        let (experts, dense_width) = match self.model {
            Type::V3 => (shapes::deepseek_v3(), 18_432),
            Type::Lite => (shapes::deepseek_v3_lite(), 12_288),
        };
        if self.dense { shapes::dense(experts, dense_width) } else { experts }
    }

    fn packing(&self) -> Packing {
        match self.quant {
            Quant::F32 => Packing::Full,
            Quant::Bf16 => Packing::Bf16,
            Quant::Q8 => Packing::Q8,
        }
    }

    fn layout(&self, shape: &LayerShape) -> Result<Layout, Failure> {
        let ranks = self.tp * self.kvp;
        let ep = if self.dense { 1 } else { self.ep };
        let indivisible = format!(
            "{ranks} ranks (--tp × --kvp) do not divide by --ep {ep}; set --ep to a divisor of {ranks}"
        );
        if !ranks.is_multiple_of(ep) {
            return Err(Failure::usage(indivisible));
        }
        let widths = RankLayout {
            pipeline: 1,
            attention_tensor: self.tp,
            kv: self.kvp,
            ffn_tensor: ranks / ep,
            expert: ep,
        };
        let layout = Layout::new(widths).map_err(Failure::usage)?;
        shape.fits(layout).map_err(Failure::usage)?;
        Ok(layout)
    }

    /// Refuses flags that would change nothing.
    fn refuse_ineffective(&self, shape: &LayerShape, layout: Layout) -> Result<(), Failure> {
        let single = layout == Layout::SINGLE;
        let why =
            "with a single rank, which would be compared with itself; raise --tp or --kvp, or leave it out";
        without_effect(&[("--compare", self.compare && single)], why)?;
        if self.chunks > self.batch {
            return Err(Failure::usage(format!(
                "--chunks {} is more than --batch {}: a chunk has a request at least; lower --chunks or raise --batch",
                self.chunks, self.batch
            )));
        }
        match (shape.ffn, self.experts_held) {
            (FfnShape::Dense { .. }, Some(_)) => without_effect(
                &[("--experts-held", true)],
                "with --dense, which has no experts; leave out one of the two",
            ),
            (FfnShape::Experts(experts), Some(held)) if held > experts.routed => {
                let routed = experts.routed;
                Err(Failure::usage(format!(
                    "--experts-held {held} is more than the {routed} routed experts of the model; allowed are 1 to {routed}"
                )))
            }
            _ => Ok(()),
        }
    }

    fn contexts(&self) -> Result<Vec<u64>, Failure> {
        let end = self.ctx_len_end.unwrap_or(self.ctx_len_start);
        if end < self.ctx_len_start {
            let start = self.ctx_len_start;
            return Err(Failure::usage(format!("--ctx-len-end {end} is below --ctx-len-start {start}")));
        }
        Ok(std::iter::successors(Some(self.ctx_len_start), |context| Some(context * 2))
            .take_while(|context| *context <= end)
            .collect())
    }

    fn options(&self) -> Options {
        let combine = match self.combine {
            Merge::A2a => Combine::AllToAll,
            Merge::AgRs => Combine::GatherScatter,
            Merge::Tree => Combine::Tree,
        };
        Options { combine, chunks: self.chunks, ..Options::new(Wire::F32) }
    }
}

/// Weights of one routed expert.
fn expert_bytes(shape: &LayerShape, packing: Packing) -> u64 {
    match shape.ffn {
        FfnShape::Dense { .. } => 0,
        FfnShape::Experts(experts) => {
            3 * u64::from(experts.width) * packing.row_bytes(u64::from(shape.hidden), 4)
        }
    }
}

/// Routed experts, and how many of them are held.
fn experts(arguments: &Arguments, shape: &LayerShape) -> Option<(u32, u32)> {
    let FfnShape::Experts(experts) = shape.ffn else { return None };
    let fitting = EXPERT_BYTES / expert_bytes(shape, arguments.packing()).max(1);
    let held = arguments.experts_held.map_or(fitting, u64::from).clamp(1, u64::from(experts.routed));
    Some((experts.routed, u32::try_from(held).unwrap_or(experts.routed)))
}

/// Refuses what this machine cannot hold.
fn require_memory(arguments: &Arguments, shape: &LayerShape, context: u64) -> Result<(), Failure> {
    let (_, held) = experts(arguments, shape).unwrap_or((0, 0));
    let one = Reads::of_layer(shape, Layout::SINGLE, &arguments.options(), (1, 1)).map_err(Failure::usage)?;
    let without_experts = match shape.ffn {
        FfnShape::Dense { .. } => one.weight_bytes(arguments.packing(), 4),
        FfnShape::Experts(_) => {
            let attention = Reads { ffn_weights: 0.0, ..one };
            // The shared expert weighs as much as two routed ones at the most.
            attention.weight_bytes(arguments.packing(), 4)
                + 2.0 * expert_bytes(shape, arguments.packing()) as f64
        }
    };
    let weights = without_experts + f64::from(held) * expert_bytes(shape, arguments.packing()) as f64;
    // The oracle has the weights in f64 again, and logits and weights of every head and token.
    let checked = if arguments.check { (3.0, u64::from(shape.query_heads()) * 16) } else { (1.0, 0) };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size in memory, far below 2^63"
    )]
    let weights = (weights * checked.0) as u64;
    let tokens = u64::from(arguments.batch) * (context + u64::from(arguments.steps * arguments.layers));
    let cache = tokens.checked_mul(shape.cached_per_token() * 4 + checked.1);
    let fits = memory::available().map(|available| {
        let left = available.0.saturating_sub(weights);
        let per_token = shape.cached_per_token() * 4 + checked.1;
        left / per_token / u64::from(arguments.batch)
    });
    let way_out = match fits {
        Some(0) => "lower --experts-held or choose --quant q8 or --type lite".to_owned(),
        Some(tokens) => {
            format!("{tokens} tokens of context fit with this batch, whatever --kvp: ranks share one memory")
        }
        None => "lower --ctx-len-end or --batch".to_owned(),
    };
    let needed = cache.and_then(|cache| cache.checked_add(weights)).map(Bytes);
    memory::require(&format!("a context of {context} tokens"), needed, &way_out)
}

/// Measures every context and writes the report.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let shape = arguments.shape();
    let layout = arguments.layout(&shape)?;
    arguments.refuse_ineffective(&shape, layout)?;
    let contexts = arguments.contexts()?;
    for &context in &contexts {
        require_memory(arguments, &shape, context)?;
    }
    let fail = |error: &dyn std::fmt::Display| Failure::new(Kind::Other, error);
    if arguments.dense && arguments.ep > 1 {
        eprintln!("note: --ep {} has no effect with --dense: there are no experts", arguments.ep);
    }
    let mut progress = Progress::new();
    progress.show(|| "drawing the weights".to_owned());
    let experts = experts(arguments, &shape);
    let held = experts.map_or(1, |(_, held)| held);
    let layers =
        [LayerWeights::<f32>::random_packed(&shape, SEED, arguments.packing(), held)
            .map_err(|e| fail(&e))?];
    let options = arguments.options();
    let mut report = Report::new(layout, MODEL_LAYERS, experts);
    for context in contexts {
        let tokens = u64::from(arguments.batch).saturating_mul(context);
        let form = arguments.oracle.unwrap_or_default().form(&shape, tokens);
        let spec = CaseSpec {
            layers: vec![shape.clone()],
            requests: vec![Request::new(context); arguments.batch as usize],
            rows: 1,
            steps: 1,
            seed: SEED,
            form,
            packing: arguments.packing(),
            held_experts: held,
        };
        let case = if arguments.check {
            progress.show(|| format!("context {context}: the {} oracle computes", form.name(&shape)));
            Some(Case::build(spec.clone(), |_| ()).map_err(|e| fail(&e))?)
        } else {
            None
        };
        let plan = |layout| Plan {
            layers: &layers,
            layout,
            options: &options,
            spec: &spec,
            case: case.as_ref(),
            steps: arguments.steps,
            warmup: arguments.warmup,
            repeats: arguments.layers,
        };
        progress.show(|| format!("context {context}: {} ranks decode", layout.ranks()));
        let measured = measure(&plan(layout)).map_err(|e| fail(&e))?;
        let single = if arguments.compare && layout != Layout::SINGLE {
            progress.show(|| format!("context {context}: one rank decodes"));
            Some(measure(&plan(Layout::SINGLE)).map_err(|e| fail(&e))?)
        } else {
            None
        };
        let reads = Reads::of_layer(&shape, layout, &options, (u64::from(arguments.batch), context))
            .map_err(|e| fail(&e))?;
        let kind = if arguments.dense { "dense" } else { "moe" };
        let longest_part = longest_part(layout, &options, context).map_err(|e| fail(&e))?;
        report.add(Line::new(
            (kind, arguments.batch),
            (context, longest_part),
            (reads, arguments.packing()),
            &measured,
            single.as_ref(),
        ));
    }
    drop(progress);
    report.write(output)?;
    report.verdict()
}

/// Cached tokens of the rank that holds most of a request's context.
fn longest_part(layout: Layout, options: &Options, context: u64) -> Result<u64, LedgerError> {
    let kv = layout.widths().kv;
    let ledger = Ledger::new(options.ownership, options.block, kv)?;
    Ok((0..kv).map(|rank| ledger.local_len(context, context, rank)).max().unwrap_or(context))
}

/// Of weights, contexts and inputs, as in the original.
const SEED: u64 = 42;
