//! Little's law: what is in the cluster on average is what comes a second times how long it stays; and FIFO where it is
//! promised, on a link.

use helix_sim::Record;
use helix_spec::{Arrivals, LengthDistribution, Lengths, RequestsPerSecond, SimTime, Workload};

use super::worlds::{SECOND, World, all_settings};

#[test]
fn requests_in_the_cluster_are_rate_times_stay() {
    for mut settings in all_settings(true) {
        settings.window.warmup = SimTime(20 * SECOND);
        settings.window.duration = SimTime(400 * SECOND);
        settings.window.drain = false;
        let world = World::new(2, 2, 200_000);
        let between = |least, most| LengthDistribution::Quantiles(vec![(0.0, least), (1.0, most)]);
        let lengths = Lengths::Drawn { input: between(10, 300), output: between(5, 40) };
        let rate = RequestsPerSecond::new(4.0).unwrap();
        let workload = Workload { arrivals: Arrivals::Poisson { rate }, lengths, requests: None };
        let arrivals = helix_sim::ArrivalProcess::new(&workload, 5).unwrap();
        let (mut stays, mut ended) = (0.0, 0u32);
        let (begin, end) = (20 * SECOND, 420 * SECOND);
        // Integral of the requests present over the window, by each one's stay inside it.
        let loading = if settings.loading { 5 * SECOND } else { 0 };
        let report =
            world.run(&settings, helix_sim::Feed::Online(Box::new(arrivals)), Vec::new(), |record| {
                if let Record::Request(request) = record {
                    let (from, to) = (request.arrived.0 - loading, request.ended.0 - loading);
                    stays += (to.min(end) as f64 - from.max(begin) as f64).max(0.0) / SECOND as f64;
                    ended += u32::from((begin..end).contains(&to));
                }
            });
        let present = stays / 400.0;
        let stay = report.request_latency.mean.unwrap();
        let rate = f64::from(ended) / 400.0;
        assert_eq!(u64::from(ended), report.requests_finished_in_window);
        // What is there at the two ends of the window is counted on one side only: a few requests of 1,600.
        let apart = (present - rate * stay).abs() / present;
        assert!(apart < 0.03, "{:?}: {present} present, {rate}/s for {stay} s", settings.policy);
    }
}
