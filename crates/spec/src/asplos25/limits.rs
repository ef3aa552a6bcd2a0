//! The limits table: declared throughput, cache capacity and batch limits by machine type and layers held.
//!
//! One file may hold several models and several clusters: `cluster_counts` is `c24` in the rows for the 24-machine
//! cluster. The throughputs follow from the whole cluster's composition, so rows of another cluster are not taken.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::ini::{alike, shorten};
use crate::file::refuse_empty;
use crate::{DeclaredRow, FileError, Source, TokensPerSecond};

/// The columns, in the order in which they are written.
pub(super) const COLUMNS: [&str; 13] = [
    "model",
    "cluster_counts",
    "machine",
    "layers",
    "prompt_typical_requests",
    "prompt_typical_tokens",
    "decode_typical_tokens",
    "token_throughput",
    "kv_capacity",
    "prompt_max_requests",
    "prompt_max_tokens",
    "decode_max_context",
    "decode_max_tokens",
];

/// Rows of a table, at most.
const MAX_ROWS: usize = 1_000_000;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitsRow {
    /// The model as the file names it.
    pub model: String,
    /// The cluster, `c` and its number of machines.
    pub cluster: String,
    /// Machine type.
    pub machine_type: String,
    /// Layers that it holds.
    pub layers: u32,
    /// What it does then.
    pub declared: DeclaredRow,
    /// Line in the file.
    pub line: usize,
}

/// A parsed limits table.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The file, for messages.
    pub origin: String,
    /// In the order of the file.
    pub rows: Vec<LimitsRow>,
}

/// Parses a limits table. Columns are found by their names, in any order.
///
/// # Errors
/// A header that lacks a column or has an unknown one, rows with another number of values, values that are no number.
pub fn parse_limits(text: &str, origin: &str) -> Result<Limits, FileError> {
    refuse_empty(&Source { origin, text })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((index, header)) = lines.next() else {
        return Err(FileError::new(origin, "is empty"));
    };
    let places = header_places(header, &FileError::new(origin, "").at_line(index + 1))?;
    let mut rows = Vec::new();
    for (index, line) in lines {
        let cells: Vec<&str> = line.split(',').map(str::trim).take(COLUMNS.len() + 1).collect();
        let fail = FileError::new(origin, "").at_line(index + 1);
        if cells.len() != COLUMNS.len() {
            let problem =
                format!("has {} values, the header has {} columns", line.split(',').count(), COLUMNS.len());
            return Err(FileError { problem, ..fail });
        }
        if rows.len() == MAX_ROWS {
            return Err(FileError { problem: format!("has more than {MAX_ROWS} rows"), ..fail });
        }
        rows.push(Cells { cells: places.map(|place| cells[place]), fail }.row(index + 1)?);
    }
    Ok(Limits { origin: origin.to_owned(), rows })
}

/// Where in a row each of `COLUMNS` stands.
fn header_places(header: &str, fail: &FileError) -> Result<[usize; COLUMNS.len()], FileError> {
    let found: Vec<&str> = header.split(',').map(str::trim).take(COLUMNS.len() + 1).collect();
    if let Some(unknown) = found.iter().find(|name| !COLUMNS.contains(name)) {
        let problem = format!("unknown column `{}`", shorten(unknown));
        let like = alike(unknown, COLUMNS).map(|like| format!("did you mean `{like}`? ")).unwrap_or_default();
        let help = Some(format!("{like}allowed: {}", COLUMNS.join(", ")));
        return Err(FileError { problem, help, ..fail.clone() });
    }
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let mut at = found.iter().enumerate().filter(|(_, name)| **name == column).map(|(at, _)| at);
        *place = match (at.next(), at.next()) {
            (Some(at), None) => at,
            (Some(_), Some(_)) => {
                return Err(FileError {
                    problem: format!("has the column `{column}` twice"),
                    ..fail.clone()
                });
            }
            (None, _) => {
                return Err(FileError { problem: format!("has no column `{column}`"), ..fail.clone() });
            }
        };
    }
    Ok(places)
}

/// The values of one row in the order of `COLUMNS`.
struct Cells<'a> {
    cells: [&'a str; COLUMNS.len()],
    fail: FileError,
}

