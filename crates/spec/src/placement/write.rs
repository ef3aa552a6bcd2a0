//! A placement as the text of its file.

use super::{Assignment, PartialInference, Placement, RankLayout};
use crate::toml_text::{InlineTable, push_list, quoted, write};
use crate::{Cluster, FORMAT_VERSION};

impl Placement {
    /// Writes the placement for the cluster whose machines it refers to: reading the text again gives the same placement.
    ///
    /// # Panics
    /// If it is a placement for another cluster.
    #[must_use]
    pub fn to_toml(&self, cluster: &Cluster) -> String {
        let mut out = format!("version = {FORMAT_VERSION}\nmodel = {}\n", quoted(&self.model));
        write(&mut out, format_args!("model_layers = {}\n", self.model_layers));
        if self.partial_inference == PartialInference::On {
            out.push_str("partial_inference = true\n");
        }
        let machines = self.machines.iter().map(|(id, assignment)| {
            let machine = cluster.machine(*id);
            entry(&machine.name, assignment, machine.count)
        });
        push_list(&mut out, "machines", machines);
        if let Some(links) = &self.links {
            let name = |endpoint| quoted(cluster.endpoint_name(endpoint));
            let entries = links.iter().map(|(from, to)| format!("[{}, {}]", name(*from), name(*to)));
            if links.is_empty() {
                out.push_str("links = []\n");
            }
            push_list(&mut out, "links", entries);
        }
        out
    }
}

fn entry(machine: &str, assignment: &Assignment, devices: u32) -> InlineTable {
    let layers = assignment.layers;
    let mut table = InlineTable::default()
        .text("machine", machine)
        .value("start", layers.start())
        .value("end", layers.end());
    if assignment.layout != RankLayout::tensor(devices) {
        table = table.value("layout", layout(assignment.layout));
    }
    match assignment.kv_capacity {
        Some(capacity) => table.value("kv_capacity", capacity),
        None => table,
    }
}

/// The sizes that are not 1.
fn layout(layout: RankLayout) -> InlineTable {
    let sizes = [
        ("pipeline", layout.pipeline),
        ("attention_tensor", layout.attention_tensor),
        ("kv", layout.kv),
        ("ffn_tensor", layout.ffn_tensor),
        ("expert", layout.expert),
    ];
    sizes
        .into_iter()
        .filter(|(_, size)| *size != 1)
        .fold(InlineTable::default(), |table, (key, size)| table.value(key, size))
}
