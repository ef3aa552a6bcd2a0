//! Colours by machine type: well apart, also for readers who do not tell red from green, on light and on dark paper.

use std::collections::BTreeMap;

/// Okabe and Ito's palette without black and yellow, then lighter shades of it.
const COLOURS: [&str; 12] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a6fd0", "#8c8c3e", "#5b8a9a",
    "#b07a4b", "#8fbf9f", "#b59ac9",
];

/// Colour of the bottleneck's frame.
pub const CUT: &str = "#d1202f";

/// A colour for each type, in the order of their names; beyond the palette hues a golden angle apart, so that none repeats.
pub fn colours<'a>(types: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, String> {
    let mut names: Vec<&str> = types.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    let generated = |index: usize| {
        let hue = 137.508 * index as f64 % 360.0;
        format!("hsl({hue:.1}, 45%, {}%)", [42, 58, 70][index % 3])
    };
    let colour =
        |index: usize| COLOURS.get(index).map_or_else(|| generated(index), |known| (*known).to_owned());
    names.into_iter().enumerate().map(|(index, name)| (name, colour(index))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::colours;

    #[test]
    fn no_two_of_many_types_have_one_colour() {
        let names: Vec<String> = (0..60).map(|number| format!("type-{number}")).collect();
        let colours = colours(names.iter().map(String::as_str));
        let distinct: BTreeSet<&String> = colours.values().collect();
        assert_eq!(distinct.len(), 60);
    }
}
