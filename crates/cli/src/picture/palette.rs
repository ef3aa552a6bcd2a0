//! Colours by machine type: well apart, also for readers who do not tell red from green, on light and on dark paper.

use std::collections::BTreeMap;

/// Okabe and Ito's palette without black and yellow, then lighter shades of it.
const COLOURS: [&str; 12] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a6fd0", "#8c8c3e", "#5b8a9a",
    "#b07a4b", "#8fbf9f", "#b59ac9",
];

/// Colour of the bottleneck's frame.
pub const CUT: &str = "#d1202f";

/// A colour for each type, in the order of their names.
pub fn colours<'a>(types: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, &'static str> {
    let mut names: Vec<&str> = types.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().enumerate().map(|(index, name)| (name, COLOURS[index % COLOURS.len()])).collect()
}
