//! How long a layer range takes on a machine, and how much fits.

mod capability;
pub mod layout;

pub use capability::{Capability, CapabilitySource, CostModel, DoesNotFit, Wire};
