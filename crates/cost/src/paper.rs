//! The paper's recipe for the throughput of a machine type with `k` layers, `T(m, k)`, as its artifact computes it.
//!
//! ```text
//! blocks(m,k), P, D, machines per type ─> typical batch of (m,k) ─> T(m,k)
//!                       ^                                            │  ten times, for the typical layers
//!                       └──── share of the round trip <── pace ──────┘
//! ```
//! 1. Every type has a typical number of layers; if all machines together hold fewer than 1.2 models with it, another.
//! 2. `perf(m)` \[tokens × layers / s\] starts from a guess and is refined ten times: `perf(m) = T(m, typ)·typ`, all from
//!    the previous round.
//! 3. With `τ = 1/perf` and its mean over all typical layers, a request spends the share
//!    `r = k·τ(m) / ((L − k)·mean + k·τ(m))` of its round trip on the machine.
//! 4. `E = int(0.3 · 16 · blocks)` tokens of cache are in use; a batch has `E/990·r` decode requests, rounded, and
//!    `E/990·r/240` prompts, that is `750` times as many prompt tokens, rounded; beyond one prompt: 1, 750, 240.
//! 5. Below one prompt a batch: with `s = 1/prompts`, `T = s·(tokens) / (k·(P(int(prompt tokens·s)) + s·D(decodes)))`;
//!    else `990 / (k·(P(750) + D(240)))`.
//!
//! The rounding is the artifact's: half to even, on its order of operations, so that its tables come out to the digit.
//! They are noisy because of it, and they depend on the whole cluster. Helix's own throughputs do not use this recipe.

use std::collections::BTreeMap;

use helix_spec::{Cluster, CostTables, ModelShape, TimeTable, TokensPerSecond};

use crate::measured::lookup;

/// Tokens of a cache block of the artifact.
const BLOCK: u64 = 16;

/// One machine type as the recipe sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct PaperType {
    /// How many machines of this type the cluster has.
    pub machines: u32,
    /// Layers that such a machine typically holds.
    pub typical_layers: u32,
    /// Guess at tokens × layers a second from which the refinement starts.
    pub first_guess: f64,
    /// Cache blocks of 16 tokens, by layers held.
    pub blocks: BTreeMap<u32, u64>,
    /// Time of one layer by prompt tokens.
    pub prompt: TimeTable,
    /// Time of one layer by decode requests.
    pub decode: TimeTable,
}

/// The typical batch of a machine type with so many layers, and the throughput that the recipe gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TypicalBatch {
    /// Prompts a batch, usually far below 1.
    pub prompt_requests: f64,
    /// Prompt tokens a batch.
    pub prompt_tokens: u32,
    /// Decode requests a batch.
    pub decode_tokens: u32,
    /// Prompt and decode tokens a second through all its layers.
    pub throughput: TokensPerSecond,
}

/// Why the recipe cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// The paper has no typical layers for this model.
    #[error(
        "the paper's recipe knows llama-2-70b and llama-1-30b, not {0}; its typical layers can be given by hand"
    )]
    UnknownModel(String),
    /// The paper has no typical layers for this machine type.
    #[error("the paper's recipe knows the machine types {known}, not {machine_type}")]
    UnknownType {
        /// The type asked for.
        machine_type: String,
        /// Those that it knows.
        known: String,
    },
    /// The cluster's tables lack what the recipe starts from.
    #[error("the paper's recipe needs {what} of {machine_type}, which the cluster's tables do not have")]
    Missing {
        /// The machine type.
        machine_type: String,
        /// What is missing.
        what: &'static str,
    },
    /// A batch that the table does not reach; the artifact stops there, too.
    #[error("the paper's recipe needs the {what} time of {machine_type} at {size}, outside its table")]
    OutsideTable {
        /// The machine type.
        machine_type: String,
        /// `prompt` or `decode`.
        what: &'static str,
        /// Tokens or requests.
        size: u64,
    },
    /// A throughput that is no number: a time of zero, or a cache that holds nothing.
    #[error(
        "the paper's recipe gives {machine_type} with {layers} layers no finite throughput; are its tables right?"
    )]
    NotFinite {
        /// The machine type.
        machine_type: String,
        /// Layers held.
        layers: u32,
    },
}

/// Typical layers where the cluster is large enough, else where it is not, and first guesses, for A100, V100, L4, L4x2,
/// T4, T4x2, T4x4.
type Guesses = ([u32; 7], [u32; 7], [f64; 7]);

