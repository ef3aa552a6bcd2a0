//! A cluster file as serde reads it: every key that exists, and where each value stands.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::device::raw::RawDevice;
use crate::{Bandwidth, Bytes, BytesPerSecond, SimTime};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCluster {
    #[expect(dead_code, reason = "checked before this struct is filled")]
    version: i64,
    pub name: Spanned<String>,
    #[serde(default)]
    pub coordinator: RawCoordinator,
    #[serde(default)]
    pub regions: Vec<RawRegion>,
    #[serde(default)]
    pub region_links: Vec<RawLink>,
    #[serde(default)]
    pub devices: BTreeMap<Spanned<String>, RawDevice>,
    #[serde(default)]
    pub machine_types: BTreeMap<Spanned<String>, RawMachineType>,
    #[serde(default)]
    pub machines: Vec<RawMachine>,
    #[serde(default)]
    pub links: Vec<RawLink>,
    #[serde(default)]
    pub cost_tables: Vec<RawCostTables>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCoordinator {
    pub region: Option<Spanned<String>>,
    pub nic: Option<Spanned<Bandwidth>>,
    pub nic_in: Option<Spanned<Bandwidth>>,
    pub nic_out: Option<Spanned<Bandwidth>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegion {
    pub name: Spanned<String>,
    pub bandwidth: Option<Spanned<Bandwidth>>,
    pub latency: Option<Spanned<SimTime>>,
}

/// An entry of `region_links` (between regions) or `links` (between machines).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLink {
    pub from: Spanned<String>,
    pub to: Spanned<String>,
    pub bandwidth: Spanned<Bandwidth>,
    pub latency: SimTime,
    #[serde(default)]
    pub one_way: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMachineType {
    pub device: Spanned<String>,
    pub count: Option<Spanned<u32>>,
    pub memory: Option<Spanned<Bytes>>,
    pub nic: Option<Spanned<Bandwidth>>,
    pub nic_in: Option<Spanned<Bandwidth>>,
    pub nic_out: Option<Spanned<Bandwidth>>,
    pub disk: Option<Spanned<BytesPerSecond>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMachine {
    pub name: Spanned<String>,
    pub replicas: Option<Spanned<u32>>,
    #[serde(rename = "type")]
    pub machine_type: Option<Spanned<String>>,
    pub device: Option<Spanned<String>>,
    pub count: Option<Spanned<u32>>,
    pub region: Option<Spanned<String>>,
    pub memory: Option<Spanned<Bytes>>,
    pub nic: Option<Spanned<Bandwidth>>,
    pub nic_in: Option<Spanned<Bandwidth>>,
    pub nic_out: Option<Spanned<Bandwidth>>,
    pub disk: Option<Spanned<BytesPerSecond>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCostTables {
    pub model: Spanned<String>,
    pub file: Spanned<String>,
}
