//! The example that `docs/concepts/planning.md` works by hand: every number of it is computed here.

mod by_hand;

use std::collections::BTreeMap;

use by_hand::{Table, cluster, model, placement};
use helix_planner::bounds::{capped_work, configuration_bound, covered_layers};
use helix_planner::packing::{self, Answer, Kinds, Program, stages};
use helix_planner::{Baseline, Instance, evaluate, plan_baseline, throughput};
use helix_spec::Bandwidth;

const PAGE: &str = include_str!("../../../docs/concepts/planning.md");
const LAYERS: usize = 4;

fn tables() -> Vec<packing::Table> {
    let table = |rates: &[f64]| packing::Table { throughput: rates.iter().map(|rate| Some(*rate)).collect() };
    vec![table(&[600.0, 320.0, 200.0]), table(&[200.0, 90.0])]
}

/// Asserts that the page says so.
fn says(text: &str) {
    assert!(PAGE.contains(text), "docs/concepts/planning.md does not say `{text}`");
}

#[test]
fn the_bounds_of_the_page() {
    says("| big | 600 | 320 | 200 |");
    says("| small | 200 | 90 | – |");
    let (cluster, model) = (cluster(&["big", "small", "small"], Bandwidth(10_000_000_000)), model(4));
    let table = Table(BTreeMap::from([("big", vec![600.0, 320.0, 200.0]), ("small", vec![200.0, 90.0])]));
    let instance = Instance::new(&cluster, &model, &table);
    assert_eq!(instance.compute_bound(), 260.0);
    says("(640 + 200 + 200) / 4 = **260**");
    assert!((capped_work(LAYERS, &tables(), &[1, 2]) - 250.0).abs() < 1e-6);
    says("(600 + 200 + 200) / 4 = **250**");
    // Just above 200 tokens/s: three layers by the big machine with three layers and small ones with two, which leaves half a
    // small machine, a third of what a layer by small ones takes (1 + 1/2).
    let verdict = covered_layers(&tables(), &[1, 2], 200.5, None);
    assert!((verdict.layers - (3.0 + 0.5 / 1.5)).abs() < 1e-3, "{}", verdict.layers);
    says("**3.33** layers");
    let bound = configuration_bound(LAYERS, &tables(), &[1, 2], 1e-6, &mut || false);
    assert!((bound - 200.0).abs() < 1e-2, "{bound}");
}

#[test]
fn the_placements_of_the_page() {
    let (cluster, model) = (cluster(&["big", "small", "small"], Bandwidth(10_000_000_000)), model(4));
    let table = Table(BTreeMap::from([("big", vec![600.0, 320.0, 200.0]), ("small", vec![200.0, 90.0])]));
    let instance = Instance::new(&cluster, &model, &table);
    let best = placement(&model, &[(0, 0, 3), (1, 3, 4)]);
    assert_eq!(throughput(&instance, &best).unwrap(), 200.0);
    assert_eq!(evaluate(&instance, &best).unwrap().depth(), 2);
    let side_by_side = placement(&model, &[(0, 0, 2), (1, 2, 4), (2, 2, 4)]);
    assert_eq!(throughput(&instance, &side_by_side).unwrap(), 180.0);
    for baseline in [Baseline::Swarm, Baseline::Petals] {
        let plan = plan_baseline(&instance, baseline).unwrap();
        assert_eq!(plan.evaluation.throughput, 180.0, "{baseline}");
    }
    says("**180** tokens/s");
}

#[test]
fn the_columns_of_the_page() {
    let (tables, counts) = (tables(), [1, 2]);
    let kinds = Kinds { tables: &tables, counts: &counts };
    let named = |flow: f64| -> Vec<(usize, Vec<(usize, u32)>)> {
        let columns = stages(kinds, flow, None, 100).expect("few columns");
        columns.into_iter().map(|column| (column.length, column.uses)).collect()
    };
    let at_200 = [(1, vec![(0, 1)]), (1, vec![(1, 1)]), (2, vec![(0, 1)]), (3, vec![(0, 1)])];
    assert_eq!(named(200.0), at_200);
    says("1 {big} · 1 {small} · 2 {big} · 3 {big}");
    let at_210 = [(1, vec![(0, 1)]), (1, vec![(1, 2)]), (2, vec![(0, 1)])];
    assert_eq!(named(210.0), at_210);
    says("1 {big} · 1 {small, small} · 2 {big}");
    for (flow, fits) in [(200.0, true), (210.0, false)] {
        let columns = stages(kinds, flow, None, 100).expect("few columns");
        let program =
            Program { layers: LAYERS, counts: &counts, columns: &columns, depth: None, generate: None };
        let answer = program.solve(&mut || false);
        assert_eq!(matches!(answer, Answer::Found(_)), fits, "{flow}");
        assert_eq!(answer == Answer::Infeasible, !fits, "{flow}");
    }
}
