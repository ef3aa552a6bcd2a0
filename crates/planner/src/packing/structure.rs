//! Series-parallel structures of machines, from which blocks are made.

use crate::packing::{Column, Member, Table};

/// Machines in series and in parallel that span some layers together.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Structure {
    /// One machine of a kind with its layers.
    Machine { kind: usize, layers: usize },
    /// One after the other.
    Series(Vec<Self>),
    /// Side by side over the same layers.
    Parallel(Vec<Self>),
}

impl Structure {
    /// What it carries \[tokens/s\]: series carry what the least of them carries, parallels the sum.
    pub fn flow(&self, tables: &[Table]) -> f64 {
        match self {
            // A structure is built from declared entries; one that is not declared carries nothing.
            Self::Machine { kind, layers } => tables[*kind].at(*layers).map_or(0.0, |rate| rate),
            Self::Series(parts) => parts.iter().map(|part| part.flow(tables)).fold(f64::INFINITY, f64::min),
            Self::Parallel(parts) => parts.iter().map(|part| part.flow(tables)).sum(),
        }
    }

    /// As a column of the packing program.
    pub fn column(&self, tables: &[Table]) -> Column {
        let mut members = Vec::new();
        let (length, depth) = self.lay(0, &mut members);
        Column::new(length, depth, self.flow(tables), members)
    }

    /// Adds the machines from layer `offset` on; layers spanned and machines that a request passes at most.
    fn lay(&self, offset: usize, members: &mut Vec<Member>) -> (usize, usize) {
        match self {
            Self::Machine { kind, layers } => {
                members.push(Member { kind: *kind, offset, layers: *layers });
                (*layers, 1)
            }
            Self::Series(parts) => parts.iter().fold((0, 0), |(length, depth), part| {
                let (more, deeper) = part.lay(offset + length, members);
                (length + more, depth + deeper)
            }),
            Self::Parallel(parts) => parts.iter().fold((0, 0), |(_, depth), part| {
                let (length, deeper) = part.lay(offset, members);
                (length, depth.max(deeper))
            }),
        }
    }
}
