//! Queues whose answers are known: one machine that serves one request at a time is M/D/1 with equal prompts, and M/M/1
//! with lengths that are exponentially distributed.

use helix_scheduler::node::BatchLimits;
use helix_sim::{Limits, MersenneTwister, Settings, exponential};
use helix_spec::{SimTime, TraceRequest};

use super::worlds::{MILLISECOND, SECOND, World, max_flow, online};

/// Mean time in the system of requests that are served one by one, `tokens` ms each.
fn stay(load: f64, tokens: impl Fn(&mut MersenneTwister) -> u32) -> f64 {
    let mut world = World::new(1, 1, 1_000_000_000);
    // 0.25 ms a token and layer on the first machine, 1 ms a token for its four layers; the second one is as good as free.
    let time = |tokens: u64| SimTime(tokens * MILLISECOND / 4);
    world.prompt = vec![(0, SimTime(0)), (1, time(1)), (100_000, time(100_000))];
    world.decode = vec![(0, SimTime(0)), (1, SimTime(1)), (1_000, SimTime(1))];
    let mut settings = Settings::serving(max_flow(), true, 1.0);
    let one = BatchLimits { prefills: 1, decodes: 1, ..BatchLimits::UNLIMITED };
    settings.limits = Limits::Fixed(one);
    settings.coordinator.kv = None;
    settings.window.warmup = SimTime(100 * SECOND);
    settings.window.duration = SimTime(9_000 * SECOND);
    let mut random = MersenneTwister::new(11);
    let mut clock = 0.0;
    let requests = (0..95_000).map(|_| {
        clock += exponential(&mut random, 0.1 / load);
        TraceRequest { arrival: SimTime::from_seconds(clock).unwrap(), input: tokens(&mut random), output: 1 }
    });
    let requests: Vec<TraceRequest> = requests.collect();
    // The second machine must not be a queue of its own: it holds no layer that takes time for it.
    world.cluster.network.regions.values_mut().for_each(|link| link.latency = SimTime(0));
    world.set_bandwidth(helix_spec::Bandwidth(1_000_000_000_000_000));
    let report = world.run(&settings, online(requests), Vec::new(), |_| ());
    report.prompt_latency.mean.unwrap()
}

#[test]
fn equal_requests_wait_as_in_m_d_1() {
    // Service D of 0.1 s on each of two machines in a row; the first is M/D/1, and what leaves it comes at least D apart, so
    // that the second is never busy when one comes.
    for load in [0.3, 0.6, 0.8] {
        let found = stay(load, |_| 100);
        let expected = 0.1 + 0.1 + load * 0.1 / (2.0 * (1.0 - load));
        assert!((found / expected - 1.0).abs() < 0.04, "load {load}: {found} s instead of {expected} s");
    }
}

#[test]
fn exponential_requests_wait_longer_than_equal_ones() {
    // M/M/1 waits twice as long as M/D/1. The second machine is a queue behind the first with the same service times, which
    // has no closed form; so only the first one's wait is checked, as a lower bound, and the sum of both as an upper one.
    let load = 0.6;
    let tokens = |random: &mut MersenneTwister| {
        let drawn = exponential(random, 100.0).clamp(1.0, 50_000.0);
        format!("{drawn:.0}").parse().unwrap_or(1)
    };
    let found = stay(load, tokens);
    let wait = load * 0.1 / (1.0 - load);
    assert!(found > (0.1 + 0.1 + wait) * 0.96, "{found} s");
    assert!(found < (0.1 + wait) * 2.0 * 1.1, "{found} s");
}
