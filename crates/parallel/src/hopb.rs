//! HOP-B: requests pass attention in chunks, and each chunk is exchanged while the next is computed (paper, section 2.3).
//!
//! ```text
//! compute   |  0  |  1  |  2  |  3  |
//! exchange        | 0 |   | 1 |   | 2 |   | 3 |       only the last exchange is exposed when a > x
//! ```

use std::ops::Range;

/// The requests of each chunk: contiguous, as even as can be, none empty. No more chunks than requests.
///
/// ```
/// assert_eq!(helix_parallel::chunk_bounds(5, 2).collect::<Vec<_>>(), [0..3, 3..5]);
/// ```
#[must_use]
pub fn chunk_bounds(requests: usize, chunks: u32) -> impl ExactSizeIterator<Item = Range<usize>> {
    let count = (chunks.max(1) as usize).min(requests);
    (0..count).map(move |chunk| {
        let (each, extra) = (requests / count, requests % count);
        let start = chunk * each + chunk.min(extra);
        start..start + each + usize::from(chunk < extra)
    })
}

/// Time until the last chunk is exchanged, each given as (compute, exchange): one unit computes, one exchanges, both in
/// order.
///
/// For B equal chunks this is `a + (B - 1) · max(a, x) + x`; figure 3's eight requests of 2 and 1.2 take 17.2 instead of
/// 25.6 (the paper prints 17).
///
/// ```
/// let overlapped = helix_parallel::overlapped_time(&[(2.0, 1.2); 8]);
/// let serial = helix_parallel::serial_time(&[(2.0, 1.2); 8]);
/// assert!((overlapped - 17.2).abs() < 1e-12 && (serial - 25.6).abs() < 1e-12);
/// ```
#[must_use]
pub fn overlapped_time(chunks: &[(f64, f64)]) -> f64 {
    let (mut computed, mut exchanged) = (0.0, 0.0_f64);
    for (compute, exchange) in chunks {
        computed += compute;
        exchanged = exchanged.max(computed) + exchange;
    }
    exchanged
}

/// Time without overlap.
#[must_use]
pub fn serial_time(chunks: &[(f64, f64)]) -> f64 {
    chunks.iter().map(|(compute, exchange)| compute + exchange).sum()
}
