//! Throughput against depth over regions: against every placement of small clusters, and on the published one.

use std::collections::BTreeMap;

use helix_cost::{CostChoice, Costs};
use helix_planner::packing::{Network, Options, Plan, Problem, Slot, Span, Table, depth, evaluate, front};
use helix_planner::{
    Control, Evaluate, Evaluation, Instance, Objective, SearchOptions, plan_auto, throughput,
};
use helix_spec::{ModelShape, Placement, load_cluster_named};
use proptest::prelude::*;

/// The most flow of any placement at each depth or below, and of those placements that are made of stages.
struct Best {
    any: Vec<f64>,
    stages: Vec<f64>,
}

impl Best {
    /// By trying each placement.
    fn of(problem: &Problem) -> Self {
        let none = vec![0.0; problem.machines.len() + 1];
        let mut best = Self { any: none.clone(), stages: none };
        best.place(problem, 0, &mut Plan::empty(problem.machines.len()));
        for list in [&mut best.any, &mut best.stages] {
            for depth in 1..list.len() {
                list[depth] = f64::max(list[depth], list[depth - 1]);
            }
        }
        best
    }

    fn place(&mut self, problem: &Problem, machine: usize, plan: &mut Plan) {
        if machine == problem.machines.len() {
            let (flow, depth) = (evaluate(problem, plan).expect("small capacities"), depth(problem, plan));
            self.any[depth] = self.any[depth].max(flow);
            if let Some((flow, depth)) = of_stages(problem, plan) {
                self.stages[depth] = self.stages[depth].max(flow);
            }
            return;
        }
        self.place(problem, machine + 1, plan);
        for start in 0..problem.layers {
            for end in start + 1..=problem.layers {
                if problem.throughput(machine, end - start).is_some() {
                    plan.spans[machine] = Some(Span { start, end });
                    self.place(problem, machine + 1, plan);
                }
            }
        }
        plan.spans[machine] = None;
    }
}

/// Flow and depth if each region's machines share intervals or have nothing in common, and the regions hold all layers each,
/// or one those before a border and the other those after; side by side nothing crosses between them.
fn of_stages(problem: &Problem, plan: &Plan) -> Option<(f64, usize)> {
    let spans = |region: usize| -> Vec<Span> {
        plan.used()
            .filter(|&(machine, _)| problem.machines[machine].region == region)
            .map(|(_, span)| span)
            .collect()
    };
    let is_staged = |spans: &[Span]| {
        let apart = |a: &Span, b: &Span| a == b || a.end <= b.start || b.end <= a.start;
        spans.iter().all(|a| spans.iter().all(|b| apart(a, b)))
    };
    let held = |spans: &[Span]| -> Vec<bool> {
        (0..problem.layers)
            .map(|layer| spans.iter().any(|span| (span.start..span.end).contains(&layer)))
            .collect()
    };
    let (one, two) = (spans(0), spans(1));
    let (of_one, of_two) = (held(&one), held(&two));
    let whole = |held: &[bool]| held.iter().all(|&held| held);
    let none = |held: &[bool]| !held.iter().any(|&held| held);
    let apart = of_one.iter().zip(&of_two).all(|(one, two)| one != two)
        && of_one.windows(2).filter(|pair| pair[0] != pair[1]).count() == 1;
    let side_by_side = (whole(&of_one) || none(&of_one)) && (whole(&of_two) || none(&of_two));
    if !is_staged(&one) || !is_staged(&two) || !(apart || side_by_side) {
        return None;
    }
    if apart {
        return Some((evaluate(problem, plan).ok()?, depth(problem, plan)));
    }
    let mut severed = problem.clone();
    (severed.network.between[1], severed.network.between[2]) = (0.0, 0.0);
    let depth_of = |region: usize| {
        let mut part = plan.clone();
        for (machine, span) in part.spans.iter_mut().enumerate() {
            *span = span.filter(|_| problem.machines[machine].region == region);
        }
        depth(problem, &part)
    };
    Some((evaluate(&severed, plan).ok()?, depth_of(0).max(depth_of(1))))
}

/// As many machines are searched.
const SEARCH: bool = false;
/// As few machines are.
const TRY_ALL: bool = true;

/// The front's flow at every depth or below.
fn front_of(problem: &Problem, try_all: bool) -> Vec<f64> {
    let most = problem.machines.len();
    let bound = Best::of(problem).any[most];
    let mut reached = vec![0.0; most + 1];
    let depths: Vec<usize> = (1..=most).collect();
    let options = Options { try_all, ..Options::default() };
    front(problem, (options, bound), &depths, &mut || false, &mut |found| {
        found.plan.validate(problem).expect("plans fit their problem");
        assert_eq!(evaluate(problem, &found.plan), Ok(found.flow));
        assert_eq!(depth(problem, &found.plan), found.depth);
        // Side by side, a path over both regions may be longer than either pipeline.
        let of_pipelines = of_stages(problem, &found.plan).filter(|_| !try_all);
        let depth = of_pipelines.map_or(found.depth, |(_, depth)| depth);
        reached[depth] = f64::max(reached[depth], found.flow);
    });
    for depth in 1..=most {
        reached[depth] = f64::max(reached[depth], reached[depth - 1]);
    }
    reached
}

