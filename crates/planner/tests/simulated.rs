//! The search with a simulator in the loop, on simulators whose best plan is known.

mod by_hand;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use by_hand::{Table, cluster, model, placement};
use helix_planner::{
    Control, Effort, Evaluate, Evaluation, Figures, Found, Instance, Judges, Limit, Measure, Objective,
    Origin, Outcome, Plan, PlanError, Running, SearchOptions, Trial, plan_with,
};
use helix_spec::{Bandwidth, Placement};

/// Six machines that hold one layer each, so that a plan is an order of them.
const KINDS: [&str; 6] = ["big", "big", "big", "small", "small", "small"];

fn table() -> Table {
    Table(BTreeMap::from([("big", vec![1000.0]), ("small", vec![400.0])]))
}

/// Sees no difference, as the cheap judge sees none between orders.
struct Blind;

impl Evaluate for Blind {
    fn decode_rate(&self, _: &Instance<'_>, _: &Placement, _: &Evaluation) -> Option<f64> {
        Some(1.0)
    }
}

/// Whether the machine of each layer is a big one, in the best of orders: neither the packing's nor one that takes turns.
const BEST: [bool; 6] = [true, false, false, true, true, false];

/// Ten tokens/s for every layer that is held as in the best order, beside ninety: 150, 130, 110 or 90.
struct Pattern {
    /// How far a run may be off \[tokens/s\].
    noise: f64,
    /// By what share a seed may lift or lower all plans alike.
    sway: f64,
    /// Trials after which everything is stopped.
    stops_after: usize,
    /// Whether a batch is worked off from its end.
    backwards: bool,
    trials: Cell<usize>,
    /// Every seed, and figures of runs for the report.
    seeds: RefCell<BTreeSet<(Effort, u64)>>,
    reported: RefCell<Vec<f64>>,
}

impl Pattern {
    fn new(noise: f64) -> Self {
        Self {
            noise,
            sway: 0.0,
            stops_after: usize::MAX,
            backwards: false,
            trials: Cell::new(0),
            seeds: RefCell::default(),
            reported: RefCell::default(),
        }
    }

    fn truth(plan: &Plan) -> f64 {
        let held = plan.placement.machines.iter();
        let right = held.filter(|(id, held)| BEST[held.layers.start() as usize] == (id.0 < 3));
        90.0 + 10.0 * right.count() as f64
    }

    fn run(&self, trial: &Trial<'_>) -> Outcome {
        if self.trials.get() >= self.stops_after {
            return Outcome::Stopped;
        }
        self.trials.set(self.trials.get() + 1);
        self.seeds.borrow_mut().insert((trial.effort, trial.seed));
        let mut hash = trial.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for (id, held) in &trial.plan.placement.machines {
            hash = (hash ^ u64::from(id.0 * 64 + held.layers.start())).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        }
        let unit = (hash >> 11) as f64 / (1u64 << 53) as f64;
        let luck = trial.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let luck = 1.0 + self.sway * (2.0 * ((luck >> 11) as f64 / (1u64 << 53) as f64) - 1.0);
        let decode_rate = (Self::truth(trial.plan) + self.noise * (2.0 * unit - 1.0)) * luck;
        if trial.effort == Effort::Report {
            self.reported.borrow_mut().push(decode_rate);
        }
        let latency = Some(1.0);
        Outcome::Ran(Figures { decode_rate, prompt_latency: latency, decode_latency: latency })
    }
}

impl Measure for Pattern {
    fn measure(&self, trials: &[Trial<'_>]) -> Vec<Outcome> {
        if !self.backwards {
            return trials.iter().map(|trial| self.run(trial)).collect();
        }
        let mut outcomes: Vec<Outcome> = trials.iter().rev().map(|trial| self.run(trial)).collect();
        outcomes.reverse();
        outcomes
    }
}

fn search(
    simulator: &Pattern,
    limit: Limit,
    running: Option<&Running>,
    used: &mut dyn FnMut() -> f64,
) -> Result<Found, PlanError> {
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(6), table());
    let instance = Instance::new(&cluster, &model, &table);
    let options = SearchOptions { objective: Objective::Steady, running, ..SearchOptions::default() };
    let judges = Judges { estimate: &Blind, simulator: Some(simulator), limit };
    plan_with(&instance, options, judges, &mut Control { used, report: &mut |_| () })
}

