//! Every operation of the trainer and its gradient against the same formula made of candle's own operations.

use candle_core::{D, Device, Result, Tensor, Var};
use helix_training::ops::{CausalSoftmax, CrossEntropy, RmsNorm, Rope, SwiGlu};
use helix_training::random::Random;

fn drawn(shape: &[usize], stream: u64) -> Var {
    let mut random = Random::new(9, stream);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| 2.0 * random.normal() as f32).collect();
    Var::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Compares values and the gradients of a weighted sum of them.
fn compare(
    name: &str,
    inputs: &[&Var],
    ours: &dyn Fn() -> Result<Tensor>,
    theirs: &dyn Fn() -> Result<Tensor>,
) {
    let (a, b) = (ours().unwrap(), theirs().unwrap());
    let weights = drawn(a.dims(), 99);
    near(name, &a, &b);
    let gradients = |y: &Tensor| (y * weights.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
    let (ours, theirs) = (gradients(&a), gradients(&b));
    for (at, input) in inputs.iter().enumerate() {
        near(&format!("{name}, gradient {at}"), ours.get(input).unwrap(), theirs.get(input).unwrap());
    }
}

fn near(name: &str, a: &Tensor, b: &Tensor) {
    assert_eq!(a.dims(), b.dims(), "{name}");
    let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
    let difference = difference.to_scalar::<f32>().unwrap();
    assert!(difference < 5e-5, "{name}: {difference:e}");
}

#[test]
fn rms_norm() {
    let (x, w) = (drawn(&[5, 48], 1), drawn(&[48], 2));
    compare("rms norm", &[&x, &w], &|| x.apply_op2(w.as_tensor(), RmsNorm { epsilon: 1e-5 }), &|| {
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        x.broadcast_div(&(mean + 1e-5)?.sqrt()?)?.broadcast_mul(&w)
    });
}

#[test]
fn rope() {
    let x = drawn(&[2, 3, 7, 8], 3);
    let angles: Vec<f32> = (0..7)
        .flat_map(|p| (0..8).map(move |i| p as f32 * 10_000f32.powf(-((i % 4) as f32) / 4.0)))
        .collect();
    let angles = Tensor::from_vec(angles, (7, 8), &Device::Cpu).unwrap();
    compare("rope", &[&x], &|| x.apply_op1(Rope { theta: 10_000.0, direction: 1.0 }), &|| {
        let turned = Tensor::cat(&[&x.narrow(3, 4, 4)?.neg()?, &x.narrow(3, 0, 4)?], 3)?;
        x.broadcast_mul(&angles.cos()?)? + turned.broadcast_mul(&angles.sin()?)?
    });
}

#[test]
fn causal_softmax() {
    // Two heads of a group one after the other: 2 × 6 queries for 6 keys.
    let x = drawn(&[3, 12, 6], 4);
    let mask: Vec<f32> =
        (0..72).map(|at| if at % 6 > (at / 6) % 6 { f32::NEG_INFINITY } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (12, 6), &Device::Cpu).unwrap();
    compare("causal softmax", &[&x], &|| x.apply_op1(CausalSoftmax { scale: 0.3 }), &|| {
        let scores = (x.as_tensor() * 0.3)?.broadcast_add(&mask)?;
        let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
        exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
    });
}

#[test]
fn swiglu() {
    let (gate, up) = (drawn(&[7, 33], 5), drawn(&[7, 33], 6));
    compare("swiglu", &[&gate, &up], &|| gate.apply_op2(up.as_tensor(), SwiGlu), &|| {
        gate.silu()? * up.as_tensor()
    });
}

#[test]
fn cross_entropy() {
    let logits = drawn(&[4, 19], 7);
    let targets = vec![3_u32, 18, 0, 3];
    let index = Tensor::new(targets.as_slice(), &Device::Cpu).unwrap().unsqueeze(1).unwrap();
    compare(
        "cross entropy",
        &[&logits],
        &|| logits.apply_op1(CrossEntropy { targets: targets.clone() }),
        &|| {
            let norm = logits.exp()?.sum_keepdim(1)?.log()?;
            (norm - logits.gather(&index, 1)?)?.mean_all()
        },
    );
}
