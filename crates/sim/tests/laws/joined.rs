//! The layers of a batch as one event: the same machine at the same speed, with fewer events. Layer-wise, every layer stays an
//! event where work enters a machine in the middle of its range, and where machines fail.

use helix_sim::{Fault, FaultKind, LayerEvents, Report, Settings};
use helix_spec::{MachineId, SimTime};

use super::worlds::{SECOND, World, max_flow, offline};

fn run(
    (world, seconds): (&World, u64),
    mut settings: Settings,
    layer_events: LayerEvents,
    faults: &[Fault],
) -> Report {
    settings.layer_events = layer_events;
    settings.window.warmup = SimTime(2 * SECOND);
    settings.window.duration = SimTime(seconds * SECOND);
    world.run(&settings, offline((10, 300), (10, 60), 5, None), faults.to_vec(), |_| ())
}

#[test]
fn figures_stay_and_events_go() {
    let mut settings = Settings::asplos25(max_flow(), false);
    settings.saturate();
    for machines in [(1, 1), (2, 2)] {
        let world = World::new(machines.0, machines.1, 40_000);
        let [each, joined] = [LayerEvents::Each, LayerEvents::Joined]
            .map(|layer_events| run((&world, 200), settings, layer_events, &[]));
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 0.02;
        let (a, b) = (each.decode_tokens_per_s, joined.decode_tokens_per_s);
        assert!(a > 1.0 && near(a, b), "{machines:?}: {a} and {b} tokens/s");
        let latencies = |report: &Report| [report.prompt_latency.mean, report.decode_latency.mean];
        for (a, b) in latencies(&each).into_iter().zip(latencies(&joined)) {
            assert!(near(a.unwrap(), b.unwrap()), "{machines:?}: {a:?} and {b:?} s");
        }
        let busy = |report: &Report| report.machines.iter().map(|machine| machine.busy).sum::<f64>();
        assert!(near(busy(&each), busy(&joined)), "busy {} and {}", busy(&each), busy(&joined));
        let (a, b) = (each.processed_events, joined.processed_events);
        assert!(b < a, "{b} of {a}");
    }
}

#[test]
fn where_layers_matter_each_is_an_event() {
    let faults = [Fault { at: SimTime(5 * SECOND), kind: FaultKind::MachineSlows(MachineId(0), 2.0) }];
    let middle = super::fusing::world();
    let plain = World::new(2, 2, 40_000);
    let settings = Settings::asplos25(max_flow(), false);
    for (world, faults) in [(&middle, &[] as &[Fault]), (&plain, &faults)] {
        let [each, joined] = [LayerEvents::Each, LayerEvents::Joined]
            .map(|layer_events| run((world, 8), settings, layer_events, faults));
        assert!(each.decode_tokens_per_s > 0.0 && each == joined);
    }
}