#[test]
fn it_finds_the_best_order_and_reports_it_from_seeds_that_chose_nothing() {
    let simulator = Pattern::new(4.0);
    let found = search(&simulator, Limit::Runs(600), None, &mut || 0.0).unwrap();
    assert_eq!(Pattern::truth(&found.plan), 150.0, "{:?}", found.plan.placement.machines);
    let simulated = found.simulated.unwrap();
    assert_eq!(simulated.chosen.plan, found.plan);
    assert_eq!((simulated.chosen.origin, simulated.chosen.decode_rate.runs), (Origin::Unseen, 3));
    // The chosen plan's three runs come first, then those of other points of the front.
    let reported = &simulator.reported.borrow()[..3];
    assert!((simulated.chosen.decode_rate.mean - reported.iter().sum::<f64>() / 3.0).abs() < 1e-9);
    let seeds = simulator.seeds.borrow();
    let of = |report: bool| -> BTreeSet<u64> {
        seeds
            .iter()
            .filter(|(effort, _)| (*effort == Effort::Report) == report)
            .map(|(_, seed)| *seed)
            .collect()
    };
    assert!(of(true).is_disjoint(&of(false)), "no seed of the report chose anything");
    assert!(simulated.front.iter().any(|point| point.plan == found.plan));
    assert_eq!(simulated.runs, simulator.trials.get());
}

/// Whether the machine of each layer is a big one, in an order that no step leads to from where the search begins.
const FAR: [bool; 6] = [false, true, false, true, false, true];

/// That order is worth 150, the first plan that is seen 100, everything else 90.
#[derive(Default)]
struct Peak(RefCell<Option<Placement>>);

impl Measure for Peak {
    fn measure(&self, trials: &[Trial<'_>]) -> Vec<Outcome> {
        let run = |Trial { plan: Plan { placement, .. }, .. }: &Trial<'_>| {
            let mut first = self.0.borrow_mut();
            let is_first = first.get_or_insert_with(|| placement.clone()) == placement;
            let mut held = placement.machines.iter();
            let is_far = held.all(|(id, held)| FAR[held.layers.start() as usize] == (id.0 < 3));
            let decode_rate = if is_far { 150.0 } else { 90.0 + 10.0 * f64::from(u8::from(is_first)) };
            Outcome::Ran(Figures { decode_rate, prompt_latency: Some(1.0), decode_latency: Some(1.0) })
        };
        trials.iter().map(run).collect()
    }
}

/// Local search alone stays on the first plan for ever.
#[test]
fn other_orders_are_tried_that_no_step_leads_to() {
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(6), table());
    let instance = Instance::new(&cluster, &model, &table);
    let options = SearchOptions { objective: Objective::Steady, ..SearchOptions::default() };
    let judges = Judges { estimate: &Blind, simulator: Some(&Peak::default()), limit: Limit::Runs(100) };
    let control = &mut Control { used: &mut || 0.0, report: &mut |_| () };
    let found = plan_with(&instance, options, judges, control).unwrap();
    let simulated = found.simulated.unwrap();
    assert_eq!(simulated.chosen.decode_rate.mean, 150.0, "{:?}", found.plan.placement.machines);
}

/// Likes long pipelines, as the cheap judge does.
struct LikesDepth;

impl Evaluate for LikesDepth {
    fn decode_rate(&self, _: &Instance<'_>, _: &Placement, evaluation: &Evaluation) -> Option<f64> {
        Some(evaluation.depth() as f64)
    }
}

/// Remembers the depths of what it ran.
#[derive(Default)]
struct Depths(RefCell<Vec<usize>>);

