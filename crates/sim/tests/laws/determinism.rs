//! One input and one seed give one report, to the byte, however many simulations run at once and whatever else is asked.

use helix_sim::{Feed, Report, Settings};
use helix_spec::{Arrivals, LengthDistribution, Lengths, RequestsPerSecond, SimTime, Workload};

use super::worlds::{World, all_settings, offline};

fn run(settings: &Settings, seed: u64, watched: bool) -> Report {
    let world = World::new(2, 3, 20_000);
    let feed = if settings.offline.is_some() {
        offline((1, 300), (1, 60), seed, None)
    } else {
        let between = |least, most| LengthDistribution::Quantiles(vec![(0.0, least), (1.0, most)]);
        let rate = RequestsPerSecond::new(6.0).expect("a rate");
        let lengths = Lengths::Drawn { input: between(10, 300), output: between(5, 40) };
        let workload =
            Workload { arrivals: Arrivals::Gamma { rate, burstiness: 0.5 }, lengths, requests: None };
        Feed::Online(Box::new(helix_sim::ArrivalProcess::new(&workload, seed).expect("it has arrivals")))
    };
    let mut count = 0u64;
    world.run(settings, feed, Vec::new(), |_| count += u64::from(watched))
}

#[test]
fn one_seed_gives_one_report_on_any_number_of_threads() {
    for online in [false, true] {
        for mut settings in all_settings(online) {
            settings.jitter = SimTime(1000);
            settings.window.drain = false;
            let bytes = |seed, watched| format!("{:?}", run(&settings, seed, watched));
            let alone = bytes(7, false);
            let together: Vec<String> = std::thread::scope(|scope| {
                let runs: Vec<_> =
                    (0..4).map(|index| scope.spawn(move || bytes(7, index % 2 == 0))).collect();
                runs.into_iter().map(|run| run.join().expect("no panic")).collect()
            });
            assert!(together.iter().all(|other| *other == alone), "{:?}", settings.policy);
            assert!(bytes(8, false) != alone, "another seed is another run");
        }
    }
}
