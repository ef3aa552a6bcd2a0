//! What the fullest rank of a configuration holds.

use helix_spec::ModelShape;

use super::config::Config;
use super::shard::{AttentionShard, FfnShard};
use super::study::Study;

/// Memory of the fullest rank \[bytes\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankMemory {
    /// Its shard of the weights.
    pub weights: f64,
    /// Its shard of the cache of all requests in flight.
    pub cache: f64,
}

impl RankMemory {
    /// Weights and cache together \[bytes\].
    #[must_use]
    pub fn total(self) -> f64 {
        self.weights + self.cache
    }
}

impl Study<'_> {
    /// Memory of the fullest rank with `batch` requests in each pipeline stage.
    #[must_use]
    pub fn memory(&self, config: Config, batch: u32) -> RankMemory {
        let shards = Shards::new(self, config);
        (0..config.pipeline())
            .map(|stage| shards.memory(stage, batch))
            .max_by(|a, b| a.total().total_cmp(&b.total()))
            .unwrap_or(RankMemory { weights: 0.0, cache: 0.0 })
    }
}

/// A configuration's shards of each kind of layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shards<'a> {
    study: &'a Study<'a>,
    config: Config,
    pub attention: AttentionShard,
    pub dense: FfnShard,
    pub experts: FfnShard,
    /// The output projection (and the embedding) \[numbers\].
    pub vocabulary: f64,
    /// Norms and biases of a dense layer and of one with experts, on every rank \[numbers\].
    vectors: (f64, f64),
}

impl<'a> Shards<'a> {
    pub fn new(study: &'a Study<'a>, config: Config) -> Self {
        let model = study.model;
        Self {
            study,
            config,
            attention: AttentionShard::new(model, config),
            dense: FfnShard::new(model, config, true, study.formats.weights),
            experts: FfnShard::new(model, config, false, study.formats.weights),
            vocabulary: f64::from(model.vocab) * f64::from(model.hidden) / f64::from(config.ffn_ranks()),
            vectors: (vectors(model, false), vectors(model, true)),
        }
    }

    /// Dense layers and layers with experts of a pipeline stage.
    pub fn kinds(&self, stage: u32) -> (f64, f64) {
        let layers = self.study.stage(self.config.layout, stage);
        let count = f64::from(layers.end - layers.start);
        let Some(experts) = &self.study.model.experts else { return (count, 0.0) };
        let below = |layer: u32| experts.dense_layers.partition_point(|dense| *dense < layer);
        let dense = (below(layers.end) - below(layers.start)) as f64;
        (dense, count - dense)
    }

    /// Whether a stage computes the logits.
    pub fn has_output(&self, stage: u32) -> bool {
        let layers = self.study.stage(self.config.layout, stage);
        layers.end == self.study.model.layers && layers.start < layers.end
    }

    fn memory(&self, stage: u32, batch: u32) -> RankMemory {
        let (model, (dense, experts)) = (self.study.model, self.kinds(stage));
        let layers = self.study.stage(self.config.layout, stage);
        let embedding = layers.start == 0 && layers.start < layers.end;
        let tied = model.tied_embeddings && embedding;
        let ends = f64::from(u8::from(embedding)) + f64::from(u8::from(self.has_output(stage) && !tied));
        let weights = (dense + experts) * self.attention.weights()
            + dense * (self.dense.weights() + self.vectors.0)
            + experts * (self.experts.weights() + self.vectors.1)
            + ends * self.vocabulary;
        let on_rank = f64::from(self.config.requests_on_rank(batch));
        let requests = on_rank * f64::from(self.config.pipeline());
        let tokens = self.study.context.div_ceil(u64::from(self.config.kv())) as f64;
        let cached = requests * tokens * self.attention.cached * (dense + experts);
        RankMemory {
            weights: weights * self.study.rates.weight_bytes,
            cache: cached * self.study.rates.cache_bytes,
        }
    }
}

/// What a layer holds besides the matrices of attention and feed-forward; 0 if the model has no such layer.
fn vectors(model: &ModelShape, sparse: bool) -> f64 {
    let is_sparse = |layer: u32| model.experts.as_ref().is_some_and(|experts| experts.is_sparse(layer));
    let Some(layer) = (0..model.layers).find(|layer| is_sparse(*layer) == sparse) else { return 0.0 };
    let matrices = model.attention_parameters() + model.ffn_parameters(layer);
    model.layer_parameters(layer).saturating_sub(matrices) as f64
}
