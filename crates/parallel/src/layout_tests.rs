//! Layouts: group maps of TensorRT-LLM, slices that tile the model, refusals that name the number to change.

use helix_spec::{Architecture, Experts, NumberFormat};

use super::*;

fn widths(pipeline: u32, attention_tensor: u32, kv: u32, ffn_tensor: u32, expert: u32) -> RankLayout {
    RankLayout { pipeline, attention_tensor, kv, ffn_tensor, expert }
}

fn model(query_heads: u32, kv_heads: u32, ffn_width: u32) -> ModelShape {
    ModelShape {
        name: "probe".to_owned(),
        architecture: Architecture::Llama,
        layers: 4,
        hidden: 64,
        attention: Attention::Grouped { query_heads, kv_heads, head_dim: 8 },
        ffn_width,
        experts: None,
        vocab: 10,
        tied_embeddings: false,
        max_context: 1024,
        weights: NumberFormat::Bf16,
        activations: NumberFormat::Bf16,
    }
}

fn with_experts(routed: u32, width: u32) -> ModelShape {
    let experts =
        Experts { routed, per_token: 2, width, shared: 1, shared_width: width, dense_layers: vec![] };
    ModelShape { experts: Some(experts), ..model(16, 8, 100) }
}

/// The maps of TensorRT-LLM for N = 8, EP = 4, and its order of TPA and KVP.
#[test]
fn groups_are_those_of_tensorrt_llm() {
    let layout = Layout::new(widths(1, 2, 4, 2, 4)).unwrap();
    assert_eq!(layout.kv_group(1), [0, 1, 2, 3]);
    assert_eq!(layout.kv_group(6), [4, 5, 6, 7]);
    assert_eq!(layout.attention_tensor_group(6), [2, 6]);
    assert_eq!(layout.expert_group(3), [0, 1, 2, 3]);
    assert_eq!(layout.expert_group(4), [4, 5, 6, 7]);
    for (rank, group) in [(0, [0, 4]), (1, [1, 5]), (6, [2, 6]), (7, [3, 7])] {
        assert_eq!(layout.expert_tensor_group(rank), group);
    }
    assert_eq!((layout.dense_tensor(), layout.expert_tensor(), layout.ranks()), (8, 2, 8));
}

#[test]
fn stages_keep_to_themselves() {
    let layout = Layout::new(widths(3, 1, 2, 2, 1)).unwrap();
    assert_eq!(layout.ranks(), 6);
    assert_eq!(layout.stage_group(3), [2, 3]);
    assert_eq!(layout.kv_group(5), [4, 5]);
    let own = layout.coordinates(5);
    assert_eq!((own.stage, own.within_stage, own.kv, own.ffn_tensor), (2, 1, 1, 1));
    let stages: Vec<String> =
        (0..3).map(|stage| layout.stage_layers(8, stage).unwrap().to_string()).collect();
    assert_eq!(stages, ["0..3", "3..6", "6..8"]);
    assert_eq!(layout.stage_layers(2, 2), None);
}

