//! The program. All code is in the library, where tests can use it.

use std::process::ExitCode;

/// Messages are read into trees of small pieces and freed again; with the C library's allocator
/// that took a quarter of the processor time (see ops/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tierlink::cli::main()
}
