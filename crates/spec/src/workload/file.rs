//! The workload's file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::{Arrivals, LengthDistribution, Lengths, RequestsPerSecond, Workload};
use crate::file::{FileError, MAX_DESCRIPTION_BYTES, Source, parse_toml, read_text};
use crate::{MAX_REQUEST_TOKENS, MAX_TRACE_REQUESTS, Trace};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkload {
    #[expect(dead_code, reason = "checked before this struct is filled")]
    version: i64,
    requests: Option<Spanned<i64>>,
    arrivals: Spanned<RawArrivals>,
    lengths: Spanned<RawLengths>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Offline,
    Poisson,
    Gamma,
    Trace,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArrivals {
    kind: Kind,
    rate: Option<Spanned<RequestsPerSecond>>,
    burstiness: Option<Spanned<f64>>,
    speed: Option<Spanned<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLengths {
    input_tokens: Option<Spanned<RawLength>>,
    output_tokens: Option<Spanned<RawLength>>,
    trace: Option<Spanned<String>>,
    max_input_tokens: Option<Spanned<i64>>,
    max_output_tokens: Option<Spanned<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number of tokens, or quantiles like { p0 = 10, p50 = 400, p100 = 2000 }"
)]
enum RawLength {
    Fixed(i64),
    Quantiles(BTreeMap<String, i64>),
}

impl Workload {
    /// Reads a workload file; the path of a trace in it is relative to its folder.
    pub fn from_file(path: &Path) -> Result<Self, FileError> {
        let text = read_text(path, MAX_DESCRIPTION_BYTES)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::from_toml(&text, &path.display().to_string(), |trace| Trace::from_file(&folder.join(trace)))
    }

    /// Reads the text of a workload file; `trace` reads the trace of a path in it.
    pub fn from_toml(
        text: &str,
        origin: &str,
        trace: impl FnOnce(&str) -> Result<Trace, FileError>,
    ) -> Result<Self, FileError> {
        let source = Source { origin, text };
        let raw: RawWorkload = parse_toml(&source)?;
        let place = raw.arrivals.span();
        let arrivals = arrivals(&source, raw.arrivals)?;
        let lengths = lengths(&source, raw.lengths, trace)?;
        let requests = match raw.requests {
            Some(count) => Some(u64::from(whole(&source, "requests", &count, MAX_TRACE_REQUESTS)?)),
            None => None,
        };
        let refuse = |problem: &str| Err(source.error_at(&place, problem));
        match (arrivals, &lengths) {
            (Arrivals::Trace { .. }, Lengths::Drawn { .. }) => {
                refuse("arrivals of kind `trace` need a `trace` under [lengths]")
            }
            (Arrivals::Trace { .. }, Lengths::Trace(trace)) if !trace.timed => {
                refuse("arrivals of kind `trace` need a trace with arrivals, this one has lengths only")
            }
            (Arrivals::Offline, Lengths::Drawn { .. }) if requests.is_none() => {
                refuse("arrivals of kind `offline` with drawn lengths need `requests`, how many there are")
            }
            _ => Ok(Self { arrivals, lengths, requests }),
        }
    }
}

fn arrivals(source: &Source<'_>, raw: Spanned<RawArrivals>) -> Result<Arrivals, FileError> {
    let place = raw.span();
    let RawArrivals { kind, rate, burstiness, speed } = raw.into_inner();
    let rate_allowed = matches!(kind, Kind::Poisson | Kind::Gamma);
    let strangers = [
        ("rate", rate.as_ref().map(Spanned::span).filter(|_| !rate_allowed)),
        ("burstiness", burstiness.as_ref().map(Spanned::span).filter(|_| kind != Kind::Gamma)),
        ("speed", speed.as_ref().map(Spanned::span).filter(|_| kind != Kind::Trace)),
    ];
    if let Some((key, Some(span))) = strangers.into_iter().find(|(_, span)| span.is_some()) {
        let problem = format!("`{key}` means nothing for this kind of arrivals");
        let help = "`rate` is for `poisson` and `gamma`, `burstiness` for `gamma`, `speed` for `trace`";
        return Err(source.error_at(&span, problem).help(help));
    }
    let rate = || {
        let missing = || source.error_at(&place, "arrivals of this kind need a `rate`, like \"2.5 req/s\"");
        rate.map(Spanned::into_inner).ok_or_else(missing)
    };
    match kind {
        Kind::Offline => Ok(Arrivals::Offline),
        Kind::Poisson => Ok(Arrivals::Poisson { rate: rate()? }),
        Kind::Gamma => {
            let missing =
                || source.error_at(&place, "arrivals of kind `gamma` need a `burstiness`, like 0.5");
            let burstiness = burstiness.ok_or_else(missing)?;
            Ok(Arrivals::Gamma {
                rate: rate()?,
                burstiness: number(source, "burstiness", &burstiness, 0.01..=100.0)?,
            })
        }
        Kind::Trace => {
            let speed = speed.map(|speed| number(source, "speed", &speed, 0.001..=1000.0)).transpose()?;
            Ok(Arrivals::Trace { speed: speed.unwrap_or(1.0) })
        }
    }
}

fn lengths(
    source: &Source<'_>,
    raw: Spanned<RawLengths>,
    read: impl FnOnce(&str) -> Result<Trace, FileError>,
) -> Result<Lengths, FileError> {
    let place = raw.span();
    match raw.into_inner() {
        RawLengths {
            input_tokens: None,
            output_tokens: None,
            trace: Some(path),
            max_input_tokens,
            max_output_tokens,
        } => {
            let limit = |key: &str, value: Option<Spanned<i64>>| match value {
                Some(value) => whole(source, key, &value, MAX_REQUEST_TOKENS as usize),
                None => Ok(MAX_REQUEST_TOKENS),
            };
            let longest = (
                limit("max_input_tokens", max_input_tokens)?,
                limit("max_output_tokens", max_output_tokens)?,
            );
            let mut trace = read(path.get_ref())?;
            trace.keep_within(longest.0, longest.1);
            if trace.requests.is_empty() {
                let problem =
                    "every request of the trace is longer than `max_input_tokens` or `max_output_tokens`";
                return Err(source.error_at(&path.span(), problem));
            }
            Ok(Lengths::Trace(trace))
        }
        RawLengths {
            input_tokens: Some(input),
            output_tokens: Some(output),
            trace: None,
            max_input_tokens: None,
            max_output_tokens: None,
        } => Ok(Lengths::Drawn {
            input: distribution(source, "input_tokens", &input)?,
            output: distribution(source, "output_tokens", &output)?,
        }),
        _ => {
            let problem = "[lengths] must have either `input_tokens` and `output_tokens`, or `trace` and, if longer \
                           requests are to be left out, `max_input_tokens` and `max_output_tokens`";
            Err(source.error_at(&place, problem))
        }
    }
}

fn distribution(
    source: &Source<'_>,
    key: &str,
    raw: &Spanned<RawLength>,
) -> Result<LengthDistribution, FileError> {
    let refuse = |problem: String| source.error_at(&raw.span(), format!("`{key}` {problem}"));
    let tokens = |value: i64| {
        u32::try_from(value).ok().filter(|value| (1..=MAX_REQUEST_TOKENS).contains(value)).ok_or_else(|| {
            refuse(format!("is {value}, it must be a whole number from 1 to {MAX_REQUEST_TOKENS}"))
        })
    };
    let raw = match raw.get_ref() {
        RawLength::Fixed(value) => return Ok(LengthDistribution::Fixed(tokens(*value)?)),
        RawLength::Quantiles(raw) => raw,
    };
    let mut points = Vec::with_capacity(raw.len());
    for (name, value) in raw {
        let share = name.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok());
        let Some(percent) = share.filter(|percent| (0.0..=100.0).contains(percent)) else {
            let shown: String = name.escape_debug().take(40).collect();
            return Err(refuse(format!("has `{shown}`, quantiles are called `p0` to `p100`")));
        };
        points.push((percent / 100.0, tokens(*value)?));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    if points.first().is_none_or(|point| point.0 != 0.0) || points.last().is_none_or(|point| point.0 != 1.0) {
        return Err(refuse("needs the shortest and the longest, `p0` and `p100`".to_owned()));
    }
    for pair in points.windows(2) {
        if pair[0].0 == pair[1].0 {
            return Err(refuse(format!("has the quantile `p{}` twice", pair[0].0 * 100.0)));
        }
        if pair[0].1 > pair[1].1 {
            let (low, high) = (pair[0].0 * 100.0, pair[1].0 * 100.0);
            return Err(refuse(format!(
                "has a `p{low}` of {} above its `p{high}` of {}",
                pair[0].1, pair[1].1
            )));
        }
    }
    Ok(LengthDistribution::Quantiles(points))
}

fn whole(source: &Source<'_>, key: &str, value: &Spanned<i64>, most: usize) -> Result<u32, FileError> {
    let found = *value.get_ref();
    let valid = usize::try_from(found).is_ok_and(|found| (1..=most).contains(&found));
    u32::try_from(found).ok().filter(|_| valid).ok_or_else(|| {
        source.error_at(
            &value.span(),
            format!("`{key}` is {found}, it must be a whole number from 1 to {most}"),
        )
    })
}

fn number(
    source: &Source<'_>,
    key: &str,
    value: &Spanned<f64>,
    allowed: std::ops::RangeInclusive<f64>,
) -> Result<f64, FileError> {
    let found = *value.get_ref();
    if allowed.contains(&found) {
        return Ok(found);
    }
    let problem = format!("`{key}` is {found}, it must be from {} to {}", allowed.start(), allowed.end());
    Err(source.error_at(&value.span(), problem))
}
