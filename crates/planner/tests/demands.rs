//! Demands on plans: pins, machines left out or in, a running placement; and an end at any moment.

mod by_hand;

use std::collections::{BTreeMap, BTreeSet};

use by_hand::{Table, cluster, model, placement};
use helix_planner::{
    Change, Control, DemandError, Demands, Evaluate, Evaluation, Found, Instance, Objective, PlanError,
    Running, SearchOptions, plan_auto, violations,
};
use helix_spec::{Bandwidth, LayerRange, MachineId, PartialInference, Placement};

/// Foresees nothing.
struct Blind;

impl Evaluate for Blind {
    fn decode_rate(&self, _: &Instance<'_>, _: &Placement, _: &Evaluation) -> Option<f64> {
        None
    }
}

const KINDS: [&str; 8] = ["big", "small", "small", "big", "small", "small", "small", "odd"];

fn table() -> Table {
    Table(BTreeMap::from([
        ("big", vec![1000.0, 480.0, 310.0, 220.0, 170.0, 130.0]),
        ("small", vec![400.0, 180.0, 110.0]),
        ("odd", vec![90.0, 30.0]),
    ]))
}

fn range(start: u32, end: u32) -> LayerRange {
    LayerRange::new(start, end).expect("not empty")
}

fn pins(pins: &[(u32, u32, u32)]) -> Demands {
    let pins = pins.iter().map(|&(machine, start, end)| (MachineId(machine), range(start, end)));
    Demands { pins: pins.collect(), ..Demands::NONE }
}

fn plan(
    demands: &Demands,
    running: Option<&Running>,
    used: &mut dyn FnMut() -> f64,
) -> Result<Found, PlanError> {
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(8), table());
    let instance = Instance::new(&cluster, &model, &table)
        .with_demands(demands.clone())
        .expect("demands that can be met");
    let options = SearchOptions {
        objective: Objective::MaxFlow,
        partial: PartialInference::Off,
        max_depth: None,
        running,
    };
    let found = plan_auto(&instance, options, &Blind, &mut Control { used, report: &mut |_| () })?;
    assert_eq!(violations(&instance, &found.plan.placement), []);
    assert_eq!(demands.unmet(&found.plan.placement), None);
    assert!(found.plan.evaluation.throughput <= found.bound * (1.0 + 1e-9));
    Ok(found)
}

#[test]
fn the_best_plan_around_a_pin_is_found() {
    // The pinned big machine carries 310 over layers 2..5. The other one can carry 310 over three layers, or 480 over two;
    // two small machines together 360 over two. Three layers by the big one, two by small ones: 310.
    let found = plan(&pins(&[(0, 2, 5)]), None, &mut || 0.0).unwrap();
    assert!(found.plan.evaluation.throughput >= 310.0, "{}", found.plan.evaluation.throughput);
    assert_eq!(found.plan.placement.layers_of(MachineId(0)), Some(range(2, 5)));
    // A machine pinned to many layers at little speed is no obstacle.
    let found = plan(&pins(&[(7, 3, 5)]), None, &mut || 0.0).unwrap();
    let without = Demands { forbidden: BTreeSet::from([MachineId(7)]), ..Demands::NONE };
    let without = plan(&without, None, &mut || 0.0).unwrap().plan.evaluation.throughput;
    let with = found.plan.evaluation.throughput;
    assert!(with >= without * (1.0 - 1e-3), "{with} with the pinned machine, {without} without it");
}

#[test]
fn what_is_required_holds_layers_whatever_it_is_worth() {
    let demands = Demands { required: BTreeSet::from([MachineId(7), MachineId(1)]), ..Demands::NONE };
    let found = plan(&demands, None, &mut || 0.0).unwrap();
    assert!(found.plan.placement.layers_of(MachineId(7)).is_some());
}

#[test]
fn demands_that_contradict_the_problem_are_refused() {
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(8), table());
    let refused = |demands: Demands| {
        Instance::new(&cluster, &model, &table).with_demands(demands).err().expect("refused")
    };
    let both = Demands { forbidden: BTreeSet::from([MachineId(0)]), ..pins(&[(0, 0, 2)]) };
    assert!(matches!(refused(both), DemandError::PinnedAndForbidden { .. }));
    let both = Demands {
        forbidden: BTreeSet::from([MachineId(0)]),
        required: BTreeSet::from([MachineId(0)]),
        ..Demands::NONE
    };
    assert!(matches!(refused(both), DemandError::RequiredAndForbidden { .. }));
    assert!(matches!(refused(pins(&[(1, 7, 9)])), DemandError::PinOutside { layers: 8, .. }));
    assert!(matches!(refused(pins(&[(1, 0, 4)])), DemandError::PinTooLarge { most: 3, .. }));
    let all = pins(&[(0, 0, 6), (1, 0, 3), (2, 0, 3), (3, 0, 6), (4, 0, 3), (5, 0, 3), (6, 0, 3), (7, 0, 1)]);
    assert!(matches!(refused(all), DemandError::TooFewLeft { open: 2, holds: 0, .. }));
}

