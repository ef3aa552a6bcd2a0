//! Where randomness comes from: the driver.

/// A stream of random numbers. The driver owns it, so that it can share one stream between routing and whatever else
/// it draws (the paper's simulator does), and so that a seed gives the same run again.
pub trait RandomSource {
    /// A number in `0..bound`, all alike likely; 0 when `bound` is 0 or 1.
    fn below(&mut self, bound: u32) -> u32;
}

impl<T: RandomSource + ?Sized> RandomSource for Box<T> {
    fn below(&mut self, bound: u32) -> u32 {
        (**self).below(bound)
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): small, fast, good enough for routing.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

impl RandomSource for SplitMix64 {
    /// By multiplication (Lemire 2019), without the rejection: off by less than 2^-32.
    fn below(&mut self, bound: u32) -> u32 {
        let high = self.next_u64() >> 32;
        u32::try_from((high * u64::from(bound)) >> 32).expect("below a u32")
    }
}

/// Shuffles as Python's `random.shuffle`: from the last place down, each with a random one at or before it.
pub fn shuffle<T>(items: &mut [T], random: &mut impl RandomSource) {
    for last in (1..items.len()).rev() {
        let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
        items.swap(last, random.below(bound) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // First outputs for seed 1234567, from the reference implementation.
        let mut random = SplitMix64::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_shuffle_reaches_every_order_alike() {
        let mut random = SplitMix64::new(3);
        let mut seen = [0u32; 6];
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            shuffle(&mut items, &mut random);
            let order = items[0] * 2 + usize::from(items[1] > items[2]);
            seen[order] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
    }
}
