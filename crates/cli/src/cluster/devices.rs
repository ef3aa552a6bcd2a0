//! `helix cluster devices`: what may stand under `device` in a cluster file.

use std::io::{self, Write};

use helix_spec::{Device, DeviceCatalogue, DeviceKind};
use serde::Serialize;

use super::text::table;
use crate::exit_codes::Failure;
use crate::output::{Format, Output};

/// A device for scripts.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    kind: DeviceKind,
    memory_bytes: u64,
    memory_bandwidth_bytes_per_s: u64,
    flops_16bit: u64,
    flops_8bit: Option<u64>,
    flops_4bit: Option<u64>,
    interconnect_bytes_per_s: u64,
    source: &'a str,
}

/// Lists the catalogue.
pub fn run(output: &mut Output) -> Result<(), Failure> {
    let catalogue = DeviceCatalogue::builtin();
    match output.format {
        Format::Text => write(output, &catalogue)?,
        Format::Json => {
            let rows: Vec<Row<'_>> = catalogue.iter().map(row).collect();
            output.json(&rows)?;
        }
    }
    Ok(())
}

fn row(device: &Device) -> Row<'_> {
    Row {
        name: &device.name,
        kind: device.kind,
        memory_bytes: device.memory.0,
        memory_bandwidth_bytes_per_s: device.memory_bandwidth.0,
        flops_16bit: device.flops_16bit.0,
        flops_8bit: device.flops_8bit.map(|speed| speed.0),
        flops_4bit: device.flops_4bit.map(|speed| speed.0),
        interconnect_bytes_per_s: device.interconnect.0,
        source: &device.source,
    }
}

fn write(out: &mut impl Write, catalogue: &DeviceCatalogue) -> io::Result<()> {
    let head = ["device", "memory", "its speed", "16 bit", "8 bit", "4 bit", "to its neighbours"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(catalogue.iter().map(|device| {
        let or_none =
            |speed: Option<helix_spec::FlopsPerSecond>| speed.map_or("–".to_owned(), |s| s.to_string());
        vec![
            device.name.clone(),
            device.memory.to_string(),
            device.memory_bandwidth.to_string(),
            device.flops_16bit.to_string(),
            or_none(device.flops_8bit),
            or_none(device.flops_4bit),
            device.interconnect.to_string(),
        ]
    }));
    writeln!(out, "peaks of one device, dense, from the vendors' datasheets (sources: --format json)\n")?;
    table(out, &rows)?;
    writeln!(out, "\nAny other device is described under [devices.NAME] in a cluster file.")
}
