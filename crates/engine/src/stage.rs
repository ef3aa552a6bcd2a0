//! A range of a model's layers with its cache: what one worker computes.

mod attention;
mod check;
mod forward;

use std::path::Path;

use helix_spec::{FileError, LayerRange};

use crate::backends::cpu::{Float, Isa, Threads};
use crate::block::Block;
use crate::config::ModelConfig;
use crate::kv::{CacheUse, KvCache, RequestId};
use crate::linear::{Cpu, Linear, Loader, WeightFormat, load_vector};
use crate::scratch::Scratch;
use crate::weights::{Tensor, WeightFiles};

/// How a stage computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageOptions {
    /// How weights are kept.
    pub weights: WeightFormat,
    /// Threads that compute; workers of one machine together should have no more than its cores.
    pub threads: usize,
    /// Blocks of the cache, of [`KvCache::BLOCK_TOKENS`] tokens of one layer each.
    pub cache_blocks: usize,
    /// Instructions; `None` is the best that the processor has. The results are the same.
    pub isa: Option<Isa>,
}

/// Why a stage could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A file of the model.
    #[error(transparent)]
    File(#[from] FileError),
    /// Layers that the model does not have.
    #[error("layers {asked} were asked for, the model has {layers} layers (0 to {last})")]
    Layers {
        /// Asked for.
        asked: LayerRange,
        /// Layers of the model.
        layers: u32,
        /// The last one.
        last: u32,
    },
    /// No threads.
    #[error("{0}")]
    Threads(String),
}

/// A range of layers, the embedding where it begins with the first, the head where it ends with the last.
#[derive(Debug)]
pub struct Stage<T> {
    config: ModelConfig,
    layers: LayerRange,
    cpu: Cpu,
    embedding: Option<Tensor>,
    blocks: Vec<Block<T>>,
    head: Option<Head<T>>,
    cache: KvCache<T>,
    scratch: Scratch<T>,
    /// Angle a position of each pair of numbers of a head.
    frequencies: Vec<T>,
    weight_bytes: u64,
    read_bytes: u64,
}

/// What turns the last layer's activations into logits.
#[derive(Debug)]
struct Head<T> {
    norm: Vec<T>,
    output: Linear<T>,
}

pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";

impl<T: Float> Stage<T> {
    /// Loads the layers of a Hugging Face folder, and nothing else of it.
    ///
    /// # Errors
    /// [`LoadError`] when a file is missing or damaged or contradicts `config.json`, or the model has no such layers.
    pub fn load(folder: &Path, layers: LayerRange, options: &StageOptions) -> Result<Self, LoadError> {
        Self::load_telling(folder, layers, options, &mut |_| ())
    }

    /// The same; tells how many layers are there, after each.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_telling(
        folder: &Path,
        layers: LayerRange,
        options: &StageOptions,
        tell: &mut dyn FnMut(u32),
    ) -> Result<Self, LoadError> {
        let config = ModelConfig::from_folder(folder)?;
        let files = WeightFiles::open(folder)?;
        Self::build(config, &files, layers, (options, tell))
    }

    fn build(
        config: ModelConfig,
        files: &WeightFiles,
        layers: LayerRange,
        (options, tell): (&StageOptions, &mut dyn FnMut(u32)),
    ) -> Result<Self, LoadError> {
        let all = config.shape.layers;
        if layers.end() > all {
            return Err(LoadError::Layers { asked: layers, layers: all, last: all - 1 });
        }
        let threads = Threads::new(options.threads).map_err(|error| LoadError::Threads(error.to_string()))?;
        let cpu = Cpu { isa: options.isa.unwrap_or_else(Isa::detect), threads };
        let (vocab, hidden) = (config.vocab(), config.hidden());
        let embedding =
            (layers.start() == 0).then(|| files.tensor(EMBEDDING, &[vocab, hidden])).transpose()?;
        let loader = Loader { files, threads: &cpu.threads, format: options.weights };
        let blocks: Vec<_> = (layers.start()..layers.end())
            .map(|layer| {
                let block = Block::load(&loader, &config, layer)?;
                tell(layer + 1 - layers.start());
                Ok(block)
            })
            .collect::<Result<_, LoadError>>()?;
        let head = (layers.end() == all).then(|| Head::load(&loader, &config)).transpose()?;
        let weight_bytes = blocks.iter().map(Block::bytes).sum::<usize>()
            + head.as_ref().map_or(0, |head| head.output.bytes());
        let frequencies = config.rope.frequencies(config.head_dim).into_iter().map(T::of).collect();
        Ok(Self {
            layers,
            cpu,
            embedding,
            blocks,
            head,
            cache: KvCache::new(config.kv_heads, config.head_dim, options.cache_blocks),
            scratch: Scratch::default(),
            frequencies,
            weight_bytes: weight_bytes as u64,
            read_bytes: files.bytes_read(),
            config,
        })
    }

    /// What the model is.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The layers that are here.
    #[must_use]
    pub fn layers(&self) -> LayerRange {
        self.layers
    }

    /// Memory of the matrices that are here \[bytes\].
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Bytes of the tensors that were taken from the files.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// How full the cache is.
    #[must_use]
    pub fn cache_use(&self) -> CacheUse {
        self.cache.usage()
    }

    /// Memory of one block of the cache \[bytes\].
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.cache.block_bytes()
    }

    /// Tokens that a layer keeps of a request.
    #[must_use]
    pub fn cached_tokens(&self, request: RequestId, layer: u32) -> usize {
        self.cache.tokens(request, layer)
    }

    /// Gives a request's blocks back; gives how many became free.
    pub fn release(&mut self, request: RequestId) -> usize {
        self.cache.release(request)
    }

    /// Forgets a request's tokens from `tokens` on.
    pub fn truncate(&mut self, request: RequestId, tokens: usize) {
        self.cache.truncate(request, tokens);
    }

    /// Lets request `to` begin with the first `tokens` tokens of `from`, sharing their blocks.
    pub fn fork(&mut self, from: RequestId, to: RequestId, tokens: usize) {
        self.cache.fork(from, to, tokens);
    }
}

impl<T: Float> Head<T> {
    fn load(loader: &Loader<'_>, config: &ModelConfig) -> Result<Self, FileError> {
        let name = if config.shape.tied_embeddings { EMBEDDING } else { "lm_head.weight" };
        let tensor = loader.files.tensor(name, &[config.vocab(), config.hidden()])?;
        Ok(Self {
            norm: load_vector(loader.files, "model.norm.weight", config.hidden())?,
            output: Linear::pack(loader.threads, &[tensor], vec![None], loader.format),
        })
    }
}
