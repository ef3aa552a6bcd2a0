//! Rotary positions: the frequencies of `transformers`' `default`, `linear`, `llama3` and `yarn`.

use std::f64::consts::TAU;

use helix_spec::FileError;
use serde::Deserialize;

use super::{Keys, json_error, quoted};

/// Rotary positions of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub theta: f64,
    /// How they are changed for longer contexts.
    pub scaling: RopeScaling,
}

/// How frequencies are changed for contexts beyond those of the training.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All divided.
    Linear {
        /// Divisor.
        factor: f64,
    },
    /// Long waves divided, short ones kept, those between blended (Llama 3.1).
    Llama3 {
        /// Divisor of the long waves.
        factor: f64,
        /// Waves longer than the old context over this are divided.
        low_freq_factor: f64,
        /// Waves shorter than the old context over this are kept.
        high_freq_factor: f64,
        /// Context before scaling \[tokens\].
        original_context: f64,
    },
    /// Blended by index of the frequency, logits scaled (arXiv 2309.00071).
    Yarn {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Turns in the old context from which on frequencies are kept.
        beta_fast: f64,
        /// Turns below which they are divided.
        beta_slow: f64,
        /// Context before scaling \[tokens\].
        original_context: f64,
        /// What sines and cosines are multiplied with.
        attention_factor: f64,
        /// Whether the bounds of the blend are rounded outwards.
        truncate: bool,
    },
}

#[derive(Debug, Deserialize)]
struct Scaling {
    rope_type: Option<String>,
    r#type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    attention_factor: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    truncate: Option<bool>,
    partial_rotary_factor: Option<f64>,
}

/// A number that must be there and be from `least` to 1e9.
fn number(value: Option<f64>, name: &str, least: f64, origin: &str) -> Result<f64, FileError> {
    let value = value
        .ok_or_else(|| FileError::new(origin, format!("the scaling of rotary positions has no `{name}`")))?;
    if (least..=1e9).contains(&value) {
        return Ok(value);
    }
    Err(FileError::new(origin, format!("`{name}` is {value}, it must be a number from {least} to 1e9")))
}

pub(super) fn parse(keys: &Keys, head_dim: u32, origin: &str) -> Result<RopeConfig, FileError> {
    // Both under one name: the new one holds the base as well.
    let table = keys.rope_parameters.as_ref().or(keys.rope_scaling.as_ref()).filter(|table| !table.is_null());
    let scaling: Option<Scaling> = table
        .map(|table| Scaling::deserialize(table).map_err(|error| json_error(origin, &error)))
        .transpose()?;
    let in_table = scaling.as_ref().and_then(|scaling| scaling.rope_theta);
    let theta = number(in_table.or(keys.rope_theta).or(Some(10_000.0)), "rope_theta", 1.0, origin)?;
    let Some(scaling) = scaling else { return Ok(RopeConfig { theta, scaling: RopeScaling::None }) };
    if scaling.partial_rotary_factor.is_some_and(|factor| factor != 1.0) {
        return Err(FileError::new(origin, "`partial_rotary_factor` is not 1, which is not served yet"));
    }
    let kind = scaling.rope_type.as_deref().or(scaling.r#type.as_deref()).unwrap_or("default");
    let scaling = match kind {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: number(scaling.factor, "factor", 1.0, origin)? },
        "llama3" => llama3(&scaling, origin)?,
        "yarn" => yarn(&scaling, keys, theta, origin)?,
        "dynamic" => {
            return Err(FileError::new(
                origin,
                "rotary scaling `dynamic` changes the cached keys as the context grows and is not served",
            )
            .help("remove it for contexts of the trained length, or take `linear`, `llama3` or `yarn`"));
        }
        other => {
            return Err(FileError::new(origin, format!("rotary scaling {} is not served", quoted(other)))
                .help("`default`, `linear`, `llama3` and `yarn` are"));
        }
    };
    debug_assert!(head_dim.is_multiple_of(2), "checked before");
    Ok(RopeConfig { theta, scaling })
}

