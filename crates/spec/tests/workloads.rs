//! Workload files: what they may say, and what is refused.

use std::path::Path;

use helix_spec::{Arrivals, FileError, LengthDistribution, Lengths, Trace, Workload};

const GAMMA: &str = "version = 1\nrequests = 1000\n\n[arrivals]\nkind = \"gamma\"\nrate = \"90 req/min\"\nburstiness = 0.5\n\n\
                     [lengths]\ninput_tokens = 1024\noutput_tokens = { p0 = 1, p50 = 101, \"p99.5\" = 1001, p100 = 1001 }\n";
const TRACE: &str = "version = 1\n[arrivals]\nkind = \"trace\"\n[lengths]\ntrace = \"t.csv\"\n";

fn trace(text: &str) -> Result<Trace, FileError> {
    Trace::from_text(text, "t.csv")
}

const TIMED: &str = "arrival_s,input_tokens,output_tokens\n0,100,10\n3,200,20\n";
const LENGTHS: &str = "input_tokens,output_tokens\n100,10\n200,20\n";

fn read(text: &str, rows: &str) -> Result<Workload, FileError> {
    Workload::from_toml(text, "workload.toml", |path| {
        assert_eq!(path, "t.csv");
        trace(rows)
    })
}

fn refused(text: &str) -> String {
    read(text, TIMED).unwrap_err().to_string()
}

#[test]
fn every_kind_of_arrival_and_length_is_read() {
    let gamma = read(GAMMA, TIMED).unwrap();
    assert!(matches!(gamma.arrivals, Arrivals::Gamma { rate, burstiness: 0.5 } if rate.get() == 1.5));
    assert_eq!(gamma.requests, Some(1000));
    let Lengths::Drawn { input, output } = &gamma.lengths else { panic!("drawn lengths") };
    assert_eq!(*input, LengthDistribution::Fixed(1024));
    assert_eq!(
        (output.quantile(0.0), output.quantile(0.25), output.quantile(1.0)),
        (Some(1), Some(51), Some(1001))
    );
    assert_eq!(output.quantile(f64::NAN), None);
    // 0.5 x 51 + 0.495 x 551 + 0.005 x 1001.
    assert!((output.mean() - 303.25).abs() < 1e-9, "{}", output.mean());
    assert_eq!(gamma.lengths.mean().0, 1024.0);

    let poisson = GAMMA.replace("gamma", "poisson").replace("burstiness = 0.5\n", "");
    assert!(matches!(read(&poisson, TIMED).unwrap().arrivals, Arrivals::Poisson { .. }));
    let recorded = read(TRACE, TIMED).unwrap();
    assert_eq!(recorded.arrivals, Arrivals::Trace { speed: 1.0 });
    assert_eq!(recorded.lengths.mean(), (150.0, 15.0));
    let faster = read(&TRACE.replace("kind = \"trace\"", "kind = \"trace\"\nspeed = 2"), TIMED).unwrap();
    assert_eq!(faster.arrivals, Arrivals::Trace { speed: 2.0 });
    let offline = read(&TRACE.replace("kind = \"trace\"", "kind = \"offline\""), LENGTHS).unwrap();
    assert_eq!((offline.arrivals, offline.requests), (Arrivals::Offline, None));
    let short = read(&format!("{TRACE}max_input_tokens = 150\n"), TIMED).unwrap();
    assert!(matches!(&short.lengths, Lengths::Trace(trace) if trace.requests.len() == 1));
}

