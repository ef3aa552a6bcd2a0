//! Declared tables: rows as they stand, holes refused, and what follows beyond the last row.

use std::collections::BTreeMap;

use crate::support::{llama_2_70b, machine, single24};
use helix_cost::{
    CapabilitySource, Constants, CostChoice, CostError, CostModel, Costs, DeclaredCosts, DoesNotFit,
};
use helix_spec::{Bytes, Cluster, CostTables, DeclaredRow, TokensPerSecond, TypeTables};

fn row(throughput: f64, kv_capacity: u64) -> DeclaredRow {
    DeclaredRow {
        throughput: TokensPerSecond::new(throughput).unwrap(),
        kv_capacity,
        prompt_max_requests: 1,
        prompt_max_tokens: 2048,
        decode_max_context: 300_000,
        decode_max_requests: 300,
        typical_prompt_requests: 0.03,
        typical_prompt_tokens: 20,
        typical_decode_tokens: 6,
    }
}

/// Some rows of the published limits.
const PUBLISHED: [(&str, u32, f64, u64); 10] = [
    ("A100", 4, 5264.623, 6_719_808),
    ("A100", 8, 2045.641, 5_048_576),
    ("A100", 12, 952.107, 3_377_472),
    ("L4", 1, 7557.863, 4_258_336),
    ("L4", 4, 1476.085, 3_004_416),
    ("L4", 7, 531.703, 1_751_008),
    ("T4", 1, 5709.208, 2_485_120),
    ("T4", 2, 2434.367, 2_031_488),
    ("T4", 3, 1347.867, 1_577_856),
    ("T4", 4, 757.853, 1_124_224),
];

fn tables(rows: &[(&str, u32, f64, u64)]) -> CostTables {
    let mut types: BTreeMap<String, TypeTables> = BTreeMap::new();
    for &(machine_type, layers, throughput, kv_capacity) in rows {
        types
            .entry(machine_type.to_owned())
            .or_default()
            .declared
            .insert(layers, row(throughput, kv_capacity));
    }
    CostTables {
        model: "llama-2-70b".to_owned(),
        layer_bytes: Some(Bytes(1_530_000_000)),
        activation_bytes: Some(Bytes(16_384)),
        token_bytes: Some(Bytes(2)),
        types,
    }
}

fn declared(rows: &[(&str, u32, f64, u64)]) -> DeclaredCosts {
    DeclaredCosts::new(&llama_2_70b(), &tables(rows), &Constants::shipped())
}

fn with_tables(rows: &[(&str, u32, f64, u64)]) -> Cluster {
    Cluster { cost_tables: vec![tables(rows)], ..single24() }
}

#[test]
fn rows_are_answered_as_declared() {
    let costs = declared(&PUBLISHED);
    let t4 = machine("T4", 1);
    let found = costs.capability(&t4, 4).unwrap();
    assert_eq!(found.throughput.get(), 757.853);
    assert_eq!((found.kv_capacity, found.source), (1_124_224, CapabilitySource::Declared));
    assert_eq!(costs.planned_layers(&t4), 4);
    assert_eq!(costs.planned_layers(&machine("A100-40GB", 1)), 12);
    assert_eq!((costs.wire().token, costs.wire().activation), (Bytes(2), Bytes(16_384)));
}

#[test]
fn a_table_that_rises_and_falls_is_answered_as_it_stands() {
    let costs = declared(&[("T4", 1, 100.0, 10), ("T4", 2, 300.0, 900), ("T4", 3, 50.0, 500)]);
    let throughputs: Vec<f64> =
        (1..=3).map(|k| costs.capability(&machine("T4", 1), k).unwrap().throughput.get()).collect();
    assert_eq!(throughputs, [100.0, 300.0, 50.0]);
}

#[test]
fn a_hole_is_refused_and_names_what_is_declared() {
    let costs = declared(&PUBLISHED);
    let error = costs.capability(&machine("A100-40GB", 1), 9).unwrap_err();
    assert!(matches!(error, DoesNotFit::NotDeclared { layers: 9, .. }));
    assert!(error.to_string().contains("A100 declares no row for 9 layers (declared: 4, 8, 12)"), "{error}");
    let error = costs.capability(&machine("V100", 1), 1).unwrap_err();
    assert!(error.to_string().contains("(declared: none)"), "{error}");
    assert_eq!(costs.planned_layers(&machine("V100", 1)), 0);
}

