//! The single-rank oracle: one decoder layer in f64 by its textbook formulas, in straight loops.
//!
//! It shares no arithmetic with the sharded execution: its own norm, rotation, softmax and routing, latent attention with
//! every key and value expanded ([`Form::Expanded`]), rows of a verify group one after the other.

use helix_spec::Attention;

use crate::layer::{
    AttentionWeights, ExpertWeights, FfnShape, FfnWeights, GatedWeights, History, LayerShape, LayerWeights,
    Matrix, Pairing, Rope, Routing,
};

/// How latent attention is computed. Other attention has one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `k = W_UK c` and `v = W_UV c` for every token and head.
    Expanded,
    /// `W_UK` goes to the query and `W_UV` to the output: two orders of magnitude less work, for the longest contexts.
    Absorbed,
}

/// Multiplications that expanding keys and values may take unless told: some half a minute of one core.
const MOST_MULTIPLICATIONS: u64 = 1 << 37;

/// Tokens that are expanded side by side, so that every weight is read once for all of them.
const SIDE_BY_SIDE: usize = 8;

impl Form {
    /// The expanded form where that is at most half a minute of work for so many tokens, else the absorbed one.
    #[must_use]
    pub fn affordable(shape: &LayerShape, tokens: u64) -> Self {
        let of_token = match shape.attention {
            Attention::Grouped { .. } => 0,
            Attention::Latent { query_heads, kv_lora_rank, qk_nope_head_dim, v_head_dim, .. } => {
                let expanded = u64::from(qk_nope_head_dim) + u64::from(v_head_dim);
                u64::from(query_heads) * u64::from(kv_lora_rank) * expanded
            }
        };
        let within = of_token.checked_mul(tokens).is_some_and(|all| all <= MOST_MULTIPLICATIONS);
        if within { Self::Expanded } else { Self::Absorbed }
    }

    /// Its name in reports; attention that is not latent has the one form, `plain`.
    #[must_use]
    pub fn name(self, shape: &LayerShape) -> &'static str {
        match (&shape.attention, self) {
            (Attention::Grouped { .. }, _) => "plain",
            (Attention::Latent { .. }, Self::Expanded) => "expanded",
            (Attention::Latent { .. }, Self::Absorbed) => "absorbed",
        }
    }
}

/// Tokens of one request in one layer.
pub struct Tokens<'a> {
    /// Unrotated keys and values of the first tokens, as [`History`] gives them.
    pub history: &'a History<'a>,
    /// Which request to ask it for.
    pub request: usize,
    /// How many tokens it has.
    pub context: u64,
    /// The tokens after those: unrotated key, value.
    pub appended: &'a [(Vec<f64>, Vec<f64>)],
}

impl Tokens<'_> {
    fn for_each(&self, shape: &LayerShape, mut visit: impl FnMut(u64, &[f64], &[f64])) {
        let (key_numbers, value_numbers) = token_numbers(shape);
        let (mut key, mut value) = (vec![0.0; key_numbers], vec![0.0; value_numbers]);
        for position in 0..self.context {
            (self.history)(self.request, position, &mut key, &mut value);
            visit(position, &key, &value);
        }
        for ((key, value), position) in self.appended.iter().zip(self.context..) {
            visit(position, key, value);
        }
    }

    /// Positions and keys, some tokens at a time.
    fn for_each_block(&self, shape: &LayerShape, mut visit: impl FnMut(&[(u64, Vec<f64>)])) {
        let mut block = Vec::with_capacity(SIDE_BY_SIDE);
        self.for_each(shape, |position, key, _| {
            block.push((position, key.to_vec()));
            if block.len() == SIDE_BY_SIDE {
                visit(&block);
                block.clear();
            }
        });
        if !block.is_empty() {
            visit(&block);
        }
    }
}

/// Numbers of a token's unrotated keys and of its values, all KV heads together.
#[must_use]
pub fn token_numbers(shape: &LayerShape) -> (usize, usize) {
    let heads = shape.kv_heads() as usize;
    let values = match shape.attention {
        Attention::Grouped { .. } => heads * shape.cached_value_width() as usize,
        Attention::Latent { .. } => 0,
    };
    (heads * shape.key_width() as usize, values)
}

/// What a layer makes of one token.
pub struct Output {
    /// The hidden state after the layer.
    pub hidden: Vec<f64>,
    /// By how much the nearest expert or group that was not chosen lost, in sigmoid scores; infinite without experts.
    pub routing_margin: f64,
}

