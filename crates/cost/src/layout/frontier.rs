//! The Pareto frontier between tokens a second for each user and tokens a second of each GPU, and what it says.

use std::cmp::Reverse;

use super::sweep::Point;

/// The points that no other point beats in both measures, from the most interactive to the most productive.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frontier {
    points: Vec<Point>,
}

impl Frontier {
    /// Of any points. Among equals the one with fewer devices stays, then the one that came first.
    #[must_use]
    pub fn of<'a>(points: impl IntoIterator<Item = &'a Point>) -> Self {
        let mut all: Vec<&Point> = points.into_iter().collect();
        all.sort_by(|a, b| {
            let (x, y) = (&a.performance, &b.performance);
            y.tokens_per_s_user
                .total_cmp(&x.tokens_per_s_user)
                .then(y.tokens_per_s_gpu.total_cmp(&x.tokens_per_s_gpu))
                .then(a.config.devices().cmp(&b.config.devices()))
        });
        let mut kept: Vec<Point> = Vec::new();
        for point in all {
            let best = kept.last().map_or(f64::NEG_INFINITY, |last| last.performance.tokens_per_s_gpu);
            if point.performance.tokens_per_s_gpu > best {
                kept.push(*point);
            }
        }
        Self { points: kept }
    }

    /// Its points: interactivity falls, throughput rises.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The point that serves single users fastest.
    #[must_use]
    pub fn most_interactive(&self) -> Option<&Point> {
        self.points.first()
    }

    /// The point with the most tokens a second of each GPU among those with at least `tokens_per_s_user`.
    #[must_use]
    pub fn at(&self, tokens_per_s_user: f64) -> Option<&Point> {
        let fast = self.points.partition_point(|p| p.performance.tokens_per_s_user >= tokens_per_s_user);
        fast.checked_sub(1).map(|last| &self.points[last])
    }
}

/// What Helix gains over the best baseline at the baseline's most interactive point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Headline {
    /// Most tokens a second for one user, Helix to baseline.
    pub interactivity: f64,
    /// Tokens a second of each GPU at the baseline's shortest time to the next token, Helix to baseline; `None` where
    /// Helix does not reach that time.
    pub throughput_at_equal_ttl: Option<f64>,
    /// The baseline's most interactive point.
    pub baseline: Point,
    /// Helix's most interactive point.
    pub helix_fastest: Point,
    /// Helix's most productive point that is as interactive as the baseline's.
    pub helix_at_equal_ttl: Option<Point>,
}

/// The headline ratios; `None` if one of the frontiers is empty.
#[must_use]
pub fn headline(helix: &Frontier, baseline: &Frontier) -> Option<Headline> {
    let (base, fastest) = (*baseline.most_interactive()?, *helix.most_interactive()?);
    let equal = helix.at(base.performance.tokens_per_s_user).copied();
    Some(Headline {
        interactivity: fastest.performance.tokens_per_s_user / base.performance.tokens_per_s_user,
        throughput_at_equal_ttl: equal
            .map(|point| point.performance.tokens_per_s_gpu / base.performance.tokens_per_s_gpu),
        baseline: base,
        helix_fastest: fastest,
        helix_at_equal_ttl: equal,
    })
}

/// Both frontiers at one interactivity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Advantage {
    /// Up to this interactivity, from that of the entry after it (not included) \[tokens/s/user\].
    pub tokens_per_s_user: f64,
    /// Helix's best tokens a second of each GPU, where it reaches the interactivity.
    pub helix: Option<f64>,
    /// The baseline's.
    pub baseline: Option<f64>,
}

impl Advantage {
    /// Helix to baseline, where both reach the interactivity.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        Some(self.helix? / self.baseline?)
    }
}

/// Both frontiers at every corner of either, from the most interactive on: between two corners nothing changes.
#[must_use]
pub fn advantages(helix: &Frontier, baseline: &Frontier) -> Vec<Advantage> {
    let rate = |point: &Point| point.performance.tokens_per_s_user;
    let mut corners: Vec<f64> = helix.points.iter().chain(&baseline.points).map(rate).collect();
    corners.sort_by_key(|rate| Reverse(rate.to_bits()));
    corners.dedup();
    let throughput =
        |frontier: &Frontier, rate: f64| frontier.at(rate).map(|point| point.performance.tokens_per_s_gpu);
    corners
        .into_iter()
        .map(|rate| Advantage {
            tokens_per_s_user: rate,
            helix: throughput(helix, rate),
            baseline: throughput(baseline, rate),
        })
        .collect()
}