fn two_regions(layers: usize, tables: &[&[f64]], machines: &[(usize, usize)], across: f64) -> Problem {
    let declared = |table: &&[f64]| Table { throughput: table.iter().map(|&rate| Some(rate)).collect() };
    let inside = 1e6;
    Problem {
        layers,
        tables: tables.iter().map(declared).collect(),
        machines: machines.iter().map(|&(table, region)| Slot { table, region }).collect(),
        network: Network {
            regions: 2,
            between: vec![inside, across, across, inside],
            special: BTreeMap::new(),
            source: vec![inside; machines.len()],
            sink: vec![inside; machines.len()],
        },
        partial: false,
    }
}

#[test]
fn the_front_of_two_regions_is_that_of_all_placements() {
    // Large machines hold up to three layers, small ones up to two.
    let tables: [&[f64]; 2] = [&[90.0, 44.0, 28.0], &[40.0, 19.0]];
    let many = [(0, 0), (1, 0), (1, 0), (0, 1)];
    let apart = [(0, 0), (0, 0), (1, 1), (1, 1)];
    let one = [(1, 0), (1, 0), (1, 0), (0, 1)];
    for (layers, machines, across) in
        [(6, many, 20.0), (6, many, 60.0), (6, apart, 20.0), (6, apart, 60.0), (5, one, 20.0), (5, one, 60.0)]
    {
        let problem = two_regions(layers, &tables, &machines, across);
        let (found, best) = (front_of(&problem, SEARCH), Best::of(&problem));
        for (depth, (found, best)) in found.iter().zip(&best.any).enumerate() {
            let words = format!("{machines:?} over {across}, depth {depth}: {found} of {best}");
            assert!((found - best).abs() <= 1e-3 * best, "{words}");
        }
        assert!(best.any[3] > best.any[2] && best.any[2] > 0.0, "several points: {:?}", best.any);
    }
}

/// Links carry what any machine does: where they bind, more machines at a border than the flow needs may help, which packing does
/// not try.
fn drawn() -> impl Strategy<Value = Problem> {
    let table = || prop::collection::vec(prop_oneof![1 => Just(None), 4 => (5u32..60).prop_map(Some)], 1..4);
    let machines = prop::collection::vec((0..2usize, 0..2usize), 2..=4);
    let tables = prop::collection::vec(table(), 2);
    (tables, machines, 2..=4usize, prop::collection::vec(60u32..200, 2)).prop_map(
        |(tables, machines, layers, across)| {
            let mut problem = two_regions(layers, &[], &machines, 0.0);
            let declared = |table: Vec<Option<u32>>| Table {
                throughput: table.into_iter().map(|rate| rate.map(f64::from)).collect(),
            };
            problem.tables = tables.into_iter().map(declared).collect();
            problem.network.between[1] = f64::from(across[0]);
            problem.network.between[2] = f64::from(across[1]);
            problem
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn at_no_depth_do_stages_by_hand_beat_the_front(problem in drawn()) {
        let (found, best) = (front_of(&problem, SEARCH), Best::of(&problem));
        for depth in 0..found.len() {
            let (found, stages, any) = (found[depth], best.stages[depth], best.any[depth]);
            prop_assert!(found >= stages * (1.0 - 1e-3), "depth {depth}: {found}, by hand {stages}");
            prop_assert!(stages <= any, "depth {depth}: by hand {stages}, at most {any}");
        }
        let most = found.len() - 1;
        prop_assert!(found[most] <= best.any[most], "{} of {}", found[most], best.any[most]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn the_front_of_few_machines_is_exact_at_every_depth(problem in drawn()) {
        prop_assert_eq!(front_of(&problem, TRY_ALL), Best::of(&problem).any);
    }
}

/// No opinion.
struct Flow;

impl Evaluate for Flow {
    fn decode_rate(&self, _: &Instance<'_>, _: &Placement, _: &Evaluation) -> Option<f64> {
        None
    }
}

#[test]
fn the_front_of_the_published_regions_is_whole() {
    let cluster = load_cluster_named("3cluster24").unwrap();
    let model = ModelShape::preset("llama-2-70b").unwrap();
    let costs = Costs::for_cluster(&cluster, &model, CostChoice::Declared).unwrap();
    let instance = Instance::new(&cluster, &model, &costs);
    let search = |max_depth| {
        let options = SearchOptions { objective: Objective::MaxFlow, max_depth, ..SearchOptions::default() };
        let mut control = Control { used: &mut || 0.0, report: &mut |_| () };
        plan_auto(&instance, options, &Flow, &mut control).unwrap()
    };
    let found = search(None);
    let points: BTreeMap<usize, f64> = found
        .front
        .iter()
        .map(|point| {
            let plan = &point.plan;
            assert_eq!(throughput(&instance, &plan.placement), Ok(plan.evaluation.throughput));
            let longest = plan.evaluation.pipelines.iter().map(|pipeline| pipeline.stages.len()).max();
            assert_eq!(longest, Some(plan.evaluation.depth()));
            (plan.evaluation.depth(), plan.evaluation.throughput)
        })
        .collect();
    let flows: Vec<f64> = points.values().copied().collect();
    assert!(flows.windows(2).all(|pair| pair[0] < pair[1]), "{points:?}");
    assert!(flows[flows.len() - 1] > 1754.3, "the last point is the optimum: {points:?}");
    // What stages of the same machines reach at these depths in one region, so no chain through regions does better.
    for (depth, flow) in [(9, 952.107), (12, 1392.635), (13, 1495.571)] {
        assert!((points[&depth] - flow).abs() < 0.01, "depth {depth}: {points:?}");
    }
    // A limit gives the front's point.
    let limited = search(Some(12)).plan.evaluation;
    assert_eq!((limited.depth(), limited.throughput), (12, points[&12]));
}
