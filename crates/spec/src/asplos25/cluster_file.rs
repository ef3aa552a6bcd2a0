//! The authors' cluster files: node types, and one link section a pair of nodes.
//!
//! ```text
//! [NodeNames] total_compute_nodes=24        [ComputeNode-0] type=L4, connected_nodes=['source', 1, …, 'sink']
//! [SourceNode] connected_nodes=[0, …]       [Link-source-0] [Link-0-1] [Link-0-sink] bandwidth=…, latency=…
//! ```
//!
//! A complete graph and a pruned one have the same form. The pair of machines i < j has one section for both
//! directions; source and sink are our coordinator, whose two directions have a section each.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::Value;
use super::fields::{Fields, whole_number};
use super::ini::{Ini, Section, shorten};
use crate::{Endpoint, FileError, Link, MAX_MACHINES, MachineId, Source};

/// A parsed cluster file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFile {
    /// The file, for messages.
    pub origin: String,
    /// Machine type by node index.
    pub types: Vec<String>,
    /// The directed links, source and sink both as the coordinator.
    pub links: BTreeMap<(Endpoint, Endpoint), Link>,
}

/// An end of a link as the files name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Source,
    Node(u32),
    Sink,
}

impl End {
    fn endpoint(self) -> Endpoint {
        match self {
            Self::Source | Self::Sink => Endpoint::Coordinator,
            Self::Node(index) => Endpoint::Machine(MachineId(index)),
        }
    }
}

/// Parses a cluster file, complete or pruned.
///
/// # Errors
/// Missing or repeated sections and keys, nodes that do not exist, links that only one end knows or that have no
/// section, values that are no speed or latency.
pub fn parse_cluster(text: &str, origin: &str) -> Result<ClusterFile, FileError> {
    let ini = Ini::parse(&Source { origin, text })?;
    let count = node_count(&ini)?;
    let types = node_types(&ini, count)?;
    let links = links(&ini, count)?;
    check_sections(&ini, count)?;
    check_connections(&ini, count, &links)?;
    let mut directed = BTreeMap::new();
    for ((from, to), link) in links {
        directed.insert((from.endpoint(), to.endpoint()), link);
        if let (End::Node(_), End::Node(_)) = (from, to) {
            directed.insert((to.endpoint(), from.endpoint()), link);
        }
    }
    Ok(ClusterFile { origin: origin.to_owned(), types, links: directed })
}

fn node_count(ini: &Ini) -> Result<u32, FileError> {
    let fields = Fields::of(ini, "NodeNames")?;
    let count = fields.integer("total_compute_nodes")?;
    u32::try_from(count).ok().filter(|count| (1..=MAX_MACHINES).contains(count)).ok_or_else(|| {
        fields.refuse_key("total_compute_nodes", &format!("is {count}, allowed are 1 to {MAX_MACHINES}"))
    })
}

fn node_types(ini: &Ini, count: u32) -> Result<Vec<String>, FileError> {
    (0..count)
        .map(|index| Ok(Fields::of(ini, &format!("ComputeNode-{index}"))?.text("type")?.to_owned()))
        .collect()
}

/// All link sections by their ends, as they are written.
fn links(ini: &Ini, count: u32) -> Result<BTreeMap<(End, End), Link>, FileError> {
    let mut links = BTreeMap::new();
    for section in ini.sections.iter().filter(|section| section.name.starts_with("Link-")) {
        let fields = Fields { ini, section };
        let (from, to) = ends(fields, count)?;
        let link = Link { bandwidth: fields.bandwidth("bandwidth")?, latency: fields.latency("latency")? };
        if links.contains_key(&(to, from)) {
            return Err(fields
                .refuse("is there in the other direction too")
                .help("a pair of machines has one section, with the smaller index first"));
        }
        if links.insert((from, to), link).is_some() {
            return Err(fields.refuse("is a link that is there twice"));
        }
    }
    Ok(links)
}

