//! Sums of two numbers below a hundred: how they are asked, how they are answered, and which are never trained on.

use crate::random::Random;

/// A question for the sum of two numbers below a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// The first number.
    pub a: u32,
    /// The second number.
    pub b: u32,
}

impl Sum {
    /// Whether training never sees this sum, in either order: both numbers have two digits, and
    /// `(smaller + 3 × larger) mod 11 = 7`. Every pair of last digits and every pair of first digits is still trained.
    pub fn held_out(self) -> bool {
        let (small, large) = (self.a.min(self.b), self.a.max(self.b));
        small >= 10 && (small + 3 * large) % 11 == 7
    }

    /// Every sum of two two-digit numbers that training never sees, in order.
    pub fn all_held_out() -> Vec<Sum> {
        let pairs = (10..100).flat_map(|a| (10..100).map(move |b| Sum { a, b }));
        pairs.filter(|sum| sum.held_out()).collect()
    }

    /// A sum to train on: mostly two digits each, sometimes one.
    pub fn draw(random: &mut Random) -> Sum {
        loop {
            let lowest = if random.percent(15) { [0, 0] } else { [10, 10] };
            let highest = if lowest == [0, 0] && random.percent(50) { [9, 99] } else { [99, 99] };
            let swap = usize::from(random.percent(50));
            let first = random.between(lowest[swap], highest[swap]);
            let second = random.between(lowest[1 - swap], highest[1 - swap]);
            let sum = Sum { a: first, b: second };
            if !sum.held_out() {
                return sum;
            }
        }
    }

    /// The question in the wording that all figures are measured with.
    pub fn question(self) -> String {
        format!("What is {} + {}?", self.a, self.b)
    }

    /// The question in any of the wordings of the corpus.
    pub fn question_in(self, random: &mut Random) -> String {
        let Sum { a, b } = self;
        match random.below(24) {
            0..9 => self.question(),
            9 => format!("{a} + {b}"),
            10 => format!("{a}+{b}"),
            11 => format!("{a} + {b} = ?"),
            12 => format!("{a}+{b}=?"),
            13 => format!("How much is {a} + {b}?"),
            14 => format!("What is {a} plus {b}?"),
            15 => format!("How much is {a} plus {b}?"),
            16 => format!("Please add {a} and {b}."),
            17 => format!("What is the sum of {a} and {b}?"),
            18 => format!("What's {a} + {b}?"),
            19 => format!("Can you add {a} and {b}?"),
            20 => format!("what is {a}+{b}"),
            21 => format!("{a} plus {b}"),
            22 => format!("Calculate {a} + {b}."),
            _ => format!("what is {a} + {b}"),
        }
    }

    /// The answer, column by column, as it is taught at school.
    ///
    /// ```
    /// use helix_training::corpus::Sum;
    /// assert_eq!(Sum { a: 27, b: 58 }.answer(), "Ones: 7 + 8 = 15. Tens: 2 + 5 + 1 = 8. So 27 + 58 = 85.");
    /// assert_eq!(Sum { a: 40, b: 9 }.answer(), "Ones: 0 + 9 = 9. Tens: 4 + 0 = 4. So 40 + 9 = 49.");
    /// assert_eq!(Sum { a: 3, b: 4 }.answer(), "3 + 4 = 7.");
    /// ```
    pub fn answer(self) -> String {
        let Sum { a, b } = self;
        let total = a + b;
        if a < 10 && b < 10 {
            return format!("{a} + {b} = {total}.");
        }
        let ones = a % 10 + b % 10;
        let carry = if ones >= 10 { " + 1" } else { "" };
        format!(
            "Ones: {} + {} = {ones}. Tens: {} + {}{carry} = {}. So {a} + {b} = {total}.",
            a % 10,
            b % 10,
            a / 10,
            b / 10,
            total / 10
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_an_eleventh_is_held_out_and_no_digit_pair_is_lost() {
        let held = Sum::all_held_out();
        assert!((700..780).contains(&held.len()), "{}", held.len());
        let mut ones = [[0u32; 10]; 10];
        let mut tens = [[0u32; 10]; 10];
        for a in 10..100u32 {
            for b in 10..100u32 {
                let sum = Sum { a, b };
                assert_eq!(sum.held_out(), Sum { a: b, b: a }.held_out(), "{sum:?}");
                if !sum.held_out() {
                    ones[a as usize % 10][b as usize % 10] += 1;
                    tens[a as usize / 10][b as usize / 10] += 1;
                }
            }
        }
        assert!(ones.iter().flatten().all(|&n| n > 60), "{ones:?}");
        assert!(tens.iter().skip(1).all(|row| row.iter().skip(1).all(|&n| n > 70)), "{tens:?}");
    }

    #[test]
    fn what_is_drawn_is_never_held_out_and_covers_nearly_all_of_the_rest() {
        let mut random = Random::new(3, 0);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..60_000 {
            let sum = Sum::draw(&mut random);
            assert!(!sum.held_out() && sum.a < 100 && sum.b < 100, "{sum:?}");
            seen.insert((sum.a, sum.b));
        }
        assert!(seen.len() > 9000, "{}", seen.len());
    }

    #[test]
    fn every_answer_ends_with_the_sum() {
        for a in 0..100 {
            for b in 0..100 {
                let answer = Sum { a, b }.answer();
                assert!(answer.ends_with(&format!("{a} + {b} = {}.", a + b)), "{answer}");
            }
        }
    }
}
