//! What travels between machines, and how long it takes.

use helix_spec::{Bytes, Link, SimTime};

use crate::Wire;

impl Wire {
    /// Data of `tokens` tokens between two stages: activations and token ids.
    ///
    /// ```
    /// use helix_cost::Wire;
    /// use helix_spec::Bytes;
    /// let wire = Wire { token: Bytes(2), activation: Bytes(16_384) };
    /// assert_eq!(wire.between_stages(750), Bytes(750 * 16_386));
    /// assert_eq!(wire.at_the_ends(750), Bytes(1500));
    /// ```
    #[must_use]
    pub fn between_stages(&self, tokens: u64) -> Bytes {
        Bytes(self.token.0.saturating_add(self.activation.0).saturating_mul(tokens))
    }

    /// Data of `tokens` tokens between the coordinator and a first or last stage: token ids.
    #[must_use]
    pub fn at_the_ends(&self, tokens: u64) -> Bytes {
        Bytes(self.token.0.saturating_mul(tokens))
    }
}

/// Time from the first byte sent to the last byte received over an idle link: its latency and `bytes / bandwidth`.
/// `None` if that is longer than 104 days, as over a link without any bandwidth.
///
/// ```
/// use helix_cost::transfer_time;
/// use helix_spec::{Bandwidth, Bytes, Link};
/// let link = Link { bandwidth: "100 Mbit/s".parse().unwrap(), latency: "50 ms".parse().unwrap() };
/// // 12.5 MB/s: a prompt of 750 tokens of LLaMA-2-70B takes about a second between regions.
/// assert_eq!(transfer_time(link, Bytes(750 * 16_384)).unwrap().to_string(), "1.03304 s");
/// assert_eq!(transfer_time(Link { bandwidth: Bandwidth(0), ..link }, Bytes(1)), None);
/// ```
#[must_use]
pub fn transfer_time(link: Link, bytes: Bytes) -> Option<SimTime> {
    SimTime::from_seconds(link.latency.seconds() + bytes.0 as f64 / link.bandwidth.bytes_per_second())
}
