//! The paper's planner: placement as one mixed-integer linear program, solved by HiGHS.
//!
//! ```text
//! Instance ──> packing::Problem ──> links (pruned) ──> Formulation ──> HiGHS ──> values ──> Plan ──> exact evaluation
//!                    └──> warm start (rule, packing, file) ──────────────┘                               └──> incumbent
//! ```
//! | file | holds |
//! |---|---|
//! | `links` | which directed links the program knows |
//! | `program` | a mixed-integer program as data, and whether values satisfy it |
//! | `formulation` | the paper's variables and constraints |
//! | `values` | from a plan to values of all variables, and back |
//! | `lp_text`, `solution_file`, `solution_plan` | the files `.lp` and `.sol` |
//! | `solver`, `callbacks` | HiGHS; nothing else knows it |
//! | `search` | the planner: warm start, incumbents, bound |
//!
//! It does not scale: beyond about ten machines its own bound says little. What it claims is never believed: every
//! incumbent is valued by the exact evaluator before it counts.

mod callbacks;
mod error;
mod formulation;
mod links;
mod lp_text;
mod program;
mod search;
mod solution_file;
mod solution_plan;
mod solver;
mod start;
#[cfg(test)]
mod tests;
mod values;

pub use error::MilpError;
pub use formulation::{BigM, Formulation};
pub use links::{Link, MAX_LINKS, MAX_MILP_MACHINES, Node, links};
pub use lp_text::lp_text;
pub use program::{Column, Kind, Program, Row, Sense, Size};
pub use search::{Milp, MilpControl, MilpEvent, MilpFound, MilpOptions, MilpSummary};
pub use solution_file::{SolutionFile, Value};
pub use solution_plan::{placement_of_solution, plan_of_solution};
pub use solver::{Ending, Outcome, Seen, SolverError, solve};
pub use start::Start;
pub use values::{LinkFlow, carried, plan_of, values_of};