fn ends(fields: Fields<'_>, count: u32) -> Result<(End, End), FileError> {
    let help = "links are `Link-source-I`, `Link-I-J` with I < J, and `Link-I-sink`";
    let name = &fields.section.name;
    let parts: Vec<&str> = name.splitn(4, '-').collect();
    let [_, from, to] = parts[..] else {
        return Err(fields.refuse("is not a link").help(help));
    };
    let node = |text: &str| {
        let index = text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        match index {
            Some(index) if index < count => Ok(End::Node(index)),
            _ => Err(fields.refuse(&format!(
                "links to node `{}`, the file has nodes 0 to {}",
                shorten(text),
                count - 1
            ))),
        }
    };
    let from = if from == "source" { End::Source } else { node(from)? };
    let to = if to == "sink" { End::Sink } else { node(to)? };
    if from == to || (from == End::Source && to == End::Sink) {
        return Err(fields.refuse("does not link two machines, or a machine and source or sink").help(help));
    }
    Ok((from, to))
}

/// Refuses sections that are neither of the file's settings nor of a node that exists.
fn check_sections(ini: &Ini, count: u32) -> Result<(), FileError> {
    let known = |section: &Section| {
        let name = section.name.as_str();
        let node = |index: &str| index.parse::<u32>().is_ok_and(|i| i < count && i.to_string() == index);
        ["NodeNames", "SourceNode", "SinkNode"].contains(&name)
            || name.starts_with("Link-")
            || name.strip_prefix("ComputeNode-").is_some_and(node)
    };
    ini.section("SourceNode")?;
    ini.section("SinkNode")?;
    match ini.sections.iter().find(|section| !known(section)) {
        None => Ok(()),
        Some(section) => {
            Err(Fields { ini, section }.refuse("is not a section of a cluster file").help(format!(
                "allowed: NodeNames, SourceNode, SinkNode, ComputeNode-0 to ComputeNode-{}, Link-…",
                count - 1
            )))
        }
    }
}

/// Every `connected_nodes` must name exactly the nodes to which there is a link section.
fn check_connections(ini: &Ini, count: u32, links: &BTreeMap<(End, End), Link>) -> Result<(), FileError> {
    let mut neighbours: BTreeMap<End, BTreeSet<End>> = BTreeMap::new();
    for (from, to) in links.keys() {
        neighbours.entry(*from).or_default().insert(*to);
        neighbours.entry(*to).or_default().insert(*from);
    }
    let ends = [(End::Source, "SourceNode".to_owned()), (End::Sink, "SinkNode".to_owned())]
        .into_iter()
        .chain((0..count).map(|index| (End::Node(index), format!("ComputeNode-{index}"))));
    for (end, name) in ends {
        let fields = Fields::of(ini, &name)?;
        let listed = connected(fields, count)?;
        let linked = neighbours.remove(&end).unwrap_or_default();
        if let Some(other) = listed.difference(&linked).next() {
            let section = link_section(end, *other);
            let problem = format!("names {}, but there is no section `[{section}]`", shown(*other));
            return Err(fields.refuse_key("connected_nodes", &problem));
        }
        if let Some(other) = linked.difference(&listed).next() {
            let section = link_section(end, *other);
            let problem = format!("does not name {}, but there is a section `[{section}]`", shown(*other));
            return Err(fields.refuse_key("connected_nodes", &problem));
        }
    }
    Ok(())
}

fn connected(fields: Fields<'_>, count: u32) -> Result<BTreeSet<End>, FileError> {
    let key = "connected_nodes";
    let mut ends = BTreeSet::new();
    for value in fields.list(key)? {
        let end = match &value {
            Value::Text(text) if text == "source" => Some(End::Source),
            Value::Text(text) if text == "sink" => Some(End::Sink),
            other => whole_number(other)
                .and_then(|index| u32::try_from(index).ok())
                .filter(|index| *index < count)
                .map(End::Node),
        };
        let Some(end) = end else {
            let allowed = format!("allowed: 0 to {}, 'source', 'sink'", count - 1);
            return Err(fields.refuse_key(key, "names a node that does not exist").help(allowed));
        };
        if !ends.insert(end) {
            return Err(fields.refuse_key(key, &format!("names {} twice", shown(end))));
        }
    }
    Ok(ends)
}

fn shown(end: End) -> String {
    match end {
        End::Source => "source".to_owned(),
        End::Sink => "sink".to_owned(),
        End::Node(index) => format!("node {index}"),
    }
}

fn link_section(a: End, b: End) -> String {
    let part = |end| match end {
        End::Node(index) => format!("{index}"),
        other => shown(other),
    };
    format!("Link-{}-{}", part(a.min(b)), part(a.max(b)))
}
