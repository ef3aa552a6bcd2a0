//! Where requests come from: their lengths, their arrivals, and the way the paper's authors make traces.

mod arrivals;
mod lengths;
mod paper_trace;

pub use arrivals::ArrivalProcess;
pub use lengths::LengthSource;
pub use paper_trace::{ARRIVAL_INTERVAL, PaperTrace};
