//! Latency-aware routing at the paper's online load: as many tokens as plain max-flow, prompts through sooner.

use helix_sim::{ArrivalProcess, Feed, Policy, Progress, Report, Settings, Simulation};
use helix_spec::{Arrivals, Lengths, SimTime, Workload};

use super::cases::{Case, trace};

/// The first minutes.
fn online(case: &Case, policy: Policy, (name, minutes): (&str, u64)) -> Option<Report> {
    let lengths = Lengths::Trace(trace(name)?);
    let workload = Workload { arrivals: Arrivals::Trace { speed: 1.0 }, lengths, requests: None };
    let feed = Feed::Online(Box::new(ArrivalProcess::new(&workload, 0)?));
    let mut settings = Settings::asplos25(policy, true);
    settings.window.duration = SimTime(minutes * 60_000_000_000_000);
    settings.window.drain = false;
    let mut simulation = Simulation::new(&case.inputs(), settings, feed, Vec::new(), ()).unwrap();
    while simulation.run(1_000_000).unwrap() != Progress::Done {}
    Some(simulation.report())
}

#[test]
fn prompts_are_through_sooner_and_no_token_is_lost() {
    let cases = [
        ("single24", "single_llama2_70b/ilp", "flow_s70.json", ("online_seed0_700tps.csv", 10), 0.93),
        ("3cluster24", "distributed_llama2_70b/ilp", "flow_d70.json", ("online_seed0_320tps.csv", 30), 0.91),
    ];
    for (cluster, layout, flows, load, most) in cases {
        let Some(case) = Case::new(cluster, layout, Some(flows)) else { return };
        let least_share = 0.05;
        let plain = online(&case, Policy::MaxFlow { least_share }, load).unwrap();
        let aware = online(&case, Policy::LatencyAware, load).unwrap();
        let prompts = |report: &Report| report.prompt_latency.mean.unwrap();
        let ratio = prompts(&aware) / prompts(&plain);
        assert!(ratio <= most, "{cluster}: prompts take {ratio:.3} of plain max-flow's time");
        let tokens = aware.decode_tokens_per_s / plain.decode_tokens_per_s;
        assert!(tokens >= 0.985, "{cluster}: {tokens:.3} of plain max-flow's tokens");
    }
}
