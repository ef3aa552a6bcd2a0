//! Bodies that were good and are broken at random: an error that can be told, or a request within the limits.
//! The fuzz target `http_body` looks further; this one always runs.

use helix_server::ApiError;
use helix_server::request::{ChatRequest, CompletionRequest, Shared};

const GOOD: [&str; 2] = [
    r#"{"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a\n"}]}], "n": 2,
        "logprobs": true, "top_logprobs": 3, "logit_bias": {"5": -100}, "stream": true, "temperature": 0.5,
        "stream_options": {"include_usage": true}, "stop": ["a", "b"], "seed": -7, "top_p": 0.9}"#,
    r#"{"prompt": [[1, 2], [3]], "max_tokens": 9, "echo": false, "logprobs": 2, "stop": "x", "top_k": -1,
        "min_p": 0.1, "ignore_eos": true, "min_tokens": 3, "repetition_penalty": 1.1, "tools": [], "user": "u"}"#,
];
const PIECES: [&[u8]; 14] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"1e308",
    b"-1",
    b"\\u",
    b"\xff",
    b"\0",
    b"99999999999",
];

/// Numbers without rhyme, the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

fn fit(shared: &Result<Shared, ApiError>) -> bool {
    match shared {
        Ok(shared) => {
            shared.sampling.check().unwrap();
            shared.stop.check().unwrap();
            assert!((1..=128).contains(&shared.n) && shared.max_tokens != Some(0), "{shared:?}");
            true
        }
        Err(error) => {
            assert!(error.status == 400 && error.message.len() < 2000, "{error}");
            false
        }
    }
}

#[test]
fn broken_bodies_are_errors_or_requests_within_the_limits() {
    let mut dice = Dice(1);
    let (mut good, mut bad) = (0, 0);
    for round in 0..60_000 {
        let mut body = GOOD[round % 2].as_bytes().to_vec();
        for _ in 0..dice.below(4) {
            let (from, to) = (dice.below(body.len()), dice.below(24));
            let piece = PIECES[dice.below(PIECES.len())];
            let to = (from + to * dice.below(2)).min(body.len());
            body.splice(from..to, piece.iter().copied().take(dice.below(12)));
        }
        let fits = if round % 2 == 0 {
            fit(&ChatRequest::parse(&body).map(|chat| chat.shared))
        } else {
            fit(&CompletionRequest::parse(&body).map(|completion| completion.shared))
        };
        if fits { good += 1 } else { bad += 1 }
    }
    assert!(good > 10_000 && bad > 10_000, "{good} good, {bad} bad: nothing is tested");
}
