//! Random numbers by counting: Philox 4x32-10 (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", 2011).
//!
//! A number is a function of seed and position, so that it does not matter which tokens of which requests were drawn
//! before, nor on which machine.

/// Four random words for a counter and a key.
///
/// ```
/// use helix_engine::philox;
/// // Known answer of the authors' library.
/// assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
/// ```
#[must_use]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [high_0, low_0] = product(0xd251_1f53, counter[0]);
        let [high_1, low_1] = product(0xcd9e_8d57, counter[2]);
        counter = [high_1 ^ counter[1] ^ key[0], low_1, high_0 ^ counter[3] ^ key[1], low_0];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

fn product(a: u32, b: u32) -> [u32; 2] {
    halves(u64::from(a) * u64::from(b))
}

/// High and low word.
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is meant")]
fn halves(value: u64) -> [u32; 2] {
    [(value >> 32) as u32, value as u32]
}

/// A number in `[0, 1)` for the token at a position.
pub(super) fn uniform(seed: u64, position: u64) -> f64 {
    let ([position_high, position_low], [seed_high, seed_low]) = (halves(position), halves(seed));
    let words = philox([position_low, position_high, 0, 0], [seed_low, seed_high]);
    let bits = (u64::from(words[0]) << 32 | u64::from(words[1])) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Random123's `kat_vectors`.
    #[test]
    fn philox_gives_the_known_answers() {
        let ones = u32::MAX;
        assert_eq!(philox([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn uniform_numbers_are_spread_over_the_unit_interval() {
        let mut counts = [0_u32; 10];
        for position in 0..10_000 {
            let number = uniform(7, position) * 10.0;
            counts[(0_u8..10).position(|bound| number < f64::from(bound) + 1.0).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_ne!(uniform(7, 3), uniform(8, 3));
    }
}
