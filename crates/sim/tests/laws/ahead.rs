//! Large clusters ask memory for what the next events need. That changes nothing: neither do machines that hold nothing, which
//! only make a cluster large.

use helix_sim::{Fault, FaultKind};
use helix_spec::{MachineId, SimTime};

use super::worlds::{MILLISECOND, SECOND, World, all_settings, offline};

#[test]
fn machines_that_hold_nothing_change_nothing() {
    let faults =
        [(700, FaultKind::MachineFails(MachineId(0))), (2000, FaultKind::MachineRecovers(MachineId(0)))];
    let faults = faults.map(|(at, kind)| Fault { at: SimTime(at * MILLISECOND), kind });
    for mut settings in all_settings(false) {
        settings.window.duration = SimTime(5 * SECOND);
        let events = |idle| {
            let mut events = Vec::new();
            let world = World::with_idle(2, 3, 20_000, idle);
            let feed = offline((1, 300), (1, 60), 3, Some(40));
            world.run(&settings, feed, faults.to_vec(), |record| events.push(format!("{record:?}")));
            events
        };
        let (small, large) = (events(0), events(300));
        assert!(small.len() > 1000, "{}", small.len());
        assert!(small == large, "{:?}", settings.policy);
    }
}
