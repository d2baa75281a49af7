//! Floor 3: the store.
