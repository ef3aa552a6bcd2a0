//! How far the roofline is off the measured layer times: the figures of docs/design/cost-model.md, recomputed.

use std::path::Path;

use helix_cost::{Batch, BatchTime, Constants, Roofline};
use helix_spec::{DeviceKind, Source};

use crate::support::{llama_2_70b, machine, shared, time_table};

/// Tokens that every decoding request has in the cache in the measurements: assumed, the authors do not say. Their
/// simulator limits a batch to a thousand tokens of context a request.
const CONTEXT: u64 = 1000;

/// Machine type, and median and 90th percentile of the relative error of its prompt and its decode table [%].
type Reported = (&'static str, [f64; 2], [f64; 2]);

const CALIBRATED: [Reported; 4] = [
    ("T4", [2.0, 10.4], [4.3, 12.7]),
    ("L4", [1.8, 8.6], [2.6, 9.6]),
    ("V100-16GB", [1.8, 6.9], [2.9, 40.6]),
    ("A100-40GB", [0.9, 6.2], [3.3, 11.1]),
];

const BY_KIND: [Reported; 4] = [
    ("T4", [31.0, 33.5], [20.5, 25.7]),
    ("L4", [30.4, 36.0], [5.5, 22.0]),
    ("V100-16GB", [20.7, 26.1], [22.9, 30.0]),
    ("A100-40GB", [33.6, 36.4], [5.9, 16.8]),
];

/// Relative errors of both tables of a machine type, ascending.
fn errors(folder: &Path, name: &str, constants: &Constants) -> [Vec<f64>; 2] {
    let roofline = Roofline::new(&llama_2_70b(), constants);
    let machine = machine(name, 1);
    ["prompt", "decode"].map(|what| {
        let table = time_table(folder, &machine.machine_type, what);
        let mut errors: Vec<f64> = table
            .rows
            .iter()
            .filter(|(size, _)| *size > 0)
            .map(|&(size, measured)| {
                let size = u64::from(size);
                let batch = match what {
                    "prompt" => Batch::typical_prefill(size),
                    _ => Batch::decode(size, CONTEXT),
                };
                let found = roofline.batch_time(&machine, 1, &batch).unwrap().time;
                (found.seconds() / measured.seconds() - 1.0).abs()
            })
            .collect();
        errors.sort_by(f64::total_cmp);
        errors
    })
}

fn check(folder: &Path, constants: &Constants, reported: &[Reported]) {
    for (name, prompt, decode) in reported {
        for (errors, expected) in errors(folder, name, constants).iter().zip([prompt, decode]) {
            let found = [errors[errors.len() / 2], errors[errors.len() * 9 / 10]].map(|error| error * 100.0);
            println!("{name}: median {:.1} %, 90th percentile {:.1} %", found[0], found[1]);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 0.06, "{name}: {found:.2} % for {expected} %");
            }
        }
    }
}

#[test]
fn calibrated_devices_have_the_reported_errors() {
    let Some(folder) = shared("calibrated_devices_have_the_reported_errors") else { return };
    check(&folder, &Constants::shipped(), &CALIBRATED);
    assert!(CALIBRATED.iter().all(|(_, prompt, decode)| prompt[0] <= 10.0 && decode[0] <= 10.0));
}

/// What a device gets that nobody measured: the four as if they were such devices.
#[test]
fn devices_by_kind_have_the_reported_errors() {
    let Some(folder) = shared("devices_by_kind_have_the_reported_errors") else { return };
    check(&folder, &Constants::shipped().without_calibration(), &BY_KIND);
    // The error that is announced for such a device covers nine in ten rows of each of them.
    let announced = Constants::shipped().kind(DeviceKind::DataCenter).clone();
    for (_, prompt, decode) in BY_KIND {
        assert!(prompt[1] / 100.0 < announced.prefill_error && decode[1] / 100.0 < announced.decode_error);
    }
}

/// No single constant can be moved by a tenth and bring the mean error down by more than a tenth of a percent.
#[test]
fn the_constants_are_at_the_bottom() {
    let Some(folder) = shared("the_constants_are_at_the_bottom") else { return };
    let text = include_str!("../../data/roofline.toml");
    let mean = |text: &str, name: &str| {
        let constants = Constants::parse(&Source { origin: "moved", text }).unwrap();
        let means =
            errors(&folder, name, &constants).map(|errors| errors.iter().sum::<f64>() / errors.len() as f64);
        means[0] + means[1]
    };
    for (name, ..) in CALIBRATED {
        let here = mean(text, name);
        let start = text.find(&format!("names = [\"{name}\"")).unwrap();
        for constant in ["memory", "compute", "attention"] {
            let at = start + text[start..].find(&format!("{constant} = ")).unwrap() + constant.len() + 3;
            let end = at + text[at..].find('\n').unwrap();
            let value: f64 = text[at..end].parse().unwrap();
            for factor in [0.9, 1.1] {
                let moved = format!("{}{}{}", &text[..at], (value * factor).min(1.0), &text[end..]);
                let there = mean(&moved, name);
                assert!(there > here - 1e-3, "{name} {constant} · {factor}: {there} for {here}");
            }
        }
    }
}
