//! The operations of a decoder layer that candle would otherwise build from many small ones, each with its gradient.
//!
//! They exist for speed alone: every one is tested against the same formula composed of candle's own operations.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Storage, Tensor, bail};

/// The values of a contiguous f32 tensor on the CPU, lent.
fn with_values<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => Ok(read(slice(cpu, layout)?)),
        _ => bail!("training runs on the CPU"),
    }
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else { bail!("the tensor is not contiguous") };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// `e^x` for `x ≤ 0`, to a relative error of 2e-7, in a form that compiles to vector instructions (Cephes).
#[inline]
fn exp(x: f32) -> f32 {
    let x = x.max(-87.0);
    let n = (x * std::f32::consts::LOG2_E + 0.5).floor();
    let r = x - n * 0.693_359_375 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4_f32;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5.000_000_1e-1;
    let value = p * r * r + r + 1.0;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number between -127 and 1")]
    let exponent = (n as i32 + 127) << 23;
    value * f32::from_bits(exponent.cast_unsigned())
}

/// Root mean square norm of the rows of `x` (last dimension), times `weight`.
pub struct RmsNorm {
    /// Added to the mean square.
    pub epsilon: f32,
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (slice(x, lx)?, slice(w, lw)?);
        let mut y = vec![0f32; x.len()];
        for (x, y) in x.chunks_exact(w.len()).zip(y.chunks_exact_mut(w.len())) {
            let scale = self.scale(x);
            for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                *y = x * scale * w;
            }
        }
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let width = w.elem_count();
        let (dx, dw) =
            with_values(x, |x| with_values(w, |w| with_values(dy, |dy| self.gradients(x, w, dy))))???;
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), x.device())?),
            Some(Tensor::from_vec(dw, width, w.device())?),
        ))
    }
}

impl RmsNorm {
    fn scale(&self, x: &[f32]) -> f32 {
        let square: f32 = dot(x, x);
        1.0 / (square / x.len() as f32 + self.epsilon).sqrt()
    }

    fn gradients(&self, x: &[f32], w: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let width = w.len();
        let mut dx = vec![0f32; x.len()];
        let mut dw = vec![0f32; width];
        let mut weighted = vec![0f32; width];
        for ((x, dy), dx) in x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width))
        {
            let scale = self.scale(x);
            for at in 0..width {
                dw[at] += dy[at] * x[at] * scale;
                weighted[at] = dy[at] * w[at];
            }
            let along = dot(&weighted, x) * scale * scale * scale / width as f32;
            for at in 0..width {
                dx[at] = weighted[at] * scale - x[at] * along;
            }
        }
        (dx, dw)
    }
}

/// Sixteen partial sums, so that the additions vectorise; the order is fixed.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    let (a_parts, b_parts) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Rotary position embedding of `[.., positions, head_dim]`, halves rotated as in Hugging Face's Llama.
pub struct Rope {
    /// The base of the wave lengths.
    pub theta: f32,
    /// 1 to rotate, -1 to rotate back (the gradient).
    pub direction: f32,
}

impl CustomOp1 for Rope {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let dims = layout.dims();
        let (positions, width) = (dims[dims.len() - 2], dims[dims.len() - 1]);
        let half = width / 2;
        let angles: Vec<(f32, f32)> = (0..positions * half)
            .map(|at| {
                let frequency = f64::from(self.theta).powf(-2.0 * (at % half) as f64 / width as f64);
                let (sin, cos) = ((at / half) as f64 * frequency).sin_cos();
                #[expect(clippy::cast_possible_truncation, reason = "sines need no more digits")]
                let pair = (sin as f32 * self.direction, cos as f32);
                pair
            })
            .collect();
        let x = slice(x, layout)?;
        let mut y = vec![0f32; x.len()];
        for (at, (x, y)) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).enumerate() {
            let angles = &angles[(at % positions) * half..][..half];
            for (i, (sin, cos)) in angles.iter().enumerate() {
                y[i] = x[i] * cos - x[i + half] * sin;
                y[i + half] = x[i + half] * cos + x[i] * sin;
            }
        }
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let back = Rope { theta: self.theta, direction: -self.direction };
        dy.contiguous()?.apply_op1(back).map(Some)
    }
}

/// Softmax over the keys up to the query's own position. `[.., queries, keys]`, where the queries may repeat (the heads
/// of a group one after the other): query `i` stands at position `i mod keys`.
pub struct CausalSoftmax {
    /// Multiplied to the scores first.
    pub scale: f32,
}

