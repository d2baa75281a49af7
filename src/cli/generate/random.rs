//! Random numbers whose sequence is ours: a newer crate must not change what a seed generates.

/// `splitmix64`: small, fast, and the same on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

/// The finalizer of `splitmix64`: spreads close numbers over all 64 bits.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// The sequence of (seed, stream, number): independent of its neighbours, so that any patient can be
    /// generated on its own.
    pub fn new(seed: u64, stream: u64, number: u64) -> Self {
        Self(mix(mix(mix(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)) ^ stream).wrapping_add(number)))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number of `0..end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// A number of `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as usize) as i64
    }

    /// A number of `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Roughly normal with this mean and deviation: a sum of four uniform numbers, which needs no
    /// transcendental function and so is equal everywhere.
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        mean + (sum - 2.0) * 1.732 * deviation
    }

    /// One of `items`, which must not be empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of `words`, which must not be empty.
    pub fn word(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }

    /// A UUID of version 4 from this sequence.
    pub fn uuid(&mut self) -> Uuid {
        let bits = (u128::from(self.bits()) << 64) | u128::from(self.bits());
        Uuid((bits & !(0xF << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62))
    }
}

/// A UUID; shown in its usual text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(u128);

impl Uuid {
    /// The text form, 36 ASCII characters.
    pub fn text(self) -> [u8; 36] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut shift = 128;
        for (at, byte) in text.iter_mut().enumerate() {
            if !matches!(at, 8 | 13 | 18 | 23) {
                shift -= 4;
                *byte = HEX[(self.0 >> shift) as usize & 0xF];
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_never_changes() {
        let mut random = Random::new(1, 2, 3);
        assert_eq!(random.bits(), 13_811_584_246_906_094_223, "changing this changes every generated store");
        let text = random.uuid().text();
        assert_eq!((text[14], text.iter().filter(|b| **b == b'-').count()), (b'4', 4));
        assert!(matches!(text[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::new(7, 0, 0);
        for _ in 0..10_000 {
            assert!((3..=5).contains(&random.between(3, 5)));
            assert!((0.0..1.0).contains(&random.unit()));
            assert!((-3.6..3.6).contains(&random.normal(0.0, 1.0)));
        }
    }
}
