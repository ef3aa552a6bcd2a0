//! `*_sol.ini`: a placement, as the list of layers that every node holds.

use std::collections::BTreeMap;

use super::expression::Value;
use super::fields::{Fields, exact, whole_number};
use super::ini::{Ini, shorten};
use crate::{FileError, LayerRange, Source};

/// How node names of the authors' simulator begin; the node's number follows.
pub(super) const NODE_PREFIX: &str = "compute_node_";

/// A parsed `*_sol.ini`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SolutionFile {
    /// The file, for messages.
    pub origin: String,
    /// Number of node 0 in names: `compute_node_2` is node 0 where it is 2.
    pub offset: u32,
    /// By node index, with the line; nodes that hold no layer have `None`.
    pub nodes: BTreeMap<u32, (Option<LayerRange>, usize)>,
}

/// Parses a `*_sol.ini`.
///
/// # Errors
/// Missing sections, names that are not `compute_node_N` with N at least the offset, layers that are not ascending and
/// without gaps. Whether nodes and layers exist is for the reader of the cluster and the model to say.
pub fn parse_solution(text: &str, origin: &str) -> Result<SolutionFile, FileError> {
    let ini = Ini::parse(&Source { origin, text })?;
    let settings = Fields::of(&ini, "Settings")?;
    let offset = u32::try_from(settings.integer("offset")?)
        .map_err(|_| settings.refuse_key("offset", "is larger than any cluster"))?;
    let solution = Fields::of(&ini, "Solution")?;
    let mut nodes = BTreeMap::new();
    for (key, entry) in &solution.section.entries {
        let index = node_index(key, offset).ok_or_else(|| {
            solution
                .refuse_key(key, "is not a node's name")
                .help(format!("names are `{NODE_PREFIX}N`, N from {offset}, the offset, on"))
        })?;
        nodes.insert(index, (layers(solution, key)?, entry.line));
    }
    Ok(SolutionFile { origin: origin.to_owned(), offset, nodes })
}

/// The index of a node in the cluster file.
pub(super) fn node_index(name: &str, offset: u32) -> Option<u32> {
    let number = name.strip_prefix(NODE_PREFIX)?;
    // Only the one way to write a number, so that no two names are the same node.
    let parsed: u32 = number.parse().ok()?;
    if parsed.to_string() == number { parsed.checked_sub(offset) } else { None }
}

fn layers(solution: Fields<'_>, key: &str) -> Result<Option<LayerRange>, FileError> {
    let mut range: Option<(u32, u32)> = None;
    for value in solution.list(key)? {
        let Some(layer) = whole_number(&value).and_then(|layer| u32::try_from(layer).ok()) else {
            let found = match &value {
                Value::Number(number) if exact(number.value).is_none() => format!("{}", number.value),
                Value::Number(number) => format!("{} with a unit or beyond 2^32", number.value),
                other => other.kind().to_owned(),
            };
            return Err(solution.refuse_key(key, &format!("must list layers, it holds {}", shorten(&found))));
        };
        let start = match range {
            None => layer,
            Some((start, end)) if end == layer => start,
            Some((_, end)) => {
                let problem = format!("has layer {layer} after layer {}", end - 1);
                return Err(solution
                    .refuse_key(key, &problem)
                    .help("a machine holds one range of layers, ascending and without gaps"));
            }
        };
        let end = layer
            .checked_add(1)
            .ok_or_else(|| solution.refuse_key(key, &format!("has layer {layer}, no model has so many")))?;
        range = Some((start, end));
    }
    Ok(range.and_then(|(start, end)| LayerRange::new(start, end)))
}
