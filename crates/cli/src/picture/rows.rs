//! What is drawn: a row for every machine with layers, grouped by region, and the flows between the rows.

use std::collections::BTreeMap;

use helix_spec::{COORDINATOR, Cluster};

use crate::plan::{CutMember, PlanReport};

/// One machine's row.
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its type.
    pub machine_type: String,
    /// First layer.
    pub start: u32,
    /// One past the last.
    pub end: u32,
    /// What passes it \[tokens/s\].
    pub flow: f64,
    /// What it could compute \[tokens/s\].
    pub capacity: f64,
    /// Whether its computation is a member of the cut.
    pub in_cut: bool,
}

/// Rows of one region, by first layer.
pub struct Group {
    /// The region's name.
    pub region: String,
    /// Its machines that hold layers.
    pub rows: Vec<Row>,
}

/// Tokens from one row to another, or from or to the coordinator.
pub struct Ribbon {
    /// Row number of the sender; `None` for the coordinator.
    pub from: Option<usize>,
    /// Row number of the receiver; `None` for the coordinator.
    pub to: Option<usize>,
    /// What flows \[tokens/s\].
    pub flow: f64,
    /// Whether the link is a member of the cut.
    pub in_cut: bool,
    /// Both names, for the hint.
    pub label: String,
}

/// Everything that a picture of a plan shows.
pub struct Scene<'a> {
    /// The plan.
    pub report: &'a PlanReport,
    /// Rows by region.
    pub groups: Vec<Group>,
    /// Flows between rows, which are numbered through all groups.
    pub ribbons: Vec<Ribbon>,
    /// Throughput of all holders of each layer \[tokens/s\].
    pub layer_capacity: Vec<f64>,
}

impl<'a> Scene<'a> {
    /// Arranges a plan.
    pub fn new(cluster: &Cluster, report: &'a PlanReport) -> Self {
        let cut_parts =
            || report.bottleneck.parts.iter().chain(report.bottleneck.parts_near_end.iter().flatten());
        let in_cut = |name: &str| {
            cut_parts().any(|part| matches!(part, CutMember::Compute { machine, .. } if machine == name))
        };
        let mut groups: Vec<Group> =
            cluster.regions.iter().map(|region| Group { region: region.clone(), rows: Vec::new() }).collect();
        for placed in &report.placement {
            let Some(id) = cluster.machine_named(&placed.machine) else { continue };
            groups[cluster.machine(id).region.index()].rows.push(Row {
                name: placed.machine.clone(),
                machine_type: placed.machine_type.clone(),
                start: placed.start,
                end: placed.end,
                flow: placed.tokens_per_s,
                capacity: placed.capacity_tokens_per_s,
                in_cut: in_cut(&placed.machine),
            });
        }
        groups.retain(|group| !group.rows.is_empty());
        for group in &mut groups {
            // A stable sort: machines with one range stay in the order of the cluster.
            group.rows.sort_by_key(|row| (row.start, row.end));
        }
        groups.sort_by_key(|group| group.rows.iter().map(|row| row.start).min());
        let numbers: BTreeMap<&str, usize> = groups
            .iter()
            .flat_map(|group| &group.rows)
            .enumerate()
            .map(|(n, row)| (row.name.as_str(), n))
            .collect();
        let number = |name: &str| if name == COORDINATOR { None } else { numbers.get(name).copied() };
        let ribbons = report.flows.iter().map(|flow| {
            Ribbon {
            from: number(&flow.from),
            to: number(&flow.to),
            flow: flow.tokens_per_s,
            in_cut: cut_parts().any(|part| {
                matches!(part, CutMember::Link { from, to, .. } if *from == flow.from && *to == flow.to)
            }),
            label: format!(
                "{} → {}: {:.1} of {:.1} tok/s",
                flow.from, flow.to, flow.tokens_per_s, flow.capacity_tokens_per_s
            ),
        }
        });
        let ribbons = ribbons.collect();
        let layer_capacity = (0..report.model_layers)
            .map(|layer| {
                let holders =
                    report.placement.iter().filter(|placed| placed.start <= layer && layer < placed.end);
                holders.map(|placed| placed.capacity_tokens_per_s).sum()
            })
            .collect();
        Self { report, groups, ribbons, layer_capacity }
    }

    /// All rows in the order of their numbers.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }
}