const TYPES: [&str; 7] = ["A100", "V100", "L4", "L4x2", "T4", "T4x2", "T4x4"];
const LLAMA_70B: Guesses =
    ([8, 3, 4, 9, 3, 6, 12], [12, 4, 7, 14, 4, 9, 18], [80.0, 40.0, 20.0, 30.0, 12.5, 20.0, 30.0]);
const LLAMA_30B: Guesses =
    ([12, 4, 8, 14, 4, 10, 20], [18, 7, 11, 22, 7, 15, 30], [48.0, 25.0, 9.0, 15.0, 8.0, 15.0, 23.0]);

/// The recipe on one cluster.
///
/// ```
/// use std::collections::BTreeMap;
/// use helix_cost::{PaperRecipe, PaperType};
/// use helix_spec::{SimTime, TimeTable};
/// // 1 ms a prompt token and 1 ms a decode request; one machine that holds the whole model of 4 layers.
/// let table = TimeTable { rows: vec![(0, SimTime::ZERO), (100_000, SimTime::from_seconds(100.0).unwrap())] };
/// let only = PaperType {
///     machines: 1, typical_layers: 4, first_guess: 1.0, blocks: BTreeMap::from([(4, 1_000_000)]),
///     prompt: table.clone(), decode: table,
/// };
/// let recipe = PaperRecipe { model_layers: 4, types: BTreeMap::from([("toy".to_owned(), only)]) };
/// let batch = recipe.throughputs().unwrap()[&("toy".to_owned(), 4)];
/// // A whole request a batch: 990 tokens in 4 layers of 0.99 s.
/// assert_eq!((batch.prompt_tokens, batch.decode_tokens), (750, 240));
/// assert!((batch.throughput.get() - 250.0).abs() < 1e-9);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PaperRecipe {
    /// Layers of the model.
    pub model_layers: u32,
    /// By machine type.
    pub types: BTreeMap<String, PaperType>,
}

impl PaperRecipe {
    /// The recipe for a cluster whose tables have cache capacities and measured times for the model.
    pub fn for_cluster(cluster: &Cluster, model: &ModelShape) -> Result<Self, RecipeError> {
        let (large, small, guesses) = match model.name.as_str() {
            "llama-2-70b" => LLAMA_70B,
            "llama-1-30b" => LLAMA_30B,
            other => return Err(RecipeError::UnknownModel(other.to_owned())),
        };
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for machine in &cluster.machines {
            *counts.entry(machine.machine_type.as_str()).or_default() += 1;
        }
        let place = |machine_type: &str| {
            TYPES.iter().position(|known| *known == machine_type).ok_or_else(|| RecipeError::UnknownType {
                machine_type: machine_type.to_owned(),
                known: TYPES.join(", "),
            })
        };
        let mut held = 0.0;
        for (machine_type, count) in &counts {
            held += f64::from(*count) * f64::from(large[place(machine_type)?]);
        }
        let typical = if held < 1.2 * f64::from(model.layers) { small } else { large };
        let tables = cluster.cost_tables_for(&model.name);
        let mut types = BTreeMap::new();
        for (&name, &machines) in &counts {
            let index = place(name)?;
            let found = collect(name, tables)?;
            let kind =
                PaperType { machines, typical_layers: typical[index], first_guess: guesses[index], ..found };
            types.insert(name.to_owned(), kind);
        }
        Ok(Self { model_layers: model.layers, types })
    }

    /// `T(m, k)` of every machine type and every number of layers whose cache blocks are known.
    pub fn throughputs(&self) -> Result<BTreeMap<(String, u32), TypicalBatch>, RecipeError> {
        let mut perf: BTreeMap<&str, f64> =
            self.types.iter().map(|(name, kind)| (name.as_str(), kind.first_guess)).collect();
        for _ in 0..10 {
            let mut next = BTreeMap::new();
            for (name, kind) in &self.types {
                let batch = self.typical_batch(name, kind.typical_layers, &perf)?;
                next.insert(name.as_str(), batch.throughput.get() * f64::from(kind.typical_layers));
            }
            perf = next;
        }
        let mut all = BTreeMap::new();
        for (name, kind) in &self.types {
            for &layers in kind.blocks.keys() {
                all.insert((name.clone(), layers), self.typical_batch(name, layers, &perf)?);
            }
        }
        Ok(all)
    }

