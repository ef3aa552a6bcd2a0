//! Queues whose answers are known: one machine that serves one request at a time is M/D/1 with equal prompts, and M/M/1
//! with exponentially distributed ones.

use helix_scheduler::node::BatchLimits;
use helix_sim::{Limits, MersenneTwister, PlannedLink, Settings, Summary, exponential};
use helix_spec::{Endpoint, LayerRange, MachineId, SimTime, TraceRequest};

use super::worlds::{SECOND, World, max_flow, online};

/// Mean service time \[s\].
const SERVICE: f64 = 0.1;
const REQUESTS: u32 = 40_000;

/// Times in the system of requests that one machine serves one by one, a microsecond a token.
fn stays(load: f64, tokens: impl Fn(&mut MersenneTwister) -> u32) -> Summary {
    let mut world = World::new(1, 1, u64::from(u32::MAX));
    let (home, machine) = (Endpoint::Coordinator, MachineId(0));
    world.placement.machines.clear();
    world.placement.assign(machine, LayerRange::new(0, 8).expect("eight layers"), 1);
    let capacity = &mut world.placement.machines.get_mut(&machine).expect("it is placed").kv_capacity;
    *capacity = Some(u64::from(u32::MAX) * 100);
    let way = |(from, to)| PlannedLink { from, to, flow: 100.0 };
    world.links = [(home, Endpoint::Machine(machine)), (Endpoint::Machine(machine), home)].map(way).to_vec();
    // An eighth of a microsecond for each of the eight layers.
    let time = |tokens: u32| SimTime(u64::from(tokens) * 125_000);
    world.prompt = [0, 1, 4_000_000_000].map(|tokens| (tokens, time(tokens))).to_vec();
    world.decode = vec![(0, SimTime(0)), (1, SimTime(1)), (1_000, SimTime(1))];
    world.cluster.network.regions.values_mut().for_each(|link| link.latency = SimTime(0));
    world.set_bandwidth(helix_spec::Bandwidth(1_000_000_000_000_000_000));
    let mut settings = Settings::serving(max_flow(), true, 1.0);
    settings.limits = Limits::Fixed(BatchLimits { prefills: 1, decodes: 1, ..BatchLimits::UNLIMITED });
    settings.coordinator.kv = None;
    settings.window.warmup = SimTime(100 * SECOND);
    settings.window.duration = SimTime(90_000 * SECOND);
    let mut random = MersenneTwister::new(11);
    let mut clock = 0.0;
    let requests = (0..REQUESTS).map(|_| {
        clock += exponential(&mut random, SERVICE / load);
        let arrival = SimTime::from_seconds(clock).expect("a time");
        TraceRequest { arrival, input: tokens(&mut random), output: 1 }
    });
    let requests: Vec<TraceRequest> = requests.collect();
    world.run(&settings, online(requests), Vec::new(), |_| ()).prompt_latency
}

#[test]
fn equal_requests_wait_as_in_m_d_1() {
    for load in [0.3, 0.6, 0.8] {
        let found = stays(load, |_| 100_000).mean.expect("some came");
        let expected = SERVICE + load * SERVICE / (2.0 * (1.0 - load));
        assert!((found / expected - 1.0).abs() < 0.04, "load {load}: {found} s instead of {expected} s");
    }
}

#[test]
fn exponential_requests_wait_as_in_m_m_1() {
    for load in [0.3, 0.6, 0.8] {
        let tokens = |random: &mut MersenneTwister| {
            let drawn = exponential(random, 100_000.0).round().max(1.0);
            format!("{drawn}").parse().expect("far below a u32")
        };
        let found = stays(load, tokens);
        // Poisson arrivals find an exponential stay of this mean.
        let expected = SERVICE / (1.0 - load);
        // Variance of the mean of many stays that follow each other (Daley, "The serial correlation coefficients of
        // waiting times in a stationary single server queue", 1968), three standard deviations.
        let numerator = load * (2.0 + 5.0 * load - 4.0 * load.powi(2) + load.powi(3));
        let variance = SERVICE.powi(2) * numerator / (1.0 - load).powi(4);
        let slack = 3.0 * (variance / f64::from(REQUESTS)).sqrt();
        let mean = found.mean.expect("some came");
        assert!((mean - expected).abs() < slack, "load {load}: {mean} s instead of {expected} ± {slack} s");
        for (quantile, share) in [(found.p50, 0.5), (found.p95, 0.95)] {
            let (quantile, known) = (quantile.expect("some came"), -expected * (1.0f64 - share).ln());
            let apart = (quantile / known - 1.0).abs();
            assert!(
                apart < slack / expected + 0.02,
                "load {load}, {share}: {quantile} s instead of {known} s"
            );
        }
    }
}
