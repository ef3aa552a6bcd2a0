//! The scenarios of TensorRT-LLM's Helix unit tests by name: one decode step after a long context.
//!
//! Upstream compares two ranks in bf16 with a tolerance of 0.1 + 5 % and lets 2 % of the numbers miss it. Here the keys
//! are planted, the tolerance is relative to the output's scale, and no number may miss it.

use std::time::Instant;

use helix_parallel::oracle::Form;
use helix_parallel::{
    Case, CaseSpec, LayerShape, LayerWeights, Layout, Ownership, Packing, Real, Request, Scheduling, compare,
    run_case, shapes,
};
use helix_spec::{Bytes, RankLayout};

use crate::exit_codes::{Failure, Kind};

use super::super::memory;
use super::super::progress::Progress;
use super::report::Row;
use super::{Arguments, Options, Precision};

/// One of upstream's scenarios.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    name: &'static str,
    latent: bool,
    batch: usize,
    context: u64,
}

const fn mla(name: &'static str, batch: usize, context: u64) -> Scenario {
    Scenario { name, latent: true, batch, context }
}

const fn gqa(name: &'static str, batch: usize, context: u64) -> Scenario {
    Scenario { name, latent: false, batch, context }
}

/// Those that upstream selects, and the two extremes of its list.
const SCENARIOS: [Scenario; 18] = [
    mla("mla-1x64", 1, 64),
    mla("mla-1x512", 1, 512),
    mla("mla-1x4096", 1, 4096),
    mla("mla-1x32768", 1, 32_768),
    mla("mla-8x2048", 8, 2048),
    mla("mla-8x16384", 8, 16_384),
    mla("mla-16x4096", 16, 4096),
    mla("mla-16x8192", 16, 8192),
    mla("mla-1x1048576", 1, 1_048_576),
    mla("mla-16x65536", 16, 65_536),
    gqa("gqa-1x64", 1, 64),
    gqa("gqa-1x512", 1, 512),
    gqa("gqa-1x4096", 1, 4096),
    gqa("gqa-1x32768", 1, 32_768),
    gqa("gqa-8x1024", 8, 1024),
    gqa("gqa-8x8192", 8, 8192),
    gqa("gqa-16x1024", 16, 1024),
    gqa("gqa-16x2048", 16, 2048),
];

/// Ranks of a scenario, as upstream has them.
const DEFAULT_KVP: u32 = 2;

/// Beyond this f64 is left out unless asked for.
const MOST_F64_TOKENS: u64 = 1 << 18;

/// Names that `--scenario` takes.
pub fn parser() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(
        SCENARIOS.map(|scenario| scenario.name).into_iter().chain(["all"]),
    )
}

/// The scenarios of these names, in the order of the list.
pub fn named(names: &[String]) -> Vec<Scenario> {
    let wanted = |scenario: &Scenario| names.iter().any(|name| name == scenario.name || name == "all");
    SCENARIOS.into_iter().filter(wanted).collect()
}

impl Scenario {
    fn tokens(self) -> u64 {
        self.batch as u64 * self.context
    }

    /// Upstream's attention with a small feed-forward behind it.
    fn shape(self) -> LayerShape {
        if self.latent {
            shapes::dense(shapes::deepseek_v3_lite(), 2560)
        } else {
            shapes::dense(shapes::grouped_test(), 2048)
        }
    }

    fn form(self, arguments: &Arguments) -> Form {
        arguments.oracle.unwrap_or_default().form(&self.shape(), self.tokens())
    }

    fn precisions(self, arguments: &Arguments) -> &[Precision] {
        if arguments.precision.is_empty() && self.tokens() > MOST_F64_TOKENS {
            &Precision::ALL[1..]
        } else {
            arguments.precisions()
        }
    }

    /// Caches of all ranks, and the oracle's logits and weights.
    fn memory(self, precisions: &[Precision]) -> Option<Bytes> {
        let shape = self.shape();
        let number = if precisions.contains(&Precision::F64) { 8 } else { 4 };
        let oracle = u64::from(shape.query_heads()) * 8 * 2;
        Bytes(shape.cached_per_token() * number + oracle).checked_mul(self.tokens())
    }
}

/// Runs the scenarios, each over all KVP widths that were asked for.
pub fn run(
    arguments: &Arguments,
    scenarios: &[Scenario],
    progress: &mut Progress,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let widths = if arguments.kvp.is_empty() { &[DEFAULT_KVP][..] } else { &arguments.kvp };
    let layouts =
        widths.iter().map(|&kv| Layout::new(RankLayout { kv, ffn_tensor: kv, ..RankLayout::SINGLE }));
    let layouts: Vec<Layout> = layouts.collect::<Result<_, _>>().map_err(Failure::usage)?;
    for &scenario in scenarios {
        for layout in &layouts {
            scenario
                .shape()
                .fits(*layout)
                .map_err(|error| Failure::usage(format!("{}: {error}", scenario.name)))?;
        }
    }
    for &scenario in scenarios {
        let precisions = scenario.precisions(arguments);
        let smaller = "choose a scenario with a smaller batch or context, or `--precision f32`";
        memory::require(&format!("scenario {}", scenario.name), scenario.memory(precisions), smaller)?;
        let form = scenario.form(arguments).name(&scenario.shape());
        progress
            .show(|| format!("{}: the {form} oracle computes {} tokens", scenario.name, scenario.tokens()));
        let spec = CaseSpec {
            layers: vec![scenario.shape()],
            requests: vec![Request::new(scenario.context); scenario.batch],
            rows: 1,
            steps: 1,
            seed: arguments.seed,
            form: scenario.form(arguments),
            packing: Packing::Full,
            held_experts: u32::MAX,
        };
        let case = Case::build(spec, |_| ()).map_err(|error| Failure::new(Kind::Other, error))?;
        for &precision in precisions {
            for &layout in &layouts {
                progress
                    .show(|| format!("{}: {} ranks in {}", scenario.name, layout.ranks(), precision.name()));
                rows.push(match precision {
                    Precision::F64 => check::<f64>(arguments, scenario, &case, (layout, precision)),
                    _ => check::<f32>(arguments, scenario, &case, (layout, precision)),
                }?);
            }
        }
    }
    Ok(rows)
}

fn check<T: Real>(
    arguments: &Arguments,
    scenario: Scenario,
    case: &Case,
    (layout, precision): (Layout, Precision),
) -> Result<Row, Failure> {
    let fail = |error: String| Failure::new(Kind::Other, format!("{}: {error}", scenario.name));
    let layers: Vec<LayerWeights<T>> = case.weights().map_err(|error| fail(error.to_string()))?;
    // As upstream: the context in contiguous halves, the last rank appends.
    let options = Options { ownership: Ownership::ContiguousPrompt, ..arguments.options(precision.wire()) };
    let start = Instant::now();
    let run = run_case(case, &layers, layout, &options, Scheduling::Concurrent)
        .map_err(|error| fail(error.to_string()))?;
    let form = case.spec().form.name(&scenario.shape());
    let mut row = Row::new((scenario.name, form), layout, precision);
    row.seconds = Some(start.elapsed().as_secs_f64());
    row.add("all-to-all", compare(case, &run, layout, &options));
    Ok(row)
}