impl CustomOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    fn cpu_fwd(&self, scores: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let keys = layout.dims()[layout.dims().len() - 1];
        let scores = slice(scores, layout)?;
        let mut probabilities = vec![0f32; scores.len()];
        for (at, (row, out)) in
            scores.chunks_exact(keys).zip(probabilities.chunks_exact_mut(keys)).enumerate()
        {
            let seen = at % keys + 1;
            let (row, out) = (&row[..seen], &mut out[..seen]);
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) * self.scale;
            for (out, score) in out.iter_mut().zip(row) {
                *out = exp(score * self.scale - largest);
            }
            let norm = 1.0 / out.iter().sum::<f32>();
            out.iter_mut().for_each(|p| *p *= norm);
        }
        Ok((CpuStorage::F32(probabilities), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, p: &Tensor, dp: &Tensor) -> Result<Option<Tensor>> {
        let keys = x.dim(candle_core::D::Minus1)?;
        let gradient = with_values(p, |p| {
            with_values(dp, |dp| {
                let mut dx = vec![0f32; p.len()];
                let rows = p.chunks_exact(keys).zip(dp.chunks_exact(keys)).zip(dx.chunks_exact_mut(keys));
                for (at, ((p, dp), dx)) in rows.enumerate() {
                    let seen = at % keys + 1;
                    let (p, dp) = (&p[..seen], &dp[..seen]);
                    let along = dot(p, dp);
                    for ((dx, p), dp) in dx.iter_mut().zip(p).zip(dp) {
                        *dx = self.scale * p * (dp - along);
                    }
                }
                dx
            })
        })??;
        Tensor::from_vec(gradient, x.shape(), x.device()).map(Some)
    }
}

/// `silu(gate) × up`.
pub struct SwiGlu;

/// `1 / (1 + e^-x)`.
fn sigmoid(x: f32) -> f32 {
    let small = exp(-x.abs());
    (if x >= 0.0 { 1.0 } else { small }) / (1.0 + small)
}

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(
        &self,
        g: &CpuStorage,
        lg: &Layout,
        u: &CpuStorage,
        lu: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (slice(g, lg)?, slice(u, lu)?);
        let out = gate.iter().zip(up).map(|(&g, u)| g * sigmoid(g) * u).collect();
        Ok((CpuStorage::F32(out), lg.shape().clone()))
    }

    fn bwd(
        &self,
        g: &Tensor,
        u: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dg, du) = with_values(g, |gate| {
            with_values(u, |up| {
                with_values(dy, |dy| {
                    let mut dg = vec![0f32; gate.len()];
                    let mut du = vec![0f32; gate.len()];
                    for at in 0..gate.len() {
                        let s = sigmoid(gate[at]);
                        du[at] = dy[at] * gate[at] * s;
                        dg[at] = dy[at] * up[at] * s * (1.0 + gate[at] * (1.0 - s));
                    }
                    (dg, du)
                })
            })
        })???;
        Ok((
            Some(Tensor::from_vec(dg, g.shape(), g.device())?),
            Some(Tensor::from_vec(du, u.shape(), u.device())?),
        ))
    }
}

/// The mean of `-log p(target)` over the rows of `[rows, vocabulary]`.
pub struct CrossEntropy {
    /// The right token of each row.
    pub targets: Vec<u32>,
}

impl CrossEntropy {
    /// `e^(x - largest)` of a row, and their sum.
    fn weights(row: &[f32], out: &mut [f32]) -> (f32, f32) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for (out, x) in out.iter_mut().zip(row) {
            *out = exp(x - largest);
        }
        (largest, out.iter().sum())
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, vocabulary) = layout.shape().dims2()?;
        if rows != self.targets.len() {
            bail!("{rows} rows of logits for {} targets", self.targets.len());
        }
        let mut scratch = vec![0f32; vocabulary];
        let mut total = 0f64;
        for (row, target) in slice(logits, layout)?.chunks_exact(vocabulary).zip(&self.targets) {
            let (largest, sum) = Self::weights(row, &mut scratch);
            total += f64::from(largest + sum.ln() - row[*target as usize]);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a mean loss of a few nats")]
        let mean = (total / rows as f64) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (rows, vocabulary) = logits.dims2()?;
        let share = dy.to_scalar::<f32>()? / rows as f32;
        let gradient = with_values(logits, |logits| {
            let mut dx = vec![0f32; logits.len()];
            let parts = logits.chunks_exact(vocabulary).zip(dx.chunks_exact_mut(vocabulary));
            for ((row, dx), target) in parts.zip(&self.targets) {
                let (_, sum) = Self::weights(row, dx);
                let norm = share / sum;
                dx.iter_mut().for_each(|d| *d *= norm);
                dx[*target as usize] -= share;
            }
            dx
        })?;
        Tensor::from_vec(gradient, logits.shape(), logits.device()).map(Some)
    }
}
