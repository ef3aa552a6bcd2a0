//! Attention-DP: every TPA index serves its own requests with all heads, and its KVP ranks split the tokens afterwards.
//!
//! ```text
//! rank (t, c): attention of t's requests ─> slice of o_proj ─> reduce-scatter over KVP along tokens ─> chunk c of t's tokens
//!              dense: whole feed-forward of the chunk
//!              experts: all-gather over N ─> own slice of own experts ─> reduce-scatter over N; shared expert of the chunk
//!              ─> all-gather over KVP ─> all of t's tokens
//! ```
//!
//! Tokens are padded to equal chunks; no expert computes a token twice.

use super::ffn::{FfnPart, gated};
use super::math::{add, rms_norm};
use super::shape::FfnShape;
use super::weights::FfnWeights;
use crate::{Collective, CollectiveError, Exchange, Operation, Real, exchange};

/// From this rank's summand of the output projection of its requests to their output: `[own tokens, hidden]` each.
pub(super) fn finish_layer<T: Real>(
    part: &FfnPart<'_, T>,
    ranks: &mut dyn Collective<T>,
    most_tokens: usize,
    inputs: &[T],
    projected: Vec<T>,
) -> Result<Vec<T>, CollectiveError> {
    let (shape, wire) = (&part.weights.shape, part.options.wire);
    let (hidden, own) = (shape.hidden as usize, inputs.len());
    let kv_group = part.layout.kv_group(part.rank);
    // Equal on all ranks, whichever requests they have.
    let chunk = most_tokens.div_ceil(kv_group.len()) * hidden;
    let padded = |mut values: Vec<T>| {
        values.resize(chunk * kv_group.len(), T::ZERO);
        values
    };
    let start = part.layout.coordinates(part.rank).kv as usize * chunk;
    let mut residual = padded(inputs.to_vec())[start..start + chunk].to_vec();
    let operation = Operation::ReduceScatter;
    let data = padded(projected);
    add(&mut residual, &exchange(ranks, Exchange { operation, group: &kv_group, wire, data })?);
    let normed = rms_norm(&part.weights.ffn_norm, shape.norm_epsilon, &residual);
    let output = match (&part.weights.ffn, shape.ffn) {
        (FfnWeights::Dense(dense), _) => gated(dense, &(0..dense.gate.rows), &normed),
        (FfnWeights::Experts(experts), FfnShape::Experts(expert_shape)) => {
            let group = part.layout.stage_group(part.rank);
            let operation = Operation::AllGather;
            let data = normed.clone();
            // Tokens travel as they are: each rank routes what the token's own rank has, not a rounded copy of it.
            let everybody = exchange(ranks, Exchange { operation, group: &group, wire: T::WIRE, data })?;
            let data = part.routed(experts, &expert_shape, &everybody);
            let operation = Operation::ReduceScatter;
            let mut output = exchange(ranks, Exchange { operation, group: &group, wire, data })?;
            if let Some(shared) = &experts.shared {
                add(&mut output, &gated(shared, &(0..shared.gate.rows), &normed));
            }
            output
        }
        (FfnWeights::Experts(_), FfnShape::Dense { .. }) => unreachable!("weights are drawn for their shape"),
    };
    add(&mut residual, &output);
    let operation = Operation::AllGather;
    // The residual stream is handed over as it is.
    let wire = T::WIRE;
    let mut all = exchange(ranks, Exchange { operation, group: &kv_group, wire, data: residual })?;
    all.truncate(own);
    Ok(all)
}
