//! Kernels for processors with vector instructions, chosen when the program runs.
//!
//! ```text
//! activations ──quantize──> codes ─┐
//!              (or as they are)    ├─> panels of 16 output rows ──> [panel][row of the batch][16]
//! weights ──────pack─────────────> ┘
//! ```
//!
//! Every number that comes out is a chain of fused multiply-adds whose order does not depend on the batch, on the number
//! of threads, or on the instructions: a token gets the same bits wherever and beside whatever it is computed.

mod attention;
mod float;
mod isa;
mod mapping;
mod panels;
mod q8;
#[cfg(target_arch = "x86_64")]
mod q8_x86;
mod rows;
mod threads;

pub use attention::{AttentionUnit, BLOCK, attend};
pub use float::Float;
pub use isa::Isa;
pub use mapping::Mapping;
pub use panels::{FullPanels, LANES, PanelOutput};
pub use q8::{Q8_BLOCK, Q8Activations, Q8Panels};
pub use rows::{gated_silu, rms_norm};
pub use threads::Threads;

#[cfg(test)]
mod tests;
