//! Trace files: which of the known formats it is, and its requests line by line.
//!
//! | first line | format | arrival |
//! |---|---|---|
//! | `TIMESTAMP,ContextTokens,GeneratedTokens` | Azure LLM inference trace 2023 and 2024 | time stamps, from the first one |
//! | `{"timestamp": 0, "input_length": …` | Mooncake, one JSON object a line | milliseconds |
//! | `arrival_s,input_tokens,output_tokens` | plain | seconds |
//! | `input_tokens,output_tokens` | plain, lengths only | none |

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::lines::Lines;
use super::{MAX_REQUEST_TOKENS, MAX_TRACE_BYTES, MAX_TRACE_REQUESTS, Trace, TraceRequest, timestamp};
use crate::SimTime;
use crate::file::{FileError, nearest};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Azure,
    Mooncake,
    Timed,
    Lengths,
}

const HEADERS: &[(&str, Format)] = &[
    ("TIMESTAMP,ContextTokens,GeneratedTokens", Format::Azure),
    ("arrival_s,input_tokens,output_tokens", Format::Timed),
    ("input_tokens,output_tokens", Format::Lengths),
];

/// A line of a Mooncake trace; its block hashes are not needed.
#[derive(serde::Deserialize)]
struct Mooncake {
    timestamp: f64,
    input_length: u64,
    output_length: u64,
}

/// Longest trace: 104 days, as every time that is read.
const MAX_TRACE_TIME: SimTime = SimTime(9_000_000_000_000_000_000);

/// A row before its arrival is put on the trace's own clock.
struct Row {
    /// Picoseconds on the clock of the file.
    arrival: u128,
    input: u64,
    output: u64,
}

impl Trace {
    /// Reads a trace file of any of the known formats, at most 1 GiB.
    ///
    /// # Errors
    /// [`FileError`] with the line: an unknown format, a row that is not complete, an arrival before the one above it,
    /// a length of 0 or beyond [`MAX_REQUEST_TOKENS`].
    pub fn from_file(path: &Path) -> Result<Self, FileError> {
        let origin = path.display().to_string();
        let fail = |error: std::io::Error| FileError::new(&origin, format!("cannot be read: {error}"));
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if metadata.is_dir() {
            return Err(FileError::new(&origin, "is a folder, a trace file is needed"));
        }
        if metadata.len() > MAX_TRACE_BYTES {
            let problem =
                format!("has {} bytes, at most {MAX_TRACE_BYTES} are read of a trace", metadata.len());
            return Err(FileError::new(&origin, problem).help("split it"));
        }
        read(BufReader::with_capacity(1 << 20, file), &origin)
    }

    /// Reads the text of a trace, as [`Trace::from_file`].
    ///
    /// ```
    /// use helix_spec::Trace;
    /// let text = "arrival_s,input_tokens,output_tokens\n0.5,420,124\n";
    /// assert_eq!(Trace::from_text(text, "t.csv").unwrap().requests[0].input, 420);
    /// ```
    pub fn from_text(text: &str, origin: &str) -> Result<Self, FileError> {
        read(text.as_bytes(), origin)
    }
}

fn read(reader: impl BufRead, origin: &str) -> Result<Trace, FileError> {
    let mut lines = Lines::new(reader, origin);
    let Some(first) = lines.next_line()? else { return Err(FileError::new(origin, "is empty")) };
    let format = detect(&first).map_err(|(problem, help)| lines.refuse(problem).help(help))?;
    let mut trace = Trace { timed: format != Format::Lengths, ..Trace::default() };
    // The first line of a Mooncake trace is a request already.
    let mut line = if format == Format::Mooncake { Some(first) } else { lines.next_line()? };
    let mut start = None;
    while let Some(text) = line {
        let row = match format {
            Format::Mooncake => mooncake(&text),
            Format::Azure | Format::Timed | Format::Lengths => csv(&text, format),
        };
        let row = row.map_err(|problem| lines.refuse(problem))?;
        let start = *start.get_or_insert(if format == Format::Azure { row.arrival } else { 0 });
        add(&mut trace, &row, start, format).map_err(|problem| lines.refuse(problem))?;
        line = lines.next_line()?;
    }
    if trace.requests.is_empty() {
        let problem = match trace.left_out {
            0 => "holds no request".to_owned(),
            left_out => format!("holds no request: all {left_out} have no prompt or no answer"),
        };
        return Err(FileError::new(origin, problem));
    }
    Ok(trace)
}