/// After the exchange rank r must hold the r-th slice of all heads, and every slice lies within the heads that its KVP
/// group computed: this is what makes the all-to-all along heads realign to tensor parallelism.
#[test]
fn slices_tile_the_model_for_every_layout() {
    for ranks in 1..=16 {
        for layout in Layout::all(ranks) {
            let (heads, experts, width) = (ranks * 3, layout.widths().expert * 2, ranks * 5);
            let mut next = 0;
            for rank in 0..ranks {
                let output = layout.output_heads(rank, heads);
                assert_eq!(output.start, next, "{layout:?} {rank}");
                next = output.end;
                let computed = layout.attention_heads(rank, heads);
                assert!(computed.start <= output.start && output.end <= computed.end);
                assert_eq!(layout.dense_columns(rank, heads), output);
            }
            assert_eq!(next, heads);
            let mut seen = vec![0; (experts * width) as usize];
            for rank in 0..ranks {
                for expert in layout.experts(rank, experts) {
                    for column in layout.expert_columns(rank, width) {
                        seen[(expert * width + column) as usize] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|times| *times == 1), "{layout:?}");
        }
    }
}

/// The number of layouts of N ranks is the square of its number of divisors.
#[test]
fn every_layout_is_listed_once() {
    for (ranks, count) in [(1, 1), (2, 4), (6, 16), (12, 36), (16, 25)] {
        let all: Vec<Layout> = Layout::all(ranks).collect();
        assert_eq!(all.len(), count);
        for (i, layout) in all.iter().enumerate() {
            assert_eq!(Layout::new(layout.widths()), Ok(*layout));
            assert!(!all[..i].contains(layout));
        }
    }
}

#[test]
fn kv_heads_are_shared_where_tensor_parallelism_is_wider() {
    let layout = Layout::new(widths(1, 4, 1, 4, 1)).unwrap();
    let heads: Vec<_> = (0..4).map(|rank| layout.kv_heads(rank, 2)).collect();
    assert_eq!(heads, [0..1, 0..1, 1..2, 1..2]);
    assert_eq!(layout.kv_heads(3, 8), 6..8);
    assert_eq!((layout.kv_copies(2), layout.kv_copies(8), layout.kv_copies(1)), (2, 1, 4));
}

#[test]
fn a_layout_that_does_not_divide_says_which_number_to_change() {
    let fail = |widths, model: &ModelShape| Layout::for_model(widths, model).unwrap_err().to_string();
    assert_eq!(
        fail(widths(1, 2, 4, 8, 1), &model(14, 2, 64)),
        "query heads = 14 does not divide by TPA × KVP = 8; set TPA × KVP to one of 1, 2, 7, 14"
    );
    assert_eq!(
        fail(widths(1, 4, 1, 4, 1), &model(24, 6, 64)),
        "KV heads = 6 does not divide by TPA = 4; set TPA to one of 1, 2, 3, 6"
    );
    assert!(fail(widths(1, 1, 4, 4, 1), &model(8, 2, 30)).contains("FFN width = 30 does not divide"));
    assert!(fail(widths(1, 2, 2, 1, 4), &model(8, 2, 64)).contains("the model has no experts"));
    assert!(fail(widths(5, 1, 1, 1, 1), &model(8, 2, 64)).contains("lower PP to at most 4"));
    assert!(fail(widths(1, 1, 4, 1, 4), &with_experts(6, 64)).contains("routed experts = 6 does not divide"));
    assert!(fail(widths(1, 1, 4, 4, 1), &with_experts(6, 66)).contains("expert width = 66"));
    assert!(Layout::for_model(widths(1, 2, 4, 2, 4), &with_experts(8, 64)).is_ok());
    assert!(Layout::for_model(widths(1, 2, 7, 14, 1), &model(14, 2, 28)).is_ok());
    assert!(Layout::for_model(widths(1, 4, 1, 4, 1), &model(8, 2, 64)).is_ok(), "TPA > K shares heads");
}

#[test]
fn impossible_widths_are_refused_before_anything_is_built() {
    let fail = |widths| Layout::new(widths).unwrap_err().to_string();
    assert_eq!(fail(widths(1, 1, 0, 1, 1)), "KVP is 0; every width of a layout is at least 1");
    assert!(fail(widths(1, 2, 4, 3, 2)).ends_with("set TPF to 4"));
    assert!(fail(widths(1, 2, 4, 3, 3)).ends_with("set EP to a divisor of 8 and TPF to 8 / EP"));
    assert!(fail(widths(1, u32::MAX, u32::MAX, 1, 1)).contains("more than 65536 ranks"));
    assert!(fail(widths(u32::MAX, 2, 2, 2, 2)).contains("more than 65536 ranks"));
    let error = Layout::new(widths(2, 2, 4, 8, 1)).unwrap().fits_gpus(8).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the layout needs 16 GPUs (PP × TPA × KVP), there are 8; lower PP, TPA or KVP"
    );
}

/// R1's shared expert: 2048 columns in blocks of 128 are 16 blocks, so 32 ranks hold each slice twice.
#[test]
fn shared_expert_takes_whole_blocks() {
    assert_eq!(shared_expert_tensor(2048, 128, 32), 16);
    assert_eq!(shared_expert_tensor(2048, 128, 8), 8);
    assert_eq!(shared_expert_tensor(2048, 16, 64), 64);
    assert_eq!(shared_expert_tensor(100, 1, 6), 2);
    assert_eq!(shared_expert_tensor(7, 0, 14), 7);
}