#[test]
fn a_workload_that_makes_no_sense_is_refused_with_its_line() {
    let cases = [
        (GAMMA.replace("burstiness", "burstines"), ":7: unknown key `burstines`; did you mean `burstiness`?"),
        (GAMMA.replace("gamma", "gama"), ":5: unknown name `gama`; did you mean `gamma`?"),
        (GAMMA.replace("gamma", "poisson"), ":7: `burstiness` means nothing for this kind of arrivals"),
        (GAMMA.replace("gamma", "offline"), ":6: `rate` means nothing"),
        (GAMMA.replace("rate = \"90 req/min\"\n", ""), ":4: arrivals of this kind need a `rate`"),
        (GAMMA.replace("burstiness = 0.5\n", ""), ":4: arrivals of kind `gamma` need a `burstiness`"),
        (GAMMA.replace("0.5", "0.0"), ":7: `burstiness` is 0, it must be from 0.01 to 100"),
        (GAMMA.replace("0.5", "nan"), ":7: `burstiness` is NaN"),
        (GAMMA.replace("0.5", "-inf"), ":7: `burstiness` is -inf"),
        (GAMMA.replace("90 req/min", "0 req/s"), ":6: `0 req/s` is out of range: it must be more than zero"),
        (GAMMA.replace("90 req/min", "-1 req/s"), ":6: `-1 req/s` is out of range"),
        (GAMMA.replace("90 req/min", "1e300 req/s"), ":6: `1e300 req/s` is out of range"),
        (GAMMA.replace("90 req/min", "90"), ":6: `90` has no unit, allowed are `req/s`"),
        (GAMMA.replace("\"90 req/min\"", "90"), ":6"),
        (
            GAMMA.replace("1024", "0"),
            ":10: `input_tokens` is 0, it must be a whole number from 1 to 16777216",
        ),
        (GAMMA.replace("1024", "-1"), ":10: `input_tokens` is -1"),
        (GAMMA.replace("1024", "99999999999"), ":10: `input_tokens` is 99999999999"),
        (GAMMA.replace("1024", "1.5"), ":10: expected a number of tokens, or quantiles like"),
        (GAMMA.replace("p0 =", "p1 ="), ":11: `output_tokens` needs the shortest and the longest"),
        (
            GAMMA.replace("p50 = 101", "p50 = 2000"),
            ":11: `output_tokens` has a `p50` of 2000 above its `p99.5` of 1001",
        ),
        (GAMMA.replace("p50 = 101", "p50 = 101, \"p5e1\" = 101"), "has the quantile `p50` twice"),
        (GAMMA.replace("p50", "median"), "has `median`, quantiles are called `p0` to `p100`"),
        (GAMMA.replace("p50", "pNaN"), "has `pNaN`"),
        (GAMMA.replace("requests = 1000", "requests = 0"), ":2: `requests` is 0"),
        (GAMMA.replace("input_tokens = 1024\n", ""), ":9: [lengths] must have either"),
        (format!("{GAMMA}trace = \"t.csv\"\n"), ":9: [lengths] must have either"),
        (
            GAMMA.replace("kind = \"gamma\"\nrate = \"90 req/min\"\nburstiness = 0.5", "kind = \"trace\""),
            ":4: arrivals of kind `trace` need a `trace`",
        ),
        (
            GAMMA
                .replace("kind = \"gamma\"\nrate = \"90 req/min\"\nburstiness = 0.5", "kind = \"offline\"")
                .replace("requests = 1000\n", ""),
            "need `requests`, how many there are",
        ),
        (
            TRACE.replace("kind = \"trace\"", "kind = \"trace\"\nspeed = 0.0"),
            ":4: `speed` is 0, it must be from 0.001 to 1000",
        ),
        (format!("{TRACE}max_input_tokens = 50\n"), ":5: every request of the trace is longer"),
        (format!("{TRACE}max_input_tokens = 0\n"), ":6: `max_input_tokens` is 0"),
        (TRACE.replace("version = 1", "version = 7"), ":1: has version 7"),
        (TRACE.replace("version = 1\n", ""), "has no `version`"),
    ];
    for (text, expected) in cases {
        let error = refused(&text);
        assert!(error.starts_with("workload.toml"), "{error}");
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    let error = read(TRACE, LENGTHS).unwrap_err().to_string();
    assert!(error.contains("this one has lengths only"), "{error}");
    let error = read(TRACE, "x\n").unwrap_err().to_string();
    assert!(error.starts_with("t.csv:1: `x` is not the first line"), "{error}");
}

#[test]
fn the_trace_is_looked_for_beside_the_workload() {
    let error = Workload::from_file(Path::new("absent/workload.toml")).unwrap_err().to_string();
    assert!(error.starts_with("absent/workload.toml: cannot be read"), "{error}");
    let folder = std::env::temp_dir().join(format!("helix-workload-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("workload.toml");
    #[expect(clippy::disallowed_methods, reason = "a test of reading needs files")]
    {
        std::fs::write(&path, TRACE).unwrap();
        std::fs::write(folder.join("t.csv"), TIMED).unwrap();
    }
    let read = Workload::from_file(&path);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(read.unwrap().lengths.mean(), (150.0, 15.0));
}
