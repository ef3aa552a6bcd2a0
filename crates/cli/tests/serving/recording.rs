//! What a real cluster serves is recorded, whatever becomes of the coordinator, and the simulator replays it.

use std::path::Path;
use std::time::Instant;

use crate::up::{PATIENCE, Up, helix, signal, sum};

#[test]
fn what_was_served_is_in_the_file_when_the_coordinator_is_killed() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recorded by helix up.jsonl");
    let path = path.to_str().unwrap();
    let up = Up::start_with(3, &["--scheduler", "latency-aware", "--record", path]);
    for (a, b) in [(17, 25), (48, 36), (12, 70)] {
        let (status, body) = up.ask("/v1/chat/completions", &sum(a, b));
        assert_eq!(status, 200, "{body}");
    }
    // A request is written right after its end.
    let end = Instant::now() + PATIENCE;
    while std::fs::read_to_string(path).unwrap().lines().count() < 4 {
        assert!(Instant::now() < end, "the requests are not in the file");
        std::thread::yield_now();
    }
    signal("-KILL", up.child.id());
    let text = std::fs::read_to_string(path).unwrap();
    for line in text.lines().skip(1) {
        let request: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(request["outcome"], "finished");
        let time = |name: &str| request[name].as_f64().unwrap();
        assert!(time("arrival_s") <= time("first_token_s") && time("first_token_s") <= time("ended_s"));
        assert!(request["output_tokens"].as_u64().unwrap() >= 2, "two digits: {request}");
        let pipeline = request["pipeline"].as_array().unwrap();
        assert!(pipeline.iter().all(|name| name.as_str().unwrap().starts_with("worker-")), "{request}");
        assert!(!pipeline.is_empty());
    }
    let replayed = helix().args(["simulate", "--replay", path, "--format", "json"]).output().unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let report: serde_json::Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert_eq!(report["requests_compared"], 3);
    assert!(report["figures"][4]["measured"].as_f64().unwrap() > 0.0, "{report}");
}
