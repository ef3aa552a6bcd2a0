//! Cost tables as the text of their file.

use super::{CostTables, DeclaredRow, TimeTable};
use crate::FORMAT_VERSION;
use crate::toml_text::{InlineTable, key, push_list, quoted, write};

/// Measured rows on one line of the file.
const ROWS_A_LINE: usize = 8;

impl CostTables {
    /// Writes the tables: reading the text again gives the same tables, floating-point numbers bit for bit.
    ///
    /// TOML's integers have 63 bits; larger capacities are written, and refused when they are read.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = format!("version = {FORMAT_VERSION}\nmodel = {}\n", quoted(&self.model));
        let sizes = [
            ("layer_bytes", self.layer_bytes),
            ("activation_bytes", self.activation_bytes),
            ("token_bytes", self.token_bytes),
        ];
        for (key, size) in sizes {
            if let Some(size) = size {
                write(&mut out, format_args!("{key} = {}\n", quoted(&size.to_string())));
            }
        }
        for (name, tables) in &self.types {
            write(&mut out, format_args!("\n[types.{}]\n", key(name)));
            push_list(
                &mut out,
                "declared",
                tables.declared.iter().map(|(layers, row)| declared(*layers, row)),
            );
            push_times(&mut out, "prompt", tables.prompt.as_ref());
            push_times(&mut out, "decode", tables.decode.as_ref());
        }
        out
    }
}

fn declared(layers: u32, row: &DeclaredRow) -> InlineTable {
    // `{:?}` writes the shortest decimal that reads back as the same bits, and always as a float.
    InlineTable::default()
        .value("layers", layers)
        .value("tokens_per_s", format_args!("{:?}", row.throughput.get()))
        .value("kv_capacity", row.kv_capacity)
        .value("prompt_max_requests", row.prompt_max_requests)
        .value("prompt_max_tokens", row.prompt_max_tokens)
        .value("decode_max_context", row.decode_max_context)
        .value("decode_max_requests", row.decode_max_requests)
        .value("typical_prompt_requests", format_args!("{:?}", row.typical_prompt_requests))
        .value("typical_prompt_tokens", row.typical_prompt_tokens)
        .value("typical_decode_tokens", row.typical_decode_tokens)
}

fn push_times(out: &mut String, key: &str, table: Option<&TimeTable>) {
    let lines = table.map_or(&[][..], |table| &table.rows).chunks(ROWS_A_LINE).map(|rows| {
        let cells: Vec<String> = rows.iter().map(|(batch, time)| format!("[{batch}, \"{time}\"]")).collect();
        cells.join(", ")
    });
    push_list(out, key, lines);
}
