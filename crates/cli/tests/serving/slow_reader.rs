//! Clients that read a byte now and then hold up nobody, no cache, and no more memory than their own answers.

use std::io::Read as _;
use std::net::TcpStream;

use crate::client::stream;
use crate::load::{alone, questions};
use crate::up::{Up, resident};

/// Answers of a slow reader's request, and their tokens: with 20 log-probabilities each it is far more than sockets hold.
const CHOICES: usize = 32;
const TOKENS: usize = 150;

fn byte(slow: &mut TcpStream, read: &mut Vec<u8>) {
    let mut one = [0];
    slow.read_exact(&mut one).unwrap();
    read.push(one[0]);
}

#[test]
fn a_client_that_reads_a_byte_now_and_then_holds_up_nobody() {
    let up = Up::start(3);
    let questions = questions();
    let expected = alone(&up, &questions);
    let ended = up.idle()["finished"].as_u64().unwrap();
    let before = resident(up.child.id());
    let body = format!(
        r#"{{"messages": [{{"role": "user", "content": "Tell me a story."}}], "n": {CHOICES}, "max_tokens": {TOKENS}, "seed": 1,
            "logprobs": true, "top_logprobs": 20, "ignore_eos": true, "stream": true,
            "stream_options": {{"include_usage": true}}}}"#
    );
    let (mut slow, mut read) = (up.open("/v1/chat/completions", &body), Vec::new());
    byte(&mut slow, &mut read);
    // Others are answered meanwhile, and rightly.
    for (question, expected) in questions.iter().zip(&expected) {
        let found = stream(&up, question.path, &question.body).unwrap();
        assert_eq!(&found.text, expected);
        byte(&mut slow, &mut read);
    }
    // All of the slow reader's answers are computed, and their cache is free, though it has read next to nothing.
    let others = questions.len() as u64;
    let report = up.idle();
    assert_eq!(report["finished"], ended + others + CHOICES as u64, "{report}");
    assert_eq!((&report["failed"], &report["cancelled"]), (&0.into(), &0.into()), "{report}");
    let waiting = resident(up.child.id());
    // It reads on at its leisure, and nothing of its answer is missing.
    for _ in 0..100 {
        byte(&mut slow, &mut read);
    }
    let unread = read.len();
    slow.read_to_end(&mut read).unwrap();
    let text = String::from_utf8(read).unwrap();
    println!(
        "{} bytes, of which {unread} were read one by one; {before} MB before, {waiting} MB with the answer waiting",
        text.len()
    );
    // The answer is larger than what sockets and the server's writer hold (about a megabyte): it did wait.
    assert!(text.len() > 4_000_000, "{} bytes", text.len());
    assert!(waiting <= before + 32, "{before} MB before, {waiting} MB with the answer waiting");
    assert_eq!(text.matches(r#""finish_reason":"length""#).count(), CHOICES);
    assert!(text.contains(&format!(r#""completion_tokens":{}"#, CHOICES * TOKENS)));
    assert!(text.trim_end().ends_with("data: [DONE]\n\n\r\n0"), "it is whole");
    up.idle();
}
