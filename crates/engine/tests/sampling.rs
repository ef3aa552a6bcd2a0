//! Sampling: the same seed and position give the same token; filters and penalties do what their definitions say.

use helix_engine::{History, SampleError, SamplingParameters, sample};
use proptest::prelude::*;

/// Probabilities 0.5, 0.25, 0.125, … of tokens 3, 1, 0, 2, 4.
fn logits() -> Vec<f32> {
    [3.0, 4.0, 2.0, 5.0, 1.0].map(|power: f32| power * std::f32::consts::LN_2).to_vec()
}

fn warm() -> SamplingParameters {
    SamplingParameters { temperature: 1.0, seed: 42, ..SamplingParameters::greedy() }
}

fn draw(parameters: &SamplingParameters, history: &History, position: u64) -> usize {
    sample(parameters, history, position, &logits()).unwrap().token as usize
}

/// Shares of the five tokens in many draws.
fn shares(parameters: &SamplingParameters, history: &History) -> [f64; 5] {
    let mut counts = [0.0; 5];
    for position in 0..20_000 {
        counts[draw(parameters, history, position)] += 1.0 / 20_000.0;
    }
    counts
}

fn assert_near(found: [f64; 5], weights: [f64; 5]) {
    let total: f64 = weights.iter().sum();
    for (found, weight) in found.iter().zip(weights) {
        // Four standard deviations.
        let share = weight / total;
        assert!(
            (found - share).abs() <= 4.0 * (share * (1.0 - share) / 20_000.0).sqrt() + 1e-9,
            "{found} {share}"
        );
    }
}