    /// Steps 3 to 5 for one type and number of layers.
    fn typical_batch(
        &self,
        name: &str,
        layers: u32,
        perf: &BTreeMap<&str, f64>,
    ) -> Result<TypicalBatch, RecipeError> {
        let not_finite = || RecipeError::NotFinite { machine_type: name.to_owned(), layers };
        let kind = &self.types[name];
        let blocks = *kind.blocks.get(&layers).ok_or_else(|| RecipeError::Missing {
            machine_type: name.to_owned(),
            what: "the cache capacity with its typical layers",
        })?;
        let k = f64::from(layers);
        let share = {
            let tau = 1.0 / perf[name];
            let elsewhere = f64::from(self.model_layers) - k;
            k * tau / (elsewhere * self.mean_tau(perf) + k * tau)
        };
        let in_use = (0.3 * BLOCK as f64 * blocks as f64).trunc();
        let prompts = in_use / 990.0 * share / 240.0;
        if !(prompts > 0.0 && prompts.is_finite()) {
            return Err(not_finite());
        }
        let (prompts, prompt_tokens, decodes) = if prompts > 1.0 {
            (1.0, 750.0, 240.0)
        } else {
            let tokens = (750.0 * prompts).round_ties_even();
            (prompts, tokens, (in_use / 990.0 * share).round_ties_even())
        };
        let throughput = if prompts < 1.0 {
            let batches = 1.0 / prompts;
            let prefill = at(name, "prompt", &kind.prompt, (prompt_tokens * batches).trunc())?;
            let decode = at(name, "decode", &kind.decode, decodes)?;
            batches * (prompt_tokens + decodes) / (k * (prefill + batches * decode))
        } else {
            990.0
                / (k * (at(name, "prompt", &kind.prompt, 750.0)? + at(name, "decode", &kind.decode, 240.0)?))
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 750, not negative"
        )]
        Ok(TypicalBatch {
            prompt_requests: prompts,
            prompt_tokens: prompt_tokens as u32,
            decode_tokens: decodes as u32,
            throughput: TokensPerSecond::new(throughput).ok_or_else(not_finite)?,
        })
    }

    /// Mean time a token and layer over all typical layers of the cluster.
    fn mean_tau(&self, perf: &BTreeMap<&str, f64>) -> f64 {
        let (mut time, mut layers) = (0.0, 0.0);
        for (name, kind) in &self.types {
            let held = f64::from(kind.machines) * f64::from(kind.typical_layers);
            time += held * (1.0 / perf[name.as_str()]);
            layers += held;
        }
        time / layers
    }
}

/// What the tables say of a type; counts and guesses are filled in by the caller.
fn collect(name: &str, tables: Option<&CostTables>) -> Result<PaperType, RecipeError> {
    let missing = |what| RecipeError::Missing { machine_type: name.to_owned(), what };
    let tables = tables.and_then(|tables| tables.types.get(name)).ok_or_else(|| missing("any table"))?;
    let blocks: BTreeMap<u32, u64> = tables
        .declared
        .iter()
        .filter(|(layers, _)| **layers > 0)
        .map(|(&layers, row)| (layers, row.kv_capacity / (BLOCK * u64::from(layers))))
        .collect();
    if blocks.is_empty() {
        return Err(missing("declared cache capacities"));
    }
    Ok(PaperType {
        machines: 0,
        typical_layers: 0,
        first_guess: 0.0,
        blocks,
        prompt: tables.prompt.clone().ok_or_else(|| missing("measured prompt times"))?,
        decode: tables.decode.clone().ok_or_else(|| missing("measured decode times"))?,
    })
}

fn at(name: &str, what: &'static str, table: &TimeTable, size: f64) -> Result<f64, RecipeError> {
    let found = lookup(table, size);
    if found.extrapolated {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "f64 to u64 saturates")]
        return Err(RecipeError::OutsideTable { machine_type: name.to_owned(), what, size: size as u64 });
    }
    Ok(found.seconds)
}

/// The cluster's tables for a model with every declared throughput replaced by what the recipe gives on this cluster.
///
/// Declared throughputs hold for the cluster that they were computed on; this is how to carry them to another.
pub fn paper_tables(cluster: &Cluster, model: &ModelShape) -> Result<CostTables, RecipeError> {
    let throughputs = PaperRecipe::for_cluster(cluster, model)?.throughputs()?;
    let mut tables = cluster.cost_tables_for(&model.name).cloned().unwrap_or_default();
    for ((name, layers), batch) in throughputs {
        let row = tables.types.get_mut(&name).and_then(|tables| tables.declared.get_mut(&layers));
        if let Some(row) = row {
            row.throughput = batch.throughput;
            row.typical_prompt_requests = batch.prompt_requests;
            row.typical_prompt_tokens = batch.prompt_tokens;
            row.typical_decode_tokens = batch.decode_tokens;
        }
    }
    Ok(tables)
}
