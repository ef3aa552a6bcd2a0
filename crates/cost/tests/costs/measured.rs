//! Measured tables: straight lines between rows, and what is said outside of them.

use std::collections::BTreeMap;

use helix_cost::{
    Batch, BatchTime, CapabilitySource, Constants, CostChoice, CostModel, Costs, SmallBatches, TimeSource,
    TimedCosts, Times,
};
use helix_spec::{Cluster, CostTables, SimTime, TimeTable, TypeTables};

use crate::support::{llama_2_70b, machine, published_tables, shared, single24};

fn table(rows: &[(u32, f64)]) -> TimeTable {
    let rows = rows.iter().map(|&(size, ms)| (size, SimTime::from_seconds(ms / 1e3).unwrap()));
    TimeTable { rows: rows.collect() }
}

/// T4 only: prompts 250 in 18 ms, 500 in 30 ms; decode 2 in 7 ms, 4 in 8 ms, 10 in 7.4 ms (not monotone).
fn cluster() -> Cluster {
    let tables = TypeTables {
        declared: BTreeMap::new(),
        prompt: Some(table(&[(0, 0.0), (250, 18.0), (500, 30.0)])),
        decode: Some(table(&[(0, 0.0), (2, 7.0), (4, 8.0), (10, 7.4)])),
    };
    let tables = CostTables {
        model: "llama-2-70b".to_owned(),
        types: BTreeMap::from([("T4".to_owned(), tables)]),
        ..CostTables::default()
    };
    Cluster { cost_tables: vec![tables], ..single24() }
}

fn time(small: SmallBatches, layers: u32, batch: &Batch) -> (f64, TimeSource) {
    let times = Times::MeasuredOrRoofline(small);
    let costs = TimedCosts::new(&cluster(), &llama_2_70b(), times, &Constants::shipped());
    let found = costs.batch_time(&machine("T4", 1), layers, batch).unwrap();
    (found.time.seconds() * 1e3, found.source)
}

#[test]
fn rows_and_the_lines_between_them() {
    let of = |batch| time(SmallBatches::WeightBound, 1, &batch);
    let measured = |ms| (ms, TimeSource::Measured);
    assert_eq!(of(Batch::typical_prefill(250)), measured(18.0));
    assert_eq!(of(Batch::typical_prefill(375)), measured(24.0));
    assert_eq!(of(Batch::decode(3, 1000)), measured(7.5));
    assert_eq!(of(Batch::decode(8, 1000)), measured(7.6));
    let mut both = Batch::typical_prefill(375);
    both.add_decode(10);
    both.add_decode(4000);
    assert_eq!(of(both), measured(24.0 + 7.0));
    assert_eq!(time(SmallBatches::WeightBound, 4, &both), measured(4.0 * 31.0));
    assert_eq!(of(Batch::default()), measured(0.0));
}

#[test]
fn beyond_the_last_row_its_time_a_token_holds_on_and_the_answer_says_so() {
    let of = |batch| time(SmallBatches::WeightBound, 1, &batch);
    assert_eq!(of(Batch::typical_prefill(1000)), (60.0, TimeSource::Extrapolated));
    assert_eq!(of(Batch::decode(20, 1000)), (14.8, TimeSource::Extrapolated));
}

#[test]
fn small_batches_read_the_weights_all_the_same() {
    let bound = |batch| time(SmallBatches::WeightBound, 1, &batch).0;
    assert_eq!(bound(Batch::decode(1, 1000)), 7.0);
    assert_eq!(bound(Batch::typical_prefill(10)), 7.0);
    // As the paper's simulator has it: a straight line to nothing, doubled for a single request.
    let published = |batch| time(SmallBatches::AsPublished, 1, &batch).0;
    assert_eq!(published(Batch::decode(1, 1000)), 7.0);
    assert_eq!(published(Batch::typical_prefill(25)), 1.8);
    let mut both = Batch::typical_prefill(25);
    both.add_decode(1000);
    assert_eq!(published(both), 1.8 + 7.0);
    assert_eq!(bound(both), 7.0);
}

#[test]
fn types_without_tables_take_the_roofline_unless_it_was_refused() {
    let batch = Batch::decode(8, 1000);
    let costs = Costs::for_cluster(&cluster(), &llama_2_70b(), CostChoice::Auto).unwrap();
    assert_eq!(costs.batch_time(&machine("L4", 1), 1, &batch).unwrap().source, TimeSource::Calibrated);
    assert_eq!(costs.capability(&machine("T4", 1), 1).unwrap().source, CapabilitySource::Measured);
    assert_eq!(costs.capability(&machine("L4", 1), 1).unwrap().source, CapabilitySource::Roofline);

    let times = Times::Measured(SmallBatches::WeightBound);
    let costs = TimedCosts::new(&cluster(), &llama_2_70b(), times, &Constants::shipped());
    let error = costs.batch_time(&machine("L4", 1), 1, &batch).unwrap_err();
    assert!(error.to_string().contains("L4 have no measured prompt times"), "{error}");
}

/// Both sources give the same picture; the roofline a better one of mixed batches, where one pass over the weights
/// serves prompts and decode, while measured tables add two.
#[test]
fn measured_and_computed_throughputs_agree() {
    let Some(folder) = shared("measured_and_computed_throughputs_agree") else { return };
    let cluster = Cluster { cost_tables: vec![published_tables(&folder)], ..single24() };
    let costs = |choice| Costs::for_cluster(&cluster, &llama_2_70b(), choice).unwrap();
    let (measured, roofline) = (costs(CostChoice::Measured), costs(CostChoice::Roofline));
    for (name, layers) in [("A100-40GB", 4), ("A100-40GB", 12), ("L4", 2), ("L4", 7), ("T4", 1), ("T4", 4)] {
        let of = |costs: &Costs| costs.capability(&machine(name, 1), layers).unwrap().throughput.get();
        let ratio = of(&roofline) / of(&measured);
        println!("{name} {layers}: roofline {:.0}, measured {:.0}", of(&roofline), of(&measured));
        assert!((0.9..1.6).contains(&ratio), "{name} {layers}: {ratio}");
    }
}
