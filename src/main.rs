//! Parse, run one command, turn its end into an exit code. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hailuo_batch::cli::main(std::env::args_os())
}
