//! A recording of a real run, as `helix up --record` and `helix serve --record` write it: the header, then a line a request.

use std::collections::BTreeMap;
use std::path::Path;

use helix_spec::{
    Cluster, FileError, MAX_REQUEST_TOKENS, Placement, SimTime, Source, TraceRequest, read_text,
};
use serde::Deserialize;

/// Longest recording that is read: a request is some 200 bytes.
const LONGEST: u64 = 1 << 30;

/// The first line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    kind: String,
    scheduler: String,
    model: String,
    model_folder: String,
    placement: String,
    cluster: String,
    cluster_beside: BTreeMap<String, String>,
}

/// One more line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    arrival_s: f64,
    prompt_tokens: u32,
    output_tokens: u32,
    first_token_s: Option<f64>,
    ended_s: f64,
    outcome: String,
    #[serde(rename = "attempts")]
    _attempts: u32,
    #[serde(rename = "pipeline")]
    _pipeline: Vec<String>,
}

/// A recorded request that generated something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recorded {
    pub prompt_tokens: u32,
    pub output_tokens: u32,
    /// Times of the recording \[s\].
    pub arrival: f64,
    pub first_token: f64,
    pub ended: f64,
    /// Whether it got its whole answer: only then its times count.
    pub finished: bool,
}

/// A recording.
pub struct Recording {
    pub model: String,
    pub model_folder: String,
    pub scheduler: String,
    cluster: (String, BTreeMap<String, String>),
    placement: String,
    origin: String,
    /// By arrival; at least one.
    pub requests: Vec<Recorded>,
    /// Requests that generated nothing.
    pub left_out: u64,
    /// Whether the last line was cut off.
    pub cut_off: bool,
}

impl Recording {
    /// Reads a file. A last line without its end is left out: that is what a killed coordinator leaves.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::parse(&read_text(path, LONGEST)?, &path.display().to_string())
    }

    /// Reads text; `origin` is named in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, FileError> {
        let fail = |line: usize, problem: String| FileError::new(origin, format!("line {line}: {problem}"));
        let (first, rest) = text.split_once('\n').ok_or_else(|| {
            fail(1, "the header is missing or cut off".to_owned())
                .help("a recording is written by `helix up --record` or `helix serve --record`")
        })?;
        let header: Header = serde_json::from_str(first).map_err(|error| {
            fail(1, format!("is no header of a recording: {error}"))
                .help("a recording is written by `helix up --record` or `helix serve --record`")
        })?;
        if header.version != 1 || header.kind != "helix recording" {
            let (version, kind) = (header.version, &header.kind);
            let problem =
                format!("is version {version} of `{kind}`, version 1 of `helix recording` can be read");
            return Err(fail(1, problem));
        }
        let (mut requests, mut left_out, mut cut_off) = (Vec::new(), 0, false);
        for (index, line) in rest.split_inclusive('\n').enumerate() {
            let number = index + 2;
            let Some(whole) = line.strip_suffix('\n') else {
                cut_off = true;
                break;
            };
            let line: Line = serde_json::from_str(whole).map_err(|error| fail(number, error.to_string()))?;
            match checked(&line).map_err(|problem| fail(number, problem))? {
                Some(request) => requests.push(request),
                None => left_out += 1,
            }
        }
        if requests.is_empty() {
            return Err(FileError::new(
                origin,
                "has no request that got a token: there is nothing to replay",
            ));
        }
        requests.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
        let Header { model, model_folder, scheduler, placement, cluster, cluster_beside, .. } = header;
        let cluster = (cluster, cluster_beside);
        let origin = origin.to_owned();
        Ok(Self { model, model_folder, scheduler, cluster, placement, origin, requests, left_out, cut_off })
    }

    /// The recorded cluster.
    pub fn cluster(&self) -> Result<Cluster, FileError> {
        let origin = format!("{}: cluster", self.origin);
        let read_beside = |file: &str| {
            let text = self.cluster.1.get(file).cloned();
            let text = text.ok_or_else(|| FileError::new(file, "is not in the recording"))?;
            Ok((format!("{origin}: {file}"), text))
        };
        Cluster::parse(&Source { origin: &origin, text: &self.cluster.0 }, &read_beside)
    }

    /// The recorded placement.
    pub fn placement(&self, cluster: &Cluster) -> Result<Placement, FileError> {
        let origin = format!("{}: placement", self.origin);
        Placement::parse(&Source { origin: &origin, text: &self.placement }, cluster)
    }

    /// Arrivals and lengths, from the first arrival on.
    pub fn trace(&self) -> Vec<TraceRequest> {
        let begin = self.requests.first().map_or(0.0, |first| first.arrival);
        let request = |recorded: &Recorded| TraceRequest {
            // Times were checked when the file was read.
            arrival: SimTime::from_seconds(recorded.arrival - begin).unwrap_or(SimTime::ZERO),
            input: recorded.prompt_tokens,
            output: recorded.output_tokens,
        };
        self.requests.iter().map(request).collect()
    }
}

/// A line that makes sense; `None` if nothing was generated.
fn checked(line: &Line) -> Result<Option<Recorded>, String> {
    let Line { arrival_s, prompt_tokens, output_tokens, first_token_s, ended_s, ref outcome, .. } = *line;
    let time = |name: &str, value: f64| {
        let known = SimTime::from_seconds(value).is_some();
        if known {
            Ok(())
        } else {
            Err(format!("`{name}` is {value}, a time from 0 s to 104 days is needed"))
        }
    };
    time("arrival_s", arrival_s)?;
    time("ended_s", ended_s)?;
    let finished = match outcome.as_str() {
        "finished" => true,
        "cancelled" | "failed" => false,
        other => return Err(format!("`outcome` is `{other}`; finished, cancelled and failed are known")),
    };
    for (name, tokens) in [("prompt_tokens", prompt_tokens), ("output_tokens", output_tokens)] {
        if tokens > MAX_REQUEST_TOKENS {
            return Err(format!("`{name}` is {tokens}, at most {MAX_REQUEST_TOKENS} are allowed"));
        }
    }
    let Some(first_token) = first_token_s.filter(|_| prompt_tokens > 0 && output_tokens > 0) else {
        return Ok(None);
    };
    time("first_token_s", first_token)?;
    if !(arrival_s <= first_token && first_token <= ended_s) {
        return Err(format!(
            "the request came at {arrival_s} s, had its first token at {first_token} s and ended at {ended_s} s: these \
             are not in order"
        ));
    }
    Ok(Some(Recorded {
        prompt_tokens,
        output_tokens,
        arrival: arrival_s,
        first_token,
        ended: ended_s,
        finished,
    }))
}
