//! `helix up` as a user meets it: real processes, real requests, and what happens when some of them die.
#![cfg(target_os = "linux")]

mod client;
mod lifecycle;
mod load;
mod openai;
mod recording;
mod soak;
mod up;
