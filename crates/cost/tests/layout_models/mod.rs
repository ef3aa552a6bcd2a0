//! The two models of the paper's evaluation.

use helix_spec::ModelShape;

/// 126 layers, grouped-query attention, dense.
pub fn llama_405b() -> ModelShape {
    ModelShape::preset("llama-3.1-405b").unwrap()
}

/// 61 layers, latent attention, 256 experts in all but the first three layers.
pub fn deepseek_r1() -> ModelShape {
    ModelShape::preset("deepseek-r1").unwrap()
}
