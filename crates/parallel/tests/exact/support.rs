//! Small layers and batches for the tests of the sharded execution.

use helix_parallel::oracle::Form;
use helix_parallel::{
    Case, CaseSpec, ExpertShape, FfnShape, LayerShape, Layout, Packing, Pairing, Request, Rope, Routing,
};
use helix_spec::{Attention, RankLayout};

/// Grouped-query attention with a dense feed-forward.
pub fn grouped(query_heads: u32, kv_heads: u32, width: u32) -> LayerShape {
    LayerShape {
        hidden: 40,
        attention: Attention::Grouped { query_heads, kv_heads, head_dim: 12 },
        rope: Rope { theta: 10_000.0, pairing: Pairing::Halves },
        softmax_factor: 1.0,
        norm_epsilon: 1e-6,
        ffn: FfnShape::Dense { width },
    }
}

/// Latent attention with a dense feed-forward.
pub fn latent(query_heads: u32, width: u32) -> LayerShape {
    LayerShape {
        attention: Attention::Latent {
            query_heads,
            q_lora_rank: Some(18),
            kv_lora_rank: 20,
            qk_nope_head_dim: 8,
            qk_rope_head_dim: 6,
            v_head_dim: 10,
        },
        rope: Rope { theta: 10_000.0, pairing: Pairing::Neighbours },
        softmax_factor: 1.3,
        ..grouped(query_heads, 1, width)
    }
}

/// The same layer with DeepSeek-V3's kind of experts.
pub fn with_experts(shape: &LayerShape, routed: u32, width: u32) -> LayerShape {
    let routing = Routing::Sigmoid { groups: 4, kept_groups: 2, scaling: 2.5 };
    let experts = ExpertShape { routed, per_token: 4, width, shared_width: width, routing };
    LayerShape { ffn: FfnShape::Experts(experts), ..shape.clone() }
}

/// The same layer with softmax-routed experts.
pub fn with_softmax_experts(shape: &LayerShape, routed: u32, width: u32) -> LayerShape {
    let routing = Routing::Softmax { normalise: true };
    let experts = ExpertShape { routed, per_token: 2, width, shared_width: 0, routing };
    LayerShape { ffn: FfnShape::Experts(experts), ..shape.clone() }
}

pub fn prompts(lengths: &[u64]) -> Vec<Request> {
    lengths.iter().map(|&length| Request::new(length)).collect()
}

pub fn case(layers: Vec<LayerShape>, requests: Vec<Request>, rows: usize, steps: usize) -> Case {
    case_of(42, layers, requests, (rows, steps))
}

/// The same from another seed; of rows and steps.
pub fn case_of(
    seed: u64,
    layers: Vec<LayerShape>,
    requests: Vec<Request>,
    (rows, steps): (usize, usize),
) -> Case {
    let spec = CaseSpec {
        layers,
        requests,
        rows,
        steps,
        seed,
        form: Form::Expanded,
        packing: Packing::Full,
        held_experts: u32::MAX,
    };
    Case::build(spec, |_| ()).unwrap()
}

pub fn layout(pipeline: u32, (attention_tensor, kv): (u32, u32), (ffn_tensor, expert): (u32, u32)) -> Layout {
    Layout::new(RankLayout { pipeline, attention_tensor, kv, ffn_tensor, expert }).unwrap()
}
