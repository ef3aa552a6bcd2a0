//! Kernels, one folder for each kind of processor. Only here is `unsafe` allowed.

pub mod cpu;
