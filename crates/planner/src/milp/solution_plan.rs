//! From a solution file to a plan: names, counts and values are checked against the problem.
//!
//! The authors' files name machines by their number in the cluster file, or by that plus two (0 and 1 are the source and the
//! sink); both are read. Where a file does not say how many layers a machine holds, its switches do: a machine ends where
//! the machines behind it begin. Names that say nothing about layers are passed over.

use std::collections::BTreeMap;

use helix_spec::{FileError, PartialInference, Placement};

use super::solution_file::{SolutionFile, Value, shortened};
use crate::Instance;
use crate::packing::{Plan, Problem, Span};
use crate::search::bridge::{packing_problem, to_placement};

/// How far from a whole number a whole number may be: the solvers' own tolerance.
const INTEGRAL: f64 = 1e-5;
/// Flows below are rounding.
const NO_FLOW: f64 = 1e-6;

/// The placement that a solution file describes; machines without flow keep their layers.
pub fn placement_of_solution(
    instance: &Instance<'_>,
    partial: PartialInference,
    file: &SolutionFile,
    origin: &str,
) -> Result<Placement, FileError> {
    let problem =
        packing_problem(instance, partial).map_err(|error| FileError::new(origin, error.to_string()))?;
    let plan = plan_of_solution(&problem, file, origin)?;
    Ok(to_placement(instance, &plan, partial))
}

/// The plan that a solution file describes.
pub fn plan_of_solution(problem: &Problem, file: &SolutionFile, origin: &str) -> Result<Plan, FileError> {
    let read = Read::new(problem, file, origin)?;
    let mut plan = Plan::empty(problem.machines.len());
    for machine in read.holders() {
        let start = read.start(machine)?;
        let Some(layers) = read.layers(machine, start)? else { continue };
        if problem.throughput(machine, layers).is_none() {
            let most = (1..=problem.layers).filter(|&k| problem.throughput(machine, k).is_some()).max();
            return Err(read.other_problem(&format!(
                "machine {} holds {layers} layers, planners give it at most {}",
                machine + read.offset,
                most.unwrap_or(0)
            )));
        }
        if start + layers > problem.layers {
            return Err(read.other_problem(&format!(
                "machine {} holds layers {start}..{}, the model has {}",
                machine + read.offset,
                start + layers,
                problem.layers
            )));
        }
        plan.spans[machine] = Some(Span { start, end: start + layers });
    }
    Ok(plan)
}

/// `hold_i_k` by machine and layers.
type Holds = BTreeMap<(usize, usize), Value>;

/// A file with its names understood.
struct Read<'a> {
    problem: &'a Problem,
    file: &'a SolutionFile,
    origin: &'a str,
    /// What the file adds to the index of a machine.
    offset: usize,
    /// `hold_i_k` by machine and layers; `None` where the file has no such names.
    holds: Option<Holds>,
}

impl<'a> Read<'a> {
    fn new(problem: &'a Problem, file: &'a SolutionFile, origin: &'a str) -> Result<Self, FileError> {
        let mut this = Self { problem, file, origin, offset: 0, holds: None };
        let starts = file.values.keys().filter_map(|name| number(name.strip_prefix("start_")?));
        let (mut least, mut most) = (usize::MAX, 0);
        for index in starts {
            (least, most) = (least.min(index), most.max(index));
        }
        let machines = problem.machines.len();
        if least == usize::MAX {
            let first = file.values.keys().next().map_or("", String::as_str);
            return Err(this
                .other_problem(&format!("`{}` is no variable of a placement", shortened(first)))
                .help("the names are start_0, hold_0_4, flow_0_1, switch_0_1 and so on"));
        }
        if most >= machines {
            this.offset = 2;
        }
        if most >= machines + this.offset || least < this.offset {
            return Err(this.other_problem(&format!(
                "it has `start_{least}` to `start_{most}`, the cluster has {machines} machines"
            )));
        }
        this.holds = this.read_holds()?;
        this.check_ways()?;
        Ok(this)
    }

    fn other_problem(&self, problem: &str) -> FileError {
        FileError::new(self.origin, format!("is the solution of another problem: {problem}"))
    }

    /// Machines that can hold a layer.
    fn holders(&self) -> impl Iterator<Item = usize> {
        let holds = |machine: &usize| {
            (1..=self.problem.layers).any(|k| self.problem.throughput(*machine, k).is_some())
        };
        (0..self.problem.machines.len()).filter(holds)
    }

