//! The figures of all runs put together: means with confidence intervals, ratios, and the neutral column.

use serde::Serialize;

use super::arguments::Contestant;
use super::plans::Contender;
use super::runs::{Figures, NoFigures};
use super::statistics::{Estimate, Ratio, estimate, ratio};
use crate::simulate::{Mode, Scheduler, name_of};

/// A placement that takes part.
#[derive(Debug, Serialize)]
pub struct PlacementRow {
    pub placement: String,
    pub planner: Option<String>,
    pub max_flow_tokens_per_s: Option<f64>,
    pub machines: Option<usize>,
    /// Why there is none.
    pub error: Option<String>,
}

/// A placement under a scheduler and a load.
#[derive(Debug, Serialize)]
pub struct Row {
    pub placement: String,
    pub scheduler: String,
    pub mode: String,
    /// Runs that count.
    pub runs: usize,
    /// Why there are no figures, or fewer.
    pub error: Option<String>,
    pub decode_tokens_per_s: Option<Estimate>,
    pub total_tokens_per_s: Option<Estimate>,
    pub requests_per_s: Option<Estimate>,
    pub prompt_latency_s: Option<Estimate>,
    pub prompt_latency_p95_s: Option<Estimate>,
    pub decode_latency_s: Option<Estimate>,
    pub decode_latency_p95_s: Option<Estimate>,
    pub request_latency_s: Option<Estimate>,
    pub requests_rejected: u64,
    pub kv_peak_fraction: Option<f64>,
}

/// The first placement with the first scheduler against a method. Above 1 throughput is better, below 1 latency is.
#[derive(Debug, Serialize)]
pub struct RatioRow {
    pub mode: String,
    /// `method`: the placement with its own scheduler; `placement`: the same scheduler on both; `neutral`: random on both;
    /// `scheduler`: the same placement.
    pub about: &'static str,
    pub placement: String,
    pub scheduler: String,
    pub throughput: Option<Ratio>,
    pub prompt_latency: Option<Ratio>,
    pub decode_latency: Option<Ratio>,
}

/// The whole report.
#[derive(Debug, Serialize)]
pub struct CompareReport {
    pub cluster: String,
    pub model: String,
    pub preset: Option<String>,
    pub seeds: Vec<u64>,
    /// Online, the rate of requests that all methods face; none where a trace has its own times.
    pub online_rate_requests_per_s: Option<f64>,
    pub placements: Vec<PlacementRow>,
    pub rows: Vec<Row>,
    pub ratios: Vec<RatioRow>,
    pub notes: Vec<String>,
}

pub fn placement_row(contender: &Contender) -> PlacementRow {
    PlacementRow {
        placement: contender.name.clone(),
        planner: contender.planner.as_ref().map(name_of),
        max_flow_tokens_per_s: contender.max_flow,
        machines: contender.placement.as_ref().ok().map(|placement| placement.machines.len()),
        error: contender.placement.as_ref().err().cloned(),
    }
}

/// A combination without runs.
pub fn empty_row(name: &str, scheduler: Scheduler, mode: Mode, error: &str) -> Row {
    row((name, scheduler, mode), &[Err(NoFigures::Failed(error.to_owned()))])
}

