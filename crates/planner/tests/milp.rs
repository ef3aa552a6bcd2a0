//! The MILP planner on clusters: warm starts, interruption, solution files, and the paper's cluster for a moment.

mod by_hand;

use std::collections::BTreeMap;

use by_hand::{Table, cluster, model, placement};
use helix_cost::{CostChoice, Costs};
use helix_planner::milp::{
    Ending, Milp, MilpControl, MilpError, MilpEvent, MilpFound, MilpOptions, SolutionFile, Start,
    placement_of_solution,
};
use helix_planner::{Baseline, Instance, evaluate, plan_baseline, throughput};
use helix_spec::{Bandwidth, ModelShape, PartialInference, load_cluster_named};

fn table() -> Table {
    Table(BTreeMap::from([("big", vec![1000.0, 480.0, 310.0, 220.0]), ("small", vec![400.0, 180.0, 110.0])]))
}

const KINDS: [&str; 4] = ["big", "small", "small", "big"];

fn options(start: Start) -> MilpOptions {
    MilpOptions { partial: PartialInference::Off, prune: Some(12), start }
}

/// Solves with this much of the budget used at each question; the events as lines.
fn run(
    instance: &Instance<'_>,
    options: &MilpOptions,
    seconds: f64,
    used: f64,
) -> Result<MilpFound, MilpError> {
    let milp = Milp::new(instance, options, &mut || 0.0)?;
    milp.solve(&mut MilpControl { used: &mut || used, seconds, report: &mut |_| () })
}

#[test]
fn it_finds_the_optimum_of_a_cluster_by_hand_from_nothing() {
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(5), table());
    let instance = Instance::new(&cluster, &model, &table);
    let MilpFound { found, summary } = run(&instance, &options(Start::Cold), 60.0, 0.0).unwrap();
    // Two chains of a big and a small machine: 3 + 2 layers carry min(310, 180), twice; one chain of all four, the big
    // ones with two layers and the small ones together on one: min(480, 480, 400), or 400 + 400 side by side: 480.
    assert_eq!(found.plan.evaluation.throughput, 480.0);
    assert_eq!(summary.ending, Some(Ending::Optimal));
    assert_eq!((summary.pruned, summary.overstated), (0, 0));
    assert!(found.proven && (found.bound - 480.0).abs() < 1e-3, "{}", found.bound);
}

#[test]
fn interrupted_at_once_it_keeps_its_start_and_without_one_says_so() {
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(5), table());
    let instance = Instance::new(&cluster, &model, &table);
    let start = placement(&model, &[(0, 0, 3), (1, 3, 5)]);
    let given = Start::Given { origin: "here".to_owned(), placement: start.clone() };
    let MilpFound { found, summary } = run(&instance, &options(given.clone()), 60.0, 1.0).unwrap();
    assert_eq!(found.plan.placement, start);
    assert_eq!((found.plan.evaluation.throughput, summary.ending), (180.0, None));
    let error = run(&instance, &options(Start::Cold), 60.0, 1.0).unwrap_err();
    assert!(error.to_string().contains("give more time"), "{error}");
    // Stopped from inside the solver: never below the start, whatever it was doing.
    let milp = Milp::new(&instance, &options(given), &mut || 0.0).unwrap();
    for questions in [1, 3, 10, 30] {
        let mut asked = 0;
        let mut used = || {
            asked += 1;
            if asked > questions { 1.0 } else { 0.0 }
        };
        let mut seen = Vec::new();
        let mut report = |event: MilpEvent<'_>| {
            if let MilpEvent::Incumbent { throughput, .. } = event {
                seen.push(throughput);
            }
        };
        let found =
            milp.solve(&mut MilpControl { used: &mut used, seconds: 60.0, report: &mut report }).unwrap();
        let best = found.found.plan.evaluation.throughput;
        assert_eq!(seen[0], 180.0);
        assert!(seen.is_sorted() && seen.last() == Some(&best), "{seen:?} {best}");
    }
}

