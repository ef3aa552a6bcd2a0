//! The traces that the authors publish results of, drawn again from their ingredients.

use std::path::PathBuf;

use helix_sim::{LengthSource, PaperTrace};
use helix_spec::{SimTime, Trace};

fn published(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/asplos25/traces").join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn offline_lengths_are_drawn_as_published() {
    let (Some(pool), Some(golden)) = (published("azure_conv_lengths.csv"), published("offline_seed0.csv"))
    else {
        return;
    };
    let mut source = LengthSource::sampled(Trace::from_file(&pool).unwrap().requests, 0);
    for (index, expected) in Trace::from_file(&golden).unwrap().requests.iter().enumerate() {
        assert_eq!(source.next_lengths(), Some((expected.input, expected.output)), "request {index}");
    }
}

#[test]
fn online_traces_are_drawn_as_published() {
    let (Some(pool), Some(counts)) =
        (published("azure_conv_lengths.csv"), published("azure_conv_arrivals_3s.csv"))
    else {
        return;
    };
    let lengths = Trace::from_file(&pool).unwrap().requests;
    let text = std::fs::read_to_string(counts).unwrap();
    let counts: Vec<u32> = text.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    let paper = PaperTrace { lengths: &lengths, counts: &counts, tokens_per_request: 995.5278 };
    for rate in [160, 320, 350, 700] {
        let Some(golden) = published(&format!("online_seed0_{rate}tps.csv")) else { return };
        let golden = Trace::from_file(&golden).unwrap().requests;
        let made = paper.generate(f64::from(rate), SimTime(1_800_000_000_000_000), 0);
        assert_eq!(made.len(), golden.len(), "{rate} tokens/s");
        for (index, (made, golden)) in made.iter().zip(&golden).enumerate() {
            let apart = made.arrival.0.abs_diff(golden.arrival.0);
            let alike = (made.input, made.output) == (golden.input, golden.output) && apart <= 1;
            assert!(alike, "{rate} tokens/s, request {index}: {made:?} instead of {golden:?}");
        }
    }
}
