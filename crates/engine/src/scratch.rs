//! Memory that one layer needs and the next one uses again.

use crate::backends::cpu::PanelOutput;

/// Buffers of a step.
#[derive(Debug, Default)]
pub(crate) struct Scratch<T> {
    /// Rows of the batch that go through the present layer, in order.
    pub rows: Vec<usize>,
    /// `[row][hidden]`
    pub normed: Vec<T>,
    /// Results of a linear layer.
    pub results: PanelOutput<T>,
    /// `[row][width of the feed-forward, or of all query heads]`
    pub wide: Vec<T>,
    /// `[item][KV head][token][query of the group][head_dim]`
    pub queries: Vec<T>,
    /// As `queries`.
    pub attended: Vec<T>,
    /// As `queries`, without the last dimension.
    pub log_sums: Vec<T>,
    /// Cosines, then sines: `[row][2][head_dim / 2]`
    pub rotations: Vec<T>,
}
