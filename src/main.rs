//! The `cresset` binary: the allocator and the command line, nothing else.

use std::process::ExitCode;

/// mimalloc in its second version gives freed pages back after a tenth of a second, the third after a whole one: right
/// after an import that is 70 to 100 MiB (docs/PERFORMANCE.md, *Memory*).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cresset::cli::run()
}
