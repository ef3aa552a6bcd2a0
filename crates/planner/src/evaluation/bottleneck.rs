//! The minimum cut of a placement: the machines and links through which all tokens must pass, and which are full.

use super::from_units;
use super::graph::{Part, PlacementGraph};
use crate::flow::{Flow, FlowFault, verify_maximum};

/// One member of a cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutPart {
    /// The machine's computation, the interface, or the link.
    pub part: Part,
    /// What it carries, which is all that it can \[tokens/s\].
    pub capacity: f64,
}

/// Why the flow is not larger: every token passes exactly one member of the cut, and each member is full.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bottleneck {
    /// The cut that is nearest to the beginning of the model; empty if nothing can flow at all for lack of a way.
    pub cut: Vec<CutPart>,
    /// The cut that is nearest to its end, where it is another one.
    pub cut_near_end: Option<Vec<CutPart>>,
}

/// Both cuts, proved to be as large as the flow.
pub(super) fn find(graph: &PlacementGraph, flow: &Flow) -> Result<Bottleneck, FlowFault> {
    let near_source = flow.min_cut(&graph.network)?;
    verify_maximum(&graph.network, flow, &near_source)?;
    let near_sink = flow.min_cut_near_sink(&graph.network)?;
    verify_maximum(&graph.network, flow, &near_sink)?;
    let parts = |edges: &[crate::flow::EdgeId]| {
        let mut parts: Vec<CutPart> = edges
            .iter()
            .map(|edge| CutPart {
                part: graph.parts[edge.index()],
                capacity: from_units(graph.network.edges()[edge.index()].capacity),
            })
            .collect();
        parts.sort_by_key(|member| member.part);
        parts
    };
    let (cut, near_end) = (parts(&near_source.edges), parts(&near_sink.edges));
    Ok(Bottleneck { cut_near_end: (near_end != cut).then_some(near_end), cut })
}
