//! A mixed-integer linear program as data: maximise `Σ value · x` subject to rows, `0 <= x <= upper`.

/// What values a column may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any number.
    Continuous,
    /// Whole numbers.
    Integer,
    /// 0 or 1.
    Binary,
}

/// A variable; its lower limit is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name in files.
    pub name: String,
    /// What values it may take.
    pub kind: Kind,
    /// Its upper limit.
    pub upper: f64,
    /// What a unit of it adds to the objective.
    pub value: f64,
}

/// How a row's sum relates to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sense {
    /// Sum ≤ limit.
    AtMost,
    /// Sum = limit.
    Equal,
}

/// A constraint.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name in files.
    pub name: String,
    /// (column, coefficient); no column twice.
    pub terms: Vec<(usize, f64)>,
    /// How the sum relates to the limit.
    pub sense: Sense,
    /// The limit.
    pub limit: f64,
}

/// How large a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// All variables.
    pub variables: usize,
    /// Those that are 0 or 1.
    pub binaries: usize,
    /// Those that are other whole numbers.
    pub integers: usize,
    /// Constraints.
    pub constraints: usize,
    /// Coefficients in the constraints.
    pub nonzeros: usize,
}

/// Maximise the columns' values under the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// The variables.
    pub columns: Vec<Column>,
    /// The constraints.
    pub rows: Vec<Row>,
}

impl Program {
    /// Adds a variable and returns its index.
    pub fn column(&mut self, name: String, kind: Kind, upper: f64, value: f64) -> usize {
        self.columns.push(Column { name, kind, upper, value });
        self.columns.len() - 1
    }

    /// Adds a constraint.
    pub fn row(&mut self, name: String, terms: Vec<(usize, f64)>, sense: Sense, limit: f64) {
        self.rows.push(Row { name, terms, sense, limit });
    }

    /// How large it is.
    #[must_use]
    pub fn size(&self) -> Size {
        let count = |kind| self.columns.iter().filter(|column| column.kind == kind).count();
        Size {
            variables: self.columns.len(),
            binaries: count(Kind::Binary),
            integers: count(Kind::Integer),
            constraints: self.rows.len(),
            nonzeros: self.rows.iter().map(|row| row.terms.len()).sum(),
        }
    }

    /// The objective at these values, one a column.
    #[must_use]
    pub fn objective(&self, values: &[f64]) -> f64 {
        self.columns.iter().zip(values).map(|(column, value)| column.value * value).sum()
    }

    /// The largest amount by which the values break a row, a limit or a whole number; 0 if they satisfy everything.
    #[must_use]
    pub fn violation(&self, values: &[f64]) -> f64 {
        let columns = self.columns.iter().zip(values).map(|(column, &value)| {
            let fraction = if column.kind == Kind::Continuous { 0.0 } else { (value - value.round()).abs() };
            fraction.max(-value).max(value - column.upper)
        });
        let rows = self.rows.iter().map(|row| {
            let over =
                row.terms.iter().map(|&(column, factor)| factor * values[column]).sum::<f64>() - row.limit;
            if row.sense == Sense::Equal { over.abs() } else { over }
        });
        columns.chain(rows).fold(0.0, f64::max)
    }
}