#[test]
fn draws_follow_the_probabilities() {
    let none = History::default();
    assert_near(shares(&warm(), &none), [8.0, 16.0, 4.0, 32.0, 2.0]);
    assert_near(
        shares(&SamplingParameters { temperature: 0.5, ..warm() }, &none),
        [64.0, 256.0, 16.0, 1024.0, 4.0],
    );
    assert_near(shares(&SamplingParameters { top_k: 2, ..warm() }, &none), [0.0, 16.0, 0.0, 32.0, 0.0]);
    // 32/62 < 0.52 <= 48/62
    assert_near(shares(&SamplingParameters { top_p: 0.52, ..warm() }, &none), [0.0, 16.0, 0.0, 32.0, 0.0]);
    assert_near(shares(&SamplingParameters { top_p: 0.5, ..warm() }, &none), [0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_near(shares(&SamplingParameters { min_p: 0.2, ..warm() }, &none), [8.0, 16.0, 0.0, 32.0, 0.0]);
}

#[test]
fn a_draw_follows_from_seed_and_position() {
    let draws = |seed: u64| -> Vec<usize> {
        let parameters = SamplingParameters { seed, ..warm() };
        (0..64).map(|position| draw(&parameters, &History::default(), position)).collect()
    };
    assert_eq!(draws(1), draws(1));
    assert!(draws(1).iter().any(|token| *token != draws(1)[0]), "positions differ");
    for other in [0, 2, 1 | 1 << 32] {
        assert_ne!(draws(1), draws(other), "{other}");
    }
}

#[test]
fn bias_and_penalties_change_the_weights_as_defined() {
    let mut history = History::new(&[1]);
    (0..2).for_each(|_| history.push(3));
    let factor = |penalty: f64| (-penalty).exp();
    let of = |parameters: &SamplingParameters| shares(parameters, &history);
    let bias = SamplingParameters { logit_bias: vec![(4, 16_f32.ln()), (3, -100.0)], ..warm() };
    assert_near(of(&bias), [8.0, 16.0, 4.0, 0.0, 32.0]);
    assert_near(
        of(&SamplingParameters { presence_penalty: 1.5, ..warm() }),
        [8.0, 16.0, 4.0, 32.0 * factor(1.5), 2.0],
    );
    assert_near(
        of(&SamplingParameters { frequency_penalty: 0.5, ..warm() }),
        [8.0, 16.0, 4.0, 32.0 * factor(1.0), 2.0],
    );
    // Positive logits of prompt and answer are halved: 16 becomes 4, 32 becomes the root of 32.
    let halved = SamplingParameters { repetition_penalty: 2.0, ..warm() };
    assert_near(of(&halved), [8.0, 4.0, 4.0, 32_f64.sqrt(), 2.0]);
    // Once, also where prompt and answer have the token; a negative logit is doubled instead: 1/2 becomes 1/4.
    let mut history = History::new(&[0, 1, 3]);
    history.push(3);
    let negative = vec![(0, -4.0 * std::f32::consts::LN_2)];
    let both = SamplingParameters { logit_bias: negative, ..halved };
    assert_near(shares(&both, &history), [0.25, 4.0, 4.0, 32_f64.sqrt(), 2.0]);
}

#[test]
fn greedy_takes_the_first_of_the_largest() {
    let greedy = SamplingParameters::greedy();
    let none = History::default();
    assert_eq!(draw(&greedy, &none, 0), 3);
    assert_eq!(sample(&greedy, &none, 0, &[1.0, 7.0, 7.0]).unwrap().token, 1);
    assert_eq!(sample(&greedy, &none, 0, &[f32::NEG_INFINITY; 3]).unwrap().token, 0);
    assert_eq!(sample(&warm(), &none, 0, &[f32::NEG_INFINITY; 3]).unwrap().token, 0);
    assert_eq!(sample(&greedy, &none, 0, &[]), Err(SampleError::Empty));
    for bad in [f32::NAN, f32::INFINITY] {
        let error = sample(&warm(), &none, 0, &[0.0, bad]).unwrap_err();
        assert!(error.to_string().contains("token 1"), "{error}");
    }
}

#[test]
fn logprobs_are_the_models_own() {
    let parameters = SamplingParameters { logprobs: Some(3), temperature: 0.3, top_k: 1, ..warm() };
    let sampled = sample(&parameters, &History::default(), 0, &logits()).unwrap();
    let expected = [(3, 32.0_f64), (1, 16.0), (0, 8.0)].map(|(token, weight)| (token, (weight / 62.0).ln()));
    assert_eq!(sampled.top.len(), 3);
    for (candidate, (token, logprob)) in sampled.top.iter().zip(expected) {
        assert_eq!(candidate.token, token);
        assert!((f64::from(candidate.logprob) - logprob).abs() < 1e-6);
    }
    assert_eq!(sampled.logprob, Some(sampled.top[0].logprob));
}

#[test]
fn parameters_out_of_range_are_named() {
    for (parameters, part) in [
        (SamplingParameters { temperature: -1.0, ..warm() }, "temperature"),
        (SamplingParameters { temperature: f32::NAN, ..warm() }, "temperature"),
        (SamplingParameters { top_p: 0.0, ..warm() }, "top_p"),
        (SamplingParameters { top_p: 1.1, ..warm() }, "top_p"),
        (SamplingParameters { min_p: -0.1, ..warm() }, "min_p"),
        (SamplingParameters { presence_penalty: 3.0, ..warm() }, "presence_penalty"),
        (SamplingParameters { frequency_penalty: f32::INFINITY, ..warm() }, "frequency_penalty"),
        (SamplingParameters { repetition_penalty: 0.0, ..warm() }, "repetition_penalty"),
        (SamplingParameters { logprobs: Some(21), ..warm() }, "top_logprobs"),
        (SamplingParameters { logit_bias: vec![(5, 1.0)], ..warm() }, "logit_bias"),
        (SamplingParameters { logit_bias: vec![(1, 101.0)], ..warm() }, "logit_bias"),
    ] {
        let error = parameters.validate(5).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(warm().validate(5), Ok(()));
}

proptest! {
    /// A long vocabulary takes the ways around sorting everything: the same set as by sorting everything.
    #[test]
    fn top_p_keeps_the_smallest_likeliest_set(
        logits in prop::collection::vec(-4.0_f32..4.0, 1..900),
        top_p in 0.01_f32..1.0,
        top_k in 0_u32..500,
    ) {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
        order.truncate(if top_k == 0 { logits.len() } else { top_k as usize });
        let weight = |token: usize| f64::from(logits[token]).exp();
        let total: f64 = order.iter().map(|&token| weight(token)).sum();
        let mut sum = 0.0;
        let kept: Vec<usize> = order
            .into_iter()
            .take_while(|&token| {
                let wanted = sum < f64::from(top_p) * total * (1.0 + 1e-9);
                sum += weight(token);
                wanted
            })
            .collect();
        let parameters = SamplingParameters { top_p, top_k, ..warm() };
        for position in 0..50 {
            let token = sample(&parameters, &History::default(), position, &logits).unwrap().token as usize;
            prop_assert!(kept.contains(&token));
        }
    }
}
