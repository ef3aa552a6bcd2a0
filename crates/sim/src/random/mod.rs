//! Random numbers: the generator of Python's `random`, whose streams the paper's authors publish results of, and draws
//! from the distributions that workloads need.

mod draws;
mod mersenne;

pub use draws::{exponential, gamma};
pub use mersenne::MersenneTwister;
