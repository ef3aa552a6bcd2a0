//! Laws that hold whatever is simulated: a file each.

mod ahead;
mod bandwidth;
mod causality;
mod determinism;
mod exclusive;
mod failures;
mod fifo;
mod fusing;
mod joined;
mod kv;
mod little;
mod queues;
mod tokens;
mod worlds;
