//! Bytes that ranks really send in the other ways to execute, against a formula for each: exact, and the same for every
//! length of the context.
//!
//! B tokens, H hidden, `h` = Q / TPA heads of width D, `c` = KVP, N ranks. A reduce-scatter or all-to-all of `n` numbers
//! over `m` ranks sends `n (m - 1) / m` of them, an all-gather `n (m - 1)`, an all-reduce is one after the other.

use std::collections::BTreeMap;

use helix_parallel::{
    Combine, Expansion, FfnReduction, FfnShape, LayerShape, Layout, Options, Scheduling, TokenSplit, Traffic,
    Wire, run_case,
};
use helix_spec::Attention;

use crate::support::{case, grouped, latent, layout, prompts, with_experts};

/// Three requests of two new tokens each.
const REQUESTS: u64 = 3;
const ROWS: u64 = 2;
const TOKENS: u64 = REQUESTS * ROWS;

/// Bytes by operation.
type Sent = BTreeMap<&'static str, u64>;

struct Formula<'a> {
    shape: &'a LayerShape,
    layout: Layout,
    options: &'a Options,
    sent: Sent,
}

impl Formula<'_> {
    fn add(&mut self, operation: &'static str, bytes: u64) {
        *self.sent.entry(operation).or_default() += bytes;
    }

    /// Numbers that do not divide would be rounded here, and counted elsewhere.
    fn share(numbers: u64, ranks: u64) -> u64 {
        assert!(numbers.is_multiple_of(ranks), "{numbers} numbers over {ranks} ranks");
        numbers / ranks * (ranks - 1)
    }

    fn all_reduce(&mut self, numbers: u64, ranks: u64, bytes: u64) {
        self.add("all-reduce", 2 * Self::share(numbers, ranks) * bytes);
    }

    fn wire(&self) -> u64 {
        self.options.wire.bytes()
    }

    fn kv(&self) -> u64 {
        u64::from(self.layout.widths().kv)
    }

    /// Width of a head's partial result.
    fn width(&self) -> u64 {
        let latents = matches!(self.shape.attention, Attention::Latent { .. })
            && self.options.expansion == Expansion::AfterExchange;
        u64::from(if latents { self.shape.cached_value_width() } else { self.shape.value_width() })
    }

    /// Merging the partial results of `heads` heads for `tokens` tokens.
    fn merge(&mut self, tokens: u64, heads: u64) {
        let (kv, wire, statistics) = (self.kv(), self.wire(), self.options.wire.for_statistics().bytes());
        let (items, partials) = (tokens * heads, tokens * heads * self.width());
        match self.options.combine {
            Combine::AllToAll => {
                let bytes = Self::share(partials, kv) * wire + Self::share(2 * items, kv) * statistics;
                self.add("all-to-all", bytes);
            }
            Combine::GatherScatter => {
                self.add("all-gather", 2 * items * (kv - 1) * statistics);
                self.add("reduce-scatter", Self::share(partials, kv) * wire);
            }
            Combine::Tree => {
                // Maxima, numerators, denominators.
                self.all_reduce(items, kv, statistics);
                self.all_reduce(partials, kv, wire);
                self.all_reduce(items, kv, statistics);
            }
        }
    }

    fn replicated(mut self) -> Sent {
        let (widths, ranks) = (self.layout.widths(), u64::from(self.layout.stage_ranks()));
        let heads = u64::from(self.shape.query_heads() / widths.attention_tensor);
        self.merge(TOKENS, heads);
        let hidden = TOKENS * u64::from(self.shape.hidden);
        self.all_reduce(hidden, ranks, self.wire());
        let experts = matches!(self.shape.ffn, FfnShape::Experts(_));
        if experts && self.options.reduction == FfnReduction::ByExpertGroup {
            self.all_reduce(hidden, u64::from(widths.ffn_tensor), self.wire());
            self.add("all-gather", hidden * (u64::from(widths.expert) - 1) * self.wire());
        } else {
            self.all_reduce(hidden, ranks, self.wire());
        }
        self.sent
    }

    /// Every TPA index serves its own requests with all heads; chunks of tokens are as long as the longest. Tokens, to the
    /// experts and to the next layer, travel as f32, whatever the wire.
    fn data_parallel(mut self, rank: u32) -> Sent {
        let requests = usize::try_from(REQUESTS).unwrap();
        let served = |rank| self.options.tokens.served(self.layout, rank, requests).len() as u64 * ROWS;
        let most = (0..self.layout.ranks()).map(served).max().unwrap();
        let (own, kv, ranks) = (served(rank), self.kv(), u64::from(self.layout.stage_ranks()));
        self.merge(own, u64::from(self.shape.query_heads()));
        let chunk = most.div_ceil(kv) * u64::from(self.shape.hidden);
        self.add("reduce-scatter", chunk * (kv - 1) * self.wire());
        if matches!(self.shape.ffn, FfnShape::Experts(_)) {
            self.add("all-gather", chunk * (ranks - 1) * Wire::F32.bytes());
            self.add("reduce-scatter", chunk * (ranks - 1) * self.wire());
        }
        self.add("all-gather", chunk * (kv - 1) * Wire::F32.bytes());
        self.sent
    }
}