impl Measure for Depths {
    fn measure(&self, trials: &[Trial<'_>]) -> Vec<Outcome> {
        let depths = trials.iter().map(|trial| trial.plan.evaluation.depth());
        self.0.borrow_mut().extend(depths);
        let figures = Figures { decode_rate: 100.0, prompt_latency: Some(1.0), decode_latency: Some(1.0) };
        vec![Outcome::Ran(figures); trials.len()]
    }
}

/// With time for a few runs only, depths that the estimate thinks little of are seen as well, those in the middle first.
#[test]
fn few_runs_go_to_depths_in_the_middle_first() {
    let table = Table(BTreeMap::from([("big", vec![1000.0, 600.0, 450.0, 360.0, 280.0, 200.0])]));
    let (cluster, model) = (cluster(&["big"; 6], Bandwidth(10_000_000_000)), model(6));
    let instance = Instance::new(&cluster, &model, &table);
    let simulator = Depths::default();
    let judges = Judges { estimate: &LikesDepth, simulator: Some(&simulator), limit: Limit::Runs(6) };
    let options = SearchOptions { objective: Objective::Steady, ..SearchOptions::default() };
    plan_with(&instance, options, judges, &mut Control { used: &mut || 0.0, report: &mut |_| () }).unwrap();
    let seen = simulator.0.borrow();
    assert!(seen[0] > 1 && seen[0] < 6, "{seen:?}");
    let shallow = seen.iter().filter(|depth| **depth < seen[0]).count();
    assert!(shallow > 0, "{seen:?}");
}

#[test]
fn what_seeds_do_to_all_plans_alike_decides_nothing() {
    // Plans are 20 tokens/s apart at the most, seeds up to 80 %.
    for noise in [0.0, 2.0] {
        let simulator = Pattern { sway: 0.4, ..Pattern::new(noise) };
        let found = search(&simulator, Limit::Runs(300), None, &mut || 0.0).unwrap();
        assert_eq!(Pattern::truth(&found.plan), 150.0, "{:?}", found.plan.placement.machines);
    }
}

#[test]
fn plans_that_differ_in_names_only_are_one_plan() {
    // Six layers, three of them by big machines: 20 plans, where there are 720 orders of machines; Petals' rule lets requests
    // enter machines in the middle, which makes another plan of each.
    let found = search(&Pattern::new(4.0), Limit::Runs(600), None, &mut || 0.0).unwrap();
    let simulated = found.simulated.unwrap();
    assert!(simulated.plans <= 40, "{} plans", simulated.plans);
    assert!(simulated.settled, "all of them were tried");
    // Where something runs, a change of names is a change.
    let order = [(3, 0, 1), (0, 1, 2), (4, 2, 3), (1, 3, 4), (2, 4, 5), (5, 5, 6)];
    let running = Running { placement: placement(&model(6), &order), min_gain: 0.01 };
    let found = search(&Pattern::new(4.0), Limit::Runs(600), Some(&running), &mut || 0.0).unwrap();
    assert!(found.simulated.unwrap().plans > 40);
}

#[test]
fn one_number_of_runs_gives_one_result_in_whatever_order_a_batch_is_run() {
    let forwards = search(&Pattern::new(4.0), Limit::Runs(90), None, &mut || 0.0).unwrap();
    let again = search(&Pattern::new(4.0), Limit::Runs(90), None, &mut || 0.0).unwrap();
    let simulator = Pattern { backwards: true, ..Pattern::new(4.0) };
    let backwards = search(&simulator, Limit::Runs(90), None, &mut || 0.0).unwrap();
    assert_eq!(forwards, again);
    assert_eq!(forwards, backwards);
    // Time has no say where runs are counted.
    let mut clock = 0.0;
    let late = search(&Pattern::new(4.0), Limit::Runs(90), None, &mut || {
        clock += 1e-6;
        clock
    });
    assert_eq!(late.unwrap(), forwards);
}

#[test]
fn runs_stay_within_their_number_and_within_the_time() {
    for most in [1, 5, 20, 40, 100] {
        let simulator = Pattern::new(4.0);
        let found = search(&simulator, Limit::Runs(most), None, &mut || 0.0).unwrap();
        let cost = |effort: Effort| effort.weight() as usize;
        // The last batch may be begun with the last run: at most three runs of the report too many.
        let most = most as usize + 3 * cost(Effort::Report);
        assert!(simulator.trials.get() <= most, "{} of {most}", simulator.trials.get());
        assert!(found.simulated.is_some());
    }
    // A run takes a hundredth of the time.
    let simulator = Pattern::new(4.0);
    let found =
        search(&simulator, Limit::Budget, None, &mut || simulator.trials.get() as f64 / 100.0).unwrap();
    assert!(simulator.trials.get() <= 103, "{} runs", simulator.trials.get());
    assert_eq!(found.simulated.unwrap().chosen.origin, Origin::Unseen, "time was kept for the report");
    // With both limits the one that comes first holds, and the report is kept for, too.
    let over = 3 * Effort::Report.weight() as usize;
    for (most, fit, trials) in [(100_000, 30.0, 33), (40, 1e6, 40 + over)] {
        let simulator = Pattern::new(4.0);
        let mut used = || simulator.trials.get() as f64 / fit;
        let found = search(&simulator, Limit::Either(most), None, &mut used).unwrap();
        assert!(simulator.trials.get() <= trials, "{} runs of {most}", simulator.trials.get());
        assert_eq!(found.simulated.unwrap().chosen.origin, Origin::Unseen, "of {most} runs");
    }
}

#[test]
fn an_interrupt_keeps_the_best_so_far_and_none_at_all_leaves_the_estimate() {
    let simulator = Pattern { stops_after: 30, ..Pattern::new(0.0) };
    let found = search(&simulator, Limit::Runs(600), None, &mut || 0.0).unwrap();
    let simulated = found.simulated.unwrap();
    assert_eq!(simulated.chosen.origin, Origin::Choosing, "the report was never run");
    let best = Pattern::truth(&found.plan);
    assert!(simulated.front.iter().all(|point| Pattern::truth(&point.plan) <= best));
    let simulator = Pattern { stops_after: 0, ..Pattern::new(0.0) };
    let found = search(&simulator, Limit::Runs(600), None, &mut || 0.0).unwrap();
    assert!(found.simulated.is_none() && found.steady == Some(1.0));
}

#[test]
fn what_runs_is_left_only_for_enough() {
    // The first two are in each other's place: 130 tokens/s, and 150 is possible.
    let order = [(3, 0, 1), (0, 1, 2), (4, 2, 3), (1, 3, 4), (2, 4, 5), (5, 5, 6)];
    for (min_gain, worth) in [(0.2, 130.0), (0.01, 150.0)] {
        let running = Running { placement: placement(&model(6), &order), min_gain };
        let found = search(&Pattern::new(0.0), Limit::Runs(600), Some(&running), &mut || 0.0).unwrap();
        assert_eq!(Pattern::truth(&found.plan), worth, "at {min_gain}");
        assert_eq!(found.trade.unwrap().running, Some(130.0));
    }
}

#[test]
fn a_simulator_that_can_run_nothing_leaves_the_estimate() {
    struct Broken;
    impl Measure for Broken {
        fn measure(&self, trials: &[Trial<'_>]) -> Vec<Outcome> {
            vec![Outcome::Impossible; trials.len()]
        }
    }
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(6), table());
    let instance = Instance::new(&cluster, &model, &table);
    let options = SearchOptions { objective: Objective::Steady, ..SearchOptions::default() };
    let judges = Judges { estimate: &Blind, simulator: Some(&Broken), limit: Limit::Runs(50) };
    let mut control = Control { used: &mut || 0.0, report: &mut |_| () };
    let found = plan_with(&instance, options, judges, &mut control).unwrap();
    assert!(found.simulated.is_none() && found.plan.evaluation.throughput == 400.0);
}
