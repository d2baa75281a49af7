//! The `cresset` binary.
fn main() {}
