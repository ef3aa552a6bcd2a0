//! A machine that computes slower than the plan expects gets less.

use helix_runtime::PlannedTimes;
use helix_runtime::service::Report;

use crate::harness::{Cluster, generate, plan};
use crate::model::random_model;

/// Eight answers at a time.
async fn round(cluster: &Cluster) {
    let answers = (0..8u32).map(|n| {
        let service = cluster.service.clone();
        tokio::spawn(async move { generate(&service, &[n + 1; 20], 60).await })
    });
    for answer in answers.collect::<Vec<_>>() {
        answer.await.unwrap();
    }
}

/// Requests of w1, and of both machines.
fn shares(report: &Report) -> (u64, u64) {
    let of = |name: &str| {
        let ways = report.pipelines.iter().filter(|way| way.hops[0].machine == name);
        ways.map(|way| way.requests).sum::<u64>()
    };
    (of("w1"), of("w0") + of("w1"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_slower_than_planned_gets_less() {
    const MOST_ROUNDS: u64 = 60;
    let model = random_model("slow", 1);
    // Two machines that hold everything and are planned alike.
    let mut alike = plan(&[(0, 6), (0, 6)]);
    for machine in &mut alike.machines {
        machine.times = Some(PlannedTimes { batch_s: 1e-5, token_s: 1e-6 });
    }
    let cluster = Cluster::start_slowed(model.path(), alike, 10.0).await;
    round(&cluster).await;
    let mut report = cluster.idle(8).await;
    assert_eq!(report.machines[1].emulated_slowdown, Some(10.0));
    assert_eq!(report.machines[0].emulated_slowdown, None);
    let speeds = |report: &Report| [0, 1].map(|machine: usize| report.machines[machine].speed.unwrap());
    let mut rounds = 1;
    while rounds < MOST_ROUNDS {
        let [w0, w1] = speeds(&report);
        if w1 < 0.5 * w0 {
            break;
        }
        round(&cluster).await;
        rounds += 1;
        report = cluster.idle(8 * rounds).await;
    }
    let [w0, w1] = speeds(&report);
    assert!(w1 < 0.5 * w0, "after {rounds} rounds w0 counts {w0}, w1 counts {w1}");
    let before = shares(&report);
    for _ in 0..6 {
        round(&cluster).await;
    }
    let after = shares(&cluster.idle(8 * (rounds + 6)).await);
    let (slow, all) = (after.0 - before.0, after.1 - before.1);
    println!(
        "rounds {rounds}; factors {w0:.2} and {w1:.2}; then {slow} of {all} requests to the slower machine"
    );
    assert!(all == 48 && slow > 0 && slow * 5 <= all * 2, "{slow} of {all} to the slower machine");
    cluster.stop().await;
}
