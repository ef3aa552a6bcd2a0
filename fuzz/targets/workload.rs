//! Any text as a workload: an error, or lengths and rates that can be drawn from.
#![no_main]

use helix_spec::{Arrivals, Lengths, Trace, Workload};
use libfuzzer_sys::fuzz_target;

const TRACE: &str = "arrival_s,input_tokens,output_tokens\n0,100,10\n3,200,20\n";

fuzz_target!(|text: &str| {
    match Workload::from_toml(text, "workload.toml", |_| Trace::from_text(TRACE, "trace.csv")) {
        Ok(workload) => {
            let (input, output) = workload.lengths.mean();
            assert!(input >= 1.0 && output >= 1.0 && input.is_finite() && output.is_finite());
            if let Lengths::Drawn { input, output } = &workload.lengths {
                for lengths in [input, output] {
                    let drawn: Vec<_> =
                        (0..=10).map(|tenth| lengths.quantile(f64::from(tenth) / 10.0)).collect();
                    assert!(
                        drawn.is_sorted()
                            && drawn.iter().all(|tokens| tokens.is_some_and(|tokens| tokens > 0))
                    );
                }
            }
            if let Arrivals::Poisson { rate } | Arrivals::Gamma { rate, .. } = workload.arrivals {
                assert!(rate.get() > 0.0 && rate.get().is_finite());
            }
        }
        Err(error) => assert!(error.to_string().len() < 2000, "{error}"),
    }
});
