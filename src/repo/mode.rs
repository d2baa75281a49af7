//! How much is asked of the resources of a tenant.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::base::config::ValidationMode;

/// The mode of validation of an open tenant. Every session brings it up to date, so what is set on one node holds on all of
/// them from the next request on.
#[derive(Debug)]
pub(super) struct Mode(AtomicU8);

impl Mode {
    pub(super) fn new(mode: ValidationMode) -> Self {
        Self(AtomicU8::new(mode as u8))
    }

    pub(super) fn set(&self, mode: ValidationMode) {
        self.0.store(mode as u8, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> ValidationMode {
        ValidationMode::ALL.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_mode() {
        let mode = Mode::new(ValidationMode::default());
        assert_eq!(mode.get(), ValidationMode::Profiles);
        for wanted in ValidationMode::ALL {
            mode.set(wanted);
            assert_eq!(mode.get(), wanted);
            assert_eq!(ValidationMode::parse(wanted.name()), Ok(wanted));
        }
        assert!(ValidationMode::parse("Off").is_err() && ValidationMode::Off < ValidationMode::Base);
    }
}
