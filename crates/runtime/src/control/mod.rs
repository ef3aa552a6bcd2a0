//! Control between coordinator and workers: gRPC, `proto/control.proto`.

mod server;

/// Generated from `proto/control.proto`.
#[expect(
    missing_docs,
    clippy::pedantic,
    clippy::allow_attributes,
    reason = "generated; documented in the proto file"
)]
pub mod proto {
    tonic::include_proto!("helix.control.v1");
}

pub(crate) use server::{ControlSettings, serve_control};

/// Versions of program and protocol must be the same on both sides.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
