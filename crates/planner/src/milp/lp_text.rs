//! A program in the CPLEX LP format, which HiGHS, Gurobi, SCIP and others read.

use std::fmt::Write as _;

use super::program::{Kind, Program, Sense};

/// Terms on a line: readers limit the length of lines.
const TERMS_A_LINE: usize = 6;

/// The program as the text of an `.lp` file; numbers are written so that they read back as the same.
///
/// ```
/// use helix_planner::milp::{Kind, Program, Sense, lp_text};
/// let mut program = Program::default();
/// let flow = program.column("flow".to_owned(), Kind::Continuous, 8.0, 1.0);
/// let switch = program.column("switch".to_owned(), Kind::Binary, 1.0, 0.0);
/// program.row("carries".to_owned(), vec![(flow, 1.0), (switch, -8.0)], Sense::AtMost, 0.0);
/// assert_eq!(
///     lp_text(&program, "by hand"),
///     "\\ by hand\nMaximize\n obj: flow\nSubject To\n carries: flow - 8 switch <= 0\nBounds\n 0 <= flow <= 8\n\
///      Binary\n switch\nEnd\n"
/// );
/// ```
#[must_use]
pub fn lp_text(program: &Program, title: &str) -> String {
    let mut text = String::new();
    for line in title.lines() {
        let _ = writeln!(text, "\\ {line}");
    }
    let name = |column: usize| program.columns[column].name.as_str();
    text.push_str("Maximize\n obj:");
    let valued: Vec<(usize, f64)> =
        (0..).zip(&program.columns).map(|(i, c)| (i, c.value)).filter(|(_, value)| *value != 0.0).collect();
    if valued.is_empty() && !program.columns.is_empty() {
        let _ = write!(text, " 0 {}", name(0));
    }
    terms(&mut text, &valued, name);
    text.push_str("\nSubject To\n");
    for row in &program.rows {
        let _ = write!(text, " {}:", row.name);
        if row.terms.is_empty() && !program.columns.is_empty() {
            let _ = write!(text, " 0 {}", name(0));
        }
        terms(&mut text, &row.terms, name);
        let sign = match row.sense {
            Sense::AtMost => "<=",
            Sense::Equal => "=",
        };
        let _ = writeln!(text, " {sign} {}", row.limit);
    }
    text.push_str("Bounds\n");
    for column in program.columns.iter().filter(|column| column.kind != Kind::Binary) {
        let _ = writeln!(text, " 0 <= {} <= {}", column.name, column.upper);
    }
    for (title, kind) in [("General", Kind::Integer), ("Binary", Kind::Binary)] {
        let names: Vec<&str> =
            program.columns.iter().filter(|column| column.kind == kind).map(|c| c.name.as_str()).collect();
        if names.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}");
        for line in names.chunks(TERMS_A_LINE) {
            let _ = writeln!(text, " {}", line.join(" "));
        }
    }
    text.push_str("End\n");
    text
}

fn terms<'a>(text: &mut String, terms: &[(usize, f64)], name: impl Fn(usize) -> &'a str) {
    for (index, &(column, factor)) in terms.iter().enumerate() {
        if index > 0 && index % TERMS_A_LINE == 0 {
            text.push_str("\n   ");
        }
        text.push_str(match (index, factor < 0.0) {
            (_, true) => " - ",
            (0, false) => " ",
            (_, false) => " + ",
        });
        if factor.abs() != 1.0 {
            let _ = write!(text, "{} ", factor.abs());
        }
        text.push_str(name(column));
    }
}