impl Cells<'_> {
    fn row(&self, line: usize) -> Result<LimitsRow, FileError> {
        let declared = DeclaredRow {
            typical_prompt_requests: self.rate(4)?.get(),
            typical_prompt_tokens: self.number(5)?,
            typical_decode_tokens: self.number(6)?,
            throughput: self.rate(7)?,
            kv_capacity: self.number(8)?,
            prompt_max_requests: self.number(9)?,
            prompt_max_tokens: self.number(10)?,
            decode_max_context: self.number(11)?,
            decode_max_requests: self.number(12)?,
        };
        let layers = match self.number(3)? {
            0 => return Err(self.refuse(3, "a machine that holds no layers has no limits")),
            layers => layers,
        };
        Ok(LimitsRow {
            model: self.name(0)?,
            cluster: self.name(1)?,
            machine_type: self.name(2)?,
            layers,
            declared,
            line,
        })
    }

    fn name(&self, column: usize) -> Result<String, FileError> {
        if self.cells[column].is_empty() {
            return Err(self.refuse(column, "a name is needed"));
        }
        Ok(self.cells[column].to_owned())
    }

    fn number<T: FromStr>(&self, column: usize) -> Result<T, FileError> {
        self.cells[column].parse().map_err(|_| self.refuse(column, "a whole number is needed"))
    }

    fn rate(&self, column: usize) -> Result<TokensPerSecond, FileError> {
        let value = self.cells[column].parse().ok().and_then(TokensPerSecond::new);
        value.ok_or_else(|| self.refuse(column, "a number of at least 0 is needed"))
    }

    fn refuse(&self, column: usize, what: &str) -> FileError {
        let problem = format!("{} is `{}`, {what}", COLUMNS[column], shorten(self.cells[column]));
        FileError { problem, ..self.fail.clone() }
    }
}

impl Limits {
    /// The rows of a model on a cluster of so many machines, by machine type and layers.
    ///
    /// `is_model` says which names of the file mean the model, `model` is what to call it in messages. Rows are declared for
    /// a cluster of some size (`c24`); where the file has those of one cluster only, they are taken whatever its size, with
    /// a note.
    ///
    /// # Errors
    /// No rows of that model or that cluster (with those that there are), or two names in the file that both mean the
    /// model, or two rows for the same layers of a machine type.
    pub fn select(
        &self,
        model: &str,
        is_model: impl Fn(&str) -> bool,
        machines: usize,
        notes: &mut Vec<String>,
    ) -> Result<BTreeMap<String, BTreeMap<u32, DeclaredRow>>, FileError> {
        let fail = |problem: String| FileError::new(&self.origin, problem);
        let models: BTreeSet<&str> = self.rows.iter().map(|row| row.model.as_str()).collect();
        let mut meant = models.iter().filter(|name| is_model(name));
        let name = match (meant.next(), meant.next()) {
            (Some(name), None) => *name,
            (Some(one), Some(two)) => {
                return Err(fail(format!("has rows of `{one}` and of `{two}`, which both mean {model}"))
                    .help("take one of them out"));
            }
            (None, _) => {
                return Err(fail(format!("has no rows of the model {model}"))
                    .help(format!("it has: {}", list(&models))));
            }
        };
        let wanted = format!("c{machines}");
        let clusters: BTreeSet<&str> =
            self.rows.iter().filter(|row| row.model == name).map(|row| row.cluster.as_str()).collect();
        let chosen = match clusters.iter().next() {
            Some(only) if clusters.len() == 1 => (*only).to_owned(),
            _ => wanted.clone(),
        };
        if chosen != wanted {
            notes.push(format!(
                "the limits of `{name}` are declared for cluster_counts `{chosen}` and are taken for this cluster of {machines} \
                 machines, although throughputs depend on the whole cluster"
            ));
        }
        if !clusters.contains(chosen.as_str()) {
            return Err(fail(format!("has no rows of `{name}` with cluster_counts `{wanted}`")).help(format!(
                "the cluster has {machines} machines, and throughputs depend on the whole cluster; it has: {}",
                list(&clusters)
            )));
        }
        let mut types: BTreeMap<String, BTreeMap<u32, DeclaredRow>> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.model == name && row.cluster == chosen) {
            let rows = types.entry(row.machine_type.clone()).or_default();
            if rows.insert(row.layers, row.declared).is_some() {
                let problem = format!(
                    "has a second row of `{name}` `{chosen}` for {} with {} layers",
                    shorten(&row.machine_type),
                    row.layers
                );
                return Err(fail(problem).at_line(row.line));
            }
        }
        Ok(types)
    }
}

fn list(names: &BTreeSet<&str>) -> String {
    let shown: Vec<String> = names.iter().take(20).map(|name| shorten(name)).collect();
    let more = names.len().saturating_sub(shown.len());
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
