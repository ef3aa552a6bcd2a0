//! Dynamic program over machines used: for every vector of counts, the set of lengths that columns reach with exactly
//! those machines, as a bit set.

/// Lengths that a bit set holds.
pub(super) const BITS: usize = 128;
/// Vectors of counts that are kept at most (16 bytes each).
const MAX_STATES: usize = 4_000_000;
/// Columns tried on vectors that one table may take.
const MAX_WORK: usize = 600_000_000;

/// One column as the table sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Lengths after which it may come: all of them, or those of a part of the model.
    pub after: u128,
    pub length: usize,
    pub uses: Vec<(usize, u32)>,
}

/// What a partial choice may have spent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prune<'a> {
    /// Prices at which no column is worth more than it costs.
    pub prices: &'a [f64],
    /// What may be spent beyond the length reached.
    pub slack: f64,
    /// Whether the first vector that reaches the most layers ends the search.
    pub until_reached: bool,
}

/// The table.
pub(super) struct Lengths {
    counts: Vec<u32>,
    /// Distance between neighbours in one kind; zero for a kind that no column uses.
    strides: Vec<usize>,
    steps: Vec<(Step, usize)>,
    reach: Vec<u128>,
}

impl Lengths {
    /// An empty table; `None` if it would be too large.
    pub fn new(counts: &[u32], steps: Vec<Step>) -> Option<Self> {
        let mut used = vec![false; counts.len()];
        for &(kind, _) in steps.iter().flat_map(|step| &step.uses) {
            used[kind] = true;
        }
        let mut strides = vec![0; counts.len()];
        let mut states = 1usize;
        for (kind, &count) in counts.iter().enumerate().filter(|&(kind, _)| used[kind]) {
            strides[kind] = states;
            states = states.checked_mul(count as usize + 1)?;
        }
        if states > MAX_STATES || states.checked_mul(steps.len())? > MAX_WORK {
            return None;
        }
        let stride =
            |step: &Step| step.uses.iter().map(|&(kind, count)| count as usize * strides[kind]).sum();
        let steps = steps
            .into_iter()
            .map(|step| (stride(&step), step))
            .map(|(stride, step)| (step, stride))
            .collect();
        Some(Self { counts: counts.to_vec(), strides, steps, reach: vec![0; states] })
    }

    /// How many kinds of machine there are.
    pub fn kinds(&self) -> usize {
        self.counts.len()
    }

    /// Fills the table with lengths up to `most`; `None` if stopped.
    pub fn fill(
        &mut self,
        most: usize,
        prune: Option<Prune<'_>>,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Option<()> {
        let top = 1u128 << most;
        let full = top | (top - 1);
        self.reach[0] = 1;
        let mut digits = vec![0u32; self.counts.len()];
        for state in 0..self.reach.len() {
            if (state + 1).is_multiple_of(65_536) && should_stop() {
                return None;
            }
            let mut here = self.reach[state];
            if let Some(Prune { prices, slack, until_reached }) = prune {
                let spent: f64 =
                    digits.iter().zip(prices).map(|(&digit, price)| f64::from(digit) * price).sum();
                // Shorter than this, and what is left cannot make up for it.
                let least = bit_at_least(spent - slack);
                here = if least >= BITS { 0 } else { here & (u128::MAX << least) };
                self.reach[state] = here;
                if until_reached && here & top != 0 {
                    self.reach.truncate(state + 1);
                    return Some(());
                }
            }
            if here != 0 {
                for (step, stride) in &self.steps {
                    if step.uses.iter().all(|&(kind, count)| digits[kind] + count <= self.counts[kind]) {
                        self.reach[state + stride] |= ((here & step.after) << step.length) & full;
                    }
                }
            }
            self.advance(&mut digits);
        }
        Some(())
    }

    /// The lengths reached with exactly the machines of the last vector filled, and that vector's number.
    pub fn last(&self) -> (usize, u128) {
        let state = self.reach.len() - 1;
        (state, self.reach[state])
    }

    /// The columns (by index) that reach `length` with exactly the machines of vector `state`.
    pub fn trace(&self, mut state: usize, mut length: usize) -> Option<Vec<usize>> {
        let mut taken = Vec::new();
        while length > 0 {
            let (index, before) = self.steps.iter().enumerate().find_map(|(index, (step, stride))| {
                let enough = |&(kind, count): &(usize, u32)| self.digit(state, kind) >= count as usize;
                let fits = step.length <= length && step.uses.iter().all(enough);
                (fits && has(self.reach[state - stride] & step.after, length - step.length))
                    .then(|| (index, state - stride))
            })?;
            taken.push(index);
            length -= self.steps[index].0.length;
            state = before;
        }
        Some(taken)
    }

    /// For every vector the lengths that it or any smaller one reaches.
    pub fn within(&self) -> Vec<u128> {
        let mut within = self.reach.clone();
        for (kind, &stride) in self.strides.iter().enumerate().filter(|&(_, &stride)| stride > 0) {
            for state in 0..within.len() {
                if self.digit(state, kind) > 0 {
                    within[state] |= within[state - stride];
                }
            }
        }
        within
    }

    /// The vector that leaves these machines unused; `None` if there are not as many.
    pub fn without(&self, uses: &[u32]) -> Option<usize> {
        let mut state = 0;
        for (kind, &count) in self.counts.iter().enumerate() {
            let left = count.checked_sub(uses[kind])?;
            state += left as usize * self.strides[kind];
        }
        Some(state)
    }

    /// A vector no larger than `state` that reaches `length` exactly.
    pub fn descend(&self, within: &[u128], mut state: usize, length: usize) -> usize {
        while !has(self.reach[state], length) {
            let smaller = self.strides.iter().enumerate().find_map(|(kind, &stride)| {
                let some = stride > 0 && self.digit(state, kind) > 0;
                (some && has(within[state - stride], length)).then(|| state - stride)
            });
            match smaller {
                Some(smaller) => state = smaller,
                None => break,
            }
        }
        state
    }

    /// Machines of one kind that a vector uses; of a kind with a stride.
    fn digit(&self, state: usize, kind: usize) -> usize {
        (state / self.strides[kind]) % (self.counts[kind] as usize + 1)
    }

    /// The next vector of counts; kinds without a stride stay at zero.
    fn advance(&self, digits: &mut [u32]) {
        for (kind, digit) in digits.iter_mut().enumerate() {
            if self.strides[kind] > 0 {
                if *digit < self.counts[kind] {
                    *digit += 1;
                    return;
                }
                *digit = 0;
            }
        }
    }
}

/// Whether a set of lengths has this one.
pub(super) fn has(lengths: u128, length: usize) -> bool {
    lengths >> length & 1 == 1
}

/// The first bit that is no less than a length; [`BITS`] where there is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 128 by the line before"
)]
fn bit_at_least(length: f64) -> usize {
    let bit = length.ceil().max(0.0).min(BITS as f64);
    bit as usize
}
