//! Ctrl-C and SIGTERM: what a terminal and a service manager send, once and again.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::Instant;

use crate::up::{PATIENCE, Up, gone, signal, signal_group};

/// An answer of 900 tokens, streamed.
const LONG: &str =
    r#"{"prompt": "Tell", "max_tokens": 900, "ignore_eos": true, "stream": true, "temperature": 0}"#;

/// The beginning of the long answer has come.
fn streaming(up: &Up) -> TcpStream {
    let mut stream = up.open("/v1/completions", LONG);
    stream.read_exact(&mut [0; 600]).unwrap();
    stream
}

fn rest_of(mut stream: TcpStream) -> String {
    let mut rest = Vec::new();
    // A connection that was cut off may end with an error.
    let _ = stream.read_to_end(&mut rest);
    String::from_utf8_lossy(&rest).into_owned()
}

/// A terminal sends Ctrl-C to the workers, too, if they are in its group; a service manager sends SIGTERM to all processes.
#[test]
fn a_running_answer_is_finished_whoever_gets_the_signal() {
    for (name, to_all) in [("-INT", false), ("-TERM", true)] {
        // Slow enough to be far from its end when the signal comes.
        let mut up = Up::start_with(2, &["--emulate-slowdown", "worker-0=6"]);
        let stream = streaming(&up);
        for worker in up.workers.iter().filter(|_| to_all) {
            signal(name, *worker);
        }
        signal_group(name, up.child.id());
        let rest = rest_of(stream);
        assert!(rest.trim_end().ends_with("data: [DONE]\n\n\r\n0"), "{name}: {rest}");
        let (code, rest, errors) = up.ended();
        assert_eq!(code, Some(0), "{name}: {errors}");
        assert!(rest.contains("1 requests answered, 0 failed, 0 cancelled"), "{name}: {rest}");
        assert!(errors.contains("running answers are finished first; Ctrl-C again"), "{name}: {errors}");
        assert!(!errors.contains("lost"), "{name}: {errors}");
        assert!(up.workers.iter().all(|worker| gone(*worker)));
    }
}

#[test]
fn a_second_signal_cuts_running_answers_off() {
    // Its answer would take minutes.
    let mut up = Up::start_with(2, &["--emulate-slowdown", "worker-0=500"]);
    let stream = streaming(&up);
    signal("-INT", up.child.id());
    // The first one was heard when nobody is let in any more.
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(&up.address).is_ok() {
        assert!(Instant::now() < until, "new clients are still let in");
    }
    signal("-INT", up.child.id());
    let (code, rest, errors) = up.ended();
    assert_eq!(code, Some(130), "{errors}");
    assert!(errors.contains("interrupted: running answers were cut off"), "{errors}");
    assert!(rest.contains("0 requests answered"), "{rest}");
    assert!(!rest_of(stream).contains("[DONE]"));
    assert!(up.workers.iter().all(|worker| gone(*worker)));
}
