//! `prompt_bs2time.csv` and `decode_bs2time.csv`: measured milliseconds of one layer by batch size, without a header.

use super::ini::shorten;
use crate::file::refuse_empty;
use crate::{FileError, SimTime, Source, TimeTable};

/// Rows of a table, at most.
const MAX_ROWS: usize = 1_000_000;

/// Parses a `*_bs2time.csv`.
///
/// # Errors
/// Rows that are not `batch,milliseconds`, batch sizes that do not ascend, negative or infinite times.
pub fn parse_bs2time(text: &str, origin: &str) -> Result<TimeTable, FileError> {
    refuse_empty(&Source { origin, text })?;
    let mut rows: Vec<(u32, SimTime)> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fail = |problem: String| FileError::new(origin, problem).at_line(index + 1);
        let Some((batch, time)) = line.split_once(',').map(|(batch, time)| (batch.trim(), time.trim()))
        else {
            return Err(fail(format!("`{}` is not `batch,milliseconds`", shorten(line))));
        };
        let batch: u32 = batch.parse().map_err(|_| {
            fail(format!("`{}` is not a batch size, a whole number is needed", shorten(batch)))
        })?;
        let milliseconds = time.parse::<f64>().ok().filter(|time| *time >= 0.0);
        let Some(time) = milliseconds.and_then(picoseconds) else {
            return Err(fail(format!("`{}` is not a time in milliseconds", shorten(time))));
        };
        if let Some((last, _)) = rows.last().filter(|(last, _)| *last >= batch) {
            return Err(fail(format!("batch size {batch} comes after {last}"))
                .help("rows must be in ascending order of the batch size, each size once"));
        }
        if rows.len() == MAX_ROWS {
            return Err(fail(format!("has more than {MAX_ROWS} rows")));
        }
        rows.push((batch, time));
    }
    Ok(TimeTable { rows })
}

/// From milliseconds to the nearest picosecond.
pub(super) fn picoseconds(milliseconds: f64) -> Option<SimTime> {
    let picoseconds = (milliseconds * 1e9).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked at both ends")]
    (0.0..9.0e18).contains(&picoseconds).then_some(SimTime(picoseconds as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_milliseconds() {
        let table = parse_bs2time("0,0\r\n2,7.1\n\n750, 5\n", "t.csv").unwrap();
        assert_eq!(table.rows, [(0, SimTime(0)), (2, SimTime(7_100_000_000)), (750, SimTime(5_000_000_000))]);
    }

    #[test]
    fn bad_rows_are_named() {
        for (text, problem) in [
            ("", "t.csv: is empty"),
            ("0,0\n1;2\n", "t.csv:2: `1;2` is not `batch,milliseconds`"),
            ("1.5,2\n", "t.csv:1: `1.5` is not a batch size"),
            ("-1,2\n", "t.csv:1: `-1` is not a batch size"),
            ("1,nan\n", "t.csv:1: `nan` is not a time"),
            ("1,inf\n", "t.csv:1: `inf` is not a time"),
            ("1,-2\n", "t.csv:1: `-2` is not a time"),
            ("1,2,3\n", "t.csv:1: `2,3` is not a time"),
            ("5,1\n5,2\n", "t.csv:2: batch size 5 comes after 5"),
            ("batch,ms\n", "t.csv:1: `batch` is not a batch size"),
        ] {
            let found = parse_bs2time(text, "t.csv").unwrap_err().to_string();
            assert!(found.starts_with(problem), "{text:?}: {found}");
        }
    }
}
