//! Every layout up to N ranks: models whose sizes fit the layout, contexts from 0 tokens up, several ways to execute.

use helix_parallel::oracle::Form;
use helix_parallel::{
    Case, CaseSpec, Combine, Deviation, Expansion, ExpertShape, FfnReduction, FfnShape, LayerShape,
    LayerWeights, Layout, Options, Packing, Pairing, Real, Request, Rope, Routing, Run, Scheduling,
    TokenSplit, compare, run_case,
};
use helix_spec::{Attention, RankLayout};

use crate::exit_codes::{Failure, Kind};

use super::super::progress::Progress;
use super::report::Row;
use super::{Arguments, Precision};

/// Mixed lengths: nothing cached, one token, less than a block, some blocks.
const CONTEXTS: [u64; 5] = [0, 1, 5, 37, 300];

/// Tokens a block of the ledger; small, so that decode crosses block borders.
const BLOCK: u32 = 8;

/// A model family that is cut to fit each layout.
#[derive(Debug, Clone, Copy)]
struct Model {
    name: &'static str,
    latent: bool,
    experts: bool,
    rows: usize,
}

const MODELS: [Model; 4] = [
    Model { name: "gqa-dense", latent: false, experts: false, rows: 1 },
    Model { name: "gqa-moe-softmax", latent: false, experts: true, rows: 3 },
    Model { name: "mla-dense", latent: true, experts: false, rows: 3 },
    Model { name: "mla-moe-sigmoid", latent: true, experts: true, rows: 1 },
];

impl Model {
    /// The smallest layer of this family that divides over the layout.
    fn shape(self, layout: Layout) -> LayerShape {
        let widths = layout.widths();
        let heads = 2 * layout.stage_ranks();
        let attention = if self.latent {
            Attention::Latent {
                query_heads: heads,
                q_lora_rank: Some(24),
                kv_lora_rank: 20,
                qk_nope_head_dim: 8,
                qk_rope_head_dim: 8,
                v_head_dim: 10,
            }
        } else {
            Attention::Grouped { query_heads: heads, kv_heads: widths.attention_tensor, head_dim: 16 }
        };
        let experts = ExpertShape {
            routed: 8 * widths.expert,
            per_token: 4,
            width: 2 * widths.ffn_tensor,
            shared_width: if self.latent { 6 } else { 0 },
            routing: if self.latent {
                Routing::Sigmoid { groups: 4, kept_groups: 2, scaling: 2.5 }
            } else {
                Routing::Softmax { normalise: true }
            },
        };
        let ffn = if self.experts {
            FfnShape::Experts(experts)
        } else {
            FfnShape::Dense { width: 3 * layout.stage_ranks() }
        };
        let pairing = if self.latent { Pairing::Neighbours } else { Pairing::Halves };
        LayerShape {
            hidden: 48,
            attention,
            rope: Rope { theta: 10_000.0, pairing },
            softmax_factor: 1.0,
            norm_epsilon: 1e-6,
            ffn,
        }
    }
}

/// A name and what it changes.
type Way = (&'static str, fn(&mut Options));

/// Ways to execute that must all give the same.
const WAYS: [Way; 5] = [
    ("all-to-all", |_| ()),
    ("hop-b", |options| options.chunks = 3),
    ("gather-scatter", |options| {
        options.combine = Combine::GatherScatter;
        options.reduction = FfnReduction::ByExpertGroup;
        options.expansion = Expansion::BeforeExchange;
    }),
    ("tree", |options| options.combine = Combine::Tree),
    ("attention-dp", |options| options.tokens = TokenSplit::DataParallel),
];

/// Every layout of up to `ranks` ranks, and those with two pipeline stages.
fn layouts(ranks: u32) -> Vec<Layout> {
    let mut layouts = Vec::new();
    for stage_ranks in 1..=ranks {
        for layout in Layout::all(stage_ranks) {
            layouts.push(layout);
            let staged = Layout::new(RankLayout { pipeline: 2, ..layout.widths() });
            layouts.extend(staged.ok().filter(|staged| staged.ranks() <= ranks));
        }
    }
    layouts
}

/// Checks them all.
pub fn run(arguments: &Arguments, progress: &mut Progress) -> Result<Vec<Row>, Failure> {
    let layouts = layouts(arguments.ranks);
    let mut rows = Vec::new();
    for (done, &layout) in layouts.iter().enumerate() {
        progress
            .show(|| format!("checking layout {} of {} ({} ranks)", done + 1, layouts.len(), layout.ranks()));
        for model in MODELS {
            let fitting = model.shape(layout);
            // A dense feed-forward has no experts to spread.
            if fitting.fits(layout).is_err() {
                continue;
            }
            let spec = CaseSpec {
                layers: vec![fitting; layout.widths().pipeline as usize],
                requests: CONTEXTS.map(Request::new).into_iter().chain([Request::PADDING]).collect(),
                rows: model.rows,
                steps: arguments.steps as usize,
                seed: arguments.seed,
                form: Form::Expanded,
                packing: Packing::Full,
                held_experts: u32::MAX,
            };
            let case = Case::build(spec, |_| ()).map_err(|error| Failure::new(Kind::Other, error))?;
            for &precision in arguments.precisions() {
                rows.push(match precision {
                    Precision::F64 => check::<f64>(arguments, model, &case, (layout, precision)),
                    _ => check::<f32>(arguments, model, &case, (layout, precision)),
                }?);
            }
        }
    }
    Ok(rows)
}

/// One layout in one precision, in every way to execute.
fn check<T: Real>(
    arguments: &Arguments,
    model: Model,
    case: &Case,
    (layout, precision): (Layout, Precision),
) -> Result<Row, Failure> {
    let fail = |error: String| Failure::new(Kind::Other, format!("{} on {layout:?}: {error}", model.name));
    let layers: Vec<LayerWeights<T>> = case.weights().map_err(|error| fail(error.to_string()))?;
    let base = Options { block: BLOCK, ..arguments.options(precision.wire()) };
    let run = |options: &Options, scheduling| {
        run_case(case, &layers, layout, options, scheduling).map_err(|error| fail(error.to_string()))
    };
    let spec = case.spec();
    let mut row = Row::new((model.name, spec.form.name(&spec.layers[0])), layout, precision);
    let mut whole: Option<Run<T>> = None;
    for (way, change) in WAYS {
        let mut options = base;
        change(&mut options);
        let outcome = run(&options, Scheduling::OneAfterTheOther)?;
        let deviation: Deviation = compare(case, &outcome, layout, &options);
        row.add(way, deviation);
        // Chunks of the same computation, and threads instead of turns, must agree to the bit. A planted NaN equals
        // nothing, not even itself.
        let comparable = arguments.plant.is_none();
        match &whole {
            None => {
                if comparable {
                    let threads = run(&options, Scheduling::Concurrent)?;
                    row.bit_identical = Some(threads.outputs == outcome.outputs);
                }
                whole = Some(outcome);
            }
            Some(whole) if way == "hop-b" => {
                row.bit_identical = row.bit_identical.map(|same| same && whole.outputs == outcome.outputs);
            }
            Some(_) => {}
        }
    }
    Ok(row)
}
