//! The merge against softmax over all keys at once, and its algebra.

use helix_parallel::{Base, Real, Statistics, combine, merge_into};
use proptest::prelude::*;

const WIDTH: usize = 3;

/// A shard: logits and the value of each.
type Shard = Vec<(f64, [f64; WIDTH])>;

/// Softmax by its definition, in f64.
fn softmax(base: Base, tokens: &[(f64, [f64; WIDTH])]) -> [f64; WIDTH] {
    let power = |x: f64| if base == Base::E { x.exp() } else { x.exp2() };
    let max = tokens.iter().map(|token| token.0).fold(f64::NEG_INFINITY, f64::max);
    let mut output = [0.0; WIDTH];
    if max == f64::NEG_INFINITY {
        return output;
    }
    let sum: f64 = tokens.iter().map(|token| power(token.0 - max)).sum();
    for (logit, values) in tokens {
        for (out, value) in output.iter_mut().zip(values) {
            *out += power(logit - max) / sum * value;
        }
    }
    output
}

fn partial<T: Real>(base: Base, shard: &Shard) -> (Statistics<T>, Vec<T>) {
    let power = |x: f64| if base == Base::E { x.exp() } else { x.exp2() };
    let max = shard.iter().map(|token| token.0).fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        // What an unguarded kernel leaves behind for a shard without tokens.
        return (Statistics::EMPTY, vec![T::of(f64::NAN); WIDTH]);
    }
    let sum: f64 = shard.iter().map(|token| power(token.0 - max)).sum();
    let output = softmax(base, shard).map(T::of).to_vec();
    (Statistics { max: T::of(max), sum: T::of(sum) }, output)
}

fn combined<T: Real>(base: Base, shards: &[Shard]) -> Vec<f64> {
    let partials: Vec<_> = shards.iter().map(|shard| partial::<T>(base, shard)).collect();
    let borrowed: Vec<_> = partials.iter().map(|(stats, output)| (*stats, output.as_slice())).collect();
    let mut output = vec![T::of(f64::NAN); WIDTH];
    combine(base, &borrowed, &mut output);
    output.iter().map(|value| value.get()).collect()
}

fn folded<T: Real>(base: Base, shards: &[Shard]) -> Vec<f64> {
    let mut stats = Statistics::EMPTY;
    let mut output = vec![T::ZERO; WIDTH];
    for shard in shards {
        let (other, values) = partial::<T>(base, shard);
        merge_into(base, (&mut stats, &mut output), (other, &values));
    }
    output.iter().map(|value| value.get()).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst: f64, next| if next <= worst { worst } else { next })
}

fn shards() -> impl Strategy<Value = Vec<Shard>> {
    let logit = prop_oneof![8 => -30.0..30.0_f64, 1 => Just(f64::NEG_INFINITY), 1 => -700.0..700.0_f64];
    let token = (logit, prop::array::uniform3(-2.0..2.0_f64));
    prop::collection::vec(prop::collection::vec(token, 0..6), 0..9)
}

proptest! {
    #[test]
    fn merged_shards_equal_softmax_over_all_keys(shards in shards()) {
        let all: Shard = shards.concat();
        for base in [Base::E, Base::Two] {
            let expected = softmax(base, &all);
            prop_assert!(distance(&combined::<f64>(base, &shards), &expected) < 1e-12);
            prop_assert!(distance(&folded::<f64>(base, &shards), &expected) < 1e-12);
            prop_assert!(distance(&combined::<f32>(base, &shards), &expected) < 1e-3);
        }
    }

    #[test]
    fn order_and_grouping_do_not_matter(shards in shards(), at in 0_usize..9) {
        let at = at.min(shards.len());
        let mut turned = shards.clone();
        turned.rotate_left(at);
        turned.reverse();
        let (left, right) = shards.split_at(at);
        let mut stats = (Statistics::EMPTY, Statistics::EMPTY);
        let mut outputs = ([0.0_f64; WIDTH], [0.0_f64; WIDTH]);
        for shard in left {
            let (other, values) = partial::<f64>(Base::E, shard);
            merge_into(Base::E, (&mut stats.0, &mut outputs.0), (other, &values));
        }
        for shard in right {
            let (other, values) = partial::<f64>(Base::E, shard);
            merge_into(Base::E, (&mut stats.1, &mut outputs.1), (other, &values));
        }
        merge_into(Base::E, (&mut stats.0, &mut outputs.0), (stats.1, &outputs.1));
        let reference = folded::<f64>(Base::E, &turned);
        prop_assert!(shards.is_empty() || distance(&outputs.0, &reference) < 1e-12);
    }

    /// Statistics of any kind, infinite maxima and outputs of empty shards that are NaN: nothing turns into NaN.
    #[test]
    fn never_nan(parts in prop::collection::vec((prop_oneof![
        -1e30..1e30_f32, Just(f32::INFINITY), Just(f32::NEG_INFINITY)], prop_oneof![Just(0.0_f32), 0.0..1e7_f32]), 0..6)) {
        let outputs: Vec<[f32; 1]> = parts.iter().map(|(max, sum)| {
            let empty = Statistics { max: *max, sum: *sum }.is_empty();
            [if empty { f32::NAN } else { 1.0 }]
        }).collect();
        let shards: Vec<_> = parts.iter().zip(&outputs)
            .map(|(&(max, sum), output)| (Statistics { max, sum }, output.as_slice())).collect();
        let mut output = [f32::NAN];
        let stats = combine(Base::E, &shards, &mut output);
        prop_assert!(!output[0].is_nan() && !stats.max.is_nan() && !stats.sum.is_nan());
        let mut folded = (Statistics::EMPTY, [f32::NAN]);
        for shard in &shards {
            merge_into(Base::E, (&mut folded.0, &mut folded.1), *shard);
        }
        prop_assert!(shards.is_empty() || !folded.1[0].is_nan());
        // Every shard that weighs something says 1, whatever maxima the empty ones claim.
        if parts.iter().any(|&(max, sum)| !Statistics { max, sum }.is_empty()) {
            prop_assert!((output[0] - 1.0).abs() < 1e-5 && (folded.1[0] - 1.0).abs() < 1e-5);
        }
    }
}