fn counted(traffic: &Traffic) -> Sent {
    traffic.iter().map(|(name, count)| (name, count.sent_bytes)).collect()
}

fn without_zeros(sent: Sent) -> Sent {
    sent.into_iter().filter(|(_, bytes)| *bytes > 0).collect()
}

#[test]
fn every_way_sends_what_its_formula_says_at_any_context() {
    let mut compared = 0;
    for shape in [grouped(12, 2, 24), latent(12, 24), with_experts(&latent(12, 24), 12, 12)] {
        let layouts =
            [((2, 3), (6, 1)), ((2, 3), (2, 3)), ((1, 4), (2, 2)), ((1, 4), (4, 1)), ((2, 1), (1, 2))];
        let fitting = layouts.map(|(attention, ffn)| layout(1, attention, ffn)).into_iter();
        for layout in fitting.filter(|layout| shape.fits(*layout).is_ok()) {
            for context in [1, 40, 900] {
                let requests = prompts(&[context, 2 * context, 3]);
                let case = case(vec![shape.clone()], requests, usize::try_from(ROWS).unwrap(), 1);
                let layers = case.weights::<f32>().unwrap();
                for options in ways() {
                    let run =
                        run_case(&case, &layers, layout, &options, Scheduling::OneAfterTheOther).unwrap();
                    for (rank, traffic) in (0..).zip(&run.traffic) {
                        let formula = Formula { shape: &shape, layout, options: &options, sent: Sent::new() };
                        let expected = match options.tokens {
                            TokenSplit::Replicated => formula.replicated(),
                            TokenSplit::DataParallel => formula.data_parallel(rank),
                        };
                        let (counted, expected) = (without_zeros(counted(traffic)), without_zeros(expected));
                        assert_eq!(counted, expected, "{layout:?} {options:?} {context}, rank {rank}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// Every merge, reduction, expansion and split of tokens, in two formats, in one chunk and in two.
fn ways() -> Vec<Options> {
    let mut ways = Vec::new();
    for wire in [Wire::F32, Wire::Bf16] {
        for combine in Combine::ALL {
            for expansion in [Expansion::AfterExchange, Expansion::BeforeExchange] {
                for chunks in [1, 3] {
                    let base = Options { combine, expansion, chunks, ..Options::new(wire) };
                    ways.push(base);
                    ways.push(Options { reduction: FfnReduction::ByExpertGroup, ..base });
                    ways.push(Options { tokens: TokenSplit::DataParallel, ..base });
                }
            }
        }
    }
    ways
}
