//! Upper bounds on the max-flow of every placement, rigorous under floating point (rounded outward).
//!
//! | bound | idea | cost |
//! |---|---|---|
//! | [`capped_work`] | work done against work needed | closed form |
//! | [`configuration_bound`] | how a layer can be covered at all | linear programs, milliseconds to seconds |
//! | [`crossing_bound`] | which link would have to carry all the flow | linear programs, milliseconds |

mod configuration;
mod cover;
mod crossing;
mod work;

pub use configuration::{Verdict, configuration_bound, covered_layers, least_throughput};
pub use cover::{Cover, Covers, Item};
pub use crossing::crossing_bound;
pub use work::{best_work, capped_work};
