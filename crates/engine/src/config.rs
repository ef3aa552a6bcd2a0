//! What the engine must know of a model beyond its shape: norms, biases, rotary positions, windows, ends of text.
//!
//! ```text
//! config.json ─> helix_spec::ModelShape (dimensions, checked) ─┐
//!             └> the keys below, under old and new names ──────┴─> ModelConfig
//! ```

mod rope;

use std::path::Path;

use helix_spec::{Architecture, Attention, FileError, MAX_DESCRIPTION_BYTES, ModelShape, read_text};
use serde::Deserialize;

pub use rope::{RopeConfig, RopeScaling};

/// A decoder of the Llama family, ready to be built.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent properties of a checkpoint, as its keys name them"
)]
pub struct ModelConfig {
    /// Layers, widths, heads, vocabulary.
    pub shape: ModelShape,
    /// Query heads.
    pub query_heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// What is added to the mean square in norms.
    pub norm_epsilon: f64,
    /// Rotary positions.
    pub rope: RopeConfig,
    /// Whether the projections to queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether the attention's output projection has one.
    pub output_bias: bool,
    /// Whether the projections of the feed-forward have biases.
    pub feed_forward_bias: bool,
    /// Whether queries and keys are normalised head by head before they are rotated.
    pub qk_norm: bool,
    /// For each layer how many tokens a token sees, itself included; `None` is all.
    pub windows: Vec<Option<u32>>,
    /// Tokens that end an answer.
    pub end_tokens: Vec<u32>,
}

/// The keys that only the engine needs.
#[derive(Debug, Deserialize)]
struct Keys {
    rms_norm_eps: Option<f64>,
    hidden_act: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    rope_theta: Option<f64>,
    rope_scaling: Option<serde_json::Value>,
    rope_parameters: Option<serde_json::Value>,
    partial_rotary_factor: Option<f64>,
    max_position_embeddings: Option<u32>,
    sliding_window: Option<u32>,
    use_sliding_window: Option<bool>,
    max_window_layers: Option<u32>,
    layer_types: Option<Vec<String>>,
    eos_token_id: Option<OneOrMore>,
    quantization_config: Option<serde_json::Value>,
}

/// One token or a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

impl OneOrMore {
    fn list(self) -> Vec<u32> {
        match self {
            Self::One(token) => vec![token],
            Self::More(tokens) => tokens,
        }
    }
}

impl ModelConfig {
    /// Reads `config.json`, and of `generation_config.json`, where there is one, the tokens that end an answer.
    ///
    /// # Errors
    /// [`FileError`] when a file cannot be read, a value is missing or wrong, or the engine does not serve the model.
    pub fn from_folder(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join("config.json");
        if !path.exists() {
            // Says what such a folder holds.
            ModelShape::from_folder(folder)?;
        }
        let text = read_text(&path, MAX_DESCRIPTION_BYTES)?;
        let mut config = Self::from_json(&text, &path.display().to_string())?;
        let generation = folder.join("generation_config.json");
        if generation.exists() {
            #[derive(Deserialize)]
            struct Generation {
                eos_token_id: Option<OneOrMore>,
            }
            let origin = generation.display().to_string();
            let text = read_text(&generation, MAX_DESCRIPTION_BYTES)?;
            let parsed: Generation =
                serde_json::from_str(&text).map_err(|error| json_error(&origin, &error))?;
            if let Some(tokens) = parsed.eos_token_id {
                config.end_tokens = tokens.list();
                config.check_end_tokens(&origin)?;
            }
        }
        Ok(config)
    }

