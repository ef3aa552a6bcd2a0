//! What runs of one seed have in common is taken out.
//!
//! A seed decides which lengths come, and that moves all plans alike: by 3 % in a run of five minutes, where two good plans
//! differ by less than one. So a run is taken for a product, `worth = plan × seed`; plans that had runs of different seeds can
//! then be compared as if all of them had had all seeds.
//!
//! ```text
//!            seed 1   seed 2   seed 3
//!   plan a    300      285                 means: a 292.5, b 297; but where both ran, a is better by 5 %
//!   plan b             271      323        fitted: a > b
//! ```

use std::collections::BTreeMap;

/// Rounds of fitting; each brings the factors nearer by a constant share.
const ROUNDS: usize = 40;

/// The worth of each plan over all seeds, from its runs (seed, figure); `None` for a plan without runs. Factors are 1 on
/// average over the runs, so a plan that had all seeds keeps its mean. Seeds that only one plan had say nothing of
/// others, and count for it as they are.
pub(super) fn fitted(runs: &[Vec<(u64, f64)>]) -> Vec<Option<f64>> {
    let mut shared: BTreeMap<u64, usize> = BTreeMap::new();
    runs.iter().flatten().for_each(|(seed, _)| *shared.entry(*seed).or_default() += 1);
    let mut factors: BTreeMap<u64, f64> = shared.keys().map(|seed| (*seed, 1.0)).collect();
    let mut worths = worths(runs, &factors);
    for _ in 0..ROUNDS {
        let mut sums: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for (runs, worth) in runs.iter().zip(&worths) {
            let Some(worth) = worth else { continue };
            for (seed, figure) in runs.iter().filter(|(seed, _)| shared[seed] > 1) {
                let (figures, expected) = sums.entry(*seed).or_default();
                *figures += figure;
                *expected += worth;
            }
        }
        for (seed, (figures, expected)) in sums {
            if figures > 0.0 && expected > 0.0 {
                factors.insert(seed, figures / expected);
            }
        }
        let of_shared = runs.iter().flatten().filter(|(seed, _)| shared[seed] > 1);
        let (count, all) =
            of_shared.fold((0.0, 0.0), |(count, all), (seed, _)| (count + 1.0, all + factors[seed]));
        let scaled = factors.iter_mut().filter(|(seed, _)| shared[seed] > 1);
        scaled.for_each(|(_, factor)| *factor *= count / all);
        worths = self::worths(runs, &factors);
    }
    worths
}

/// Means of figures over factors.
fn worths(runs: &[Vec<(u64, f64)>], factors: &BTreeMap<u64, f64>) -> Vec<Option<f64>> {
    let mean = |runs: &Vec<(u64, f64)>| {
        let sum: f64 = runs.iter().map(|(seed, figure)| figure / factors[seed]).sum();
        (!runs.is_empty()).then(|| sum / runs.len() as f64)
    };
    runs.iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_that_are_kind_to_all_help_nobody() {
        let (plans, seeds) = ([300.0, 290.0, 250.0, 310.0], [1.0, 0.95, 1.08, 0.97]);
        let had: [&[usize]; 4] = [&[0, 1], &[2, 1], &[0, 2, 3], &[3, 1]];
        let run = |plan: usize, seed: usize| (seed as u64, plans[plan] * seeds[seed]);
        let runs: Vec<Vec<(u64, f64)>> =
            (0..4).map(|plan| had[plan].iter().map(|&seed| run(plan, seed)).collect()).collect();
        let fitted: Vec<f64> = super::fitted(&runs).into_iter().flatten().collect();
        for (plan, worth) in fitted.iter().enumerate() {
            let ratio = worth / fitted[0] / (plans[plan] / plans[0]);
            assert!((ratio - 1.0).abs() < 1e-3, "plan {plan}: {ratio}");
        }
        // By their plain means the second plan would be before the first.
        let plain = |plan: usize| runs[plan].iter().map(|(_, figure)| figure).sum::<f64>() / 2.0;
        assert!(plain(1) > plain(0) && fitted[1] < fitted[0]);
    }

    #[test]
    fn nothing_and_zeros_are_no_trouble() {
        assert_eq!(fitted(&[Vec::new(), vec![(1, 0.0)], vec![(2, 5.0)]]), [None, Some(0.0), Some(5.0)]);
        let all_alike = [vec![(1, 10.0), (2, 20.0)], vec![(1, 10.0), (2, 20.0)]];
        let worths: Vec<f64> = fitted(&all_alike).into_iter().flatten().collect();
        assert!(worths.iter().all(|worth| (worth - 15.0).abs() < 0.5), "{worths:?}");
    }
}
