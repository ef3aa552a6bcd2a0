//! Upper bounds on the max-flow of every placement, rigorous under floating point (rounded outward).
//!
//! | bound | idea | cost |
//! |---|---|---|
//! | [`capped_work`] | work done against work needed | closed form |

mod work;

pub use work::{best_work, capped_work};
