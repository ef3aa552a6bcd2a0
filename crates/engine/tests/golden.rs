//! Logits against those that `transformers` computed once (`golden/make.py`), for every family and rotary scaling.

mod support;

use helix_engine::{LogitsOf, WeightFormat};
use support::{MODELS, golden, greatest_difference, run_whole, stage};

/// Logits are up to 25 in size, and weights this wide amplify: the golden side's own f32 rounding shows as 6e-5 against f64.
const TOLERANCE: f64 = 2e-4;

#[test]
fn logits_are_those_of_transformers() {
    for model in MODELS {
        let golden = golden(model);
        let mut stage = stage::<f32>(model, 0..3, WeightFormat::Full);
        let logits = run_whole(&mut stage, &golden.tokens, LogitsOf::All);
        let difference = greatest_difference(&logits, &golden.logits.concat());
        println!("{model}: {difference:.2e}");
        assert!(difference < TOLERANCE, "{model}: {difference:e}");
    }
}

/// In f64 only the golden side's own f32 rounding is left.
#[test]
fn logits_in_f64_are_those_of_transformers() {
    for model in MODELS {
        let golden = golden(model);
        let mut stage = stage::<f64>(model, 0..3, WeightFormat::Full);
        let logits = run_whole(&mut stage, &golden.tokens, LogitsOf::All);
        let difference = greatest_difference(&logits, &golden.logits.concat());
        println!("{model}: {difference:.2e}");
        assert!(difference < TOLERANCE, "{model}: {difference:e}");
    }
}

/// Eight bits of weights and activations lose a few hundredths of these wide random weights' logits, not more.
#[test]
fn logits_in_8_bits_stay_near() {
    for model in MODELS {
        let golden = golden(model);
        let mut stage = stage::<f32>(model, 0..3, WeightFormat::Q8_0);
        let logits = run_whole(&mut stage, &golden.tokens, LogitsOf::All);
        let expected = golden.logits.concat();
        let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|n| n * n).sum::<f64>().sqrt();
        let error = squares(&mut logits.iter().zip(&expected).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let relative = error / squares(&mut expected.iter().map(|n| f64::from(*n)));
        println!("{model}: {relative:.2e}");
        assert!(relative < 0.1, "{model}: {relative}");
    }
}
