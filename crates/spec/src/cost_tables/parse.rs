//! A file of cost tables as serde reads it, and its checks.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{CostTables, DeclaredRow, TimeTable, TypeTables};
use crate::file::{FileError, Pair, Source, parse_toml};
use crate::{Bytes, SimTime, TokensPerSecond};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCostTables {
    #[expect(dead_code, reason = "checked before this struct is filled")]
    version: i64,
    model: Spanned<String>,
    layer_bytes: Option<Spanned<Bytes>>,
    activation_bytes: Option<Spanned<Bytes>>,
    token_bytes: Option<Spanned<Bytes>>,
    #[serde(default)]
    types: BTreeMap<String, RawTypeTables>,
}

/// Rows `[batch, "time"]`.
type RawTimes = Vec<Spanned<Pair<u32, SimTime>>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTypeTables {
    #[serde(default)]
    declared: Vec<Spanned<RawDeclaredRow>>,
    prompt: Option<Spanned<RawTimes>>,
    decode: Option<Spanned<RawTimes>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeclaredRow {
    layers: u32,
    tokens_per_s: Spanned<f64>,
    kv_capacity: u64,
    prompt_max_requests: u32,
    prompt_max_tokens: u32,
    decode_max_context: u64,
    decode_max_requests: u32,
    typical_prompt_requests: Spanned<f64>,
    typical_prompt_tokens: u32,
    typical_decode_tokens: u32,
}

impl CostTables {
    /// Reads a file of cost tables.
    pub fn parse(source: &Source<'_>) -> Result<Self, FileError> {
        let raw: RawCostTables = parse_toml(source)?;
        if raw.model.get_ref().trim().is_empty() {
            return Err(source.error_at(&raw.model.span(), "the model has no name"));
        }
        let size = |key: &str, value: Option<Spanned<Bytes>>| match value {
            Some(size) if size.get_ref().0 == 0 => {
                Err(source.error_at(&size.span(), format!("{key} is 0 B, it must be more than zero")))
            }
            other => Ok(other.map(Spanned::into_inner)),
        };
        let mut types = BTreeMap::new();
        for (name, raw) in raw.types {
            types.insert(name, type_tables(source, raw)?);
        }
        Ok(Self {
            layer_bytes: size("layer_bytes", raw.layer_bytes)?,
            activation_bytes: size("activation_bytes", raw.activation_bytes)?,
            token_bytes: size("token_bytes", raw.token_bytes)?,
            model: raw.model.into_inner(),
            types,
        })
    }
}

fn type_tables(source: &Source<'_>, raw: RawTypeTables) -> Result<TypeTables, FileError> {
    let mut declared = BTreeMap::new();
    for row in raw.declared {
        let at = row.span();
        let (layers, row) = declared_row(source, row)?;
        if declared.insert(layers, row).is_some() {
            let problem = format!("the row for {layers} layers is given twice");
            return Err(source.error_at(&at, problem).help("keep one of them"));
        }
    }
    Ok(TypeTables {
        declared,
        prompt: time_table(source, raw.prompt)?,
        decode: time_table(source, raw.decode)?,
    })
}

fn declared_row(source: &Source<'_>, row: Spanned<RawDeclaredRow>) -> Result<(u32, DeclaredRow), FileError> {
    let at = row.span();
    let row = row.into_inner();
    if row.layers == 0 {
        return Err(source.error_at(&at, "a row is for 0 layers, it must be for at least 1"));
    }
    let refuse = |key: &str, value: &Spanned<f64>| {
        let problem =
            format!("{key} is {}, it must be a finite number that is not negative", value.get_ref());
        source.error_at(&value.span(), problem)
    };
    let throughput = TokensPerSecond::new(*row.tokens_per_s.get_ref())
        .ok_or_else(|| refuse("tokens_per_s", &row.tokens_per_s))?;
    let typical = &row.typical_prompt_requests;
    if !(typical.get_ref().is_finite() && *typical.get_ref() >= 0.0) {
        return Err(refuse("typical_prompt_requests", typical));
    }
    let declared = DeclaredRow {
        throughput,
        kv_capacity: row.kv_capacity,
        prompt_max_requests: row.prompt_max_requests,
        prompt_max_tokens: row.prompt_max_tokens,
        decode_max_context: row.decode_max_context,
        decode_max_requests: row.decode_max_requests,
        typical_prompt_requests: *typical.get_ref(),
        typical_prompt_tokens: row.typical_prompt_tokens,
        typical_decode_tokens: row.typical_decode_tokens,
    };
    Ok((row.layers, declared))
}

fn time_table(source: &Source<'_>, raw: Option<Spanned<RawTimes>>) -> Result<Option<TimeTable>, FileError> {
    let Some(raw) = raw else { return Ok(None) };
    if raw.get_ref().is_empty() {
        let problem = "the table of measured times is empty";
        return Err(source.error_at(&raw.span(), problem).help("leave it out, or give at least one row"));
    }
    let mut rows: Vec<(u32, SimTime)> = Vec::with_capacity(raw.get_ref().len());
    for row in raw.into_inner() {
        let Pair(batch, time) = *row.get_ref();
        if let Some((last, _)) = rows.last().filter(|(last, _)| *last >= batch) {
            let problem = format!("the row for a batch of {batch} follows the row for {last}");
            return Err(source.error_at(&row.span(), problem).help("rows ascend in the batch, each once"));
        }
        rows.push((batch, time));
    }
    Ok(Some(TimeTable { rows }))
}
