//! Laws that hold whatever is simulated: a file each.

mod bandwidth;
mod causality;
mod exclusive;
mod failures;
mod kv;
mod little;
mod queues;
mod tokens;
mod worlds;
