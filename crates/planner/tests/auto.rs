//! The default planner on clusters by hand: never worse than a baseline, never above its bound, obedient to its limits.

mod by_hand;

use std::collections::{BTreeMap, BTreeSet};

use by_hand::{Table, cluster, model, placement};
use helix_cost::{Capability, CostModel, DoesNotFit, Wire};
use helix_planner::{
    Baseline, Control, Demands, Evaluate, Evaluation, Found, Instance, Objective, PlanError, Running,
    SearchEvent, SearchOptions, plan_auto, plan_baseline, throughput,
};
use helix_spec::{Bandwidth, Machine, MachineId, Placement};

/// Likes short pipelines more than anything.
struct Shallow;

impl Evaluate for Shallow {
    fn decode_rate(&self, _: &Instance<'_>, _: &Placement, evaluation: &Evaluation) -> Option<f64> {
        Some(1.0 / evaluation.mean_depth())
    }
}

fn table() -> Table {
    Table(BTreeMap::from([
        ("big", vec![1000.0, 480.0, 310.0, 220.0, 170.0, 130.0]),
        ("small", vec![400.0, 180.0, 110.0]),
    ]))
}

fn search(
    kinds: &[&str],
    layers: u32,
    options: SearchOptions<'_>,
    used: f64,
) -> (Result<Found, PlanError>, Vec<SearchEvent>) {
    let (cluster, model, table) = (cluster(kinds, Bandwidth(10_000_000_000)), model(layers), table());
    let instance = Instance::new(&cluster, &model, &table);
    let mut events = Vec::new();
    let mut control = Control { used: &mut || used, report: &mut |event| events.push(event) };
    let found = plan_auto(&instance, options, &Shallow, &mut control);
    (found, events)
}

const KINDS: [&str; 6] = ["big", "small", "small", "big", "small", "small"];
const MAX_FLOW: SearchOptions<'_> = SearchOptions {
    objective: Objective::MaxFlow,
    partial: helix_spec::PartialInference::Off,
    max_depth: None,
    running: None,
};
const STEADY: SearchOptions<'_> = SearchOptions { objective: Objective::Steady, ..MAX_FLOW };

#[test]
fn it_reaches_the_optimum_and_proves_it() {
    let (found, events) = search(&KINDS, 6, MAX_FLOW, 0.0);
    let found = found.unwrap();
    // One big machine holds all six layers (130 tok/s); beside it the other one and the small ones form a chain: two layers
    // (480) and four times one layer (400). More does not fit, as the bound says.
    assert_eq!(found.plan.evaluation.throughput, 530.0);
    assert!((found.bound - 530.0) / 530.0 < 1e-3, "bound {}", found.bound);
    assert!(events.iter().any(|event| matches!(event, SearchEvent::Bound(_))));
    assert!(found.front.windows(2).all(|pair| {
        let [a, b] = pair else { unreachable!("windows of two") };
        a.plan.evaluation.depth() < b.plan.evaluation.depth()
            && a.plan.evaluation.throughput < b.plan.evaluation.throughput
    }));
}

#[test]
fn it_is_never_worse_than_a_baseline_even_without_time() {
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(6), table());
    let instance = Instance::new(&cluster, &model, &table);
    for used in [0.0, 1.0] {
        let found = search(&KINDS, 6, MAX_FLOW, used).0.unwrap();
        for baseline in Baseline::ALL {
            if let Ok(plan) = plan_baseline(&instance, baseline) {
                assert!(
                    found.plan.evaluation.throughput >= plan.evaluation.throughput,
                    "{baseline} at {used}"
                );
            }
        }
        assert!(found.bound >= found.plan.evaluation.throughput);
    }
    let by_hand = placement(&model, &[(0, 0, 6), (3, 0, 2), (1, 2, 3), (2, 3, 4), (4, 4, 5), (5, 5, 6)]);
    assert_eq!(throughput(&instance, &by_hand).unwrap(), 530.0);
}

#[test]
fn depth_is_a_limit_and_steady_listens_to_its_judge() {
    let options = SearchOptions { max_depth: Some(2), ..MAX_FLOW };
    let found = search(&KINDS, 6, options, 0.0).0.unwrap();
    assert_eq!(found.plan.evaluation.depth(), 2);
    let steady = SearchOptions { objective: Objective::Steady, ..MAX_FLOW };
    let found = search(&KINDS, 6, steady, 0.0).0.unwrap();
    assert_eq!(found.plan.evaluation.mean_depth(), 1.0, "the judge wants short pipelines");
    let impossible = SearchOptions { max_depth: Some(1), ..MAX_FLOW };
    let error = search(&["big", "big"], 12, impossible, 0.0).0.unwrap_err().to_string();
    assert!(error.contains("2 machines in a row, 1 are allowed"), "{error}");
}

#[test]
fn a_model_that_does_not_fit_is_refused_before_any_search() {
    let error = search(&["small"], 6, MAX_FLOW, 0.0).0.unwrap_err();
    assert!(matches!(error, PlanError::TooLarge(_)), "{error}");
}

#[test]
fn baselines_stay_where_packing_refuses_so_many_machines() {
    // One more than packing takes; each holds the whole model, so the first rule suffices.
    let kinds = vec!["small"; helix_planner::packing::MAX_MACHINES + 1];
    let found = search(&kinds, 1, MAX_FLOW, 1.0).0.unwrap();
    assert_eq!(found.plan.evaluation.throughput, 400.0 * kinds.len() as f64);
    let baselines: Vec<&str> = Baseline::ALL.iter().map(|baseline| baseline.name()).collect();
    assert!(baselines.contains(&found.plan.planner.as_str()), "{}", found.plan.planner);
    let packing = found.candidates.iter().find(|row| row.planner == "packing").unwrap();
    let refusal = packing.result.as_ref().unwrap_err();
    assert!(refusal.contains("20001 machines; at most 20000"), "{refusal}");
    assert!(found.bound >= found.plan.evaluation.throughput);
}

