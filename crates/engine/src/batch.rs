//! What a stage is asked to do in one step, and what comes out.

use helix_spec::LayerRange;

use crate::kv::RequestId;

/// One request's part of a batch: a chunk of a prompt, or one token of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a, T> {
    /// Whose cache is read and written.
    pub request: RequestId,
    /// The position of the first token in the request: as many as its cache holds already.
    pub position: usize,
    /// The layers to go through, a part of the stage's.
    pub layers: LayerRange,
    /// What goes in.
    pub input: Input<'a, T>,
    /// What is wanted where the model ends.
    pub logits: LogitsOf,
}

/// What goes into a stage.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a, T> {
    /// Tokens, where the layers begin with the model's first.
    Tokens(&'a [u32]),
    /// What the layer before gave: `hidden` numbers a token.
    Activations(&'a [T]),
}

/// Tokens whose logits are computed, where the layers end with the model's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogitsOf {
    /// None: a chunk that is not the prompt's last.
    None,
    /// The last one.
    Last,
    /// All.
    All,
}

/// What comes out for an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Output<T> {
    /// What the next layer needs: `hidden` numbers a token.
    Activations(Vec<T>),
    /// `vocab` numbers for each token that was asked for.
    Logits(Vec<T>),
}

/// Why a batch was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Layers that are not here.
    #[error("request {request:?} asks for layers {asked}, this stage holds {held}")]
    Layers {
        /// Whose.
        request: RequestId,
        /// Layers that were asked for.
        asked: LayerRange,
        /// Layers that are held.
        held: LayerRange,
    },
    /// Tokens after the first layer, or activations before it.
    #[error("request {request:?} enters at layer {layer} with {found}; {expected} are needed there")]
    Input {
        /// Whose.
        request: RequestId,
        /// First layer asked for.
        layer: u32,
        /// What was given.
        found: &'static str,
        /// What is needed.
        expected: &'static str,
    },
    /// No token, or numbers that are no whole tokens.
    #[error(
        "request {request:?} brings {found} numbers, {hidden} make a token and at least one token is needed"
    )]
    Width {
        /// Whose.
        request: RequestId,
        /// Numbers given.
        found: usize,
        /// Numbers a token.
        hidden: usize,
    },
    /// A token outside the vocabulary.
    #[error("request {request:?} has the token {token}, the vocabulary has {vocab}")]
    Token {
        /// Whose.
        request: RequestId,
        /// The token.
        token: u32,
        /// Entries of the vocabulary.
        vocab: usize,
    },
    /// A position that does not follow what is cached.
    #[error(
        "request {request:?} comes with position {position}, layer {layer} has cached {cached} tokens; \
         send what follows, or release the request first"
    )]
    Position {
        /// Whose.
        request: RequestId,
        /// The layer.
        layer: u32,
        /// Position given.
        position: usize,
        /// Tokens cached.
        cached: usize,
    },
    /// Beyond the model's context.
    #[error("request {request:?} would have {tokens} tokens, the model's context has {limit}")]
    Context {
        /// Whose.
        request: RequestId,
        /// Tokens with this batch.
        tokens: usize,
        /// Tokens of the context.
        limit: usize,
    },
    /// One request twice in one layer.
    #[error("request {request:?} stands twice in the batch for layer {layer}")]
    Twice {
        /// Whose.
        request: RequestId,
        /// The layer.
        layer: u32,
    },
    /// The pool is too small.
    #[error("the batch needs {needed} blocks of the cache, {free} are free; release or preempt a request")]
    OutOfBlocks {
        /// Blocks needed.
        needed: usize,
        /// Blocks free.
        free: usize,
    },
}