/// The unrotated key and the value that a token leaves in the cache.
#[must_use]
pub fn cache_entry(layer: &LayerWeights<f64>, input: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let hidden = norm(&layer.attention_norm, layer.shape.norm_epsilon, input);
    match &layer.attention {
        AttentionWeights::Grouped { key, value, .. } => (product(key, &hidden), product(value, &hidden)),
        AttentionWeights::Latent { latent_down, latent_norm, .. } => {
            let mut entry = product(latent_down, &hidden);
            let latent = norm(latent_norm, layer.shape.norm_epsilon, &entry[..latent_norm.len()]);
            entry[..latent_norm.len()].copy_from_slice(&latent);
            (entry, Vec::new())
        }
    }
}

/// The queries of all heads against cached keys, `key_width` numbers each, rotated; latent ones absorbed.
#[must_use]
pub fn queries(layer: &LayerWeights<f64>, input: &[f64], position: u64) -> Vec<f64> {
    let shape = &layer.shape;
    let mut result = Vec::new();
    for (nope, rope) in split_queries(layer, input, position) {
        match &layer.attention {
            AttentionWeights::Latent { key_up, .. } => {
                let head = result.len() / shape.key_width() as usize;
                let (columns, mut scratch) = (0..key_up.columns, Vec::new());
                let mut absorbed = vec![0.0; key_up.columns];
                for (i, q) in nope.iter().enumerate() {
                    let row = key_up.row(head * nope.len() + i, &columns, &mut scratch);
                    absorbed.iter_mut().zip(row).for_each(|(sum, weight)| *sum += q * weight);
                }
                result.extend(absorbed);
            }
            AttentionWeights::Grouped { .. } => result.extend(nope),
        }
        result.extend(rope);
    }
    result
}

/// One token through the layer. Its own cache entry must be the last of `tokens`.
#[must_use]
pub fn decode(layer: &LayerWeights<f64>, form: Form, tokens: &Tokens<'_>, input: &[f64]) -> Output {
    let position = tokens.context + tokens.appended.len() as u64 - 1;
    let heads = match (&layer.attention, form) {
        (AttentionWeights::Grouped { .. }, _) => grouped(layer, tokens, input, position),
        (AttentionWeights::Latent { .. }, Form::Expanded) => latent_expanded(layer, tokens, input, position),
        (AttentionWeights::Latent { .. }, Form::Absorbed) => latent_absorbed(layer, tokens, input, position),
    };
    finish(layer, input, &heads)
}

/// The layer for a slot of the batch without a request: attention gives 0.
#[must_use]
pub fn decode_padding(layer: &LayerWeights<f64>, input: &[f64]) -> Output {
    let heads = vec![0.0; layer.output.columns];
    finish(layer, input, &heads)
}

/// From the heads' outputs to the layer's.
fn finish(layer: &LayerWeights<f64>, input: &[f64], heads: &[f64]) -> Output {
    let attention = product(&layer.output, heads);
    let middle: Vec<f64> = input.iter().zip(&attention).map(|(x, a)| x + a).collect();
    let normed = norm(&layer.ffn_norm, layer.shape.norm_epsilon, &middle);
    let (ffn, routing_margin) = match (&layer.ffn, layer.shape.ffn) {
        (FfnWeights::Experts(experts), FfnShape::Experts(shape)) => {
            mixture(experts, shape.routing, shape.per_token, &normed)
        }
        (FfnWeights::Dense(dense), _) => (gated(dense, &normed), f64::INFINITY),
        (FfnWeights::Experts(_), FfnShape::Dense { .. }) => unreachable!("weights are drawn for their shape"),
    };
    Output { hidden: middle.iter().zip(&ffn).map(|(x, f)| x + f).collect(), routing_margin }
}

/// Each head's query: the part without position and the rotated part.
fn split_queries(layer: &LayerWeights<f64>, input: &[f64], position: u64) -> Vec<(Vec<f64>, Vec<f64>)> {
    let shape = &layer.shape;
    let hidden = norm(&layer.attention_norm, shape.norm_epsilon, input);
    let all = match &layer.attention {
        AttentionWeights::Grouped { query, .. } => product(query, &hidden),
        AttentionWeights::Latent { query_down: Some((down, weights)), query_up, .. } => {
            product(query_up, &norm(weights, shape.norm_epsilon, &product(down, &hidden)))
        }
        AttentionWeights::Latent { query_down: None, query_up, .. } => product(query_up, &hidden),
    };
    let width = all.len() / shape.query_heads() as usize;
    let nope = width - shape.rope_width() as usize;
    all.chunks(width)
        .map(|head| (head[..nope].to_vec(), turned(shape.rope, position, &head[nope..])))
        .collect()
}