fn llama3(scaling: &Scaling, origin: &str) -> Result<RopeScaling, FileError> {
    let low_freq_factor = number(scaling.low_freq_factor, "low_freq_factor", 1e-6, origin)?;
    let high_freq_factor = number(scaling.high_freq_factor, "high_freq_factor", 1e-6, origin)?;
    if high_freq_factor <= low_freq_factor {
        let problem = format!(
            "`high_freq_factor` is {high_freq_factor}, it must be above `low_freq_factor`, {low_freq_factor}"
        );
        return Err(FileError::new(origin, problem));
    }
    let original = scaling.original_max_position_embeddings;
    Ok(RopeScaling::Llama3 {
        factor: number(scaling.factor, "factor", 1.0, origin)?,
        low_freq_factor,
        high_freq_factor,
        original_context: number(original, "original_max_position_embeddings", 1.0, origin)?,
    })
}

fn yarn(scaling: &Scaling, keys: &Keys, theta: f64, origin: &str) -> Result<RopeScaling, FileError> {
    if theta <= 1.0 {
        return Err(FileError::new(origin, "`rope_theta` must be above 1 for the rotary scaling `yarn`"));
    }
    let factor = number(scaling.factor, "factor", 1.0, origin)?;
    let original = scaling.original_max_position_embeddings.or(keys.max_position_embeddings.map(f64::from));
    let magnitude = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * libm::log(factor) + 1.0 };
    let attention_factor = match (scaling.attention_factor, scaling.mscale, scaling.mscale_all_dim) {
        (Some(given), _, _) => given,
        (None, Some(one), Some(all)) if one != 0.0 && all != 0.0 => magnitude(one) / magnitude(all),
        _ => magnitude(1.0),
    };
    Ok(RopeScaling::Yarn {
        factor,
        beta_fast: number(scaling.beta_fast.or(Some(32.0)), "beta_fast", 1e-6, origin)?,
        beta_slow: number(scaling.beta_slow.or(Some(1.0)), "beta_slow", 1e-6, origin)?,
        original_context: number(original, "original_max_position_embeddings", 1.0, origin)?,
        attention_factor: number(Some(attention_factor), "attention_factor", 1e-6, origin)?,
        truncate: scaling.truncate.unwrap_or(true),
    })
}

impl RopeConfig {
    /// The angle by which each pair of numbers of a head turns a token, `head_dim / 2` of them \[radians\].
    #[must_use]
    pub fn frequencies(&self, head_dim: usize) -> Vec<f64> {
        let pairs = head_dim / 2;
        let plain = |pair: usize| libm::pow(self.theta, -((2 * pair) as f64) / head_dim as f64);
        (0..pairs).map(|pair| self.scaling.apply(plain(pair), pair, head_dim, self.theta)).collect()
    }

    /// What sines and cosines are multiplied with.
    #[must_use]
    pub fn attention_factor(&self) -> f64 {
        match self.scaling {
            RopeScaling::Yarn { attention_factor, .. } => attention_factor,
            _ => 1.0,
        }
    }
}

impl RopeScaling {
    fn apply(&self, frequency: f64, pair: usize, head_dim: usize, theta: f64) -> f64 {
        match *self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                let wave = TAU / frequency;
                if wave < original_context / high_freq_factor {
                    frequency
                } else if wave > original_context / low_freq_factor {
                    frequency / factor
                } else {
                    let blend =
                        (original_context / wave - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    (1.0 - blend) * frequency / factor + blend * frequency
                }
            }
            Self::Yarn { factor, beta_fast, beta_slow, original_context, truncate, .. } => {
                let index = |turns: f64| {
                    head_dim as f64 * libm::log(original_context / (turns * TAU)) / (2.0 * libm::log(theta))
                };
                let (mut low, mut high) = (index(beta_fast), index(beta_slow));
                if truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                (low, high) = (low.max(0.0), high.min(head_dim as f64 - 1.0));
                let length = if high == low { 0.001 } else { high - low };
                let divided = ((pair as f64 - low) / length).clamp(0.0, 1.0);
                frequency / factor * divided + frequency * (1.0 - divided)
            }
        }
    }
}
