//! MT19937 (Matsumoto and Nishimura 1998), seeded and read as Python's `random` module does.

const STATE: usize = 624;
const MIDDLE: usize = 397;

/// The generator behind Python's `random`.
///
/// ```
/// use helix_sim::MersenneTwister;
/// let mut random = MersenneTwister::new(0);
/// // >>> import random; random.seed(0); random.random(); random.randint(1, 100)
/// assert_eq!(random.unit(), 0.8444218515250481);
/// assert_eq!(random.between(1, 100), 98);
/// ```
#[derive(Debug, Clone)]
pub struct MersenneTwister {
    state: [u32; STATE],
    next: usize,
}

impl MersenneTwister {
    /// As `random.seed(seed)`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let low = u32::try_from(seed & 0xffff_ffff).expect("32 bits are left");
        let high = u32::try_from(seed >> 32).expect("32 bits are left");
        if high == 0 { Self::from_key(&[low]) } else { Self::from_key(&[low, high]) }
    }

    /// `init_by_array` of the reference implementation.
    fn from_key(key: &[u32]) -> Self {
        let mut state = [0u32; STATE];
        state[0] = 19_650_218;
        for i in 1..STATE {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = 1_812_433_253u32.wrapping_mul(before).wrapping_add(to_u32(i));
        }
        let (mut i, mut j) = (1, 0);
        for _ in 0..STATE.max(key.len()) {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] =
                (state[i] ^ before.wrapping_mul(1_664_525)).wrapping_add(key[j]).wrapping_add(to_u32(j));
            (i, j) = (i + 1, (j + 1) % key.len());
            if i == STATE {
                state[0] = state[STATE - 1];
                i = 1;
            }
        }
        for _ in 0..STATE - 1 {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = (state[i] ^ before.wrapping_mul(1_566_083_941)).wrapping_sub(to_u32(i));
            i += 1;
            if i == STATE {
                state[0] = state[STATE - 1];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        Self { state, next: STATE }
    }

    fn refill(&mut self) {
        for i in 0..STATE {
            let joined = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % STATE] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + MIDDLE) % STATE] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }

    /// The next 32 bits.
    pub fn bits32(&mut self) -> u32 {
        if self.next == STATE {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// A number in 0..1 with 53 bits, as `random.random()`.
    pub fn unit(&mut self) -> f64 {
        let (high, low) = (self.bits32() >> 5, self.bits32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// A number below `n`, as `random._randbelow(n)`: draws of `n.bit_length()` bits until one is below `n`. Zero if
    /// `n` is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        let unused = n.leading_zeros();
        loop {
            let drawn = self.bits32() >> unused;
            if drawn < n {
                return drawn;
            }
        }
    }

    /// A number from `least` to `most`, both included, as `random.randint(least, most)`.
    pub fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.below((most - least).saturating_add(1))
    }

    /// As `random.shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(to_u32(last).saturating_add(1));
            items.swap(last, other as usize);
        }
    }
}

/// Lists of more than four billion entries do not fit into memory here.
fn to_u32(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 entries")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_implementation_gives_the_same() {
        // mt19937ar.out of the authors: init_by_array({0x123, 0x234, 0x345, 0x456}).
        let mut random = MersenneTwister::from_key(&[0x123, 0x234, 0x345, 0x456]);
        let first: Vec<u32> = (0..5).map(|_| random.bits32()).collect();
        assert_eq!(first, [1_067_595_299, 955_945_823, 477_289_528, 4_107_218_783, 4_228_976_476]);
        // The 1000th number of the same file.
        let last = (5..1000).map(|_| random.bits32()).last();
        assert_eq!(last, Some(3_460_025_646));
    }

    #[test]
    fn python_gives_the_same() {
        // CPython 3.11: random.seed(0)
        let mut random = MersenneTwister::new(0);
        let drawn: Vec<u32> = (0..6).map(|_| random.between(0, 16_656)).collect();
        assert_eq!(drawn, PYTHON_RANDINT);
        let mut random = MersenneTwister::new(0);
        let mut items: Vec<u32> = (0..10).collect();
        random.shuffle(&mut items);
        assert_eq!(items, [7, 8, 1, 5, 3, 4, 2, 0, 9, 6]);
        // random.seed(2**40 + 5): a key of two words.
        let mut random = MersenneTwister::new((1 << 40) + 5);
        assert_eq!(random.unit(), PYTHON_LARGE_SEED);
    }

    const PYTHON_RANDINT: [u32; 6] = [12_623, 13_781, 1_326, 8_484, 15_922, 13_268];
    const PYTHON_LARGE_SEED: f64 = 0.504_380_297_041_844_3;
}
