//! Which form of the oracle a flag asks for.

use helix_parallel::LayerShape;
use helix_parallel::oracle::Form;

/// How the single-rank oracle computes latent attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OracleForm {
    /// Expanded where that takes half a minute at the most, else absorbed
    #[default]
    Auto,
    /// Keys and values of every token and head
    Expanded,
    /// The up-projections go to the query and to the output: a hundred times less work, less independent
    Absorbed,
}

impl OracleForm {
    /// For so many tokens.
    pub fn form(self, shape: &LayerShape, tokens: u64) -> Form {
        match self {
            Self::Auto => Form::affordable(shape, tokens),
            Self::Expanded => Form::Expanded,
            Self::Absorbed => Form::Absorbed,
        }
    }
}
