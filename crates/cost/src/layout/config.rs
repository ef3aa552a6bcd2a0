//! A way to run one model on several devices: who shares what of the attention and of the feed-forward.

use std::fmt;

use helix_parallel::{Layout, LayoutError};
use helix_spec::{Attention, ModelShape, RankLayout};

/// How the ranks of one pipeline stage share the attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// By heads (TPA) and along the sequence (KVP), the feed-forward over all of the ranks. KVP 1 is plain tensor
    /// parallelism, KVP above 1 is Helix.
    Ranks,
    /// By requests: every rank holds the whole attention and the whole cache of its share of the batch.
    Requests,
    /// Medha's: the cache along the sequence over KVP groups of TPA ranks, the feed-forward on one group only.
    Groups,
}

/// The family that a configuration belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strategy {
    /// KVP above 1 with the feed-forward over all ranks.
    Helix,
    /// Tensor parallelism, over experts too.
    Tensor,
    /// Tensor parallelism in several pipeline stages.
    Pipeline,
    /// Attention by requests, experts or tensor-parallel feed-forward over all ranks.
    DataAttention,
    /// Medha's cache sharding.
    Medha,
}

impl Strategy {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 5] = [Self::Helix, Self::Tensor, Self::Pipeline, Self::DataAttention, Self::Medha];

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Helix => "helix",
            Self::Tensor => "tp",
            Self::Pipeline => "pp",
            Self::DataAttention => "dp-attention",
            Self::Medha => "medha",
        }
    }
}

/// One way to run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Widths of attention and feed-forward. With [`Sharing::Requests`] TPA counts the ranks and KVP is 1; with
    /// [`Sharing::Groups`] the feed-forward's widths are not used, it runs on TPA ranks.
    pub layout: Layout,
    /// How the ranks share the attention.
    pub sharing: Sharing,
}

impl Config {
    /// What Helix runs: a layout as it is.
    #[must_use]
    pub fn ranks(layout: Layout) -> Self {
        Self { layout, sharing: Sharing::Ranks }
    }

    /// Its family.
    #[must_use]
    pub fn strategy(self) -> Strategy {
        match self.sharing {
            Sharing::Ranks if self.kv() > 1 => Strategy::Helix,
            Sharing::Ranks if self.pipeline() > 1 => Strategy::Pipeline,
            Sharing::Ranks => Strategy::Tensor,
            Sharing::Requests => Strategy::DataAttention,
            Sharing::Groups => Strategy::Medha,
        }
    }

    /// Devices that it uses.
    #[must_use]
    pub fn devices(self) -> u32 {
        self.layout.ranks()
    }

    /// Pipeline stages.
    #[must_use]
    pub fn pipeline(self) -> u32 {
        self.layout.widths().pipeline
    }

    /// Ranks along the sequence: 1 where the cache is not sharded along it.
    #[must_use]
    pub fn kv(self) -> u32 {
        self.layout.widths().kv
    }

    /// Tensor-parallel width of the attention.
    #[must_use]
    pub fn tensor(self) -> u32 {
        match self.sharing {
            Sharing::Ranks | Sharing::Groups => self.layout.widths().attention_tensor,
            Sharing::Requests => 1,
        }
    }

    /// Ranks over which the output projection is shared.
    #[must_use]
    pub fn output_ranks(self) -> u32 {
        match self.sharing {
            Sharing::Ranks => self.layout.stage_ranks(),
            Sharing::Groups => self.tensor(),
            Sharing::Requests => 1,
        }
    }

    /// Ranks that share the feed-forward.
    #[must_use]
    pub fn ffn_ranks(self) -> u32 {
        match self.sharing {
            Sharing::Ranks | Sharing::Requests => self.layout.stage_ranks(),
            Sharing::Groups => self.tensor(),
        }
    }

    /// Tensor-parallel width of an expert (TPF).
    #[must_use]
    pub fn ffn_tensor(self) -> u32 {
        match self.sharing {
            Sharing::Ranks | Sharing::Requests => self.layout.expert_tensor(),
            Sharing::Groups => self.tensor(),
        }
    }

    /// Expert-parallel width (EP).
    #[must_use]
    pub fn expert(self) -> u32 {
        self.ffn_ranks() / self.ffn_tensor()
    }

    /// Requests of a batch on one rank.
    #[must_use]
    pub fn requests_on_rank(self, batch: u32) -> u32 {
        match self.sharing {
            Sharing::Ranks | Sharing::Groups => batch,
            Sharing::Requests => batch.div_ceil(self.layout.stage_ranks()),
        }
    }

    /// Whether the model divides over it.
    pub fn fits(self, model: &ModelShape) -> Result<(), LayoutError> {
        match self.sharing {
            Sharing::Ranks => self.layout.fits(model),
            Sharing::Groups => {
                let group = RankLayout { pipeline: self.pipeline(), ..RankLayout::tensor(self.tensor()) };
                Layout::new(group)?.fits(model)
            }
            // Every rank has all heads, so that their number need not divide.
            Sharing::Requests => {
                let heads = self.layout.stage_ranks();
                let attention = Attention::Grouped { query_heads: heads, kv_heads: heads, head_dim: 1 };
                self.layout.fits(&ModelShape { attention, ..model.clone() })
            }
        }
    }
}

impl fmt::Display for Config {
    /// `KVP 8 x TPA 8, TPF 64`; what is 1 is left out where nothing is lost.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tensor, kv) = (self.tensor(), self.kv());
        match self.sharing {
            Sharing::Ranks if kv == 1 => write!(f, "TP {tensor}")?,
            Sharing::Ranks => write!(f, "KVP {kv} x TPA {tensor}, TPF {}", self.ffn_tensor())?,
            Sharing::Requests => write!(f, "DP {}, TPF {}", self.ffn_ranks(), self.ffn_tensor())?,
            Sharing::Groups => write!(f, "Medha KVP {kv} x TP {tensor}")?,
        }
        if self.expert() > 1 {
            if self.sharing == Sharing::Ranks && kv == 1 {
                write!(f, ", TPF {}", self.ffn_tensor())?;
            }
            write!(f, " x EP {}", self.expert())?;
        }
        if self.pipeline() > 1 {
            write!(f, ", PP {}", self.pipeline())?;
        }
        Ok(())
    }
}
