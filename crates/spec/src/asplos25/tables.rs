//! The cost tables of an import: declared rows and measured times of the machine types that the cluster has.

use std::collections::{BTreeMap, BTreeSet};

use super::import::{Inputs, Model};
use super::ini::shorten;
use super::names::same_name;
use crate::{CostTables, FileError, TypeTables};

/// The tables for the model, if the files hold anything of it.
pub(super) fn cost_tables(
    inputs: &Inputs<'_>,
    model: &Model,
    notes: &mut Vec<String>,
) -> Result<Option<CostTables>, FileError> {
    let types: BTreeSet<&str> = inputs.cluster.types.iter().map(String::as_str).collect();
    let mut tables = CostTables {
        model: model.name.clone(),
        layer_bytes: model.paper.map(|paper| paper.layer_bytes),
        activation_bytes: model.paper.map(|paper| paper.activation_bytes),
        token_bytes: model.paper.map(|paper| paper.token_bytes),
        types: BTreeMap::new(),
    };
    if let Some(limits) = &inputs.limits {
        let is_model = |name: &str| {
            same_name(name, inputs.model.name) || model.paper.is_some_and(|paper| paper.is_named(name))
        };
        let rows = limits.select(&model.name, is_model, inputs.cluster.types.len(), notes)?;
        for (machine_type, rows) in sort_in(&types, rows, &limits.origin, notes)? {
            tables.types.entry(machine_type).or_default().declared = rows;
        }
        without("declared rows", &types, |name| tables.types.contains_key(name), notes);
    }
    if !inputs.times.is_empty() {
        for (machine_type, times) in sort_in(&types, inputs.times.clone(), "the profiles", notes)? {
            let table = tables.types.entry(machine_type).or_default();
            (table.prompt, table.decode) = (times.prompt, times.decode);
        }
        let measured =
            |name: &str| tables.types.get(name).is_some_and(|t| t.prompt.is_some() && t.decode.is_some());
        without("measured times of both prompt and decode", &types, measured, notes);
    }
    tables.types.retain(|_, table| *table != TypeTables::default());
    Ok((model.paper.is_some() || !tables.types.is_empty()).then_some(tables))
}

/// Maps names in any letter case to the cluster's machine types; what the cluster has not is left out with a note.
fn sort_in<T>(
    types: &BTreeSet<&str>,
    found: BTreeMap<String, T>,
    origin: &str,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, T>, FileError> {
    let any_case: BTreeMap<String, &str> = types.iter().map(|name| (name.to_lowercase(), *name)).collect();
    let mut sorted = BTreeMap::new();
    let mut left_out = Vec::new();
    for (name, value) in found {
        let exact = types.get(name.as_str()).copied();
        let Some(machine_type) = exact.or_else(|| any_case.get(&name.to_lowercase()).copied()) else {
            left_out.push(shorten(&name));
            continue;
        };
        if sorted.insert(machine_type.to_owned(), value).is_some() {
            let problem = format!("has {machine_type} twice, in different letter case");
            return Err(FileError::new(origin, problem));
        }
    }
    if !left_out.is_empty() {
        notes.push(format!(
            "left out of {origin}: {}; the cluster has no such machine",
            shorten(&left_out.join(", "))
        ));
    }
    Ok(sorted)
}

fn without(what: &str, types: &BTreeSet<&str>, has: impl Fn(&str) -> bool, notes: &mut Vec<String>) {
    let missing: Vec<&str> = types.iter().copied().filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        notes.push(format!("no {what} for: {}", missing.join(", ")));
    }
}
