//! The limits table and the measured times.

use super::export::{ExportError, ExportedFile, Exporter, file};
use super::export_run::put;
use super::limits::COLUMNS;
use super::names::is_plain;
use super::write;
use crate::{CostTables, TimeTable};

/// `node_limits.csv` and `profiles/MODEL/TYPE/*_bs2time.csv` of the model's tables.
pub(super) fn tables(exporter: &Exporter<'_>) -> Result<Vec<ExportedFile>, ExportError> {
    let mut files = Vec::new();
    let Some(tables) = exporter.cluster.cost_tables_for(exporter.model) else { return Ok(files) };
    let model = exporter.paper().map_or(exporter.model, |paper| paper.file_name);
    let folder = exporter.paper().map_or(exporter.model, |paper| paper.folder);
    for name in tables.types.keys().map(String::as_str).chain([model]) {
        if !is_plain(name) {
            return Err(ExportError::Name { name: name.to_owned() });
        }
    }
    if tables.types.values().any(|table| !table.declared.is_empty()) {
        files.push(file("node_limits.csv", limits(tables, model, exporter.cluster.machines.len())));
    }
    for (machine_type, table) in &tables.types {
        let path = |what| format!("profiles/{folder}/{}/{what}_bs2time.csv", machine_type.to_lowercase());
        for (what, times) in [("prompt", &table.prompt), ("decode", &table.decode)] {
            if let Some(times) = times.as_ref().filter(|times| !times.rows.is_empty()) {
                files.push(file(&path(what), bs2time(times)?));
            }
        }
    }
    Ok(files)
}

fn limits(tables: &CostTables, model: &str, machines: usize) -> String {
    let mut text = COLUMNS.join(",") + "\n";
    for (machine_type, table) in &tables.types {
        for (layers, row) in &table.declared {
            put(&mut text, format_args!("{model},c{machines},{machine_type},{layers},"));
            let typical = (row.typical_prompt_requests, row.typical_prompt_tokens, row.typical_decode_tokens);
            put(&mut text, format_args!("{},{},{},", typical.0, typical.1, typical.2));
            put(&mut text, format_args!("{},{},", row.throughput.get(), row.kv_capacity));
            put(&mut text, format_args!("{},{},", row.prompt_max_requests, row.prompt_max_tokens));
            put(&mut text, format_args!("{},{}\n", row.decode_max_context, row.decode_max_requests));
        }
    }
    text
}

fn bs2time(times: &TimeTable) -> Result<String, ExportError> {
    let mut text = String::new();
    for (batch, time) in &times.rows {
        put(&mut text, format_args!("{batch},{}\n", write::milliseconds(*time)?));
    }
    Ok(text)
}
