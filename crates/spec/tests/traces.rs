//! Trace files: the published formats, the plain ones, and those that are refused.

use std::path::PathBuf;

use helix_spec::{SimTime, Trace, TraceRequest};

fn read(text: &str) -> Trace {
    Trace::from_text(text, "trace.csv").unwrap()
}

fn refused(text: &str) -> String {
    Trace::from_text(text, "trace.csv").unwrap_err().to_string()
}

fn request(picoseconds: u64, input: u32, output: u32) -> TraceRequest {
    TraceRequest { arrival: SimTime(picoseconds), input, output }
}

const AZURE: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n\
                     2023-11-16 18:17:04.0319600,3180,8\n2023-11-17 00:00:00,110,27\n";

#[test]
fn azure_traces_start_at_their_first_request() {
    let trace = read(AZURE);
    // 18:17:03.97996 to midnight is 5:42:56.02004.
    let midnight = 20_576_020_040_000_000;
    assert_eq!(
        trace.requests,
        [request(0, 4808, 10), request(52_000_000_000, 3180, 8), request(midnight, 110, 27)]
    );
    assert_eq!((trace.timed, trace.left_out), (true, 0));
    assert_eq!(read(&AZURE.replace('\n', "\r\n")), trace);
    let with_zone = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n\
                     2024-05-10 00:00:00.017335+00:00,2399,0\n2024-05-10 00:00:00.022314+00:00,76,15\n";
    let trace = read(with_zone);
    assert_eq!(trace.requests, [request(0, 2162, 5), request(12_384_000_000, 76, 15)]);
    assert_eq!(trace.left_out, 1);
}

#[test]
fn mooncake_traces_count_milliseconds() {
    let text = "{\"timestamp\": 0, \"input_length\": 6758, \"output_length\": 500, \"hash_ids\": [0, 1, 2]}\n\
                {\"timestamp\": 3052, \"input_length\": 7322, \"output_length\": 490, \"hash_ids\": []}\n";
    assert_eq!(read(text).requests, [request(0, 6758, 500), request(3_052_000_000_000, 7322, 490)]);
}

#[test]
fn plain_traces_have_arrivals_or_only_lengths() {
    let timed = read("\u{feff}arrival_s, input_tokens ,output_tokens\n0,1,1\n0.5, 2 ,3\n\n1e1,4,5");
    assert_eq!(
        timed.requests,
        [request(0, 1, 1), request(500_000_000_000, 2, 3), request(10_000_000_000_000, 4, 5)]
    );
    let lengths = read("input_tokens,output_tokens\n7,8\n");
    assert_eq!((lengths.requests[0], lengths.timed), (request(0, 7, 8), false));
    assert_eq!(timed.tokens(), (7, 9));
}

