//! Draws from distributions.

use super::MersenneTwister;

/// A time between two independent events that come once in `mean` on average.
pub fn exponential(random: &mut MersenneTwister, mean: f64) -> f64 {
    -mean * (1.0 - random.unit()).ln()
}

/// A draw from the gamma distribution with this shape and mean 1: the squeeze method of Marsaglia and Tsang ("A simple
/// method for generating gamma variables", 2000). The shape must be more than zero.
pub fn gamma(random: &mut MersenneTwister, shape: f64) -> f64 {
    if shape < 1.0 {
        // A draw with one more, thinned out.
        let raised = raw_gamma(random, shape + 1.0);
        return raised * (1.0 - random.unit()).powf(1.0 / shape) / shape;
    }
    raw_gamma(random, shape) / shape
}

/// Gamma with shape of at least 1 and scale 1.
fn raw_gamma(random: &mut MersenneTwister, shape: f64) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - random.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// A draw from the standard normal distribution (Box and Muller).
fn normal(random: &mut MersenneTwister) -> f64 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.unit()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of many draws.
    fn moments(mut draw: impl FnMut(&mut MersenneTwister) -> f64) -> (f64, f64) {
        let mut random = MersenneTwister::new(1);
        let draws: Vec<f64> = (0..200_000).map(|_| draw(&mut random)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64)
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let (mean, variance) = moments(|random| exponential(random, 2.0));
        assert!((mean - 2.0).abs() < 0.02 && (variance - 4.0).abs() < 0.1, "{mean} {variance}");
        // Gamma with mean 1 has the variance 1 / shape.
        for shape in [0.25, 0.5, 1.0, 4.0] {
            let (mean, variance) = moments(|random| gamma(random, shape));
            let fits = (mean - 1.0).abs() < 0.02 && (variance * shape - 1.0).abs() < 0.06;
            assert!(fits, "shape {shape}: {mean} {variance}");
        }
    }
}
