//! HiGHS on a [`Program`]: options, warm start, and what came out.

use highs::{Col, HighsModelStatus, RowProblem, Sense as Direction};

use super::callbacks::solve_watched;
use super::program::{Kind, Program, Sense};

/// Relative gap at which the solver calls a solution optimal.
const GAP: f64 = 1e-6;

/// What the solver tells while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen<'a> {
    /// A better solution than before.
    Solution {
        /// The value of every column.
        values: &'a [f64],
        /// Its objective by the solver's reckoning.
        objective: f64,
        /// No solution of the program is better; infinite as long as nothing is known.
        bound: f64,
    },
    /// No solution of the program is better.
    Bound(f64),
    /// Nothing new.
    Working,
}

/// How the solver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The best of all solutions is found, as far as the program is right.
    Optimal,
    /// The time was over, or it was told to stop.
    Stopped,
    /// It says that there is none.
    Infeasible,
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The best solution's values, if there is one.
    pub values: Option<Vec<f64>>,
    /// Its objective.
    pub objective: f64,
    /// No solution of the program is better; infinite if nothing is known.
    pub bound: f64,
}

/// The solver failed, which is nobody's input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HiGHS failed to {doing}: {why}")]
pub struct SolverError {
    doing: &'static str,
    why: String,
}

fn failed(doing: &'static str) -> impl Fn(&dyn std::fmt::Debug) -> SolverError {
    move |why| SolverError { doing, why: format!("{why:?}") }
}

/// Solves a program from a start, for at most so many seconds by the solver's clock; `watch` ends it by returning true.
///
/// One thread, so that the same program in the same time goes the same way.
pub fn solve(
    program: &Program,
    start: Option<&[f64]>,
    seconds: f64,
    watch: &mut dyn FnMut(Seen<'_>) -> bool,
) -> Result<Outcome, SolverError> {
    if program.columns.is_empty() {
        // HiGHS calls this an empty model, which is no kind of ending for it.
        let values = Some(Vec::new());
        return Ok(Outcome { ending: Ending::Optimal, values, objective: 0.0, bound: 0.0 });
    }
    let mut problem = RowProblem::default();
    let columns: Vec<Col> = program
        .columns
        .iter()
        .map(|column| {
            let whole = column.kind != Kind::Continuous;
            problem.add_column_with_integrality(column.value, 0.0..=column.upper, whole)
        })
        .collect();
    for row in &program.rows {
        let terms: Vec<(Col, f64)> =
            row.terms.iter().map(|&(column, factor)| (columns[column], factor)).collect();
        match row.sense {
            Sense::AtMost => problem.add_row(..=row.limit, terms),
            Sense::Equal => problem.add_row(row.limit..=row.limit, terms),
        }
    }
    let mut model =
        problem.try_optimise(Direction::Maximise).map_err(|error| failed("take the program")(&error))?;
    model.make_quiet();
    let option = failed("take an option");
    model.try_set_option("threads", 1).map_err(|error| option(&error))?;
    model.try_set_option("mip_rel_gap", GAP).map_err(|error| option(&error))?;
    model.try_set_option("time_limit", seconds.max(0.0)).map_err(|error| option(&error))?;
    if start.is_some() {
        model.try_set_solution(start, None, None, None).map_err(|error| failed("take the start")(&error))?;
    }
    let solved = solve_watched(model, columns.len(), watch).map_err(|error| failed("solve")(&error))?;
    let status = solved.status();
    let ending = match status {
        HighsModelStatus::Optimal => Ending::Optimal,
        HighsModelStatus::Infeasible | HighsModelStatus::UnboundedOrInfeasible => Ending::Infeasible,
        HighsModelStatus::ReachedTimeLimit
        | HighsModelStatus::ReachedInterrupt
        | HighsModelStatus::ReachedSolutionLimit
        | HighsModelStatus::ReachedMemoryLimit
        | HighsModelStatus::ObjectiveTarget => Ending::Stopped,
        other => return Err(failed("solve")(&other)),
    };
    let feasible = solved.primal_solution_status() == highs::HighsSolutionStatus::Feasible;
    let info = |name| solved.double_info_value(name).ok().filter(|value: &f64| value.is_finite());
    Ok(Outcome {
        ending,
        values: feasible.then(|| solved.get_solution().columns().to_vec()),
        objective: if feasible { solved.objective_value() } else { f64::NEG_INFINITY },
        bound: info(c"mip_dual_bound").unwrap_or(f64::INFINITY),
    })
}
