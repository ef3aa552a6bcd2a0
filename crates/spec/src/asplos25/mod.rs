//! The file formats of the paper's authors (Helix, ASPLOS'25): read, put together, written back.
//!
//! ```text
//! X.ini ────────────────parse_cluster──────────┐
//! machine_profiles.ini ─parse_machine_profiles─┤
//! *_bs2time.csv ────────parse_bs2time──────────┼─> Inputs ──import()──> Cluster, Placement, notes
//! limits.csv ───────────parse_limits───────────┤                            │
//! *_sol.ini ────────────parse_solution─────────┤                         export() ──> the same files again
//! simulator_cluster.ini parse_simulator_cluster┘
//! ```
//!
//! The trap: `kbps`, `mbps` and `gbps` are thousands, millions and billions of **bytes** a second in these files. A link
//! of `1000 * mbps` is `8 Gbit/s` in Helix.
//!
//! Precision: speeds of links and interfaces are kept in whole bit/s, disks in whole bytes/s, sizes in whole bytes, times
//! in whole picoseconds. Whatever the authors' generators write is exact in them; anything finer is rounded to the nearest.

mod bs2time;
mod cluster_file;
mod export;
mod export_cluster;
mod export_run;
mod export_tables;
mod expression;
mod fields;
mod import;
mod ini;
mod limits;
mod machine_profiles;
mod names;
mod overrides;
mod placing;
mod regions;
mod simulator_cluster;
mod solution;
mod tables;
mod write;

pub use bs2time::parse_bs2time;
pub use cluster_file::{ClusterFile, parse_cluster};
pub use export::{EXPORT_MARK, ExportError, Exported, ExportedFile, export};
pub use import::{Imported, ImportedModel, Inputs, Layout, import};
pub use limits::{Limits, LimitsRow, parse_limits};
pub use machine_profiles::{MachineProfile, MachineProfiles, parse_machine_profiles};
pub use names::{PAPER_MODELS, PaperModel, same_name};
pub use simulator_cluster::{SimulatedLink, SimulatedNode, SimulatorCluster, parse_simulator_cluster};
pub use solution::{SolutionFile, parse_solution};