    /// Reads the text of a `config.json`; `origin` names it in errors.
    ///
    /// # Errors
    /// As [`ModelConfig::from_folder`].
    pub fn from_json(text: &str, origin: &str) -> Result<Self, FileError> {
        let shape = ModelShape::from_config_json(text, origin)?;
        let keys: Keys = serde_json::from_str(text).map_err(|error| json_error(origin, &error))?;
        let refuse = |problem: String| Err(FileError::new(origin, problem));
        let Attention::Grouped { query_heads, kv_heads, head_dim } = shape.attention else {
            return refuse(format!("{}: latent attention is not served yet", shape.name));
        };
        if shape.experts.is_some() {
            return refuse(format!("{}: mixtures of experts are not served yet", shape.name));
        }
        if keys.quantization_config.is_some() {
            return Err(FileError::new(
                origin,
                "`quantization_config`: quantised checkpoints are not served yet",
            )
            .help("take the checkpoint in bfloat16; weights are quantised when they are loaded"));
        }
        match keys.hidden_act.as_deref() {
            None | Some("silu" | "swish") => {}
            Some(other) => {
                return refuse(format!("`hidden_act` is {}, it must be `silu`", quoted(other)));
            }
        }
        if keys.partial_rotary_factor.is_some_and(|factor| factor != 1.0) {
            return refuse(String::from("`partial_rotary_factor` is not 1, which is not served yet"));
        }
        if !head_dim.is_multiple_of(2) {
            return refuse(format!("heads are {head_dim} wide, rotary positions need an even width"));
        }
        let norm_epsilon = keys.rms_norm_eps.unwrap_or(1e-6);
        if !(0.0..=1.0).contains(&norm_epsilon) {
            return refuse(format!("`rms_norm_eps` is {norm_epsilon}, it must be from 0 to 1"));
        }
        let rope = rope::parse(&keys, head_dim, origin)?;
        let windows = windows(&keys, &shape, origin)?;
        let attention_bias = keys.attention_bias.unwrap_or(false);
        let end_tokens = keys.eos_token_id.map_or(Vec::new(), OneOrMore::list);
        let config = Self {
            query_heads: query_heads as usize,
            kv_heads: kv_heads as usize,
            head_dim: head_dim as usize,
            norm_epsilon,
            rope,
            qkv_bias: shape.architecture == Architecture::Qwen2 || attention_bias,
            output_bias: shape.architecture != Architecture::Qwen2 && attention_bias,
            feed_forward_bias: keys.mlp_bias.unwrap_or(false),
            qk_norm: shape.architecture == Architecture::Qwen3,
            windows,
            end_tokens,
            shape,
        };
        config.check_end_tokens(origin)?;
        Ok(config)
    }

    fn check_end_tokens(&self, origin: &str) -> Result<(), FileError> {
        match self.end_tokens.iter().find(|token| **token >= self.shape.vocab) {
            None => Ok(()),
            Some(token) => {
                let problem =
                    format!("`eos_token_id` has {token}, the vocabulary has {} tokens", self.shape.vocab);
                Err(FileError::new(origin, problem))
            }
        }
    }

    /// Width of the residual stream.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.shape.hidden as usize
    }

    /// Entries of the vocabulary.
    #[must_use]
    pub fn vocab(&self) -> usize {
        self.shape.vocab as usize
    }
}

/// For each layer its window, as `transformers` reads the keys.
fn windows(keys: &Keys, shape: &ModelShape, origin: &str) -> Result<Vec<Option<u32>>, FileError> {
    let layers = shape.layers as usize;
    let window = match (keys.sliding_window, keys.use_sliding_window) {
        (_, Some(false)) => None,
        // Qwen's switch is off where it is not there.
        (_, None) if matches!(shape.architecture, Architecture::Qwen2 | Architecture::Qwen3) => None,
        (Some(0), _) => return Err(FileError::new(origin, "`sliding_window` is 0, it must be at least 1")),
        (window, _) => window,
    };
    if shape.architecture == Architecture::Llama {
        return Ok(vec![None; layers]);
    }
    if let Some(types) = &keys.layer_types {
        if types.len() != layers {
            let problem = format!("`layer_types` has {} entries, the model has {layers} layers", types.len());
            return Err(FileError::new(origin, problem));
        }
        return types
            .iter()
            .map(|kind| match kind.as_str() {
                "full_attention" => Ok(None),
                "sliding_attention" => Ok(window),
                other => {
                    let problem = format!("`layer_types` has {}, which is not served", quoted(other));
                    Err(FileError::new(origin, problem).help("`full_attention` and `sliding_attention` are"))
                }
            })
            .collect();
    }
    let first = match shape.architecture {
        Architecture::Qwen2 | Architecture::Qwen3 => keys.max_window_layers.unwrap_or(28),
        _ => 0,
    };
    Ok((0..shape.layers).map(|layer| window.filter(|_| layer >= first)).collect())
}

fn json_error(origin: &str, error: &serde_json::Error) -> FileError {
    FileError::new(origin, shown(error)).at_line(error.line().max(1))
}

/// What serde says, without the place.
pub(crate) fn shown(error: &serde_json::Error) -> String {
    let text = error.to_string();
    excerpt(text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem))
}

fn quoted(text: &str) -> String {
    format!("`{}`", excerpt(text))
}

/// Enough of a text that somebody else wrote.
pub(crate) fn excerpt(text: &str) -> String {
    let mut characters = text.chars().filter(|c| !c.is_control());
    let start: String = characters.by_ref().take(120).collect();
    if characters.next().is_some() { format!("{start}…") } else { start }
}
