//! The binary `bowstring`.

/// Threads that decode columns ask for much memory at once, for which the C library makes them wait for
/// one another: with four of them a scan took half as long again.
/// The Python package keeps the C library's allocator: a process that lives on would not get back what
/// large tables took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    bowstring_cli::main(std::env::args_os(), &bowstring_cli::Native).into()
}
