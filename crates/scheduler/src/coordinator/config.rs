//! The coordinator's settings.

use helix_spec::SimTime;
use serde::{Deserialize, Serialize};

/// When the hops of a request are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// All at once when it is admitted: a pipeline is found if there is one.
    Pipeline,
    /// The same, but a hop once chosen stays: a request that meets a machine with nothing open behind it finds no way, even
    /// if there is another (the paper's max-flow).
    ForwardOnly,
    /// One after the other, each when its prompt leaves a machine and the driver asks
    /// ([`Event::AskHop`](super::Event::AskHop); the paper's baselines).
    HopByHop,
}

/// How much cache an admitted request is expected to take: `prompt + expected_output` tokens in every layer that it goes
/// through (section 2.7 of the paper's simulator).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KvEstimate {
    /// The part of a machine's cache that estimates may fill, 0 to 1.
    pub high_water_mark: f64,
    /// Tokens that a request is expected to generate.
    pub expected_output: f64,
}

impl KvEstimate {
    /// The paper's for offline runs: 240 tokens, up to 0.85.
    pub const ASPLOS25_OFFLINE: Self = Self { high_water_mark: 0.85, expected_output: 240.0 };
    /// The paper's for online runs: 240 × 0.6 tokens, up to 0.9.
    pub const ASPLOS25_ONLINE: Self = Self { high_water_mark: 0.9, expected_output: 240.0 * 0.6 };
}

/// What happens to a request that no pipeline can take now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNoRoute {
    /// It ends, as in the paper's offline mode.
    Reject,
    /// It waits in line; the oldest goes first.
    Queue {
        /// How many may wait; one more is rejected.
        bound: u32,
        /// How long each may wait.
        deadline: SimTime,
    },
}

/// What happens to the requests of a machine that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLoss {
    /// They start anew, with what they have generated as a part of their prompts, at most so many times each.
    Requeue {
        /// Losses that one request survives.
        times: u32,
    },
    /// They end.
    Fail,
}

/// Who sends a token on its next round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeDispatch {
    /// The coordinator, when the token has come back to it (the paper).
    Coordinator,
    /// The last stage, straight to the first one; the coordinator only learns of it.
    LastStage,
}

/// How measured speeds change the weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SpeedFeedback {
    /// Weight of the newest measurement in the moving average, above 0, at most 1.
    pub newest: f64,
    /// The smallest factor on a machine's weights.
    pub least: f64,
    /// The largest.
    pub most: f64,
    /// By how much (relative) the average must differ from the factor in use before it replaces it.
    pub hysteresis: f64,
}

impl Default for SpeedFeedback {
    fn default() -> Self {
        Self { newest: 0.1, least: 0.05, most: 2.0, hysteresis: 0.1 }
    }
}

/// All settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CoordinatorConfig {
    /// When hops are chosen.
    pub routing: Routing,
    /// Admission by expected cache; `None`: every machine always has room.
    pub kv: Option<KvEstimate>,
    /// What happens to what finds no way.
    pub on_no_route: OnNoRoute,
    /// What a lost machine does to its requests.
    pub on_loss: OnLoss,
    /// Who sends tokens on.
    pub decodes: DecodeDispatch,
    /// Whether measured speeds change the weights.
    pub speed: Option<SpeedFeedback>,
    /// How long a prompt waits for blocks on a machine before somebody gives way. A decode never waits that long: it
    /// makes the youngest give way at once.
    pub patience: SimTime,
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            routing: Routing::Pipeline,
            kv: Some(KvEstimate::ASPLOS25_ONLINE),
            on_no_route: OnNoRoute::Queue { bound: 4096, deadline: SimTime(60_000_000_000_000) },
            on_loss: OnLoss::Requeue { times: 3 },
            decodes: DecodeDispatch::Coordinator,
            speed: Some(SpeedFeedback::default()),
            patience: SimTime(1_000_000_000_000),
        }
    }
}

/// A setting without sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the scheduler's setting `{name}` is {value}, allowed is {allowed}")]
pub struct CoordinatorConfigError {
    /// Which.
    pub name: &'static str,
    /// What it is.
    pub value: f64,
    /// What it may be.
    pub allowed: &'static str,
}

impl CoordinatorConfig {
    /// Whether a coordinator can be made of it.
    pub fn validate(&self) -> Result<(), CoordinatorConfigError> {
        let check = |name, value: f64, range: (f64, f64), allowed| {
            let fits = value >= range.0 && value <= range.1;
            if fits { Ok(()) } else { Err(CoordinatorConfigError { name, value, allowed }) }
        };
        if let Some(kv) = self.kv {
            check("high_water_mark", kv.high_water_mark, (0.0, 1.0), "0 to 1")?;
            check("expected_output", kv.expected_output, (0.0, 1e9), "0 to 1e9 tokens")?;
        }
        if let Some(speed) = self.speed {
            check("newest", speed.newest, (1e-6, 1.0), "1e-6 to 1")?;
            check("least", speed.least, (1e-6, 1.0), "1e-6 to 1")?;
            check("most", speed.most, (1.0, 1e6), "1 to 1e6")?;
            check("hysteresis", speed.hysteresis, (0.0, 1.0), "0 to 1")?;
        }
        Ok(())
    }
}