#[test]
fn pins_that_cover_all_layers_but_do_not_join_end_in_words() {
    let kinds = ["big", "big"];
    let (cluster, model, table) = (cluster(&kinds, Bandwidth(10_000_000_000)), model(8), table());
    let instance =
        Instance::new(&cluster, &model, &table).with_demands(pins(&[(0, 0, 5), (1, 3, 8)])).unwrap();
    let options = SearchOptions { objective: Objective::MaxFlow, ..SearchOptions::default() };
    let mut control = Control { used: &mut || 0.0, report: &mut |_| () };
    let error = plan_auto(&instance, options, &Blind, &mut control).unwrap_err().to_string();
    assert!(error.contains("the pins seem to leave no way through"), "{error}");
    // Where requests may enter in the middle, they do join: the second machine runs layers 5..8 of its 3..8.
    let options = SearchOptions { partial: PartialInference::On, ..options };
    let mut control = Control { used: &mut || 0.0, report: &mut |_| () };
    let found = plan_auto(&instance, options, &Blind, &mut control).unwrap();
    assert_eq!(found.plan.evaluation.throughput, 170.0);
}

#[test]
fn an_end_at_any_moment_leaves_a_plan_that_meets_the_demands() {
    let model = model(8);
    let all = [(0, 0, 4), (3, 4, 8), (1, 0, 3), (2, 3, 6), (4, 6, 8)];
    let running = Running { placement: placement(&model, &all), min_gain: 0.0 };
    let mut last = 0.0;
    for calls in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 1000, usize::MAX] {
        let mut made = 0usize;
        let mut used = || {
            made += 1;
            if made > calls { 1.0 } else { 0.0 }
        };
        let required = Demands { required: BTreeSet::from([MachineId(0), MachineId(3)]), ..Demands::NONE };
        let found = plan(&required, Some(&running), &mut used).unwrap();
        assert!(found.plan.evaluation.throughput >= 220.0, "never worse than what runs");
        last = found.plan.evaluation.throughput;
    }
    assert!(last > 400.0, "with all the time there is: {last}");
}

#[test]
fn of_nearly_equal_plans_the_one_that_loads_least_is_taken() {
    let model = model(8);
    let best = plan(&Demands::NONE, None, &mut || 0.0).unwrap().plan;
    // Turn the whole plan round: the same stages in the opposite order.
    let mut turned = Placement::new(&model.name, 8);
    for (machine, assignment) in &best.placement.machines {
        let layers = assignment.layers;
        turned.assign(*machine, range(8 - layers.end(), 8 - layers.start()), 1);
    }
    let running = Running { placement: turned, min_gain: 0.0 };
    let found = plan(&Demands::NONE, Some(&running), &mut || 0.0).unwrap();
    assert!(Change::between(&model, &running.placement, &found.plan.placement).machines.is_empty());
    // A poor plan is left for a better one, but not for a gain that is too small.
    let poor = placement(&model, &[(0, 0, 4), (3, 4, 8)]);
    let found = |min_gain: f64| {
        let running = Running { placement: poor.clone(), min_gain };
        let found = plan(&Demands::NONE, Some(&running), &mut || 0.0).unwrap();
        let trade = found.trade.expect("a trade where something runs");
        assert_eq!(trade.running, Some(220.0));
        assert!(trade.options.windows(2).all(|pair| pair[0].value < pair[1].value));
        (found.plan.evaluation.throughput, trade.chosen.change.layers)
    };
    assert_eq!(found(10.0), (220.0, 0));
    let (eager, patient) = (found(0.0), found(0.1));
    assert!(eager.0 >= patient.0 && eager.1 >= patient.1 && patient.0 * 1.1 >= eager.0);
}

#[test]
fn a_running_placement_of_another_problem_is_refused() {
    let mut other = placement(&model(8), &[(0, 0, 4), (3, 4, 8)]);
    other.model = "another".to_owned();
    let running = Running { placement: other, min_gain: 0.0 };
    let error = plan(&Demands::NONE, Some(&running), &mut || 0.0).unwrap_err().to_string();
    assert!(error.contains("another with 8 layers"), "{error}");
    let running = Running { placement: placement(&model(8), &[(9, 0, 4)]), min_gain: 0.0 };
    let error = plan(&Demands::NONE, Some(&running), &mut || 0.0).unwrap_err().to_string();
    assert!(error.contains("machine number 9"), "{error}");
}