#[test]
fn stand_alone_pipelines_go_beyond_the_last_row() {
    let costs = declared(&PUBLISHED);
    // 4 A100, 8 L4 and 12 T4 each hold the 80 layers alone.
    for (name, layers) in [("A100-40GB", 20), ("L4", 10), ("T4", 7)] {
        let last = costs.capability(&machine(name, 1), costs.planned_layers(&machine(name, 1))).unwrap();
        let found = costs.capability(&machine(name, 1), layers).unwrap();
        assert_eq!(found.source, CapabilitySource::Extrapolated, "{name}");
        assert!(found.kv_capacity < last.kv_capacity && found.throughput < last.throughput, "{name}");
    }
    // Memory 40 GB · 0.9 − 1.5 GB = 34.5 GB: 16.14 GB are free with 12 layers, 3.9 GB with 20.
    let found = costs.capability(&machine("A100-40GB", 1), 20).unwrap();
    assert_eq!(found.kv_capacity, 816_117);
    assert!((found.throughput.get() / (952.107 * 12.0 / 20.0 * 3.9 / 16.14) - 1.0).abs() < 1e-9);
}

#[test]
fn beyond_the_memory_nothing_fits() {
    let costs = declared(&PUBLISHED);
    let error = costs.capability(&machine("T4", 1), 9).unwrap_err();
    assert_eq!(
        error.to_string(),
        "9 layers need 13.80649536 GB (weights and the least useful cache), the machine has 12.9 GB"
    );
}

/// The rule for rows beyond the last, used inside the table, where the published rows tell how good it is.
#[test]
fn the_continuation_is_within_an_eighth_of_published_rows() {
    for (name, known, asked) in [("A100", 8, 12), ("A100", 4, 12), ("L4", 4, 7), ("T4", 2, 4)] {
        let rows: Vec<_> = PUBLISHED.iter().copied().filter(|row| row.0 == name && row.1 <= known).collect();
        let truth = PUBLISHED.iter().find(|row| row.0 == name && row.1 == asked).unwrap().2;
        let name = if name == "A100" { "A100-40GB" } else { name };
        let found = declared(&rows).capability(&machine(name, 1), asked).unwrap();
        let error = (found.throughput.get() / truth - 1.0).abs();
        assert!(error < 0.125, "{name} {asked} layers from {known}: {} for {truth}", found.throughput);
    }
}

#[test]
fn declared_costs_need_every_machine_type() {
    let without_l4: Vec<_> = PUBLISHED.iter().copied().filter(|row| row.0 != "L4").collect();
    let cluster = with_tables(&without_l4);
    let error = Costs::for_cluster(&cluster, &llama_2_70b(), CostChoice::Declared).unwrap_err();
    assert!(error.to_string().contains("have no declared rows for L4"), "{error}");

    // `auto` then computes all machines alike, and says so.
    let costs = Costs::for_cluster(&cluster, &llama_2_70b(), CostChoice::Auto).unwrap();
    assert!(costs.note().unwrap().contains("L4"));
    let found = costs.capability(&machine("T4", 1), 4).unwrap();
    assert_eq!(found.source, CapabilitySource::Roofline);

    let costs = Costs::for_cluster(&with_tables(&PUBLISHED), &llama_2_70b(), CostChoice::Auto).unwrap();
    assert_eq!(costs.note(), None);
    assert_eq!(costs.capability(&machine("T4", 1), 4).unwrap().source, CapabilitySource::Declared);
}

#[test]
fn choices_without_tables_say_which_models_there_are() {
    for choice in [CostChoice::Declared, CostChoice::Measured] {
        let error = Costs::for_cluster(&single24(), &llama_2_70b(), choice).unwrap_err();
        assert!(matches!(error, CostError::NoTables { .. }));
        assert!(error.to_string().contains("it has them for: no model"), "{error}");
    }
    let cluster = with_tables(&PUBLISHED);
    let error = Costs::for_cluster(&cluster, &llama_2_70b(), CostChoice::Measured).unwrap_err();
    assert!(error.to_string().contains("no measured rows for A100, L4, T4"), "{error}");
}
