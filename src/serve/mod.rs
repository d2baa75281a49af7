//! Floor 8: everything that listens.
