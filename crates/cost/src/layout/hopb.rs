//! HOP-B: the exchange of one request's partial results runs while the next request's attention is computed.
//!
//! ```text
//! serial   a a a a a a a a x x x x x x x x      B·(a + x)
//! HOP-B    a a a a a a a a x                    a + (B-1)·max(a, x) + x
//!            x x x x x x x
//! ```
//!
//! Source: section 2.1.3 and figure 3 of the Helix Parallelism paper.

/// How the attention and the exchange of partial results follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// One exchange after all attention.
    Exposed,
    /// Request by request, the latency of the collective paid once: what the calibrated study assumes.
    PerRequest,
    /// In this many chunks, at least one, each of which pays the latency of a collective.
    Chunks(u32),
    /// In as many chunks as take the least time.
    BestChunks,
}

/// Time of `requests` equal requests one after the other, `attention` and `exchange` being one request's \[any unit\].
///
/// ```
/// assert_eq!(helix_cost::layout::serial_seconds(8, 2.0, 1.2), 25.6);
/// ```
#[must_use]
pub fn serial_seconds(requests: u32, attention: f64, exchange: f64) -> f64 {
    f64::from(requests) * (attention + exchange)
}

/// The same with HOP-B; 0 for no request. The paper's figure 3 says 17 for this example:
///
/// ```
/// assert!((helix_cost::layout::hop_b_seconds(8, 2.0, 1.2) - 17.2).abs() < 1e-12);
/// ```
#[must_use]
pub fn hop_b_seconds(requests: u32, attention: f64, exchange: f64) -> f64 {
    if requests == 0 {
        return 0.0;
    }
    attention + f64::from(requests - 1) * attention.max(exchange) + exchange
}

/// Attention of a whole batch and the exchange that follows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AttentionPhase {
    /// Requests of the batch on this rank, at least 1.
    pub requests: f64,
    /// Attention of the whole batch \[s\].
    pub attention: f64,
    /// Bytes of the exchange at the link's speed \[s\].
    pub wire: f64,
    /// Latency of one collective \[s\].
    pub latency: f64,
}

impl AttentionPhase {
    /// Time from the first query to the last partial result \[s\].
    pub fn seconds(self, overlap: Overlap) -> f64 {
        let exchange = self.latency + self.wire;
        match overlap {
            Overlap::Exposed => self.attention + exchange,
            Overlap::PerRequest => {
                self.attention.max(exchange) + self.attention.min(exchange) / self.requests
            }
            Overlap::Chunks(chunks) => {
                let chunks = f64::from(chunks.max(1)).min(self.requests.max(1.0));
                let (attention, exchange) = (self.attention / chunks, self.latency + self.wire / chunks);
                attention + (chunks - 1.0) * attention.max(exchange) + exchange
            }
            Overlap::BestChunks => self.best_chunks().1,
        }
    }

    /// The number of chunks with the least time, and that time \[s\]; the smallest number among equals.
    pub fn best_chunks(self) -> (u32, f64) {
        // Convex in the number of chunks: the two terms that fall are divided by it, the latency is multiplied.
        // So the least is where the next number is no better, found by halving.
        let at = |chunks: u32| self.seconds(Overlap::Chunks(chunks));
        let (mut low, mut high) = (1_u32, whole(self.requests));
        while low < high {
            let middle = low + (high - low) / 2;
            if at(middle + 1) >= at(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        (low, at(low))
    }
}

/// Whole requests, at least one.
fn whole(requests: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and u32::MAX")]
    let whole = requests.clamp(1.0, f64::from(u32::MAX)) as u32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(requests: f64, attention: f64, wire: f64, latency: f64) -> AttentionPhase {
        AttentionPhase { requests, attention, wire, latency }
    }

    /// Starts every exchange as soon as its attention and the exchange before it are done.
    fn event_by_event(chunks: u32, attention: f64, exchange: f64) -> f64 {
        let (mut computed, mut exchanged) = (0.0_f64, 0.0_f64);
        for _ in 0..chunks {
            computed += attention;
            exchanged = exchanged.max(computed) + exchange;
        }
        exchanged
    }

    #[test]
    fn halving_finds_the_best_number_of_chunks() {
        for requests in [1.0, 2.0, 7.0, 64.0, 300.0] {
            for (a, x, latency) in
                [(100.0, 80.0, 1.0), (80.0, 100.0, 0.01), (1.0, 1.0, 5.0), (3.0, 0.0, 1.0), (0.0, 9.0, 0.0)]
            {
                let phase = phase(requests, a, x, latency);
                let all = (1..=whole(requests)).map(|chunks| phase.seconds(Overlap::Chunks(chunks)));
                let least = all.fold(f64::INFINITY, f64::min);
                let (chunks, seconds) = phase.best_chunks();
                assert!(seconds <= least * (1.0 + 1e-12), "{requests} {a} {x} {latency}: {chunks}");
            }
        }
        // Billions of requests take no longer to decide.
        assert!(phase(f64::from(u32::MAX), 1e6, 1e6, 1e-9).best_chunks().0 > 1_000_000);
    }

    #[test]
    fn the_closed_form_is_the_schedule() {
        for requests in [1, 2, 3, 8, 31] {
            for (a, x) in [(2.0, 1.2), (1.2, 2.0), (1.0, 1.0), (0.0, 3.0), (3.0, 0.0)] {
                let expected = event_by_event(requests, a, x);
                assert!((hop_b_seconds(requests, a, x) - expected).abs() < 1e-9);
                let n = f64::from(requests);
                let batch = phase(n, a * n, x * n, 0.0);
                assert!((batch.seconds(Overlap::PerRequest) - expected).abs() < 1e-9);
                assert!((batch.seconds(Overlap::Chunks(requests)) - expected).abs() < 1e-9);
                assert!((batch.seconds(Overlap::Exposed) - serial_seconds(requests, a, x)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn every_chunk_pays_its_latency() {
        let batch = phase(8.0, 16.0, 8.0, 1.0);
        assert_eq!(batch.seconds(Overlap::Chunks(1)), 25.0);
        assert_eq!(batch.seconds(Overlap::Chunks(2)), event_by_event(2, 8.0, 5.0));
        assert_eq!(batch.seconds(Overlap::Chunks(8)), 2.0 + 7.0 * 2.0 + 2.0);
        assert_eq!(batch.best_chunks(), (8, 18.0));
    }

    #[test]
    fn the_best_number_of_chunks_is_the_best_of_all() {
        for latency in [0.0, 0.01, 0.1, 0.5, 3.0, 50.0] {
            for (attention, wire) in [(16.0, 9.6), (9.6, 16.0), (0.1, 5.0), (5.0, 0.1)] {
                let batch = phase(24.0, attention, wire, latency);
                let (_, found) = batch.best_chunks();
                let all = (1..=24).map(|m| batch.seconds(Overlap::Chunks(m)));
                let least = all.fold(f64::INFINITY, f64::min);
                assert!((found - least).abs() < 1e-12, "{latency} {attention} {wire}: {found} {least}");
            }
        }
    }
}
