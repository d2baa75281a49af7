//! Identity: tenants, positions in the log, and new ids.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::clock::SharedClock;
use super::fault::{Fault, Result};

/// A tenant; the first part of every key in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(pub i64);

impl Tenant {
    /// The tenant behind the base `/fhir`.
    pub const DEFAULT: Self = Self(1);
}

/// The name of a tenant, as it stands in URLs: 1 to 64 of `a` to `z`, `0` to `9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantName(Box<str>);

impl TenantName {
    /// Reads a name.
    ///
    /// # Errors
    /// 400 for other text.
    pub fn parse(text: &str) -> Result<Self> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
            return Ok(Self(text.into()));
        }
        Err(Fault::invalid("the name of a tenant is 1 to 64 of a-z, 0-9 and -"))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A position in a tenant's log: 1, 2, 3 ... in commit order without gaps; 0 is before everything.
/// Only `store` and `repo` do arithmetic on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub i64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Makes new ids: UUIDs of version 7 (RFC 9562), so that ids made later sort later and the keys of
/// the store grow at their right edge.
#[derive(Debug, Clone)]
pub struct IdSource {
    clock: SharedClock,
    rng: Arc<Mutex<StdRng>>,
}

impl IdSource {
    /// Random ids from the operating system's entropy.
    pub fn random(clock: SharedClock) -> Self {
        Self { clock, rng: Arc::new(Mutex::new(rand::make_rng())) }
    }

    /// Repeatable ids, for tests and generators.
    pub fn seeded(clock: SharedClock, seed: u64) -> Self {
        Self { clock, rng: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }

    /// A new UUID v7 in its usual text form (36 characters).
    pub fn uuid(&self) -> String {
        let random = self.bits();
        let millis = (self.clock.now().millis() as u64 & 0xFFFF_FFFF_FFFF) as u128;
        let bits = (millis << 80) | (random & 0x0FFF_3FFF_FFFF_FFFF_FFFF);
        let bits = bits | (0x7_u128 << 76) | (0b10_u128 << 62);
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// 64 random bits.
    pub fn number(&self) -> u64 {
        self.bits() as u64
    }

    fn bits(&self) -> u128 {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64())
    }
}

/// 256 random bits of the operating system, as 64 hexadecimal digits. Not from an [`IdSource`]: a secret that could be
/// repeated would be none.
pub fn fresh_secret() -> String {
    let mut rng: StdRng = rand::make_rng();
    (0..4).map(|_| format!("{:016x}", rng.next_u64())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{FixedClock, Timestamp};

    #[test]
    fn secrets_differ() {
        let (a, b) = (fresh_secret(), fresh_secret());
        assert!(a != b && a.len() == 64 && a.bytes().all(|b| b.is_ascii_hexdigit()), "{}", a.len());
    }

    #[test]
    fn tenants_have_plain_names() {
        for good in ["a", "ward-7", "0", &"x".repeat(64)] {
            assert_eq!(TenantName::parse(good).expect(good).as_str(), good);
        }
        for bad in ["", "A", "a_b", "a/b", "..", "ä", "a b", "!2", &"x".repeat(65)] {
            assert!(TenantName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn uuids_are_version_7_and_repeat_with_their_seed() {
        let clock: SharedClock = Arc::new(FixedClock::new(Timestamp(1_700_000_000_000_000)));
        let a = IdSource::seeded(clock.clone(), 7);
        let b = IdSource::seeded(clock, 7);
        let first = a.uuid();
        assert_eq!(first, b.uuid());
        assert_ne!(first, a.uuid());
        assert_eq!(first.len(), 36);
        assert_eq!(&first[14..15], "7");
        assert!(first.starts_with("018bcfe5-6800-7"), "{first}");
        assert!(matches!(&first[19..20], "8" | "9" | "a" | "b"));
    }
}
