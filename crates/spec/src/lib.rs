//! The nouns of Helix and their file formats.
//!
//! ```text
//! cluster.toml ─┐                      ┌─> Cluster { regions, machines, network, cost tables }
//! config.json  ─┼─> parse ─> validate ─┼─> ModelShape
//! placement    ─┤                      ├─> Placement
//! trace.csv    ─┘                      └─> Workload
//! ```
//!
//! Pure: no clock, no randomness, no environment; files are read only where a path is handed in.

pub mod asplos25;
mod cluster;
mod cost_tables;
mod device;
mod file;
pub mod generate;
mod model;
mod network;
mod placement;
mod toml_text;
mod trace;
mod units;
mod workload;

pub use cluster::{
    COORDINATOR, Cluster, ClusterFiles, Coordinator, MAX_MACHINES, Machine, MachineId, Nic, ReadBeside,
    RegionId, cluster_presets, load_cluster, load_cluster_named, machine_type_label,
};
pub use cost_tables::{CostTables, DeclaredRow, TimeTable, TypeTables};
pub use device::{Device, DeviceCatalogue, DeviceKind, UnknownDevice};
pub use file::{FORMAT_VERSION, FileError, MAX_DESCRIPTION_BYTES, Source, nearest, parse_toml, read_text};
pub use model::{Architecture, Attention, Experts, ModelShape, NumberFormat};
pub use network::{Endpoint, Link, Network};
pub use placement::{Assignment, LayerRange, PartialInference, Placement, RankLayout};
pub use trace::{MAX_REQUEST_TOKENS, MAX_TRACE_BYTES, MAX_TRACE_REQUESTS, Trace, TraceRequest};
pub use units::{Bandwidth, Bytes, BytesPerSecond, FlopsPerSecond, SimTime, TokensPerSecond, UnitError};
pub use workload::{Arrivals, LengthDistribution, Lengths, RequestsPerSecond, Workload};