#[test]
fn a_solution_written_is_a_solution_read() {
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(5), table());
    let instance = Instance::new(&cluster, &model, &table);
    for partial in [PartialInference::Off, PartialInference::On] {
        let mut given = placement(&model, &[(0, 0, 2), (1, 2, 3), (2, 2, 3), (3, 3, 5)]);
        given.partial_inference = partial;
        let milp =
            Milp::new(&instance, &MilpOptions { partial, ..options(Start::Cold) }, &mut || 0.0).unwrap();
        let text = milp.solution_text(&given).expect("it fits");
        let file = SolutionFile::parse(&text, "x.sol").unwrap();
        assert_eq!(file.objective, Some(480.0));
        let read = placement_of_solution(&instance, partial, &file, "x.sol").unwrap();
        assert_eq!(read, given);
        let given = Start::Given { origin: "x.sol".to_owned(), placement: read };
        let options = MilpOptions { partial, ..options(given) };
        let again = run(&instance, &options, 60.0, 1.0).unwrap();
        assert_eq!(again.found.plan.evaluation.throughput, 480.0);
    }
    // A machine without layers gets some in the file; what flows is the same.
    let sparse = placement(&model, &[(0, 0, 4), (1, 4, 5)]);
    let milp = Milp::new(&instance, &options(Start::Cold), &mut || 0.0).unwrap();
    let file = SolutionFile::parse(&milp.solution_text(&sparse).unwrap(), "x.sol").unwrap();
    let read = placement_of_solution(&instance, PartialInference::Off, &file, "x.sol").unwrap();
    assert!(throughput(&instance, &read).unwrap() >= throughput(&instance, &sparse).unwrap());
}

#[test]
fn what_does_not_fit_is_refused_with_its_reason() {
    let (cluster, model, table) = (cluster(&KINDS, Bandwidth(10_000_000_000)), model(5), table());
    let instance = Instance::new(&cluster, &model, &table);
    let error = |placement| {
        let start = Start::Given { origin: "p.toml".to_owned(), placement };
        run(&instance, &options(start), 1.0, 0.0).unwrap_err().to_string()
    };
    let gap = error(placement(&model, &[(0, 0, 3)]));
    assert!(gap.contains("p.toml") && gap.contains("no machine holds layers 3..5"), "{gap}");
    // A rule that was asked for by name and has no placement is not passed over.
    let few = by_hand::cluster(&["big", "big", "tiny"], Bandwidth(10_000_000_000));
    let tiny = Table(BTreeMap::from([("big", vec![9.0; 4]), ("tiny", vec![5.0])]));
    let few = Instance::new(&few, &model, &tiny);
    let rule = run(&few, &options(Start::Rule(Baseline::Swarm)), 1.0, 0.0).unwrap_err().to_string();
    assert!(rule.contains("start from swarm") && rule.contains("5 stages for 3 machines"), "{rule}");
    assert!(run(&few, &options(Start::Best), 1.0, 1.0).is_ok());
    let large = by_hand::model(30);
    let instance = Instance::new(&cluster, &large, &table);
    let error = run(&instance, &options(Start::Best), 1.0, 0.0).unwrap_err().to_string();
    assert!(error.contains("GB more are needed"), "{error}");
}

#[test]
fn the_papers_cluster_never_falls_below_its_start() {
    let cluster = load_cluster_named("single24").unwrap();
    let model = ModelShape::preset("llama-2-70b").unwrap();
    let costs = Costs::for_cluster(&cluster, &model, CostChoice::Declared).unwrap();
    let instance = Instance::new(&cluster, &model, &costs);
    let swarm = plan_baseline(&instance, Baseline::Swarm).unwrap().evaluation.throughput;
    let MilpFound { found, summary } =
        run(&instance, &options(Start::Rule(Baseline::Swarm)), 3.0, 0.0).unwrap();
    assert_eq!(summary.start.as_ref().map(|(name, value)| (name.as_str(), *value)), Some(("swarm", swarm)));
    let again = evaluate(&instance, &found.plan.placement).unwrap();
    assert_eq!(again.throughput, found.plan.evaluation.throughput);
    assert!(again.throughput >= swarm && again.throughput <= found.bound, "{}", again.throughput);
    // Twelve links of each machine to others stay, and all with the coordinator; the swarm's own are never pruned.
    assert!(summary.links >= 24 * (12 + 2) && summary.links + summary.pruned == 24 * (23 + 2));
    assert_eq!(summary.size.variables, 2 * summary.links + 24 + (4 * 12 + 8 * 7 + 12 * 4));
    assert_eq!(summary.size.integers, 24);
    // The packing search's optimum leaves nothing to solve.
    let found = run(&instance, &options(Start::Packing), 3.0, 0.0).unwrap();
    assert!(found.found.plan.evaluation.throughput > 2_045.6 && found.summary.ending.is_none());
}