fn detect(first: &str) -> Result<Format, (String, String)> {
    if first.starts_with('{') {
        return Ok(Format::Mooncake);
    }
    let header = first.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    if let Some((_, format)) = HEADERS.iter().find(|(known, _)| *known == header) {
        return Ok(*format);
    }
    let known = HEADERS.iter().map(|(header, _)| *header);
    let offer =
        nearest(&header, known.clone()).map_or(String::new(), |header| format!("did you mean `{header}`? "));
    let shown: String = header.chars().filter(|c| !c.is_control()).take(80).collect();
    let problem = format!("`{shown}` is not the first line of a trace that is known");
    let known = known.map(|header| format!("`{header}`")).collect::<Vec<_>>().join(", ");
    Err((problem, format!("{offer}known are {known}, and Mooncake's JSON lines `{{\"timestamp\": …}}`")))
}

fn mooncake(line: &str) -> Result<Row, String> {
    let row: Mooncake = serde_json::from_str(line).map_err(|error| {
        let text = error.to_string();
        let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
        // serde quotes what it found, however long that is.
        let problem: String = problem.chars().filter(|c| !c.is_control()).take(160).collect();
        format!("is not a request of a Mooncake trace: {problem}")
    })?;
    let arrival = seconds(row.timestamp / 1e3, "timestamp", &row.timestamp.to_string())?;
    Ok(Row { arrival, input: row.input_length, output: row.output_length })
}

fn csv(line: &str, format: Format) -> Result<Row, String> {
    let fields: Vec<&str> = line.splitn(4, ',').map(str::trim).collect();
    let (arrival, input, output) = match (format, fields.as_slice()) {
        (Format::Lengths, &[input, output]) => (0, input, output),
        (Format::Azure, &[arrival, input, output]) => {
            let picoseconds = timestamp::parse(arrival).ok_or_else(|| {
                format!("`{}` is not a time stamp like `2023-11-16 18:17:03.9799600`", shorten(arrival))
            })?;
            (picoseconds, input, output)
        }
        (Format::Timed, &[arrival, input, output]) => {
            let value: f64 = arrival.parse().unwrap_or(f64::NAN);
            (seconds(value, "arrival_s", arrival)?, input, output)
        }
        _ => {
            let needed = if format == Format::Lengths { 2 } else { 3 };
            return Err(format!("`{}` has not {needed} fields, as its first line has", shorten(line)));
        }
    };
    Ok(Row { arrival, input: whole(input)?, output: whole(output)? })
}

/// Seconds in picoseconds; `NaN` stands for a text that is no number.
fn seconds(value: f64, key: &str, text: &str) -> Result<u128, String> {
    match SimTime::from_seconds(value) {
        Some(time) => Ok(u128::from(time.0)),
        None => Err(format!("`{key}` is `{}`, it must be a number from 0 to 104 days", shorten(text))),
    }
}

fn whole(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| format!("`{}` is not a number of tokens, a whole number is needed", shorten(text)))
}

fn add(trace: &mut Trace, row: &Row, start: u128, format: Format) -> Result<(), String> {
    let before = || "comes before the request above it; sort the trace by its first column".to_owned();
    let since = row.arrival.checked_sub(start).ok_or_else(before)?;
    let arrival = u64::try_from(since).ok().filter(|&time| time <= MAX_TRACE_TIME.0).map(SimTime);
    let arrival = arrival.ok_or("comes more than 104 days after the first request, the most that is read")?;
    if arrival < trace.last_arrival() {
        return Err(before());
    }
    let published = matches!(format, Format::Azure | Format::Mooncake);
    if published && (row.input == 0 || row.output == 0) {
        trace.left_out += 1;
        return Ok(());
    }
    if trace.requests.len() == MAX_TRACE_REQUESTS {
        return Err(format!("the trace has more than {MAX_TRACE_REQUESTS} requests, the most that are read"));
    }
    let (input, output) = (tokens("prompt", row.input)?, tokens("answer", row.output)?);
    trace.requests.push(TraceRequest { arrival, input, output });
    Ok(())
}

fn tokens(what: &str, value: u64) -> Result<u32, String> {
    u32::try_from(value)
        .ok()
        .filter(|value| (1..=MAX_REQUEST_TOKENS).contains(value))
        .ok_or_else(|| format!("its {what} has {value} tokens, it must have from 1 to {MAX_REQUEST_TOKENS}"))
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