fn grouped(layer: &LayerWeights<f64>, tokens: &Tokens<'_>, input: &[f64], position: u64) -> Vec<f64> {
    let shape = &layer.shape;
    let width = shape.key_width() as usize;
    let group = (shape.query_heads() / shape.kv_heads()) as usize;
    let queries = split_queries(layer, input, position);
    let mut logits = vec![Vec::new(); queries.len()];
    tokens.for_each(shape, |position, key, _| {
        for (kv, key) in key.chunks(width).enumerate() {
            let key = turned(shape.rope, position, key);
            for head in kv * group..(kv + 1) * group {
                logits[head].push(inner(&queries[head].1, &key) * shape.softmax_scale());
            }
        }
    });
    let weights: Vec<Vec<f64>> = logits.iter().map(|logits| softmax(logits)).collect();
    let mut outputs = vec![0.0; queries.len() * width];
    let mut at = 0;
    tokens.for_each(shape, |_, _, value| {
        for (head, output) in outputs.chunks_mut(width).enumerate() {
            let value = &value[head / group * width..][..width];
            output.iter_mut().zip(value).for_each(|(o, v)| *o += weights[head][at] * v);
        }
        at += 1;
    });
    outputs
}

/// Keys and values of every token and head as they were before anybody absorbed anything.
fn latent_expanded(layer: &LayerWeights<f64>, tokens: &Tokens<'_>, input: &[f64], position: u64) -> Vec<f64> {
    let AttentionWeights::Latent { key_up, value_up, .. } = &layer.attention else {
        unreachable!("only called for latent attention")
    };
    let shape = &layer.shape;
    let latent = key_up.columns;
    let queries = split_queries(layer, input, position);
    let (nope, value_width) = (key_up.rows / queries.len(), value_up.rows / queries.len());
    let mut logits = vec![Vec::new(); queries.len()];
    tokens.for_each_block(shape, |block| {
        let keys = products(key_up, block, latent);
        for (at, (position, key)) in block.iter().enumerate() {
            let shared = turned(shape.rope, *position, &key[latent..]);
            for (head, (query, rotated)) in queries.iter().enumerate() {
                let own = keys[head * nope..][..nope].iter().zip(query);
                let logit = own.map(|(keys, q)| q * keys[at]).sum::<f64>() + inner(rotated, &shared);
                logits[head].push(logit * shape.softmax_scale());
            }
        }
    });
    let weights: Vec<Vec<f64>> = logits.iter().map(|logits| softmax(logits)).collect();
    let mut outputs = vec![0.0; value_up.rows];
    let mut done = 0;
    tokens.for_each_block(shape, |block| {
        let values = products(value_up, block, latent);
        for (index, (output, values)) in outputs.iter_mut().zip(&values).enumerate() {
            let weights = &weights[index / value_width][done..];
            weights.iter().zip(&values[..block.len()]).for_each(|(weight, value)| *output += weight * value);
        }
        done += block.len();
    });
    outputs
}

fn latent_absorbed(layer: &LayerWeights<f64>, tokens: &Tokens<'_>, input: &[f64], position: u64) -> Vec<f64> {
    let AttentionWeights::Latent { value_up, .. } = &layer.attention else {
        unreachable!("only called for latent attention")
    };
    let shape = &layer.shape;
    let (width, latent) = (shape.key_width() as usize, value_up.columns);
    let queries = queries(layer, input, position);
    let heads = queries.len() / width;
    let mut logits = vec![Vec::new(); heads];
    tokens.for_each(shape, |position, key, _| {
        let shared = turned(shape.rope, position, &key[latent..]);
        for (query, logits) in queries.chunks(width).zip(&mut logits) {
            let logit = inner(&query[..latent], &key[..latent]) + inner(&query[latent..], &shared);
            logits.push(logit * shape.softmax_scale());
        }
    });
    let weights: Vec<Vec<f64>> = logits.iter().map(|logits| softmax(logits)).collect();
    let mut latents = vec![0.0; heads * latent];
    let mut at = 0;
    tokens.for_each(shape, |_, key, _| {
        for (output, weights) in latents.chunks_mut(latent).zip(&weights) {
            output.iter_mut().zip(&key[..latent]).for_each(|(o, v)| *o += weights[at] * v);
        }
        at += 1;
    });
    let value_width = value_up.rows / heads;
    let mut scratch = Vec::new();
    (0..value_up.rows)
        .map(|row| {
            let weights = value_up.row(row, &(0..latent), &mut scratch);
            inner(weights, &latents[row / value_width * latent..][..latent])
        })
        .collect()
}

