//! Solution files: names of variables with values, as Gurobi and HiGHS write them.
//!
//! ```text
//! # Objective value = 1289.55        Gurobi: comments, then a name and a value a line
//! start_0 7
//! switch_0_3 1
//! ```
//! ```text
//! Model status                       HiGHS: sections, names and values between `# Columns` and `# Rows`
//! Time limit reached
//!
//! # Primal solution values
//! Feasible
//! Objective 1289.55
//! # Columns 2
//! start_0 7
//! switch_0_3 1
//! # Rows 1
//! one_0 1
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use helix_spec::FileError;

use super::program::Program;

/// Longer names are none.
const MAX_NAME: usize = 255;

/// A value and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// The value.
    pub value: f64,
    /// Line, counted from 1.
    pub line: usize,
}

/// The values of a solution file by the names of their variables.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SolutionFile {
    /// By name; every value is finite.
    pub values: BTreeMap<String, Value>,
    /// The objective that the file states, where it states one.
    pub objective: Option<f64>,
}

impl SolutionFile {
    /// Reads either format. O(length of the text).
    pub fn parse(text: &str, origin: &str) -> Result<Self, FileError> {
        let mut file = Self::default();
        let sections = text.lines().take(50).any(|line| line.trim() == "# Primal solution values");
        let mut reading = !sections;
        let mut primal = false;
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if sections {
                match line {
                    "# Primal solution values" => primal = true,
                    "None" if primal && !reading => {
                        return Err(FileError::new(origin, "says that there is no solution").at_line(number));
                    }
                    _ => {}
                }
                // Rows, and the dual values behind them, are not wanted.
                if line.starts_with("# Rows") || line.starts_with("# Dual") {
                    break;
                }
                if primal && line.starts_with("# Columns") {
                    reading = true;
                    continue;
                }
            }
            if let Some(objective) = stated_objective(line) {
                file.objective = file.objective.or(Some(objective));
            } else if reading && !line.is_empty() && !line.starts_with('#') {
                file.add(line, number, origin)?;
            }
        }
        if file.values.is_empty() {
            return Err(FileError::new(origin, "holds no values")
                .help("a solution file has a variable's name and its value on each line"));
        }
        Ok(file)
    }

    fn add(&mut self, line: &str, number: usize, origin: &str) -> Result<(), FileError> {
        let refuse = |problem: String| Err(FileError::new(origin, problem).at_line(number));
        let mut words = line.split_whitespace();
        let (Some(name), Some(value), None) = (words.next(), words.next(), words.next()) else {
            return refuse(format!("`{}` is not a name and a value", shortened(line)));
        };
        if name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return refuse(format!("`{}` is not the name of a variable", shortened(name)));
        }
        let Some(value) = value.parse::<f64>().ok().filter(|value| value.is_finite()) else {
            return refuse(format!(
                "the value of {} is `{}`, a number is needed",
                shortened(name),
                shortened(value)
            ));
        };
        if let Some(first) = self.values.insert(name.to_owned(), Value { value, line: number }) {
            return refuse(format!("{} has a value in line {} already", shortened(name), first.line));
        }
        Ok(())
    }

    /// The text of a solution in Gurobi's format, every column by its name.
    #[must_use]
    pub fn text(program: &Program, values: &[f64]) -> String {
        let mut text = format!(
            "# Solution of a placement by Helix\n# Objective value = {}\n",
            program.objective(values)
        );
        for (column, value) in program.columns.iter().zip(values) {
            let _ = writeln!(text, "{} {value}", column.name);
        }
        text
    }
}

/// The number of `# Objective value = 3` or `Objective 3`.
fn stated_objective(line: &str) -> Option<f64> {
    let rest = line.strip_prefix("# Objective value =").or_else(|| line.strip_prefix("Objective "))?;
    rest.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// At most forty characters, none of them a control character, for messages.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String =
        text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}