    fn read_holds(&self) -> Result<Option<Holds>, FileError> {
        let mut holds = BTreeMap::new();
        for (name, &value) in &self.file.values {
            let Some(rest) = name.strip_prefix("hold_") else { continue };
            let pair =
                rest.split_once('_').and_then(|(machine, layers)| Some((number(machine)?, number(layers)?)));
            let Some((machine, layers)) = pair else {
                return Err(self
                    .other_problem(&format!("`{}` names no machine and layers", shortened(name)))
                    .at_line(value.line));
            };
            let Some(machine) = machine.checked_sub(self.offset).filter(|&m| m < self.problem.machines.len())
            else {
                return Err(self.no_machine(name, value));
            };
            holds.insert((machine, layers), value);
        }
        Ok((!holds.is_empty()).then_some(holds))
    }

    /// Flows and switches lie between machines that there are.
    fn check_ways(&self) -> Result<(), FileError> {
        for (name, &value) in &self.file.values {
            let Some(rest) = name.strip_prefix("flow_").or_else(|| name.strip_prefix("switch_")) else {
                continue;
            };
            for end in rest.split('_').filter(|end| !matches!(*end, "source" | "sink")) {
                let known = number(end).and_then(|index| index.checked_sub(self.offset));
                if known.is_none_or(|index| index >= self.problem.machines.len()) {
                    return Err(self.no_machine(name, value));
                }
            }
        }
        Ok(())
    }

    fn no_machine(&self, name: &str, value: Value) -> FileError {
        let (first, machines) = (self.offset, self.problem.machines.len());
        self.other_problem(&format!(
            "`{}` names no machine of this cluster ({first} to {})",
            shortened(name),
            first + machines.saturating_sub(1)
        ))
        .at_line(value.line)
    }

    /// A whole number from 0 to `most`.
    fn whole(&self, name: &str, value: Value, most: usize) -> Result<usize, FileError> {
        let (found, rounded) = (value.value, value.value.round());
        if (found - rounded).abs() > INTEGRAL {
            let problem = format!("{} is {found}, a whole number is needed", shortened(name));
            return Err(FileError::new(self.origin, problem)
                .at_line(value.line)
                .help("is it the solution of a relaxation, or was the solver stopped without one?"));
        }
        if rounded < 0.0 || rounded > most as f64 {
            return Err(self
                .other_problem(&format!("{} is {found}, 0 to {most} is possible", shortened(name)))
                .at_line(value.line));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and `most`")]
        let whole = rounded as usize;
        Ok(whole)
    }

    fn start(&self, machine: usize) -> Result<usize, FileError> {
        let name = format!("start_{}", machine + self.offset);
        match self.file.values.get(&name) {
            Some(&value) => self.whole(&name, value, self.problem.layers - 1),
            None => Err(self.other_problem(&format!("it has no `{name}`"))),
        }
    }

    /// How many layers a machine holds; `None` if nothing says so and it carries nothing.
    fn layers(&self, machine: usize, start: usize) -> Result<Option<usize>, FileError> {
        let Some(holds) = &self.holds else { return self.layers_by_switches(machine, start) };
        let number = machine + self.offset;
        let mut found = None;
        for (&(_, layers), &value) in holds.range((machine, 0)..=(machine, usize::MAX)) {
            let name = format!("hold_{number}_{layers}");
            if self.whole(&name, value, 1)? == 1 && found.replace(layers).is_some() {
                let problem = format!("machine {number} holds two numbers of layers at once");
                return Err(FileError::new(self.origin, problem).at_line(value.line));
            }
        }
        match found {
            Some(layers) => Ok(Some(layers)),
            None => Err(self.other_problem(&format!("no `hold_{number}_…` is 1"))),
        }
    }

    /// The end of a machine is where those begin to which it sends, or the end of the model.
    fn layers_by_switches(&self, machine: usize, start: usize) -> Result<Option<usize>, FileError> {
        let number_of = machine + self.offset;
        let prefix = format!("switch_{number_of}_");
        let mut end: Option<usize> = None;
        for (name, &value) in self.file.values.range(prefix.clone()..) {
            let Some(to) = name.strip_prefix(&prefix) else { break };
            let flow = self.file.values.get(&format!("flow_{number_of}_{to}"));
            if self.whole(name, value, 1)? == 0 || flow.is_some_and(|flow| flow.value <= NO_FLOW) {
                continue;
            }
            let next = match number(to).and_then(|index| index.checked_sub(self.offset)) {
                Some(next) => self.start(next)?,
                None => self.problem.layers,
            };
            if end.replace(next).is_some_and(|known| known != next) || next <= start {
                let problem = format!("the switches of machine {number_of} contradict each other");
                return Err(FileError::new(self.origin, problem)
                    .at_line(value.line)
                    .help("files without `hold_…` can be read if they are made without partial inference"));
            }
        }
        Ok(end.map(|end| end - start))
    }
}

/// A number without sign, point or leading zeros.
fn number(text: &str) -> Option<usize> {
    let plain = !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}
