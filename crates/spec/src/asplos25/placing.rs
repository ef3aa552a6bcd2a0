//! From an authors' layout to a placement.

use super::import::{Layout, Model, machine_id};
use super::ini::shorten;
use super::solution::NODE_PREFIX;
use crate::{FileError, Machine, Placement};

/// The placement of a layout, checked against cluster and model.
pub(super) fn place(
    layout: &Layout,
    model: &Model,
    machines: &[Machine],
    notes: &mut Vec<String>,
) -> Result<Placement, FileError> {
    let Layout { solution, simulator } = layout;
    let Some(layers) = model.layers else {
        let problem =
            format!("a placement needs the number of layers, and `{}` is not known", shorten(&model.name));
        return Err(FileError::new("model", problem).help("give the model's folder or a preset"));
    };
    let mut placement = Placement::new(&model.name, layers);
    for (index, (range, line)) in &solution.nodes {
        let fail = |problem: String| FileError::new(&solution.origin, problem).at_line(*line);
        let name = format!("{NODE_PREFIX}{}", u64::from(*index) + u64::from(solution.offset));
        let id = machine_id(*index, machines.len()).ok_or_else(|| {
            let last = machines.len() - 1;
            fail(format!("`{name}` is node {index}, the cluster has nodes 0 to {last}"))
                .help("is it the solution of another cluster?")
        })?;
        let Some(range) = *range else { continue };
        if range.end() > layers {
            let model = &model.name;
            let last = layers - 1;
            return Err(fail(format!("`{name}` holds layers {range}, {model} has layers 0 to {last}")));
        }
        placement.assign(id, range, machines[id.index()].count);
    }
    if placement.machines.is_empty() {
        return Err(FileError::new(&solution.origin, "gives no node a layer"));
    }
    let missing = machines.len() - solution.nodes.len();
    if missing > 0 {
        notes.push(format!(
            "{missing} machines are not in {}; they hold no layers, as an empty list says",
            solution.origin
        ));
    }
    let Some(run) = simulator else { return Ok(placement) };
    for (index, node) in &run.nodes {
        let assigned = machine_id(*index, machines.len()).and_then(|id| placement.machines.get_mut(&id));
        let Some(assignment) = assigned else {
            let problem = format!("has node {index}, to which {} gives no layers", solution.origin);
            return Err(FileError::new(&run.origin, problem)
                .at_line(node.line)
                .help("is it the run of another solution?"));
        };
        assignment.kv_capacity = Some(node.kv_capacity);
    }
    let unused = placement.machines.len() - run.nodes.len();
    if unused > 0 {
        notes.push(format!(
            "{unused} machines hold layers but are not in {}, so no request takes them",
            run.origin
        ));
    }
    placement.links = Some(run.links.iter().map(|link| (link.from, link.to)).collect());
    Ok(placement)
}