/// Gives machines more layers than it lets planners give them, as cost models do where memory allows it.
struct Roomy {
    table: Table,
    planned: u32,
}

impl CostModel for Roomy {
    fn capability(&self, machine: &Machine, layers: u32) -> Result<Capability, DoesNotFit> {
        self.table.capability(machine, layers)
    }

    fn planned_layers(&self, machine: &Machine) -> u32 {
        self.table.planned_layers(machine).min(self.planned)
    }

    fn known_layers(&self, machine: &Machine) -> u32 {
        self.planned_layers(machine)
    }

    fn wire(&self) -> Wire {
        self.table.wire()
    }
}

#[test]
fn the_bound_holds_where_a_rule_gives_more_layers_than_are_known() {
    let (cluster, model) =
        (cluster(&["big", "small", "small", "small"], Bandwidth(10_000_000_000)), model(4));
    // One layer is known of each, with which the four of them make one pipeline of 10; with all four layers the big one does 90, and
    // each small one 6.
    let rows =
        BTreeMap::from([("big", vec![150.0, 100.0, 95.0, 90.0]), ("small", vec![10.0, 8.0, 7.0, 6.0])]);
    let costs = Roomy { table: Table(rows), planned: 1 };
    let instance = Instance::new(&cluster, &model, &costs);
    let mut control = Control { used: &mut || 0.0, report: &mut |_| () };
    let found = plan_auto(&instance, MAX_FLOW, &Shallow, &mut control).unwrap();
    assert_eq!(found.plan.evaluation.throughput, 108.0);
    assert!(found.proven && found.bound >= 108.0 && found.bound < 110.0, "{} {}", found.bound, found.proven);
}

#[test]
fn what_is_known_is_continued_where_it_does_not_add_up_to_the_model() {
    let (cluster, model) = (cluster(&["big", "big", "big", "big"], Bandwidth(10_000_000_000)), model(4));
    let rows = BTreeMap::from([("big", vec![150.0, 100.0, 95.0, 90.0])]);
    let costs = Roomy { table: Table(rows), planned: 1 };
    // One machine less: three layers are known, and packing may go on from there.
    let demands = Demands { forbidden: BTreeSet::from([MachineId(0)]), ..Demands::NONE };
    let instance = Instance::new(&cluster, &model, &costs).with_demands(demands).unwrap();
    assert_eq!([0, 1].map(|id| instance.known_layers(MachineId(id))), [0, 4]);
    let mut control = Control { used: &mut || 0.0, report: &mut |_| () };
    let found = plan_auto(&instance, MAX_FLOW, &Shallow, &mut control).unwrap();
    assert_eq!(found.plan.evaluation.throughput, 270.0);
    assert!(found.proven && found.bound >= 270.0 && found.bound < 271.0, "{} {}", found.bound, found.proven);
    // With all four what is known is enough.
    assert_eq!(Instance::new(&cluster, &model, &costs).known_layers(MachineId(0)), 1);
}

/// Likes depth, as the estimate does.
struct Deep;

impl Evaluate for Deep {
    fn decode_rate(&self, _: &Instance<'_>, _: &Placement, evaluation: &Evaluation) -> Option<f64> {
        Some(evaluation.depth() as f64)
    }
}

#[test]
fn the_estimate_alone_does_not_choose_the_deepest() {
    // Thirty layers, one a machine at most for the most flow; half of it takes ten in a row, so fifteen may be.
    let (cluster, model) = (cluster(&["only"; 30], Bandwidth(10_000_000_000)), model(30));
    let rows = BTreeMap::from([("only", vec![200.0, 80.0, 40.0])]);
    let costs = Table(rows);
    let instance = Instance::new(&cluster, &model, &costs);
    let mut control = Control { used: &mut || 0.0, report: &mut |_| () };
    let found = plan_auto(&instance, STEADY, &Deep, &mut control).unwrap();
    let depths: Vec<usize> = found.front.iter().map(|point| point.plan.evaluation.depth()).collect();
    assert!(depths.iter().any(|&depth| depth > 15), "{depths:?}");
    let depth = found.plan.evaluation.depth();
    assert!(depth <= 15, "{depth} of {depths:?}");
}

#[test]
fn what_runs_already_may_stay_however_deep_it_is() {
    let (cluster, model) = (cluster(&["only"; 30], Bandwidth(10_000_000_000)), model(30));
    let costs = Table(BTreeMap::from([("only", vec![200.0, 80.0, 40.0])]));
    let instance = Instance::new(&cluster, &model, &costs);
    let in_a_row: Vec<(u32, u32, u32)> = (0..30).map(|layer| (layer, layer, layer + 1)).collect();
    let running = Running { placement: placement(&model, &in_a_row), min_gain: 0.01 };
    let options = SearchOptions { running: Some(&running), ..STEADY };
    let mut control = Control { used: &mut || 0.0, report: &mut |_| () };
    let found = plan_auto(&instance, options, &Deep, &mut control).unwrap();
    assert_eq!(found.plan.placement, running.placement);
    assert_eq!(found.trade.unwrap().running, Some(30.0));
}
