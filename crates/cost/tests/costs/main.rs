//! Costs of layers on machines: the three sources, the paper's recipe, and how far off the roofline is.

mod bounds;
mod calibration;
mod declared;
mod laws;
mod measured;
mod paper;
mod roofline;
mod support;