/// The runs of a combination.
pub fn row((name, scheduler, mode): (&str, Scheduler, Mode), runs: &[Result<Figures, NoFigures>]) -> Row {
    let figures: Vec<Figures> = runs.iter().filter_map(|run| run.as_ref().ok()).copied().collect();
    let error = runs.iter().find_map(|run| match run {
        Err(NoFigures::Failed(why)) => Some(why.clone()),
        Err(NoFigures::Interrupted) => {
            Some(format!("interrupted after {} of {} runs", figures.len(), runs.len()))
        }
        Ok(_) => None,
    });
    let of = |pick: fn(&Figures) -> Option<f64>| {
        // A run without a figure would make the others look like all.
        let values: Option<Vec<f64>> = figures.iter().map(pick).collect();
        values.and_then(|values| estimate(&values))
    };
    Row {
        placement: name.to_owned(),
        scheduler: name_of(&scheduler),
        mode: name_of(&mode),
        runs: figures.len(),
        error,
        decode_tokens_per_s: of(|run| Some(run.decode_tokens_per_s)),
        total_tokens_per_s: of(|run| Some(run.total_tokens_per_s)),
        requests_per_s: of(|run| Some(run.requests_per_s)),
        prompt_latency_s: of(|run| run.prompt_s),
        prompt_latency_p95_s: of(|run| run.prompt_p95_s),
        decode_latency_s: of(|run| run.decode_s),
        decode_latency_p95_s: of(|run| run.decode_p95_s),
        request_latency_s: of(|run| run.request_s),
        requests_rejected: figures.iter().map(|run| run.rejected).sum(),
        kv_peak_fraction: figures.iter().map(|run| run.kv_peak).max_by(f64::total_cmp),
    }
}

/// The scheduler that a planner's system uses: swarm its own, all others the first that is compared. A file named `swarm` is
/// taken for one of swarm's.
fn own_scheduler(row: &PlacementRow, schedulers: &[String]) -> Option<String> {
    let swarm = name_of(&Scheduler::Swarm);
    let is_swarm = *row.planner.as_ref().unwrap_or(&row.placement) == name_of(&Contestant::Swarm);
    let own = if is_swarm && schedulers.contains(&swarm) { Some(&swarm) } else { schedulers.first() };
    own.cloned()
}

/// What the first placement under the first scheduler gains over everything else.
pub fn ratios(placements: &[PlacementRow], rows: &[Row]) -> Vec<RatioRow> {
    let mut schedulers: Vec<String> = Vec::new();
    let mut modes: Vec<String> = Vec::new();
    for row in rows {
        if !schedulers.contains(&row.scheduler) {
            schedulers.push(row.scheduler.clone());
        }
        if !modes.contains(&row.mode) {
            modes.push(row.mode.clone());
        }
    }
    let (Some(best), Some(first)) = (placements.first(), schedulers.first()) else { return Vec::new() };
    let find = |mode: &str, placement: &str, scheduler: &str| {
        rows.iter().find(|row| row.mode == mode && row.placement == placement && row.scheduler == scheduler)
    };
    let random = name_of(&Scheduler::Random);
    let mut ratios = Vec::new();
    for mode in &modes {
        let mut add = |about, ours: &str, (placement, scheduler): (&str, &str)| {
            let pair = find(mode, &best.placement, ours).zip(find(mode, placement, scheduler));
            ratios.extend(pair.map(|(ours, theirs)| against(about, ours, theirs)));
        };
        for other in &placements[1..] {
            let own = own_scheduler(other, &schedulers);
            if let Some(own) = own {
                add("method", first, (&other.placement, &own));
            }
        }
        for other in &placements[1..] {
            add("placement", first, (&other.placement, first));
        }
        if *first != random {
            for other in &placements[1..] {
                add("neutral", &random, (&other.placement, &random));
            }
        }
        for scheduler in &schedulers[1..] {
            add("scheduler", first, (&best.placement, scheduler));
        }
    }
    ratios
}

fn against(about: &'static str, ours: &Row, theirs: &Row) -> RatioRow {
    let of = |pick: fn(&Row) -> &Option<Estimate>| ratio(pick(ours).as_ref()?, pick(theirs).as_ref()?);
    RatioRow {
        mode: ours.mode.clone(),
        about,
        placement: theirs.placement.clone(),
        scheduler: theirs.scheduler.clone(),
        throughput: of(|row| &row.decode_tokens_per_s),
        prompt_latency: of(|row| &row.prompt_latency_s),
        decode_latency: of(|row| &row.decode_latency_s),
    }
}