/// An empty shard may claim any maximum: it is the identity all the same.
#[test]
fn what_an_empty_shard_claims_is_not_looked_at() {
    let real = (Statistics { max: 0.0_f64, sum: 1.0 }, [5.0]);
    for claimed in [1000.0, f64::INFINITY, f64::NAN] {
        let empty = (Statistics { max: claimed, sum: 0.0 }, [f64::NAN]);
        for shards in [
            [(real.0, &real.1[..]), (empty.0, &empty.1[..])],
            [(empty.0, &empty.1[..]), (real.0, &real.1[..])],
        ] {
            let mut output = [0.0];
            assert_eq!((combine(Base::E, &shards, &mut output), output), real, "{claimed}");
            let mut folded = (shards[0].0, [shards[0].1[0]]);
            merge_into(Base::E, (&mut folded.0, &mut folded.1), shards[1]);
            assert_eq!(folded, real, "{claimed}");
        }
    }
}

#[test]
fn the_empty_shard_changes_nothing_bit_for_bit() {
    let start = (Statistics { max: 3.25_f32, sum: 1.7 }, [0.1_f32, -0.2, 0.3]);
    let mut merged = start;
    merge_into(Base::E, (&mut merged.0, &mut merged.1), (Statistics::EMPTY, &[f32::NAN; 3]));
    assert_eq!(merged, start);
    let mut empty = (Statistics::EMPTY, [f32::NAN; 3]);
    merge_into(Base::E, (&mut empty.0, &mut empty.1), (start.0, &start.1));
    assert_eq!(empty, start);
}

#[test]
fn log_sum_exp_is_the_same_weight_in_either_base() {
    let stats = Statistics { max: 2.0_f64, sum: 8.0 };
    assert_eq!(stats.log_sum_exp(Base::Two), 5.0);
    assert!((stats.log_sum_exp(Base::E) - (2.0 + 8.0_f64.ln())).abs() < 1e-15);
    assert_eq!(Statistics::<f64>::EMPTY.log_sum_exp(Base::E), f64::NEG_INFINITY);
    assert_eq!(Statistics::from_log_sum_exp(f64::NEG_INFINITY), Statistics::EMPTY);
    for base in [Base::E, Base::Two] {
        let as_sum = Statistics::from_log_sum_exp(stats.log_sum_exp(base));
        let mut outputs = [[0.0_f64], [0.0]];
        for (stats, output) in [stats, as_sum].into_iter().zip(&mut outputs) {
            combine(base, &[(stats, &[1.0]), (Statistics { max: 1.0, sum: 2.0 }, &[5.0])], output);
        }
        assert!((outputs[0][0] - outputs[1][0]).abs() < 1e-14);
    }
}

/// A NaN logit is a defect elsewhere: it must show, not vanish.
#[test]
fn a_nan_that_goes_in_comes_out() {
    let mut output = [0.0_f64];
    combine(
        Base::E,
        &[(Statistics { max: f64::NAN, sum: 1.0 }, &[1.0]), (Statistics { max: 0.0, sum: 1.0 }, &[1.0])],
        &mut output,
    );
    assert!(output[0].is_nan());
}
