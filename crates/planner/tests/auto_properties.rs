//! What holds of the default planner on every cluster: drawn at random, small enough to be solved each time.

#[expect(dead_code, reason = "shared with other tests, which use all of it")]
mod by_hand;

use std::collections::BTreeMap;

use by_hand::{Table, cluster, model};
use helix_planner::{
    Baseline, Change, Control, Evaluate, Evaluation, Found, Instance, Objective, Running, SearchOptions,
    plan_auto, plan_baseline, violations,
};
use helix_spec::{Bandwidth, Cluster, Placement};
use proptest::prelude::*;

/// Likes few machines in a row.
struct Shallow;

impl Evaluate for Shallow {
    fn decode_rate(&self, _: &Instance<'_>, _: &Placement, evaluation: &Evaluation) -> Option<f64> {
        Some(evaluation.throughput / evaluation.mean_depth().powi(2))
    }
}

const KINDS: [&str; 3] = ["big", "middle", "small"];

/// Throughputs of each kind, machines by kind, layers of the model, bandwidth.
#[derive(Debug, Clone)]
struct Drawn {
    table: Vec<Vec<f64>>,
    machines: Vec<usize>,
    layers: u32,
    bandwidth: u64,
    steady: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let rows = |most: usize| prop::collection::vec(10u32..1000, 1..=most);
    let table = (rows(6), rows(4), rows(3)).prop_map(|rows| {
        // Mostly falling, as machines are, but not always.
        [rows.0, rows.1, rows.2].map(|row| {
            let falls = |(index, rate): (usize, u32)| f64::from(rate) / (1 + index) as f64;
            row.into_iter().enumerate().map(falls).collect()
        })
    });
    let bandwidth = prop::sample::select(vec![10_000_000_000, 200_000]);
    (table, prop::collection::vec(0..3usize, 1..8), 3..9u32, bandwidth, any::<bool>()).prop_map(
        |(table, machines, layers, bandwidth, steady)| Drawn {
            table: table.to_vec(),
            machines,
            layers,
            bandwidth,
            steady,
        },
    )
}

impl Drawn {
    fn cluster(&self) -> Cluster {
        let kinds: Vec<&str> = self.machines.iter().map(|&kind| KINDS[kind]).collect();
        cluster(&kinds, Bandwidth(self.bandwidth))
    }

    fn plan(&self, cluster: &Cluster, running: Option<&Running>) -> Option<Found> {
        let (model, table) = (model(self.layers), self.costs());
        let instance = Instance::new(cluster, &model, &table);
        let objective = if self.steady { Objective::Steady } else { Objective::MaxFlow };
        let options = SearchOptions { objective, running, ..SearchOptions::default() };
        let mut control = Control { used: &mut || 0.0, report: &mut |_| () };
        plan_auto(&instance, options, &Shallow, &mut control).ok()
    }

    fn costs(&self) -> Table {
        Table(KINDS.into_iter().zip(self.table.clone()).collect::<BTreeMap<_, _>>())
    }

    /// What the objective makes of a plan.
    fn value(&self, instance: &Instance<'_>, placement: &Placement, evaluation: &Evaluation) -> f64 {
        if self.steady {
            Shallow.decode_rate(instance, placement, evaluation).unwrap_or(0.0)
        } else {
            evaluation.throughput
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plans_run_stay_below_the_bound_and_are_never_worse_than_a_baseline(drawn in drawn()) {
        let cluster = drawn.cluster();
        let (model, table) = (model(drawn.layers), drawn.costs());
        let instance = Instance::new(&cluster, &model, &table);
        let found = drawn.plan(&cluster, None);
        for baseline in Baseline::ALL {
            let Ok(plan) = plan_baseline(&instance, baseline) else { continue };
            if plan.evaluation.throughput > 0.0 {
                let Some(found) = &found else { panic!("{baseline} has a plan") };
                let best = drawn.value(&instance, &found.plan.placement, &found.plan.evaluation);
                prop_assert!(best >= drawn.value(&instance, &plan.placement, &plan.evaluation), "{}", baseline);
            }
        }
        if let Some(found) = found {
            prop_assert_eq!(violations(&instance, &found.plan.placement), []);
            prop_assert!(found.plan.evaluation.throughput <= found.bound * (1.0 + 1e-9));
            if found.proven {
                prop_assert!(found.bound <= instance.compute_bound() * (1.0 + 1e-9));
            }
        }
    }

    #[test]
    fn a_plan_that_runs_is_not_left_for_itself(drawn in drawn()) {
        let cluster = drawn.cluster();
        if let Some(first) = drawn.plan(&cluster, None) {
            let running = Running { placement: first.plan.placement.clone(), min_gain: 0.01 };
            let again = drawn.plan(&cluster, Some(&running)).expect("it runs");
            // The search from a plan may find a better one than the search that found it: then it must be worth the move.
            if again.plan.placement != first.plan.placement {
                let value = |found: &Found| {
                    if drawn.steady { found.steady } else { Some(found.plan.evaluation.throughput) }
                };
                let (after, before) = (value(&again).expect("foreseen"), value(&first).expect("foreseen"));
                prop_assert!(after > before * 1.01, "moved for {before} to {after}");
                return Ok(());
            }
            let change = Change::between(&model(drawn.layers), &running.placement, &again.plan.placement);
            prop_assert!(change.machines.is_empty());
        }
    }

    #[test]
    fn names_do_not_matter(drawn in drawn()) {
        let cluster = drawn.cluster();
        let mut renamed = cluster.clone();
        let count = renamed.machines.len();
        for (index, machine) in renamed.machines.iter_mut().enumerate() {
            machine.name = format!("m{}", (count - index) * 7919 % 1009);
        }
        let (one, other) = (drawn.plan(&cluster, None), drawn.plan(&renamed, None));
        prop_assert_eq!(one.map(|found| found.plan.placement), other.map(|found| found.plan.placement));
    }

    #[test]
    fn one_more_machine_never_hurts(drawn in drawn(), kind in 0..3usize) {
        let drawn = Drawn { steady: false, bandwidth: 10_000_000_000, ..drawn };
        let mut more = drawn.clone();
        more.machines.push(kind);
        let value = |drawn: &Drawn| {
            drawn.plan(&drawn.cluster(), None).map_or(0.0, |found| found.plan.evaluation.throughput)
        };
        // Both are solved to 0.01 %.
        prop_assert!(value(&more) >= value(&drawn) * (1.0 - 2e-4), "{} < {}", value(&more), value(&drawn));
    }
}
