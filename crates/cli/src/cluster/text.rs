//! A cluster at a glance, for people.

use std::io::{self, Write};

use helix_spec::{Bandwidth, Bytes, BytesPerSecond, SimTime};

use super::summary::{Group, Links, Nic, Region, Span, Summary, Tables};

/// Above this many regions a matrix of links does not fit a screen.
const MATRIX_REGIONS: usize = 6;

/// Writes the summary.
pub fn write(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let memory = Bytes(summary.memory_bytes);
    writeln!(
        out,
        "{}: {}, {}, {memory} of memory, {}",
        summary.name,
        count(summary.machines as u64, "machine"),
        count(summary.devices, "device"),
        count(summary.regions.len() as u64, "region"),
    )?;
    writeln!(out, "\nmachines")?;
    table(out, &summary.regions.iter().flat_map(region_rows).collect::<Vec<_>>())?;
    if (2..=MATRIX_REGIONS).contains(&summary.regions.len()) {
        let speed =
            |links: &Links| cell(links, links.bandwidth_bit_per_s, |bits| Bandwidth(bits).to_string());
        let time = |links: &Links| cell(links, links.latency, |time| SimTime(time).to_string());
        writeln!(out, "\nbandwidth of links, from (row) to (column)")?;
        table(out, &matrix(summary, speed))?;
        writeln!(out, "\nlatency of links")?;
        table(out, &matrix(summary, time))?;
    } else {
        writeln!(out, "\nlinks")?;
        let between = (summary.regions.len() > 1).then(|| overall(summary, "between regions", false));
        let rows: Vec<_> = std::iter::once(overall(summary, "inside regions", true)).chain(between).collect();
        table(out, &rows)?;
    }
    let unlinked: u64 = summary.links.iter().map(|links| links.pairs - links.linked).sum();
    if unlinked > 0 {
        let pairs: u64 = summary.links.iter().map(|links| links.pairs).sum();
        writeln!(out, "\n* {unlinked} of {pairs} directed pairs have no link")?;
    }
    if !summary.cost_tables.is_empty() {
        writeln!(out, "\ncost tables")?;
        table(out, &summary.cost_tables.iter().map(tables_row).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn region_rows(region: &Region) -> Vec<Vec<String>> {
    let coordinator =
        region.coordinator.map(|nic| vec!["coordinator".to_owned(), String::new(), nic_text(nic)]);
    let mut rows: Vec<Vec<String>> =
        coordinator.into_iter().chain(region.groups.iter().map(group_row)).collect();
    if rows.is_empty() {
        rows.push(vec!["nothing".to_owned()]);
    }
    for (index, row) in rows.iter_mut().enumerate() {
        row.insert(0, if index == 0 { region.name.clone() } else { String::new() });
    }
    rows
}

fn group_row(group: &Group) -> Vec<String> {
    let devices = match (group.devices_each, group.device == group.machine_type) {
        (1, true) => String::new(),
        (1, false) => format!(" ({})", group.device),
        (n, _) => format!(" ({n} × {})", group.device),
    };
    let names = match group.machines.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, .., last] => format!("{first} … {last}"),
    };
    vec![
        format!("{} × {}{devices}", group.machines.len(), group.machine_type),
        Bytes(group.memory_bytes_each).to_string(),
        nic_text(group.nic),
        format!("disk {}", BytesPerSecond(group.disk_bytes_per_s)),
        names,
    ]
}

fn nic_text(nic: Nic) -> String {
    let (inbound, outbound) = (Bandwidth(nic.inbound_bit_per_s), Bandwidth(nic.outbound_bit_per_s));
    if inbound == outbound { format!("NIC {inbound}") } else { format!("NIC in {inbound}, out {outbound}") }
}

fn cell(links: &Links, span: Option<Span>, text: impl Fn(u64) -> String) -> String {
    let Some(span) = span else { return "none".to_owned() };
    let missing = if links.linked < links.pairs { " *" } else { "" };
    format!("{}{missing}", range(span, text))
}

/// `10 ms`, `40–59 ms`, `900 Mbit/s – 1.1 Gbit/s`.
fn range(span: Span, text: impl Fn(u64) -> String) -> String {
    let (low, high) = (text(span.min), text(span.max));
    match (low.split_once(' '), high.split_once(' ')) {
        _ if low == high => low,
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number}–{high}"),
        _ => format!("{low} – {high}"),
    }
}

fn matrix(summary: &Summary, cell: impl Fn(&Links) -> String) -> Vec<Vec<String>> {
    let names = || summary.regions.iter().map(|region| region.name.clone());
    let mut rows = vec![std::iter::once(String::new()).chain(names()).collect::<Vec<_>>()];
    for from in names() {
        let links = names().map(|to| {
            let links = summary.links.iter().find(|links| links.from == from && links.to == to);
            links.map_or_else(|| "–".to_owned(), &cell)
        });
        rows.push(std::iter::once(from.clone()).chain(links).collect());
    }
    rows
}

fn overall(summary: &Summary, what: &str, inside: bool) -> Vec<String> {
    let links = || summary.links.iter().filter(|links| (links.from == links.to) == inside);
    let join = |spans: Vec<Span>| {
        let min = spans.iter().map(|span| span.min).min()?;
        Some(Span { min, max: spans.iter().map(|span| span.max).max()? })
    };
    let speed = join(links().filter_map(|links| links.bandwidth_bit_per_s).collect());
    let time = join(links().filter_map(|links| links.latency).collect());
    let text = |span: Option<Span>, of: fn(u64) -> String| {
        span.map_or_else(|| "none".to_owned(), |span| range(span, of))
    };
    vec![
        what.to_owned(),
        text(speed, |bits| Bandwidth(bits).to_string()),
        text(time, |time| SimTime(time).to_string()),
    ]
}

fn tables_row(tables: &Tables) -> Vec<String> {
    let list = |types: &[String]| if types.is_empty() { "nothing".to_owned() } else { types.join(", ") };
    vec![
        tables.model.clone(),
        format!("declared for {}", list(&tables.declared)),
        format!("measured for {}", list(&tables.measured)),
    ]
}

/// Columns as wide as their widest cell, indented; no spaces at the ends of lines.
pub fn table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "  {}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