/// A mixture of experts, and by how much the runner-up lost.
fn mixture(
    weights: &ExpertWeights<f64>,
    routing: Routing,
    per_token: u32,
    hidden: &[f64],
) -> (Vec<f64>, f64) {
    let logits = product(&weights.router, hidden);
    let mut margin = f64::INFINITY;
    let (scores, ranking, scaling, normalise) = match routing {
        Routing::Softmax { normalise } => (softmax(&logits), softmax(&logits), 1.0, normalise),
        Routing::Sigmoid { groups, kept_groups, scaling } => {
            let scores: Vec<f64> = logits.iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect();
            let mut ranking: Vec<f64> = scores.iter().zip(&weights.bias).map(|(s, b)| s + b).collect();
            let size = ranking.len() / groups as usize;
            let group_scores: Vec<f64> =
                ranking.chunks(size).map(|group| sorted(group)[..2].iter().sum()).collect();
            margin = margin_of(&group_scores, kept_groups as usize);
            let least = sorted(&group_scores)[kept_groups as usize - 1];
            for (expert, score) in ranking.iter_mut().enumerate() {
                if group_scores[expert / size] < least {
                    *score = f64::NEG_INFINITY;
                }
            }
            (scores, ranking, scaling, true)
        }
    };
    // Probabilities of many experts are all small; a quarter of the logits' distance is what sigmoid scores differ by.
    let own_margin = match routing {
        Routing::Softmax { .. } => margin_of(&logits, per_token as usize) / 4.0,
        Routing::Sigmoid { .. } => margin_of(&ranking, per_token as usize),
    };
    margin = margin.min(own_margin);
    let least = sorted(&ranking)[per_token as usize - 1];
    let winners: Vec<usize> = (0..ranking.len()).filter(|&expert| ranking[expert] >= least).collect();
    let sum: f64 = winners.iter().map(|&expert| scores[expert]).sum();
    let mut output = vec![0.0; hidden.len()];
    for expert in winners {
        let weight = scaling * if normalise { scores[expert] / sum } else { scores[expert] };
        let values = gated(&weights.held[expert % weights.held.len()], hidden);
        output.iter_mut().zip(values).for_each(|(o, v)| *o += weight * v);
    }
    if let Some(shared) = &weights.shared {
        output.iter_mut().zip(gated(shared, hidden)).for_each(|(o, v)| *o += v);
    }
    (output, margin)
}

/// Descending.
fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted
}

fn margin_of(values: &[f64], winners: usize) -> f64 {
    let sorted = sorted(values);
    if winners == sorted.len() { f64::INFINITY } else { sorted[winners - 1] - sorted[winners] }
}

fn gated(weights: &GatedWeights<f64>, hidden: &[f64]) -> Vec<f64> {
    let (gate, up) = (product(&weights.gate, hidden), product(&weights.up, hidden));
    let inner: Vec<f64> = gate.iter().zip(&up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
    product(&weights.down, &inner)
}

fn norm(weights: &[f64], epsilon: f64, input: &[f64]) -> Vec<f64> {
    let mean: f64 = input.iter().map(|x| x * x).sum::<f64>() / input.len() as f64;
    input.iter().zip(weights).map(|(x, w)| x / (mean + epsilon).sqrt() * w).collect()
}

/// The vector as complex numbers, multiplied with `e^(i · position · theta^(-2k/width))`.
fn turned(rope: Rope, position: u64, vector: &[f64]) -> Vec<f64> {
    let (width, half) = (vector.len(), vector.len() / 2);
    let mut result = vec![0.0; width];
    for k in 0..half {
        let (re, im) = match rope.pairing {
            Pairing::Halves => (k, half + k),
            Pairing::Neighbours => (2 * k, 2 * k + 1),
        };
        let angle = position as f64 / rope.theta.powf(2.0 * k as f64 / width as f64);
        result[re] = vector[re] * angle.cos() - vector[im] * angle.sin();
        result[im] = vector[im] * angle.cos() + vector[re] * angle.sin();
    }
    result
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|e| e / sum).collect()
}

fn product(matrix: &Matrix<f64>, vector: &[f64]) -> Vec<f64> {
    let (columns, mut scratch) = (0..matrix.columns, Vec::new());
    (0..matrix.rows).map(|row| inner(matrix.row(row, &columns, &mut scratch), vector)).collect()
}

/// The matrix times the first `columns` numbers of every token of a block: for each row, the products side by side.
fn products(matrix: &Matrix<f64>, block: &[(u64, Vec<f64>)], columns: usize) -> Vec<[f64; SIDE_BY_SIDE]> {
    let mut vectors = vec![[0.0; SIDE_BY_SIDE]; columns];
    for (at, (_, vector)) in block.iter().enumerate() {
        vectors.iter_mut().zip(vector).for_each(|(into, value)| into[at] = *value);
    }
    let (all, mut scratch) = (0..columns, Vec::new());
    let of_row = |row| {
        let mut sums = [0.0; SIDE_BY_SIDE];
        for (weight, values) in matrix.row(row, &all, &mut scratch).iter().zip(&vectors) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
        sums
    };
    (0..matrix.rows).map(of_row).collect()
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
