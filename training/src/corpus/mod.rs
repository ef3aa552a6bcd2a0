//! The text that the model learns from. The program writes all of it; nothing is read.
//!
//! ```text
//! sums  facts  about  talk  stories(plots)  ──> conversation: turns that may refer to earlier ones
//! ```

pub mod about;
pub mod conversation;
pub mod facts;
mod plots;
pub mod stories;
mod sums;
pub mod talk;

pub use sums::Sum;
