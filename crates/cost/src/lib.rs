//! How long a layer range takes on a machine, and how much fits.
//!
//! ```text
//!  declared tables ──> DeclaredCosts ───────────────────────────┐
//!  measured tables ──┐                                          ├─> Costs: CostModel  planners: T(k), KV(k)
//!  datasheet, shape ─┴> time of a batch ──> operating point ────┘
//!                                      └──────────────────────────> Costs: BatchTime  simulator: batch on k layers
//! ```
//! Every answer says which of the three it comes from, and whether a table had to be continued. Memory is one rule for
//! all of them ([`MemoryModel`]). Layouts of many ranks inside one machine have a model of their own ([`layout`]). How good the roofline is, and what it assumes: `docs/design/cost-model.md`.

mod batch;
mod capability;
mod clock;
mod constants;
mod costs;
mod declared;
mod layer;
pub mod layout;
mod measured;
mod memory;
mod operating;
mod paper;
mod roofline;
mod shared;
mod timed;
mod transfer;

pub use batch::{Batch, BatchCost, BatchError, BatchTime, TimeSource};
pub use capability::{Capability, CapabilitySource, CostModel, DoesNotFit, Wire};
pub use clock::MachineClock;
pub use constants::{Constants, DeviceFigures, KindConstants, Shares};
pub use costs::{CostChoice, CostError, Costs};
pub use declared::DeclaredCosts;
pub use measured::SmallBatches;
pub use memory::{MemoryModel, TYPICAL_OUTPUT, TYPICAL_PROMPT};
pub use operating::{OperatingAssumptions, OperatingPoint, Pace};
pub use paper::{PaperRecipe, PaperType, RecipeError, TypicalBatch, paper_tables};
pub use roofline::Roofline;
pub use timed::{TimedCosts, Times};
pub use transfer::transfer_time;
