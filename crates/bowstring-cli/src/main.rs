//! The binary `bowstring`.

fn main() -> std::process::ExitCode {
    bowstring_cli::main(std::env::args_os(), &bowstring_cli::Native).into()
}
