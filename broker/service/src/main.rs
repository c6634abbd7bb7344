//! The program. Everything is in the library, so that tests can reach it.

use std::process::ExitCode;

/// Messages are read into trees of small pieces and let go again: what the C library's allocator
/// costs for that was a quarter of the processor time (see ops/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tierlink::cli::main()
}
