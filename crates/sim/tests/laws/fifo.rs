//! First in, first out where it is promised: where one machine holds each stage, a batch takes one prompt, and nothing is cut
//! or shared, prompts come through in the order in which they came: in line, on links that send one after the other, and in
//! the queues of machines. (A batch may overtake with what still fits, and a shared link favours what is short.)

use helix_scheduler::node::{BatchLimits, BatchOrder};
use helix_sim::{KvMode, Limits, LinkMode, Record};
use helix_spec::{Bandwidth, SimTime, TraceRequest};
use proptest::prelude::*;

use super::worlds::{MILLISECOND, SECOND, World, all_settings, online};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6) })]

    #[test]
    fn prompts_come_through_in_order(
        gaps in prop::collection::vec((0u64..150, 1u32..900, 1u32..12), 20..60),
        megabits in 50u64..1000,
        kv in 12_000u64..60_000,
    ) {
        let mut time = 0;
        let requests = gaps.iter().map(|&(gap, input, output)| {
            time += gap * MILLISECOND;
            TraceRequest { arrival: SimTime(time), input, output }
        });
        let requests: Vec<TraceRequest> = requests.collect();
        for mut settings in all_settings(true) {
            // Only the line is to be short of room: a machine without blocks, and a choice hop by hop, may let a short
            // prompt go where a long one finds no room.
            let line = settings.kv == KvMode::Counted && !settings.policy.hop_by_hop();
            let kv = if line { kv } else { 100_000_000 };
            let mut world = World::new(1, 1, kv);
            // Shared links are no queues: there everything is sent in no time.
            let shared = settings.links == LinkMode::Fair;
            world.set_bandwidth(Bandwidth(if shared { 1_000_000_000_000_000_000 } else { megabits * 1_000_000 }));
            settings.limits = Limits::Fixed(BatchLimits { prefills: 1, ..BatchLimits::UNLIMITED });
            settings.order = BatchOrder::Arrival;
            settings.window.duration = SimTime(600 * SECOND);
            settings.window.drain = true;
            let mut came = Vec::new();
            let report = world.run(&settings, online(requests.clone()), Vec::new(), |record| {
                if let Record::Request(request) = record
                    && let Some(first) = request.first_token
                    && request.restarts == 0
                {
                    came.push((request.request, first));
                }
            });
            prop_assert!(report.requests_finished > 0, "{:?}", report.rejections);
            came.sort();
            for pair in came.windows(2) {
                prop_assert!(pair[0].1 <= pair[1].1, "{:?} after {:?}, {:?}", pair[0], pair[1], settings.policy);
            }
        }
    }
}
