//! Loading a worker's layers into its memory.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use helix_engine::{KvCache, ModelConfig, Stage, StageOptions, WeightFormat};
use helix_scheduler::node::{BatchLimits, BatchOrder, Batching, BlockSpan, KvConfig, Node, NodeConfig};
use helix_spec::{Bytes, LayerRange};

use super::run::WorkerSettings;
use crate::control::proto::Welcome;
use crate::coordinator::format_from_name;

/// Tokens of prompts and decodes together in one batch, and the most of a prompt at a time.
const BATCH_TOKENS: u32 = 256;
/// Requests that decode in one batch.
const MAX_DECODES: u32 = 256;
/// More cache than this many whole contexts is never made.
const MAX_CONTEXTS: u64 = 256;

/// Layers that are ready to compute.
pub(super) struct Loaded {
    pub(super) stage: Stage<f32>,
    pub(super) node: Node,
    pub(super) blocks: u32,
    pub(super) chunk: u32,
    pub(super) seconds: f64,
}

/// Loads the layers, and counts in `there` those that are; the error is in plain words.
pub(super) fn load(
    settings: &WorkerSettings,
    welcome: &Welcome,
    layers: LayerRange,
    there: &AtomicU32,
) -> Result<Loaded, String> {
    let started = Instant::now();
    let weights = format_from_name(&welcome.number_format)
        .ok_or_else(|| format!("this version knows no weights in the format {}", welcome.number_format))?;
    let config = ModelConfig::from_folder(&settings.model).map_err(|error| error.to_string())?;
    let blocks = match welcome.kv_blocks {
        0 => blocks_for(&config, layers, (weights, settings.memory))?,
        fixed => fixed,
    };
    let options =
        StageOptions { weights, threads: settings.threads, cache_blocks: blocks as usize, isa: None };
    let mut tell = |loaded| there.store(loaded, Ordering::Relaxed);
    let stage = Stage::<f32>::load_telling(&settings.model, layers, &options, &mut tell);
    let stage = stage.map_err(|error| error.to_string())?;
    let limits = BatchLimits {
        decodes: MAX_DECODES,
        tokens: u64::from(BATCH_TOKENS),
        prefill_tokens: u64::from(BATCH_TOKENS),
        chunk: Some(1),
        ..BatchLimits::UNLIMITED
    };
    let block_tokens =
        u32::try_from(KvCache::<f32>::BLOCK_TOKENS).map_err(|_| "blocks are too large".to_owned())?;
    let node = Node::new(NodeConfig {
        layers,
        batching: Batching::WholeRange,
        order: BatchOrder::DecodeFirst,
        limits,
        kv: KvConfig::Paged { blocks, block_tokens, span: BlockSpan::Layer },
        stale_for: NodeConfig::STALE_FOR,
    });
    let node = node.map_err(|error| error.to_string())?;
    Ok(Loaded { stage, node, blocks, chunk: BATCH_TOKENS, seconds: started.elapsed().as_secs_f64() })
}

/// Cache blocks for what the weights leave of the memory.
fn blocks_for(
    config: &ModelConfig,
    layers: LayerRange,
    (weights, memory): (WeightFormat, Bytes),
) -> Result<u32, String> {
    let shape = &config.shape;
    let bytes = |numbers: u64| match weights {
        WeightFormat::Full => numbers.saturating_mul(4),
        WeightFormat::Q8_0 => numbers.saturating_mul(34) / 32,
    };
    let in_layers = (layers.start()..layers.end()).map(|layer| shape.layer_parameters(layer)).sum::<u64>();
    let head =
        if layers.end() == shape.layers { u64::from(shape.vocab) * u64::from(shape.hidden) } else { 0 };
    let needed = bytes(in_layers.saturating_add(head));
    let block = 2 * config.kv_heads as u64 * config.head_dim as u64 * 4 * KvCache::<f32>::BLOCK_TOKENS as u64;
    let context = u64::from(shape.max_context).div_ceil(KvCache::<f32>::BLOCK_TOKENS as u64);
    let least = context.min(4).saturating_mul(u64::from(layers.len()));
    // A tenth is for activations and all else.
    let room = (memory.0 / 10).saturating_mul(9).saturating_sub(needed) / block.max(1);
    if room < least {
        let wanted = Bytes(needed.saturating_add(least.saturating_mul(block)) / 9 * 10 + 10);
        return Err(format!(
            "they need {wanted} with the smallest cache, the worker was given {memory}: give it more memory or fewer \
             layers"
        ));
    }
    let most = MAX_CONTEXTS.saturating_mul(context).saturating_mul(u64::from(layers.len()));
    Ok(u32::try_from(room.min(most)).unwrap_or(u32::MAX))
}
