//! The sharded execution against the oracle and against itself.

mod equivalences;
mod layouts;
mod mutations;
mod support;
mod volume;
