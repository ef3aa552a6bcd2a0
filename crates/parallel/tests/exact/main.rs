//! The sharded execution against the oracle and against itself.

mod equivalences;
mod layouts;
mod mutations;
mod scale;
mod support;
mod volume;
mod volume_ways;
