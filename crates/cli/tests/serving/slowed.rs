//! `helix up --emulate-slowdown`: a worker that computes slower than planned gets less than its planned share.

use serde_json::Value;

use crate::up::Up;

/// Requests that are asked for at a time.
const AT_A_TIME: usize = 8;

/// So many answers at a time, each read to its end.
fn round(up: &Up) {
    let body = r#"{"prompt": "One day a ship sailed over the lake.", "max_tokens": 24, "ignore_eos": true}"#;
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| assert_eq!(up.ask("/v1/completions", body).0, 200));
        }
    });
}

fn machine<'a>(report: &'a Value, name: &str) -> &'a Value {
    let machines = report["machines"].as_array().unwrap();
    machines.iter().find(|machine| machine["name"] == name).unwrap()
}

/// Requests that began on a machine, and all.
fn begun(report: &Value, name: &str) -> (u64, u64) {
    let ways = report["pipelines"].as_array().unwrap();
    let requests = |way: &Value| way["requests"].as_u64().unwrap();
    let here = ways.iter().filter(|way| way["hops"][0]["machine"] == name).map(requests).sum();
    (here, ways.iter().map(requests).sum())
}

#[test]
fn a_slowed_worker_gets_less_than_its_planned_share() {
    const MOST_ROUNDS: usize = 60;
    const SLOW: &str = "worker-0";
    let up = Up::start_with(3, &["--emulate-slowdown", "worker-0=8"]);
    // A first pipeline serves before all workers do.
    let ready = |report: &Value| report["machines"].as_array().unwrap().iter().all(|m| m["state"] == "ready");
    let report = up.report_when(ready);
    // Who can begin a request, and what the plan lets them carry.
    let first: Vec<&Value> =
        report["machines"].as_array().unwrap().iter().filter(|m| m["start"] == 0).collect();
    assert!(first.len() > 1 && first.iter().any(|m| m["name"] == SLOW), "{report}");
    let flow = |machine: &Value| machine["planned_tokens_per_s"].as_f64().unwrap();
    let planned = flow(machine(&report, SLOW)) / first.iter().map(|m| flow(m)).sum::<f64>();
    assert_eq!(machine(&report, SLOW)["emulated_slowdown"], 8.0);
    let factor = |report: &Value| machine(report, SLOW)["speed"].as_f64().unwrap();
    let mut rounds = 0;
    let mut report = up.idle();
    while factor(&report) > 0.4 {
        assert!(rounds < MOST_ROUNDS, "after {rounds} rounds {report}");
        round(&up);
        rounds += 1;
        report = up.idle();
    }
    let before = begun(&report, SLOW);
    for _ in 0..6 {
        round(&up);
    }
    let after = begun(&up.idle(), SLOW);
    let (here, all) = (after.0 - before.0, after.1 - before.1);
    let share = here as f64 / all as f64;
    println!(
        "{rounds} rounds until it counts {:.2}; then {here} of {all} requests, {planned:.2} planned",
        factor(&report)
    );
    assert_eq!(all, 6 * AT_A_TIME as u64);
    assert!(here > 0 && share < 0.7 * planned, "{share} of the requests, {planned} planned");
}
