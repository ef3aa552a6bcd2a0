//! Complete search for a few machines: overlapping ranges, one machine that feeds two, everything that is no stage.
//!
//! Two questions at a target flow, both answered with yes, no, or "out of effort":
//! - [`CoverSearch`]: can every layer be held by machines whose throughputs sum to the flow? A no bounds every placement.
//! - [`flow_search`]: is there a placement without partial inference that carries the flow if no link binds? A no
//!   bounds every placement without partial inference.
//!
//! Where there are so few plans that all of them can be tried, [`BestPlans`] does that, links and depths included.

mod cover;
mod every;
mod flow;

pub use cover::{CoverSearch, Placed};
pub use every::BestPlans;
pub use flow::flow_search;

/// Answer of a search that may give up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// One that answers the question.
    Yes(T),
    /// Proven that there is none.
    No,
    /// Stopped before either.
    Unknown,
}
