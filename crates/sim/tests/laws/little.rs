//! Little's law: what is in the cluster on average is what comes through a second times how long it stays, within the
//! confidence interval of the difference over seeds.

use helix_sim::{ArrivalProcess, Feed, Report, Settings};
use helix_spec::{Arrivals, LengthDistribution, Lengths, RequestsPerSecond, SimTime, Workload};

use super::worlds::{SECOND, World, all_settings};

const WARM_UP: u64 = 20;
const WINDOW: u64 = 200;
const SEEDS: u64 = 8;
/// Student's t for 7 degrees of freedom, two-sided 99.9 %: eight sets of settings are tried.
const T: f64 = 5.408;

fn run(settings: &Settings, seed: u64) -> Report {
    let between = |least, most| LengthDistribution::Quantiles(vec![(0.0, least), (1.0, most)]);
    let lengths = Lengths::Drawn { input: between(10, 300), output: between(5, 40) };
    let rate = RequestsPerSecond::new(4.0).expect("a rate");
    let workload = Workload { arrivals: Arrivals::Poisson { rate }, lengths, requests: None };
    let arrivals = ArrivalProcess::new(&workload, seed).expect("it has arrivals");
    World::new(2, 2, 200_000).run(settings, Feed::Online(Box::new(arrivals)), Vec::new(), |_| ())
}

/// Requests present on average over the window, from the curve of the report, which knows nothing of stays.
fn present(report: &Report) -> f64 {
    let step = report.in_flight_series.width().0;
    let begin = report.loading.0 + report.window.0.0;
    let levels = report.in_flight_series.levels();
    let within = (0u64..).zip(&levels).filter(|(index, _)| {
        let middle = index * step + step / 2;
        (begin..begin + WINDOW * SECOND).contains(&middle)
    });
    let within: Vec<f64> = within.map(|(_, level)| *level).collect();
    within.iter().sum::<f64>() / within.len() as f64
}

#[test]
fn requests_in_the_cluster_are_rate_times_stay() {
    for mut settings in all_settings(true) {
        settings.window.warmup = SimTime(WARM_UP * SECOND);
        settings.window.duration = SimTime(WINDOW * SECOND);
        settings.window.drain = false;
        let (mut differences, mut level) = (Vec::new(), 0.0);
        for seed in 0..SEEDS {
            let report = run(&settings, seed);
            let rate = report.requests_finished_in_window as f64 / WINDOW as f64;
            let stay = report.request_latency.mean.expect("some finished");
            differences.push(present(&report) - rate * stay);
            level += present(&report) / SEEDS as f64;
        }
        let count = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / count;
        let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let interval = T * (variance / count).sqrt();
        // What is there at the two ends of the window counts on one side only: that is the noise.
        assert!(mean.abs() <= interval, "{:?}: {mean} ± {interval} of {level}", settings.policy);
        assert!(interval < 0.05 * level, "{:?}: ± {interval} of {level} says little", settings.policy);
    }
}