#[test]
fn a_bad_row_is_refused_with_its_line() {
    let timed = |rows: &str| format!("arrival_s,input_tokens,output_tokens\n{rows}");
    let cases = [
        (timed("1,5,5\n0.5,5,5\n"), ":3: comes before the request above it; sort"),
        (timed("-1,5,5\n"), ":2: `arrival_s` is `-1`, it must be a number from 0"),
        (timed("NaN,5,5\n"), ":2: `arrival_s` is `NaN`"),
        (timed("inf,5,5\n"), ":2: `arrival_s` is `inf`"),
        (timed("1e30,5,5\n"), ":2: `arrival_s` is `1e30`"),
        (timed("soon,5,5\n"), ":2: `arrival_s` is `soon`"),
        (timed("0,0,5\n"), ":2: its prompt has 0 tokens, it must have from 1 to 16777216"),
        (timed("0,5,0\n"), ":2: its answer has 0 tokens"),
        (timed("0,16777217,5\n"), ":2: its prompt has 16777217 tokens"),
        (timed("0,99999999999999999999,5\n"), ":2: `99999999999999999999` is not a number of tokens"),
        (timed("0,-5,5\n"), ":2: `-5` is not a number of tokens"),
        (timed("0,5.0,5\n"), ":2: `5.0` is not a number of tokens"),
        (timed("0,5\n"), ":2: `0,5` has not 3 fields"),
        (timed("0,5,5,5\n"), ":2: `0,5,5,5` has not 3 fields"),
        (timed("\n\n0,5,5\n\n9,\n"), ":6: `9,` has not 3 fields"),
        (timed(""), "trace.csv: holds no request"),
        (timed(&format!("0,5,{}\n", "5".repeat(2 << 20))), ":2: the line is longer than 1048576 bytes"),
        ("input_tokens,output_tokens\n5\n".to_owned(), ":2: `5` has not 2 fields"),
        (AZURE.replace("11-17", "11-15"), ":4: comes before the request above it"),
        (AZURE.replace("2023-11-17", "2024-11-17"), ":4: comes more than 104 days after the first"),
        (AZURE.replace("2023-11-17", "2024-03-10"), ":4: comes more than 104 days after the first"),
        (AZURE.replace("2023-11-17", "17.11.2023"), ":4: `17.11.2023 00:00:00` is not a time stamp like"),
        (
            AZURE.replace("4808,10", "0,0").replace("3180,8", "1,0").replace("110,27", "0,3"),
            "all 3 have no prompt or no answer",
        ),
        (
            format!("{{\"timestamp\": \"{}\"}}\n", "x".repeat(10_000)),
            ":1: is not a request of a Mooncake trace: invalid type: string",
        ),
        (
            "{\"timestamp\": 0, \"input_length\": 5}\n".to_owned(),
            ":1: is not a request of a Mooncake trace: missing field `output_length`",
        ),
        (
            "{\"timestamp\": -5, \"input_length\": 5, \"output_length\": 5}\n".to_owned(),
            ":1: `timestamp` is `-5`",
        ),
        (
            "{\"timestamp\": 0, \"input_length\": -5, \"output_length\": 5}\n".to_owned(),
            ":1: is not a request",
        ),
        (
            "arrival,input_tokens,output_tokens\n".to_owned(),
            ":1: `arrival,input_tokens,output_tokens` is not the first line of a trace that is known; did you mean `arrival_s,input_tokens,output_tokens`? known are",
        ),
        (
            "1,2,3\n".to_owned(),
            ":1: `1,2,3` is not the first line of a trace that is known; known are `TIMESTAMP",
        ),
        (String::new(), "trace.csv: is empty"),
        (" \n\r\n".to_owned(), "trace.csv: is empty"),
        ("\0\0\0\0".to_owned(), ":1: is not text"),
    ];
    for (text, expected) in cases {
        let error = refused(&text);
        assert!(error.contains(expected), "{error}\nexpected {expected}");
        assert!(error.len() < 500, "{error}");
    }
}

#[test]
fn files_that_are_no_traces_are_refused() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    assert!(Trace::from_file(&root).unwrap_err().to_string().contains("is a folder"));
    assert!(Trace::from_file(&root.join("absent.csv")).unwrap_err().to_string().contains("cannot be read"));
    let error = Trace::from_file(&root.join("Cargo.toml")).unwrap_err().to_string();
    assert!(error.contains("Cargo.toml:1: `[package]` is not the first line of a trace"), "{error}");
}

/// The traces of the paper's artifact: (file, requests, prompt tokens, answer tokens, last arrival [s]), summed up with
/// awk.
#[test]
fn the_artifact_s_traces_are_read_whole() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/asplos25/traces");
    if !folder.is_dir() {
        println!("skipped: the artifact's data is not beside the project, {} is missing", folder.display());
        return;
    }
    for (file, requests, input, output, last) in [
        ("azure_code_lengths.csv", 7574, 10_444_999, 208_452, 0.0),
        ("azure_conv_lengths.csv", 16_657, 12_710_598, 3_871_908, 0.0),
        ("offline_seed0.csv", 20_000, 15_230_593, 4_650_043, 0.0),
        ("online_seed0_160tps.csv", 287, 220_671, 68_351, 1_795.306_835_817_742),
        ("online_seed0_700tps.csv", 1293, 947_533, 291_752, 1_798.673_330_116_846_5),
    ] {
        let trace = Trace::from_file(&folder.join(file)).unwrap();
        assert_eq!(trace.requests.len(), requests, "{file}");
        assert_eq!(trace.tokens(), (input, output), "{file}");
        assert_eq!(trace.timed, last > 0.0, "{file}");
        assert!((trace.last_arrival().seconds() - last).abs() < 1e-9, "{file}");
    }
    let error = Trace::from_file(&folder.join("azure_code_arrivals_3s.csv")).unwrap_err().to_string();
    assert!(error.contains(":1: `requests_in_3s` is not the first line"), "{error}");
}
