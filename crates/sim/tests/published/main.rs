//! Against what the paper's authors published, and what their simulator computes. All of it needs their data, in a folder
//! beside the project; without it these tests say so and pass.

mod cases;
mod golden_events;
mod latency_aware;
mod traces;
