//! The scale of the softmax against closed forms: the oracle and the ranks read it from the same function, so that a wrong
//! one would agree with itself.

use helix_parallel::oracle::{self, Form, Tokens};
use helix_parallel::{
    AttentionWeights, FfnShape, FfnWeights, GatedWeights, History, LayerShape, LayerWeights, Layout, Matrix,
    Options, Packing, Request, Scheduling, Stack, Wire, run_ranks, shapes,
};
use helix_spec::Attention;

use crate::support::layout;

/// `YaRN` by 40 with mscale 1: (0.1 · ln 40 + 1)² / √(128 + 64).
const DEEPSEEK_V3: f64 = 0.135_233_778_860_880_1;

/// 1 / √(128 + 64), without `YaRN`.
const LITE: f64 = 0.072_168_783_648_703_22;

/// Latents of the cached tokens, after their norm; the new token's own is 1.
const LATENTS: [f64; 4] = [-0.5, 2.0, 0.25, 1.0];

/// What each head multiplies them with: in its query, in its value.
const HEADS: [(f64, f64); 2] = [(15.0, 1.0), (-7.0, 10.0)];

fn matrix(rows: usize, columns: usize, weight: impl Fn(usize, usize) -> f64) -> Matrix<f64> {
    Matrix::from_fn(rows, columns, Packing::Full, weight)
}

/// Latent attention with DeepSeek's widths of queries, a latent of one number, and nothing but zeros in the rest: head `h`
/// has the logits `scale · q_h · c_j` and the values `v_h · c_j`.
fn layer(model: &LayerShape) -> LayerWeights<f64> {
    let attention = Attention::Latent {
        query_heads: 2,
        q_lora_rank: None,
        kv_lora_rank: 1,
        qk_nope_head_dim: 128,
        qk_rope_head_dim: 64,
        v_head_dim: 1,
    };
    let ffn = FfnShape::Dense { width: 2 };
    // The norm of (1, 1) is (1, 1) to the bit.
    let shape = LayerShape { hidden: 2, attention, ffn, norm_epsilon: 1e-30, ..model.clone() };
    let zeros = || matrix(2, 2, |_, _| 0.0);
    LayerWeights {
        shape,
        attention_norm: vec![1.0; 2],
        attention: AttentionWeights::Latent {
            query_down: None,
            query_up: matrix(2 * 192, 2, |row, column| {
                if row % 192 == 0 && column == 0 { HEADS[row / 192].0 } else { 0.0 }
            }),
            latent_down: matrix(65, 2, |row, column| if (row, column) == (0, 0) { 1.0 } else { 0.0 }),
            latent_norm: vec![1.0],
            key_up: matrix(2 * 128, 1, |row, _| if row % 128 == 0 { 1.0 } else { 0.0 }),
            value_up: matrix(2, 1, |row, _| HEADS[row].1),
        },
        output: matrix(2, 2, |row, column| if row == column { 1.0 } else { 0.0 }),
        ffn_norm: vec![1.0; 2],
        ffn: FfnWeights::Dense(GatedWeights { gate: zeros(), up: zeros(), down: zeros() }),
    }
}

/// The layer's output for (1, 1): itself and each head's mean of the values.
fn closed_form(scale: f64) -> Vec<f64> {
    let head = |(query, value): (f64, f64)| {
        let weights = LATENTS.map(|latent| (scale * query * latent).exp());
        let sum: f64 = weights.iter().sum();
        1.0 + weights.iter().zip(LATENTS).map(|(weight, latent)| weight / sum * value * latent).sum::<f64>()
    };
    HEADS.map(head).to_vec()
}

fn assert_near(found: &[f64], expected: &[f64]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-13, "{found} is not {expected}");
    }
}

fn history(_: usize, position: u64, key: &mut [f64], _: &mut [f64]) {
    key.fill(0.0);
    key[0] = LATENTS[usize::try_from(position).unwrap()];
}

fn decoded(layer: &LayerWeights<f64>, layout: Layout) -> Vec<Vec<f64>> {
    let options = Options { block: 1, ..Options::new(Wire::F64) };
    let stack = Stack::new(std::slice::from_ref(layer), layout, &options).unwrap();
    run_ranks(layout.ranks(), Scheduling::OneAfterTheOther, |ranks| {
        let requests = [Request::new(3)];
        let cached: fn(usize) -> Box<History<'static>> = |_| Box::new(history);
        let mut state = stack.state(helix_parallel::Collective::rank(ranks), &requests, cached);
        stack.step(ranks, &mut state, &[1.0, 1.0], 1)
    })
    .unwrap()
}

#[test]
fn models_have_the_scale_of_their_heads() {
    let near = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-15, "{found}");
    near(shapes::deepseek_v3().softmax_scale(), DEEPSEEK_V3);
    near(shapes::deepseek_v3_lite().softmax_scale(), LITE);
    near(shapes::llama_405b().softmax_scale(), 0.088_388_347_648_318_45);
}

#[test]
fn latent_attention_gives_its_closed_form() {
    for (model, scale) in [(shapes::deepseek_v3(), DEEPSEEK_V3), (shapes::deepseek_v3_lite(), LITE)] {
        let (layer, expected) = (layer(&model), closed_form(scale));
        let other = closed_form(DEEPSEEK_V3 + LITE - scale);
        assert!((expected[0] - other[0]).abs() > 1e-2, "a forgotten mscale would not show");
        let input = [1.0, 1.0];
        let appended = [oracle::cache_entry(&layer, &input)];
        let tokens = Tokens { history: &history, request: 0, context: 3, appended: &appended };
        for form in [Form::Expanded, Form::Absorbed] {
            assert_near(&oracle::decode(&layer, form, &tokens, &input).hidden, &expected);
        }
        for layout in [layout(1, (1, 1), (1, 1)), layout(1, (1, 2), (2, 1)), layout(1, (2, 1), (2, 1))] {
            for output in decoded(&layer, layout) {
                assert_near(&output, &expected);
            }
        }
    }
}
