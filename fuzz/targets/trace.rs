//! Any text as a trace: an error, or requests in order with lengths within the limits.
#![no_main]

use helix_spec::{MAX_REQUEST_TOKENS, Trace};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Trace::from_text(text, "trace.csv") {
        Ok(trace) => {
            assert!(!trace.requests.is_empty());
            assert!(trace.requests.is_sorted_by_key(|request| request.arrival));
            let within = |tokens: u32| (1..=MAX_REQUEST_TOKENS).contains(&tokens);
            assert!(trace.requests.iter().all(|request| within(request.input) && within(request.output)));
        }
        Err(error) => assert!(error.to_string().len() < 2000, "{error}"),
    }
});
