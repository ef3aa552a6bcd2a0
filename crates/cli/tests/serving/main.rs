//! `helix up` as a user meets it: real processes, real requests, and what happens when some of them die.
#![cfg(target_os = "linux")]

mod client;
mod folders;
mod lifecycle;
mod load;
mod openai;
mod recording;
mod signals;
mod slow_reader;
mod slowed;
mod soak;
mod tokens;
mod up;
