//! Figures of a run, in memory that does not grow with its events.

mod series;
mod summary;

pub use series::Series;
pub use summary::{Distribution, Summary};
